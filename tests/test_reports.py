"""Reports and comparisons: what they hold is what was measured, and the page stands alone."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from shutil import copytree

import numpy as np
import pytest
from rich.console import Console

from nertune.analysis import KINDS
from nertune.bundle import load_bundle
from nertune.cli import render
from nertune.engine import Tagger
from nertune.errors import BundleError, DataError
from nertune.evaluation import evaluate_file, fit_temperature
from nertune.reports import (
    compare_runs,
    comparison_sections,
    report_html,
    report_markdown,
    report_on_run,
    write_comparison,
    write_report,
)
from nertune.reports.curves import curve_words
from nertune.reports.facts import Curve, curve_of
from nertune.reports.sections import sections
from nertune.training import train


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """A run that learns its corpus, and one that hardly does."""
    folder = tmp_path_factory.mktemp("runs")
    train(tiny.recipe(), folder / "good")
    train(tiny.recipe(training={"epochs": 1, "learning_rate": 1e-4}), folder / "bad")
    return folder


@pytest.fixture(scope="module")
def report(runs, tiny):
    bundle = load_bundle(runs / "bad")
    tagger = Tagger.load(bundle.folder)
    return report_on_run(evaluate_file(tagger, tiny.test), tagger, bundle)


def plain(value):
    """A value as JSON gives it back; no NaN, no object of our own."""
    return json.loads(json.dumps(value, allow_nan=False))


class Page(HTMLParser):
    """Counts the elements of a page and gathers whatever it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "input", "br", "link", "img"):
            self.open.append(tag)
        found = [value for name, value in attrs if name in ("src", "href") and value]
        self.links += [value for value in found if value.startswith("#")]
        self.fetched += [value for value in found if not value.startswith("#")]
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestReport:
    def test_the_scores_are_those_of_the_evaluation(self, report, runs, tiny):
        scored = evaluate_file(Tagger.load(runs / "bad"), tiny.test).scored
        assert report.scores == scored.scores
        found = report.to_dict()
        for name, value in scored.scores.to_dict().items():
            assert found[name] == value
        assert len(found["errors"]) == sum(
            n for row in found["error_counts"].values() for n in row.values()
        )

    def test_the_json_form_is_plain_json(self, report):
        assert plain(report.to_dict())["title"] == "bad on test.conll"

    def test_an_error_quotes_its_words(self, report):
        for error in report.to_dict()["errors"]:
            for side in ("gold", "predicted"):
                if error[side]:
                    assert " ".join(error[side]["words"]) in error["text"]

    def test_it_says_what_was_seen_in_training(self, report):
        names = [one.name for one in report.slices]
        assert names[-2:] == ["surface form in training", "sentence in training"]

    def test_without_the_training_text_it_says_so(self, runs, tiny, tmp_path):
        moved = tmp_path / "model"
        shutil.copytree(runs / "bad" / "model", moved)
        bundle = load_bundle(moved)
        tagger = Tagger.load(moved)
        alone = report_on_run(evaluate_file(tagger, tiny.test), tagger, bundle)
        assert "not at hand" in alone.notes[-1]
        assert len(alone.slices) == 3
        assert alone.model.recipe is None

    def test_the_page_is_well_formed_and_fetches_nothing(self, report):
        text = report_html(report)
        page = Page(text)
        assert page.open == []
        assert page.fetched == []
        assert not re.search(r"https?://|@import|url\(", text)
        assert page.tags.count("li") == len(report.errors) + len(report.notes) > 0
        assert page.tags.count("svg") == 10
        links = {link.removeprefix("#") for link in page.links}
        assert links <= set(page.ids)
        assert links == {section.key for section in sections(report)} | {"every-error"}

    def test_text_that_looks_like_markup_stays_text(self, runs, tmp_path):
        path = tmp_path / "t.conll"
        path.write_text("<script>alert(1)</script> B-PER\n&amp; O\n", encoding="utf-8")
        bundle = load_bundle(runs / "bad")
        tagger = Tagger.load(bundle.folder)
        text = report_html(report_on_run(evaluate_file(tagger, path), tagger, bundle))
        assert "<script>alert(1)" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert Page(text).open == []

    def test_text_without_an_entity(self, runs, tmp_path):
        path = tmp_path / "t.conll"
        path.write_text("sea O\n", encoding="utf-8")
        bundle = load_bundle(runs / "bad")
        tagger = Tagger.load(bundle.folder)
        found = report_on_run(evaluate_file(tagger, path), tagger, bundle)
        assert found.to_dict()["micro"]["support"] == 0
        assert Page(report_html(found)).open == []
        assert report_markdown(found)

    def test_markdown_has_the_figures(self, report):
        text = report_markdown(report)
        assert f"| **F1** | **{100 * report.scores.micro.f1:.2f}** |" in text
        assert "| micro |" not in text
        assert "svg" not in text
        for kind in KINDS:
            assert kind in text
        for section in sections(report):
            assert section.name in text

    def test_three_files_are_written(self, report, tmp_path):
        paths = write_report(report, tmp_path / "out")
        assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
        assert json.loads(paths[2].read_text(encoding="utf-8")) == plain(report.to_dict())


class TestComparison:
    def test_the_better_run_is_named_with_its_lead(self, runs):
        found = compare_runs([runs / "good", runs / "bad"])
        [verdict] = found.verdicts()
        assert verdict.startswith("good is better by ")
        scores = [
            json.loads((runs / name / "scores.json").read_text(encoding="utf-8"))
            for name in ("good", "bad")
        ]
        for run, report in zip(found.runs, scores, strict=True):
            assert run.micro.to_dict() == report["test"]["micro"]
            assert run.intervals.micro.to_dict() == report["test"]["intervals"]["micro"]
            assert run.words_per_second == report["test"]["words_per_second"]

    def test_a_run_against_itself_shows_no_difference(self, runs):
        [verdict] = compare_runs([runs / "good", runs / "good"]).verdicts()
        assert verdict.startswith("no difference shown")
        assert "p = 1" in verdict

    def test_runs_tested_on_other_text_are_not_tested_against_each_other(
        self, runs, tiny, tmp_path
    ):
        train(tiny.recipe(data={"test": str(tiny.dev)}, training={"epochs": 1}), tmp_path / "o")
        [verdict] = compare_runs([runs / "bad", tmp_path / "o"]).verdicts()
        assert verdict == "bad and o were tested on different text: no test of their difference."

    def test_a_run_without_a_test_split(self, runs, tiny, tmp_path):
        train(tiny.recipe(data={"test": []}, training={"epochs": 1}), tmp_path / "o")
        with pytest.raises(DataError, match=r"there is no test_predictions\.conll"):
            compare_runs([runs / "bad", tmp_path / "o"])

    def test_several_pairs_are_a_table(self, runs):
        found = compare_runs([runs / "good", runs / "bad", runs / "good"])
        assert [run.model.name for run in found.runs] == ["good", "bad", "good (2)"]
        section = comparison_sections(found)[1]
        [table] = section.tables
        assert [[row[0], row[1], row[-1]] for row in table.rows] == [
            ["good", "bad", "A"], ["good", "good (2)", "not shown"], ["bad", "good (2)", "B"],
        ]  # fmt: skip
        assert "not corrected" in section.text[1]

    def test_runs_of_one_name_are_told_apart(self, runs, tmp_path):
        twin = tmp_path / "good"
        copytree(runs / "bad", twin)
        found = compare_runs([runs / "good", twin])
        names = [f"{runs.name}/good", f"{tmp_path.name}/good"]
        assert [run.model.name for run in found.runs] == names
        assert found.verdicts()[0].startswith(f"{names[0]} is better by ")

    def test_a_terminal_of_80_columns_is_wide_enough(self, runs, tmp_path, monkeypatch):
        folders = [runs / "good"]
        for i in range(3):
            folders.append(tmp_path / f"conll2003-minilm-with-shapes-{i}")
            copytree(runs / "bad", folders[-1])
        console = Console(file=StringIO(), width=80, record=True)
        monkeypatch.setattr(render, "out", console)
        render.print_sections(comparison_sections(compare_runs(folders)))
        text = console.export_text()
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text
        for figure in ("95 % interval", "words/s", "train min", "B - A", "not shown"):
            assert figure in text

    def test_the_page_and_the_tables(self, runs, tmp_path):
        found = compare_runs([runs / "good", runs / "bad"])
        paths = write_comparison(found, tmp_path)
        assert Page(paths[0].read_text(encoding="utf-8")).open == []
        assert json.loads(paths[2].read_text(encoding="utf-8")) == plain(found.to_dict())
        assert [section.name for section in comparison_sections(found)] == [
            "Runs on their test split", "Is one better?", "F1 by label", "Training",
        ]  # fmt: skip


class TestCurves:
    def test_they_are_those_of_the_log(self, runs):
        curve = curve_of(runs / "good", "good")
        assert [epoch for epoch, _ in curve.dev_f1] == [1, 2, 3, 4]
        rows = (runs / "good" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        scores = [row["eval_f1"] for row in map(json.loads, rows) if "eval_f1" in row]
        assert [f1 for _, f1 in curve.dev_f1] == scores
        assert curve.best == 1 + scores.index(max(scores))

    def test_a_run_overfits_from_the_epoch_after_its_lowest_dev_loss(self):
        falling = Curve("a", dev_loss=[(1.0, 0.3), (2.0, 0.2), (3.0, 0.1)])
        assert falling.overfits is None
        assert "no sign of overfitting" in curve_words(replace(falling, dev_f1=falling.dev_loss))[0]
        rising = Curve("a", dev_loss=[(1.0, 0.3), (2.0, 0.1), (3.0, 0.2)])
        assert (rising.lowest, rising.overfits) == (2.0, 3.0)
        [words] = curve_words(replace(rising, dev_f1=[(3.0, 0.9)]))
        assert words.startswith("a: the weights of epoch 3 were kept, the best on dev. Dev loss is "
                                "lowest in epoch 2 and higher from epoch 3 on")  # fmt: skip

    def test_one_epoch_says_nothing_of_overfitting(self):
        one = Curve("a", dev_loss=[(1.0, 0.3)], dev_f1=[(1.0, 0.9)])
        assert curve_words(one) == ["a: the weights of epoch 1 were kept, the best on dev."]

    def test_a_training_that_diverged_has_a_report(self, runs, tmp_path):
        rows = [{"loss": float("nan"), "epoch": 0.5}, {"loss": 2.0, "epoch": 0.7},
                {"eval_f1": 0.5, "eval_loss": float("inf"), "epoch": 1.0}]  # fmt: skip
        text = "\n".join(map(json.dumps, rows)) + '\n{"loss": 1.0, "ep'
        (tmp_path / "metrics.jsonl").write_text(text, encoding="utf-8")
        curve = curve_of(tmp_path, "a")
        assert curve == Curve("a", [(1.0, 2.0)], [], [(1.0, 0.5)])


class TestTemperature:
    def test_it_makes_scores_more_honest_and_changes_no_entity(self, runs, tiny):
        tagger = Tagger.load(runs / "bad")
        evaluated = evaluate_file(tagger, tiny.train)
        judged = evaluated.result.judged()

        def loss(temperature: float) -> float:
            decoder = type(tagger.decoder)(
                tagger.decoder.tags, tagger.decoder.scheme, temperature
            )
            scores = np.clip(evaluated.entity_scores(decoder), 1e-9, 1 - 1e-9)
            return -np.log(np.where(judged.found_right, scores, 1 - scores)).mean()

        fitted = fit_temperature(tagger.decoder, evaluated.emissions, judged)
        assert fitted is not None
        assert loss(fitted) <= min(map(loss, (0.8 * fitted, fitted / 0.8, 1.0))) + 1e-6

    def test_it_is_not_fitted_where_little_is_predicted(self, runs, tmp_path, tiny):
        tagger = Tagger.load(runs / "bad")
        evaluated = evaluate_file(tagger, tiny.dev)
        judged = evaluated.result.judged()
        none = type(judged)(
            judged.words, judged.tags, judged.gold, np.zeros_like(judged.gold), judged.starts,
            judged.document_starts,
        )  # fmt: skip
        assert fit_temperature(tagger.decoder, evaluated.emissions, none) is None


class TestBrokenRuns:
    """What a run folder may have come to, and none of it ends in a traceback."""

    @pytest.fixture
    def broken(self, runs, tmp_path):
        folder = tmp_path / "broken"
        shutil.copytree(runs / "bad", folder)
        return folder

    @pytest.mark.parametrize(
        "log", [b"5\n", b'{"eval_f1": 0.5}\n', b"\xff\xfe\n", b'{"epoch": 1, "loss": NaN}\n']
    )
    def test_a_damaged_log(self, runs, broken, log):
        (broken / "metrics.jsonl").write_bytes(log)
        assert comparison_sections(compare_runs([runs / "good", broken]))

    @pytest.mark.parametrize(
        "scores", ['{"test": null, "training": "x"}', "[]", '{"training": {}}']
    )
    def test_damaged_scores(self, runs, broken, scores):
        (broken / "scores.json").write_text(scores, encoding="utf-8")
        assert comparison_sections(compare_runs([runs / "good", broken]))

    def test_cut_weights(self, runs, broken):
        weights = broken / "model" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(BundleError, match=r"model\.safetensors: the weights cannot be read"):
            compare_runs([runs / "good", broken])

    def test_training_text_that_has_changed_is_not_used(self, tiny, tmp_path):
        text = tmp_path / "train.conll"
        text.write_bytes(tiny.train.read_bytes())
        train(tiny.recipe(data={"train": str(text)}, training={"epochs": 1}), tmp_path / "run")
        text.write_text("Nobody B-PER\n", encoding="utf-8")
        bundle = load_bundle(tmp_path / "run")
        tagger = Tagger.load(bundle.folder)
        found = report_on_run(evaluate_file(tagger, tiny.test), tagger, bundle)
        assert "has changed" in found.notes[-1]
        assert len(found.slices) == 3

    def test_runs_of_other_schemes_on_the_same_text_are_compared(self, runs, tiny, tmp_path):
        train(tiny.recipe(model={"scheme": "IOBES"}, training={"epochs": 1}), tmp_path / "iobes")
        found = compare_runs([runs / "good", tmp_path / "iobes"])
        assert found.pairs[0][2] is not None
        [pair] = found.to_dict()["pairs"]
        assert (pair["run_a"], pair["run_b"]) == ("good", "iobes")
        assert pair["a"] == pytest.approx(found.runs[0].micro.f1)
