"""Data sets: every shape and every kind of copy, what cannot be loaded, and how that is cured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from dataset_shapes import SHAPES
from typer.testing import CliRunner

from nertune.cli.main import app
from nertune.config import ReadSettings, make_read_settings, make_recipe
from nertune.data import ReadReport, hub, read
from nertune.data.inspection import inspect_files
from nertune.errors import DataError, DependencyError, RecipeError

KINDS = ("saved", "parquet", "jsonl")
IGNORED = {
    "wikiann": {"langs": 3, "spans": 3},
    "multinerd": {"lang": 3},
    "conll2003": {"pos_tags": 2, "chunk_tags": 2},
}


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory):
    datasets.disable_progress_bars()
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    yield
    patch.undo()
    datasets.enable_progress_bars()


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The settings that read a shape, written as one kind of copy."""
    folder = tmp_path_factory.mktemp("copies")
    return {
        (name, kind): shape.write(kind, folder / f"{name}-{kind}")
        for name, shape in SHAPES.items()
        for kind in KINDS
    }


def load(split, **settings):
    report = ReadReport()
    return list(read(split, ReadSettings(**settings), report)), report


def fails(split, **settings):
    with pytest.raises(DataError) as caught:
        list(read(split, ReadSettings(**settings)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestCopies:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", SHAPES)
    def test_each_row_is_a_document_of_one_sentence(self, copies, name, kind):
        found, report = load("train", **copies[name, kind])
        assert found == SHAPES[name].documents
        assert report.documents == report.sentences == len(found)
        assert report.words == sum(document.n_words for document in found)
        assert report.clean
        assert report.ignored_keys == IGNORED[name]
        assert load("validation", **copies[name, kind])[0] == found[:1]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", SHAPES)
    def test_a_split_that_is_not_there(self, copies, name, kind):
        settings = copies[name, kind]
        assert fails("dev", **settings) == (
            f"{settings['dataset']}: there is no split 'dev'; the splits are train, validation. "
            "With a data set these are what train, dev and test name, in place of files"
        )

    def test_a_data_set_of_one_split(self, tmp_path):
        shape = SHAPES["conll2003"]
        shape.splits["validation"].save_to_disk(tmp_path / "one")
        assert load("train", dataset=str(tmp_path / "one"))[0] == shape.documents[:1]

    def test_files_inside_by_pattern_and_configuration(self, tmp_path):
        for language in ("en", "it"):
            for split in ("train", "val"):
                path = tmp_path / split / f"{split}_{language}.jsonl"
                path.parent.mkdir(exist_ok=True)
                row = {"tokens": [language, split], "ner_tags": [0, 1], "lang": language}
                path.write_text(json.dumps(row) + "\n")
        files = {"train": "train/train_it.jsonl", "dev": "val/val_*.jsonl"}
        settings = {"dataset": str(tmp_path), "label_names": ["O", "B-X"]}
        found, _ = load("train", **settings, data_files=files)
        assert [document.text for document in found] == ["it train"]
        found, _ = load("dev", **settings, data_files=files)
        assert [document.text for document in found] == ["en val", "it val"]
        configs = "\n".join(
            f"- config_name: {language}\n  data_files: train/*_{language}.jsonl"
            for language in ("en", "it")
        )
        (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}\n---\n")
        assert load("train", **settings, config="en")[0][0].text == "en train"
        assert "configs: ['en', 'it']" in fails("train", **settings)
        assert fails("train", **settings).endswith("; set config to one of these")
        assert fails("train", **settings, config="de").endswith("; set config to one of these")

    def test_the_fingerprint_changes_with_the_files(self, tmp_path):
        path = tmp_path / "set" / "train.jsonl"
        path.parent.mkdir()
        settings = ReadSettings(dataset=str(path.parent))
        path.write_text('{"tokens": ["a"], "ner_tags": ["O"]}\n')
        first = hub.fingerprint("train", settings)
        assert hub.fingerprint("train", settings) == first
        path.write_text('{"tokens": ["a", "b"], "ner_tags": ["O", "O"]}\n')
        assert hub.fingerprint("train", settings) != first


class TestWhatIsNoDataSet:
    def test_a_saved_folder_named_as_a_file(self, copies):
        folder = Path(copies["conll2003", "saved"]["dataset"])
        for path in (folder, folder / "train"):
            with pytest.raises(DataError, match=r"save_to_disk; expected a file. Set data.dataset"):
                list(read(path))

    def test_a_file_named_as_a_data_set(self, copies):
        path = f"{copies['conll2003', 'jsonl']['dataset']}/train.jsonl"
        assert "is a file; expected a folder or the id of a data set" in fails("t", dataset=path)

    @pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "a/b/c"])
    def test_a_folder_that_is_not_there(self, name):
        assert fails("train", dataset=name).startswith(f"{name}: no such folder")

    def test_an_empty_folder(self, tmp_path):
        message = fails("train", dataset=str(tmp_path))
        assert "expected Parquet, JSON, CSV or Arrow files" in message

    def test_a_broken_file(self, tmp_path):
        (tmp_path / "train.parquet").write_bytes(b"PAR1 and nothing else PAR1")
        assert "cannot be loaded: " in fails("train", dataset=str(tmp_path))

    def test_settings_that_a_folder_cannot_have(self, copies):
        saved, parquet = copies["wikiann", "saved"], copies["wikiann", "parquet"]
        assert "has no config; leave it out" in fails("train", **saved, config="en")
        files = {"train": "x"}
        assert "has no data_files; leave" in fails("train", **saved, data_files=files)
        for settings in (saved, parquet):
            assert "no revision; leave revision out" in fails("train", **settings, revision="main")

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"config": "en"}, "config: belongs to a data set; name one with dataset, or leave "
             "this out (got 'en')"),
            ({"revision": "main"}, "revision: belongs to a data set"),
            ({"data_files": {"train": "x"}}, "data_files: belongs to a data set"),
            ({"dataset": "x", "format": "jsonl"}, "dataset: a data set has its own format; leave "
             "format out (got 'x')"),
            ({"dataset": "x", "separator": ";"}, "leave separator out"),
            ({"dataset": "$NO_SUCH_NAME/x"}, "dataset: the environment variable NO_SUCH_NAME"),
            ({"label_names": ["O", "PER"]}, "label_names: 'PER' is no tag; expected O or tags"),
            ({"label_names": ["O", "O"]}, "label_names: a name stands there twice"),
        ],
    )
    def test_settings_that_contradict_each_other(self, given, fault):
        with pytest.raises(RecipeError) as caught:
            make_read_settings(given)
        assert len(caught.value.faults) == 1
        assert fault in caught.value.faults[0]

    def test_names_of_splits_are_no_paths(self, monkeypatch):
        monkeypatch.setenv("CORPORA", "/corpora")
        data = {"dataset": "$CORPORA/x", "train": "train$1", "languages": "it"}
        model = {"encoder": "minilm"}
        recipe = make_recipe({"data": data, "model": model}, "r")
        assert (recipe.data.dataset, recipe.data.train) == ("/corpora/x", ["train$1"])
        assert recipe.data.languages == ["it"]
        data["data_files"] = {"a": "a.jsonl", "b": "b.jsonl"}
        with pytest.raises(RecipeError, match=r"data.train: data_files names no split 'train\$1', "
                           "only a, b"):
            make_recipe({"data": data, "model": model}, "r")


class TestHub:
    def test_what_is_asked_of_the_hub(self, monkeypatch):
        def load_dataset(*of, **settings):
            asked.update(settings, id=of)
            return SHAPES["wikiann"].splits

        asked = {}
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        files = {"train": "train/*.jsonl"}
        found, _ = load("train", dataset="a/b", config="en", revision="v1", data_files=files)
        assert found == SHAPES["wikiann"].documents
        assert asked == {"id": ("a/b",), "name": "en", "revision": "v1", "data_files": files}

    @pytest.mark.parametrize(
        ("error", "cure"),
        [
            (RuntimeError("Dataset scripts are no longer supported, but found conll2003.py"),
             "set revision to refs/convert/parquet"),
            (datasets.exceptions.DatasetNotFoundError("'a/b' is a gated dataset on the Hub."),
             "ask for it on the page of the data set, and set HF_TOKEN"),
            (OSError("401 Client Error, token hf_AbCdEf123456 for SECRET"), "set HF_TOKEN"),
            (datasets.exceptions.DatasetNotFoundError("'a/b' doesn't exist on the Hub"),
             "check the id, as lhoestq/conll2003"),
            (ConnectionError("Couldn't reach 'a/b' on the Hub (OfflineModeIsEnabled)"),
             "HF_HUB_OFFLINE is set and no copy is in the cache"),
            (ConnectionError("Couldn't reach 'a/b' on the Hub (LocalEntryNotFoundError)"),
             "the Hub is out of reach: check the network, or go to a machine that has one, there "
             "save it with save_to_disk"),
            (KeyError("who knows"), "check dataset, config, revision and data_files"),
            (ValueError(), "cannot be loaded: ValueError; check"),
        ],
    )  # fmt: skip
    def test_what_goes_wrong_is_said_with_its_cure(self, monkeypatch, error, cure):
        def load_dataset(*_, **__):
            raise error

        monkeypatch.setenv("HF_TOKEN", "SECRET")
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        message = fails("train", dataset="a/b")
        assert message.startswith("a/b: cannot be loaded: ")
        assert cure in message
        assert "SECRET" not in message
        assert "AbCdEf" not in message

    def test_without_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(DependencyError, match=r"'datasets'.*pip install 'nertune\[train\]'"):
            load("train", dataset="a/b")

    def test_offline_the_program_ends_at_once_with_the_cure(self):
        arguments = ["data", "inspect", "train", "--dataset", "lhoestq/conll2003"]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_not_to_be_seen"}
        done = subprocess.run(
            [sys.executable, "-m", "nertune", *arguments],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.startswith("error: lhoestq/conll2003: cannot be loaded: Couldn't reach")
        assert "HF_HUB_OFFLINE is set and no copy is in the cache: unset it" in done.stderr
        assert "hf_not" not in done.stderr + done.stdout


class TestInspection:
    def test_splits_side_by_side(self, copies):
        settings = copies["conll2003", "saved"]
        result = inspect_files(["train", "validation"], ReadSettings(**settings))
        train = result.files[0]
        assert (train.path, train.format, train.documents) == ("train", "data set", 2)
        assert train.columns == ("id", "tokens", "pos_tags", "chunk_tags", "ner_tags")
        assert train.entities == {"ORG": 1, "MISC": 1, "PER": 1}
        assert result.shared_sentences == 1

    def test_from_the_command_line(self, copies):
        folder = copies["wikiann", "parquet"]["dataset"]
        command = ["data", "inspect", "train", "validation", "--dataset", folder]
        done = CliRunner().invoke(app, [*command, "--json"])
        assert done.exit_code == 0
        files = json.loads(done.stdout)["files"]
        assert [file["sentences"] for file in files] == [3, 1]
        assert CliRunner().invoke(app, command).exit_code == 0
        with pytest.raises(RecipeError, match="config: belongs to a data set"):
            CliRunner().invoke(app, ["data", "inspect", "x", "--config", "en"],
                               catch_exceptions=False)


def few_nerd_names():
    labels = "art building event location organization other person product"
    return ["O", *(f"I-{label}" for label in labels.split())]


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "settings", "words", "scheme", "n_entities"),
    [
        ("tiny_conll2003", {}, 198, "IOB2", 21),
        ("tiny_conll2003_with_context", {}, 14, "IOB2", 3),
        ("tiny_fabner", {}, 238, "IOBES", 31),
        ("tiny_fewnerd_super", {"label_names": few_nerd_names()}, 245, "IO", 29),
    ],
)
def test_data_sets_saved_by_others(corpora, name, settings, words, scheme, n_entities):
    folder = str(corpora / "formats" / "hf_datasets_tiny" / name)
    if settings:
        assert f"label_names: [{', '.join(few_nerd_names())}]" in fails("test", dataset=folder)
    file = inspect_files(["test"], ReadSettings(dataset=folder, **settings)).files[0]
    assert (file.words, file.scheme, file.violations) == (words, scheme, 0)
    assert sum(file.entities.values()) == n_entities
