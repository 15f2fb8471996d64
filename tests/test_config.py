"""The recipe: defaults, every fault at once, overrides, environment variables, our own recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nertune.config import (
    ReadSettings,
    Recipe,
    load_recipe,
    make_recipe,
    shipped_recipes,
    valid_keys,
)
from nertune.errors import RecipeError

LEAST = {"data": {"train": "train.conll"}, "model": {"encoder": "minilm"}}


def faults_of(raw: dict) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        make_recipe(raw, "my.yaml")
    return caught.value.faults


@pytest.fixture
def written(tmp_path):
    def write(content: object, *overrides: str) -> Recipe:
        path = tmp_path / "my.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides)

    return write


def test_two_settings_are_enough_and_the_rest_has_defaults():
    recipe = make_recipe(LEAST, "my.yaml")
    assert recipe.name == "run"
    assert recipe.data.train == ["train.conll"]
    assert recipe.data.dev == recipe.data.test == []
    assert (recipe.data.format, recipe.data.tag_column) == ("auto", -1)
    assert recipe.data.on_error == "stop"
    assert (recipe.model.scheme, recipe.model.shapes, recipe.model.dropout) == ("IOB2", False, None)
    assert (recipe.window.pieces, recipe.window.sentences, recipe.window.context) == (192, 0, 0)
    assert (recipe.training.epochs, recipe.training.learning_rate) == (4, 2e-4)
    assert recipe.training.head_learning_rate is None


def test_a_recipe_cannot_be_changed_afterwards():
    recipe = make_recipe(LEAST, "my.yaml")
    with pytest.raises(ValueError, match="frozen"):
        recipe.training.epochs = 3


def test_every_fault_is_named_at_once_with_the_nearest_key(written):
    with pytest.raises(RecipeError) as caught:
        written(
            {
                "data": {"trian": "a", "dev": ["b"]},
                "model": {"encoder": "minilm", "scheme": "IOB3"},
                "training": {"epochs": 0, "learnig_rate": 1, "batch_pices": 2},
            }
        )
    message = str(caught.value)
    assert message.startswith(f"{message.split(':')[0]}: 6 faults\n")
    assert message.split(":")[0].endswith("my.yaml")
    assert caught.value.faults == [
        "data.train: must be given",
        "data.trian: there is no such setting; did you mean 'data.train'?",
        "model.scheme: unknown tag scheme 'IOB3'; expected one of IOB2, IO, IOB1, IOE2, IOE1, "
        "IOBES, BILOU, BMES (got 'IOB3')",
        "training.epochs: input should be greater than 0 (got 0)",
        "training.learnig_rate: there is no such setting; did you mean 'training.learning_rate'?",
        "training.batch_pices: there is no such setting; did you mean 'training.batch_pieces'?",
    ]


def test_a_single_fault_is_not_plural():
    with pytest.raises(RecipeError, match=r"^my\.yaml: 1 fault\n  - model\.encoder: must be"):
        make_recipe({"data": {"train": "a"}, "model": {}}, "my.yaml")


@pytest.mark.parametrize(
    ("raw", "nearest"),
    [
        ({"epochs": 3}, "training.epochs"),
        ({"modle": {}}, "model"),
        ({"training": {"encoder": "x"}}, "model.encoder"),
        ({"window": {"peices": 3}}, "window.pieces"),
    ],
)
def test_a_key_in_the_wrong_place_is_recognised(raw, nearest):
    fault = next(f for f in faults_of({**LEAST, **raw}) if "no such setting" in f)
    assert fault.endswith(f"did you mean '{nearest}'?")


def test_a_key_that_resembles_none_gets_no_suggestion():
    assert faults_of({**LEAST, "xyzzy": 1}) == ["xyzzy: there is no such setting"]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"model": 3}, "model: is a group of settings; expected keys in it (got 3)"),
        ({"data": {"train": []}}, "data.train: must not be empty"),
        ({"data": {"train": "a", "separator": ""}}, "data.separator: string should have at least"),
        ({"training": {"batch_pieces": 100}}, "training.batch_pieces (100) is less than window.p"),
        ({"training": {"patience": 2}}, "training.patience needs data.dev: early stopping watches"),
        ({"training": {"seed": 2**32}}, "training.seed: input should be less than 4294967296"),
        ({"training": {"warmup": 1}}, "training.warmup: input should be less than 1 (got 1)"),
        ({"training": {"device": "gpu"}}, "training.device: input should be 'auto', 'cpu' or 'cu"),
        ({"name": "a/b"}, "name: string should match pattern"),
        ({"name": ".."}, "name: string should match pattern"),
        ({"window": {"pieces": "many"}}, "window.pieces: input should be a valid integer"),
    ],
)
def test_faults_say_what_was_expected_and_what_was_given(raw, fault):
    found = faults_of({**LEAST, **raw})
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_one_file_several_files_and_none():
    recipe = make_recipe({**LEAST, "data": {"train": ["a", "b"], "dev": None, "test": "c"}}, "x")
    assert (recipe.data.train, recipe.data.dev, recipe.data.test) == (["a", "b"], [], ["c"])


@pytest.mark.parametrize(
    ("given", "meant"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("space", " "), ("|", "|")]
)
def test_separators_can_be_spelt_out(given, meant):
    assert ReadSettings(separator=given).separator == meant


class TestOverrides:
    @pytest.mark.parametrize(
        ("item", "value"),
        [
            ("training.learning_rate=2e-4", 2e-4),
            ("training.learning_rate=0.5", 0.5),
            ("training.learning_rate=1", 1.0),
            ("training.epochs = 7", 7),
            ("training.head_learning_rate=null", None),
            ("training.head_learning_rate=3e-3", 3e-3),
            ("data.train=[a.conll, b.conll]", ["a.conll", "b.conll"]),
            ("data.train=a.conll", ["a.conll"]),
            ("data.tag_column=null", None),
            ("data.tag_column=-2", -2),
            ("data.word_prefix='en:'", "en:"),
            ("data.separator=tab", "\t"),
            ("model.shapes=true", True),
            ("name=second-try", "second-try"),
            ("window={pieces: 64, context: 1}", None),
        ],
    )
    def test_a_value_is_read_as_in_the_file(self, written, item, value):
        recipe = written(LEAST, item)
        found: object = recipe
        for part in item.partition("=")[0].strip().split("."):
            found = getattr(found, part)
        if item.startswith("window"):
            assert (recipe.window.pieces, recipe.window.context) == (64, 1)
        else:
            assert found == value

    def test_a_missing_group_is_made(self, written):
        assert written(LEAST, "window.context=2").window.context == 2

    def test_an_empty_group_is_filled(self, written):
        text = "data:\nmodel: {encoder: minilm}\n"
        assert written(text, "data.train=a").data.train == ["a"]

    def test_the_last_of_two_counts(self, written):
        assert written(LEAST, "training.seed=3", "training.seed=4").training.seed == 4

    @pytest.mark.parametrize(
        ("item", "fault"),
        [
            ("training.epochs", "--set training.epochs: expected key=value, as --set training.epo"),
            ("=3", "--set =3: expected key=value"),
            ("name.first=3", "--set name.first=3: 'name.first' is no group of settings"),
            ("data.train.x.y=3", "--set data.train.x.y=3: 'data.train.x.y' is no group of setting"),
            ("training.seed=[1", "--set training.seed=[1: the value is not valid YAML"),
        ],
    )
    def test_a_wrong_override_is_quoted(self, written, item, fault):
        with pytest.raises(RecipeError) as caught:
            written({**LEAST, "name": "x", "data": {"train": "a"}}, item)
        assert len(caught.value.faults) == 1
        assert caught.value.faults[0].startswith(fault)

    def test_faults_of_file_and_overrides_come_together(self, written):
        with pytest.raises(RecipeError) as caught:
            written({"model": {}}, "trianing.epochs=3", "nonsense")
        assert [fault.partition(":")[0] for fault in caught.value.faults] == [
            "--set nonsense", "data", "model.encoder", "trianing",
        ]


class TestEnvironment:
    def test_variables_and_the_home_folder_are_put_in(self, monkeypatch):
        monkeypatch.setenv("CORPORA", "/some/where")
        monkeypatch.setenv("HOME", "/home/me")
        raw = {**LEAST, "data": {"train": "$CORPORA/a", "dev": "${CORPORA}/b", "test": "~/c"}}
        data = make_recipe(raw, "x").data
        assert [*data.train, *data.dev, *data.test] == [
            "/some/where/a", "/some/where/b", "/home/me/c",
        ]

    def test_a_missing_one_is_named_for_each_setting(self, monkeypatch):
        monkeypatch.delenv("CORPORA", raising=False)
        faults = faults_of({**LEAST, "data": {"train": "$CORPORA/a", "dev": "${CORPORA}/b"}})
        assert [fault.partition(":")[0] for fault in faults] == ["data.train", "data.dev"]
        for fault in faults:
            assert "the environment variable CORPORA is not set" in fault
            assert "CORPORA=/data nertune train" in fault

    def test_the_package_itself_can_be_named(self):
        data = make_recipe({**LEAST, "data": {"train": "nertune:samples/train.jsonl"}}, "x").data
        assert Path(data.train[0]).is_file()


class TestFiles:
    def test_ours_are_known_by_name(self):
        assert {"quickstart", "conll2003-minilm"} <= set(shipped_recipes())
        assert load_recipe("quickstart").name == "quickstart"

    def test_a_file_of_that_name_comes_first(self, written, monkeypatch, tmp_path):
        written({**LEAST, "name": "mine"})
        (tmp_path / "my.yaml").rename(tmp_path / "quickstart")
        monkeypatch.chdir(tmp_path)
        assert load_recipe("quickstart").name == "mine"

    def test_an_unknown_one_lists_ours(self):
        with pytest.raises(RecipeError, match="no such file; expected a YAML recipe, or one of"):
            load_recipe("quickstrat")
        with pytest.raises(RecipeError, match=r"conll2003-minilm.*quickstart"):
            load_recipe("nowhere/my.yaml")

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(RecipeError, match=r"cannot be read.*directory"):
            load_recipe(tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [1,\nb", "is not valid YAML: .*line 2"),
            ("\tdata: 3", "is not valid YAML"),
            ("", "holds no settings; expected keys such as data: and model:"),
            ("- data\n- model", "holds no settings"),
            ("just words", "holds no settings"),
        ],
    )
    def test_what_is_no_recipe_is_said(self, written, text, message):
        with pytest.raises(RecipeError, match=message) as caught:
            written(text)
        assert len(str(caught.value).splitlines()) == 2

    def test_a_file_that_is_not_utf8_is_said(self, tmp_path):
        path = tmp_path / "my.yaml"
        path.write_bytes(b"name: caf\xe9")
        with pytest.raises(RecipeError, match=r"my.yaml: 1 fault\n  - cannot be read: 'utf-8'"):
            load_recipe(path)

    @pytest.mark.parametrize("name", ["quickstart", "least"])
    def test_written_out_and_read_again_it_is_the_same(self, written, name):
        recipe = load_recipe(name) if name == "quickstart" else make_recipe(
            {
                "name": "x",
                "data": {"train": "ä", "separator": "\t", "tag_column": None, "word_prefix": "#:"},
                "model": {"encoder": "yes", "revision": "1"},
                "training": {"learning_rate": 1e-5},
            },
            "x",
        )
        assert written(recipe.to_yaml()) == recipe

    def test_every_default_is_written_out(self):
        raw = yaml.safe_load(make_recipe(LEAST, "x").to_yaml())
        written = {*raw, *(f"{group}.{key}" for group in raw if isinstance(raw[group], dict)
                           for key in raw[group])}
        assert written == set(valid_keys())


def test_a_key_that_stands_twice_is_a_fault(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("training: {seed: 1}\ntraining: {epochs: 2}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="'training' stands there twice"):
        load_recipe(path)


@pytest.mark.parametrize("value", ["inf", ".inf", ".nan", "1e9"])
def test_epochs_are_a_sensible_number(tmp_path, value):
    path = tmp_path / "r.yaml"
    path.write_text("data: {train: a}\nmodel: {encoder: b}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"training\.epochs"):
        load_recipe(path, [f"training.epochs={value}"])


@pytest.mark.parametrize("text", ["name: 2020-13-45", "name: !!int abc", "a: " + "[" * 3000])
def test_yaml_that_cannot_be_built_is_a_fault(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_a_yaml_bomb_is_not_written_out(tmp_path):
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for old, new in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]")
    path = tmp_path / "r.yaml"
    path.write_text("\n".join([*lines, "name: *h"]), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert len(str(caught.value)) < 5000
