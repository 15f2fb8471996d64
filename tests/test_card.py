"""The model card: what stands in it is what was measured, it can be read back, and it runs.

Run this file to write the golden card anew.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from safetensors.numpy import save_file

from nertune import schemes
from nertune.bundle import TaggerSettings, write_settings
from nertune.card import CardOptions, write_card
from nertune.card.facts import MINILM_ID
from nertune.card.hubnames import hub_languages, licence_fields
from nertune.card.text import listed, one_line, plain, readable
from nertune.card.writing import is_as_written
from nertune.config import WindowSettings, make_recipe
from nertune.encoding import normalise_tokenizer
from nertune.errors import BundleError, DataError, OutputError, RecipeError
from nertune.model import save_model
from nertune.testing import tiny_bundle, tiny_model, tiny_tokenizer
from nertune.training import train

GOLDEN = Path(__file__).with_name("golden_card.md")

TRAIN = """El O
presidente O
visitó O
Bogotá B-LOC
y O
São B-LOC
Paulo I-LOC
el O
martes O
. O

Ada B-PER
Lovelace I-PER
vive O
en O
Bogotá B-LOC
, O
dice O
la O
ONU B-ORG|X
. O
"""
PREDICTED = """El O O
ministro O O
llegó O O
a O O
Málaga B-LOC B-LOC
con O O
Ada B-PER B-PER
Lovelace I-PER I-PER
y O O
nadie O O
más O O
. O O
"""


def figures(precision, recall, f1, support=40):
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


def bands(low, high):
    return {name: [low, high] for name in ("precision", "recall", "f1")}


def split_scores(f1):
    labels = ("LOC", "ORG|X", "PER")
    return {
        "micro": figures(f1 + 0.01, f1 - 0.01, f1, 120),
        "macro": figures(f1, f1, f1 - 0.02, 120),
        "weighted": figures(f1, f1, f1, 120),
        "labels": {label: figures(f1, f1, f1) for label in labels},
        "tags": {"accuracy": 0.975},
        "intervals": {
            "unit": "documents",
            "level": 0.95,
            "n_units": 1234,
            "n_resamples": 1000,
            "micro": bands(f1 - 0.03, f1 + 0.03),
            "macro": bands(f1 - 0.05, f1 + 0.05),
            "labels": {label: bands(f1 - 0.04, f1 + 0.04) for label in labels},
        },
        "loss": 0.1,
        "words_per_second": 1500.4,
    }


def hand_made_run(folder: Path, **changes) -> Path:
    """A run folder written by hand: nothing in it depends on time, torch or a training."""
    tokenizer = normalise_tokenizer(tiny_tokenizer())
    tags = tuple(schemes.tag_set(("LOC", "ORG|X", "PER"), schemes.SCHEMES["IOB2"]))
    model = folder / "model"
    model.mkdir(parents=True)
    config = {
        "id2label": {str(i): tag for i, tag in enumerate(tags)},
        "model_type": "bert", "dtype": "float32", "type_vocab_size": 10, "nertune": {},
    }  # fmt: skip
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"weight": np.zeros((1000, 25), np.float32)}, model / "model.safetensors")
    settings = TaggerSettings(
        tags=tags, scheme="IOB2", window=WindowSettings(pieces=64), shapes=True, language="es",
        temperature=1.25, nertune_version="0.0.1",
    )  # fmt: skip
    write_settings(model, settings, tokenizer)
    data = {"train": str(folder / "train.conll"), "dev": "gone/dev.conll", "test": "t.conll"}
    raw = {
        "name": "tiny-es",
        "language": "es",
        "license": "Apache 2.0",
        "description": "For **news** of the day.",
        "data": {"name": "News | 2001", **data},
        "model": {"encoder": "minilm", "shapes": True},
        "window": {"pieces": 64},
        "training": {"seed": 2, "epochs": 2},
        "push": {"repo": "me/tiny_es"},
        **changes.pop("recipe", {}),
    }
    recipe = make_recipe(raw, "test").to_yaml().replace(f"{folder}/", "/home/me/")
    files = {
        "recipe.yaml": recipe.replace("/home/me/train", f"{folder}/train"),
        "train.conll": TRAIN,
        "test_predictions.conll": PREDICTED,
        "metrics.jsonl": "".join(f"{json.dumps(row)}\n" for row in (
            {"epoch": 0.5, "loss": 1.5}, {"epoch": 1, "eval_f1": 0.7, "eval_loss": 0.5},
            {"epoch": 1.5, "loss": 0.5}, {"epoch": 2, "eval_f1": 0.8, "eval_loss": 0.4},
        )),
        "scores.json": json.dumps({
            "dev": split_scores(0.8),
            "test": split_scores(0.75),
            "training": {"seconds": 240.0, "words_per_second": 350.0, "threads": 2},
            "warnings": [f"train: skipped once: <b>odd</b> (first at {folder}/train.conll:7)"],
        }),
        "../seeds.json": json.dumps({
            "seeds": [1, 2], "test": {"f1": {"mean": 0.745, "deviation": 0.005, "values": []}}
        }),
        **changes,
    }  # fmt: skip
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path):
    return hand_made_run(tmp_path / "seeds" / "seed-2")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """Runs of a real training: good, a weaker one, one without dev, one without test."""
    folder = tmp_path_factory.mktemp("trained")
    short = {"epochs": 1, "learning_rate": 1e-4}
    train(tiny.recipe(), folder / "good")
    train(tiny.recipe(training=short), folder / "weak")
    train(tiny.recipe(training=short, data={"dev": []}), folder / "no-dev")
    train(tiny.recipe(training=short, data={"test": []}), folder / "no-test")
    return folder


def section(text: str, name: str) -> str:
    return text.split(f"\n## {name}\n")[1].split("\n## ")[0]


def metadata(text: str) -> dict:
    return ModelCard(text).data.to_dict()


def test_the_whole_card(run):
    text = write_card(run).text
    assert text == GOLDEN.read_text(encoding="utf-8")


class TestMetadata:
    def test_huggingface_hub_reads_it_back(self, run):
        card = ModelCard.load(write_card(run).path)
        data = card.data
        assert data.base_model == MINILM_ID
        assert data.language == "es"
        assert data.license == "apache-2.0"
        assert data.pipeline_tag == "token-classification"
        assert data.library_name == "transformers"
        assert data.datasets is None
        assert data.model_name == "tiny_es"
        assert data.widget == [{"text": "El ministro llegó a Málaga con Ada Lovelace y nadie más."}]
        assert data.metrics == ["precision", "recall", "f1", "accuracy"]

    @pytest.mark.parametrize("name", ["good", "no-dev", "no-test"])
    def test_the_results_are_those_of_the_run(self, trained, name, tmp_path):
        text = write_card(trained / name, out=tmp_path / "card.md").text
        scores = json.loads((trained / name / "scores.json").read_text(encoding="utf-8"))
        split = "dev" if name == "no-test" else "test"
        found = {r.metric_type: r.metric_value for r in ModelCard(text).data.eval_results}
        assert found == {
            **{key: scores[split]["micro"][key] for key in ("precision", "recall", "f1")},
            "accuracy": scores[split]["tags"]["accuracy"],
        }
        for result in ModelCard(text).data.eval_results:
            assert (result.dataset_type, result.dataset_split) == ("unknown", split)
            assert result.dataset_name == f"{split}.conll"

    def test_a_data_set_of_the_hub(self, tmp_path):
        data = {"dataset": "lhoestq/conll2003", "config": "en", "revision": "v1",
                "train": "train", "dev": "validation", "test": "test"}  # fmt: skip
        run = hand_made_run(tmp_path / "x" / "run", recipe={"data": data})
        text = write_card(run).text
        assert metadata(text)["datasets"] == ["lhoestq/conll2003"]
        result = ModelCard(text).data.eval_results[0]
        assert result.dataset_type == result.dataset_name == "lhoestq/conll2003"
        assert (result.dataset_config, result.dataset_revision) == ("en", "v1")
        assert "on [lhoestq/conll2003](https://huggingface.co/datasets/lhoestq/conll2003)" in text
        assert "frequent in the test text" in text  # the Hub is not asked for the training text

    def test_a_folder_is_no_id_of_the_hub(self, tmp_path):
        (tmp_path / "data" / "mine").mkdir(parents=True)
        data = {"dataset": "data/mine", "train": "train"}
        raw = {"data": data, "model": {"encoder": "data/mine"}}
        run = hand_made_run(tmp_path / "runs" / "run", recipe=raw)
        text = write_card(run).text
        assert not {"datasets", "base_model"} & metadata(text).keys()
        assert "The encoder mine was fine-tuned on mine with nertune." in text

    @pytest.mark.parametrize(
        ("given_names", "codes"),
        [
            (["es"], ["es"]),
            (["no"], ["no"]),
            (["pt-BR", "pt_PT"], ["pt"]),
            (["quz"], ["quz"]),
            (["Spanish"], []),
            (["jp"], []),
            (["it", "multilingual"], ["it", "multilingual"]),
        ],
    )
    def test_languages_that_the_hub_takes(self, given_names, codes):
        assert hub_languages(given_names) == codes

    @pytest.mark.parametrize(
        ("licence", "fields"),
        [
            (None, {}),
            ("mit", {"license": "mit"}),
            ("MIT License", {"license": "mit"}),
            ("Apache 2.0", {"license": "apache-2.0"}),
            ("other", {"license": "other"}),
            ("My own: ask!", {"license": "other", "license_name": "my-own-ask"}),
            ("許可", {"license": "other", "license_name": "unnamed"}),
        ],
    )
    def test_licences_that_the_hub_takes(self, licence, fields):
        assert licence_fields(licence) == fields

    def test_a_language_that_yaml_would_misread(self, tmp_path):
        run = hand_made_run(tmp_path / "x" / "run", recipe={"language": "no"})
        text = write_card(run).text
        assert metadata(text)["language"] == "no"
        assert "language: 'no'" in text

    def test_several_languages_of_a_data_set(self, tmp_path):
        data = {"dataset": "a/b", "train": "train", "languages": ["it", "es"]}
        run = hand_made_run(tmp_path / "x" / "run", recipe={"data": data, "language": None})
        settings = json.loads((run / "model" / "tagger.json").read_text(encoding="utf-8"))
        settings["language"] = None
        (run / "model" / "tagger.json").write_text(json.dumps(settings), encoding="utf-8")
        text = write_card(run).text
        assert metadata(text)["language"] == ["it", "es"]
        assert "for text in Italian and Spanish." in text


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def executed(code: str, model: Path) -> list[str]:
    """What a snippet prints, with the folder of the model in place of its repository."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        exec(code.replace("user/name", str(model)), {})
    return printed.getvalue().splitlines()


class TestSnippets:
    def test_they_run_and_print_the_text_between_the_offsets(self, trained, tmp_path):
        written = write_card(trained / "good", out=tmp_path / "card.md")
        [sentence] = set(re.findall(r'^text = "(.*)"$', written.text, re.MULTILINE))
        for code in python_blocks(written.text):
            printed = executed(code, trained / "good" / "model")
            assert printed
            for line in printed:
                start, end, label, *name = line.split()
                assert label in ("LOC", "PER")
                assert " ".join(name).startswith(sentence[int(start) : int(end)])

    def test_long_text_is_not_cut_by_the_pipeline_either(self, tmp_path):
        model = tiny_bundle(tmp_path / "model", shapes=True)
        text = write_card(model).text
        code = python_blocks(text)[1]
        long = code.replace("text = ", "text = 80 * ")
        assert int(executed(long, model)[-1].split()[1]) > 75 * len("Ada Lovelace met Charles B")

    def test_a_scheme_that_the_pipeline_cannot_group(self, tmp_path):
        scheme = schemes.SCHEMES["IOBES"]
        tokenizer = normalise_tokenizer(tiny_tokenizer())
        tags = tuple(schemes.tag_set(("LOC", "PER"), scheme))
        settings = TaggerSettings(tags=tags, scheme="IOBES", window=WindowSettings(pieces=32))
        save_model(tmp_path / "m", tiny_model(tags, tokenizer), settings, tokenizer)
        text = write_card(tmp_path / "m").text
        assert "the IOBES tags of this model come out one by one" in text
        assert "aggregation_strategy" not in text
        for code in python_blocks(text):
            assert executed(code, tmp_path / "m")

    def test_the_repository_of_the_option_goes_before_the_recipes(self, run):
        text = write_card(run, CardOptions(repo="you/other")).text
        assert 'Tagger.load("you/other")' in text
        assert "nertune predict you/other -" in text
        assert "me/tiny_es" not in text
        assert text.split("---\n")[2].startswith("\n# other\n")

    def test_a_repository_that_cannot_be(self, run):
        with pytest.raises(RecipeError, match="'a/b/c' is no name of a repository"):
            write_card(run, CardOptions(repo="a/b/c"))


NASTY = "a|b\\ `c` <i>*d*</i> [e](f) ![g] $$h$$ ~~i~~ &amp; _j_ __k__ #l \u202egnp https://m \x00"


class TestText:
    def test_signs_that_mean_something_are_escaped(self):
        shown = plain(NASTY)
        assert "|" not in shown
        assert "<" not in shown
        for sign in "`*[]$~#":
            assert not re.search(rf"(?<!\\)(?<!&){re.escape(sign)}", shown), sign
        assert "\u202e" not in shown
        assert "\x00" not in shown
        assert not re.search(r"(?<!\\)://", shown)

    def test_ordinary_names_stay_readable(self):
        for name in ("L'Hospitalet", "São Paulo (SP)", "B_C", "1,000.50 €", "C++", "東京", "A-B/C"):
            assert plain(name) == name

    @settings(deadline=None, max_examples=300)
    @given(st.text() | st.text("a _*`[]()<>&|\\~#!:/.w$@-+1"))
    @example(NASTY)
    @example("<!-- -->")
    @example("a&amp;b \\| c")
    @example("1. a")
    def test_any_text_is_seen_as_it_is_in_a_cell(self, text):
        made = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(
            f"| a | b |\n|---|---|\n| x{plain(text)} | c |\n"
        )
        cells = re.findall("<td>(.*?)</td>", made, re.DOTALL)
        assert [html.unescape(cell) for cell in cells] == [f"x{one_line(text)}".strip(), "c"]
        assert not any("<" in cell for cell in cells)

    def test_words_as_running_text(self):
        words = "\" ¿ Dónde ( y cuándo ) ? \" , dijo Ada 's mother ."
        assert readable(words.split()) == "\" ¿Dónde (y cuándo)? \", dijo Ada's mother."
        assert readable([]) == ""

    def test_lists(self):
        assert [listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
            "", "a", "a and b", "a, b and c",
        ]  # fmt: skip

    def test_nothing_of_the_data_breaks_the_card(self, tmp_path):
        word = "a|`b`\\|<script>\u202e---"
        train_text = f"{word} B-PER\n``` B-LOC\n--- B-LOC\n. O\n"
        words = f"in --- the \"big\" '{word}' of very late nights .".split()
        line = "".join(f"{w} {'B-PER' if word in w else 'O'} O\n" for w in words)
        recipe = {"data": {"name": f"x: [{NASTY[:-2]}]", "train": str(tmp_path / "t.conll"),
                           "test": "te|st.conll"}, "license": "a: 'b'\n---\n"}  # fmt: skip
        run = hand_made_run(tmp_path / "x" / "ru|n", recipe=recipe, **{
            "test_predictions.conll": line,
        })  # fmt: skip
        (tmp_path / "t.conll").write_text(train_text, encoding="utf-8")
        written = write_card(run)
        read = metadata(written.text)
        assert read["license_name"] == "a-b"
        assert read["widget"][0]["text"].startswith("in --- the \"big\" 'a|`b`")
        assert written.text.count("\n---\n") == 1
        for rows in re.findall(r"(?:^\|.*\n)+", written.text, re.MULTILINE):
            assert len({row.count("|") for row in rows.splitlines()}) == 1
        assert "<script>" not in re.sub(r"(?s)^---.*?^---$|^```.*?^```$", "", written.text,
                                        flags=re.MULTILINE)  # fmt: skip
        code = python_blocks(written.text)[0].split("\nfor")[0].split("\n", 3)[3]
        names: dict = {}
        exec(code, names)
        assert names["text"] == read["widget"][0]["text"]


class TestOddRuns:
    def test_a_model_folder_without_its_run(self, tmp_path):
        written = write_card(tiny_bundle(tmp_path / "mine"))
        assert written.path == tmp_path / "mine" / "README.md"
        text = written.text
        assert "# mine" in text
        assert not {"model-index", "base_model", "metrics", "license"} & metadata(text).keys()
        assert "## Scores" not in text
        assert "## Training" not in text
        assert "| language | not known |" in text
        assert "| licence | none named |" in text
        assert "what text it has learnt from is not known here" in text
        assert any("scores and training are not known" in line for line in written.missing)

    def test_a_folder_named_model_that_lies_in_no_run(self, tmp_path):
        assert "\n# model\n" in write_card(tiny_bundle(tmp_path / "model")).text

    def test_a_checkpoint_of_another_tool(self, tmp_path):
        model = tiny_bundle(tmp_path / "theirs")
        (model / "tagger.json").unlink()
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        del config["nertune"]
        (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
        text = write_card(model).text
        assert "nertune" not in metadata(text)["tags"]
        assert "fine-tuned" not in text

    def test_no_dev_split(self, trained, tmp_path):
        text = write_card(trained / "no-dev", out=tmp_path / "card.md").text
        assert "| test |" in text
        assert "| dev |" not in text
        assert "for there was no dev split" in text
        assert "were chosen on" not in text

    def test_no_test_split(self, trained, tmp_path):
        text = write_card(trained / "no-test", out=tmp_path / "card.md").text
        assert "F1 of whole entities on the dev split" in text
        assert "chosen on this very split" in text
        assert "Label by label on the dev split" in text
        assert "| PER | " in section(text, "What it finds")

    def test_no_scored_split(self, tmp_path):
        scores = json.dumps({"training": {"seconds": 9.0, "words_per_second": 3.0}})
        run = hand_made_run(tmp_path / "x" / "run", **{"scores.json": scores})
        written = write_card(run)
        assert "## Scores" not in written.text
        assert "Trained in 9 seconds, 3 words/s." in written.text
        assert any("no split was scored" in line for line in written.missing)

    @pytest.mark.parametrize("scores", ["{", "[]", '{"test": {"micro": 3}}'])
    def test_damaged_scores(self, tmp_path, scores):
        run = hand_made_run(tmp_path / "x" / "run", **{"scores.json": scores})
        with pytest.raises(BundleError, match=r"scores\.json: does not hold what 'nertune train'"):
            write_card(run)

    def test_scores_without_intervals(self, tmp_path):
        scores = json.dumps({"test": {k: v for k, v in split_scores(0.75).items()
                                      if k not in ("intervals", "words_per_second")}})  # fmt: skip
        text = write_card(hand_made_run(tmp_path / "x" / "run", **{"scores.json": scores})).text
        assert "interval" not in text
        assert "| speed |" not in text
        assert "split: **75.00**." in text

    def test_a_recipe_that_cannot_be_read(self, tmp_path):
        run = hand_made_run(tmp_path / "x" / "run", **{"recipe.yaml": "novelty: 1\n"})
        written = write_card(run)
        assert "## Training" not in written.text
        assert any("recipe.yaml is not there or not readable" in line for line in written.missing)

    def test_data_that_are_gone(self, run):
        before = write_card(run).text
        (run / "train.conll").unlink()
        text = write_card(run).text
        assert "| LOC | Bogotá, São Paulo |" in before
        assert "| label | frequent in the test text |" in text
        assert "| LOC | Málaga |" in text
        (run / "test_predictions.conll").unlink()
        text = write_card(run).text
        assert "| label |\n| --- |\n| LOC |" in text
        assert "widget" not in metadata(text)

    def test_several_seeds(self, run, trained):
        with pytest.raises(BundleError, match="holds one run for each seed; name one of them"):
            write_card(run.parent)
        text = write_card(run).text
        assert "Over the seeds 1 and 2 the test F1 has a mean of 74.50" in text

    def test_no_folder(self, tmp_path):
        with pytest.raises(BundleError, match="there is no such model folder"):
            write_card(tmp_path / "no")

    def test_no_path_of_this_machine_is_told(self, trained, run, tmp_path):
        for one in (trained / "good", run):
            text = write_card(one, out=tmp_path / "card.md", overwrite=True).text
            assert str(one.parent) not in text
            assert "/home/me" not in text
            assert "/tmp" not in text

    def test_without_examples_the_data_stay_secret(self, run):
        text = write_card(run, CardOptions(examples=False)).text
        for word in ("Bogotá", "Málaga", "ministro", "São"):
            assert word not in text
        assert "widget" not in metadata(text)
        assert "Ada Lovelace met Charles Babbage in London." in text


class TestComparison:
    def test_other_runs_stand_beside_this_one(self, trained, tmp_path):
        options = CardOptions(compare=(trained / "weak", trained / "good", trained / "no-dev"))
        text = section(
            write_card(trained / "good", options, out=tmp_path / "c").text,
            "Compared with other models",
        )
        scores = json.loads((trained / "weak" / "scores.json").read_text(encoding="utf-8"))["test"]
        f1, (low, high) = scores["micro"]["f1"], scores["intervals"]["micro"]["f1"]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        assert f"| tiny weak | bert | {100 * f1:.2f} | {interval} |" in text
        assert "| **tiny** | **bert** |" in text
        assert "- **tiny** is better by " in text
        assert text.count("\n- ") == 2

    def test_itself_alone_is_no_comparison(self, trained, tmp_path):
        options = CardOptions(compare=(trained / "good" / "model",))
        text = write_card(trained / "good", options, out=tmp_path / "c").text
        assert "## Compared" not in text

    def test_a_run_that_cannot_be_compared(self, trained, tmp_path):
        options = CardOptions(compare=(trained / "no-test",))
        with pytest.raises(DataError, match=r"there is no test_predictions\.conll"):
            write_card(trained / "good", options, out=tmp_path / "c")
        assert not (tmp_path / "c").exists()


class TestWriting:
    def test_a_card_that_nobody_edited_is_written_anew(self, run):
        path = write_card(run).path
        windows = path.read_text(encoding="utf-8").replace("\n", "\r\n")
        path.write_bytes(windows.encode())
        text = write_card(run, CardOptions(license="mit")).text
        assert metadata(text)["license"] == "mit"
        assert is_as_written(text)

    @pytest.mark.parametrize("edit", [
        lambda text: text.replace("news", "olds"),
        lambda text: text + "One more line.\n",
        lambda text: "Mine.\n",
        lambda text: "",
        lambda text: text.rpartition("<!--")[0],
    ])  # fmt: skip
    def test_one_that_was_edited_is_kept(self, run, edit):
        path = write_card(run).path
        edited = edit(path.read_text(encoding="utf-8"))
        path.write_text(edited, encoding="utf-8")
        with pytest.raises(OutputError, match=r"edited by hand; .* --overwrite, or .* --out"):
            write_card(run)
        assert path.read_text(encoding="utf-8") == edited
        assert is_as_written(write_card(run, overwrite=True).text)

    def test_one_that_is_no_text_is_kept(self, run):
        path = run / "model" / "README.md"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(OutputError, match="edited by hand"):
            write_card(run)

    def test_a_file_of_its_own(self, run, tmp_path):
        written = write_card(run, out=tmp_path / "new" / "card.md")
        assert written.path.read_text(encoding="utf-8") == written.text
        assert not (run / "model" / "README.md").exists()

    def test_the_recipe_may_change_after_the_training(self, run):
        write_card(run)
        raw = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
        raw |= {"license": "mit", "description": "Newer."}
        (run / "recipe.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        text = write_card(run).text
        assert metadata(text)["license"] == "mit"
        assert "\n\nNewer.\n\n" in text

    def test_two_calls_write_the_same(self, trained, tmp_path):
        texts = {write_card(trained / "good", out=tmp_path / name).text for name in "ab"}
        assert len(texts) == 1

    def test_what_is_missing_is_said(self, trained, run, tmp_path):
        assert write_card(run).missing == ()
        lines = "\n".join(write_card(trained / "good", out=tmp_path / "c").missing)
        for what in ("--license", "--repo", "language"):
            assert what in lines
        odd = hand_made_run(tmp_path / "x" / "run", recipe={"language": "Spanish", "license": "x"})
        lines = "\n".join(write_card(odd).missing)
        assert "'Spanish' is no code of ISO 639" in lines
        assert "the Hub has no id for the licence 'x'" in lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        made = hand_made_run(Path(place) / "seed-2")
        GOLDEN.write_text(write_card(made).text, encoding="utf-8")
