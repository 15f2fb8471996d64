"""Reports and comparisons: what they hold is what was measured, and the page stands alone."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nertune.bundle import load_bundle
from nertune.engine import Tagger
from nertune.errors import DataError
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
from nertune.reports.facts import Curve, curve_of
from nertune.reports.tables import Table, markdown_table
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
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "input", "br", "link", "img"):
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and value]

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
        moved.symlink_to(runs / "bad" / "model")
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
        assert page.tags.count("li") == len(report.errors) > 0
        assert page.tags.count("svg") >= 6

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
        assert f"**{100 * report.scores.micro.f1:.2f}**" in text
        assert "| micro |" not in text
        assert "svg" not in text

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
        rising = Curve("a", dev_loss=[(1.0, 0.3), (2.0, 0.1), (3.0, 0.2)])
        assert rising.overfits == 3.0


class TestTemperature:
    def test_it_makes_scores_more_honest_and_changes_no_entity(self, runs, tiny):
        tagger = Tagger.load(runs / "bad")
        evaluated = evaluate_file(tagger, tiny.dev)
        judged = evaluated.result.judged()

        def loss(temperature: float) -> float:
            decoder = type(tagger.decoder)(
                tagger.decoder.tags, tagger.decoder.scheme, temperature
            )
            scores = np.clip(evaluated.entity_scores(decoder), 1e-9, 1 - 1e-9)
            return -np.log(np.where(judged.found_right, scores, 1 - scores)).mean()

        fitted = fit_temperature(tagger.decoder, evaluated.emissions, judged)
        assert fitted == pytest.approx(tagger.settings.temperature, abs=0.02)
        assert loss(fitted) <= min(map(loss, (0.8 * fitted, fitted / 0.8, 1.0))) + 1e-6

    def test_it_is_one_where_nothing_is_predicted(self, runs, tmp_path, tiny):
        tagger = Tagger.load(runs / "bad")
        evaluated = evaluate_file(tagger, tiny.dev)
        judged = evaluated.result.judged()
        none = type(judged)(
            judged.words, judged.tags, judged.gold, np.zeros_like(judged.gold), judged.starts,
            judged.document_starts,
        )  # fmt: skip
        assert fit_temperature(tagger.decoder, evaluated.emissions, none) == 1.0


def test_a_cell_of_markdown_cannot_break_its_table():
    text = markdown_table(Table("", ("a", "b"), [["x|y\\", "1"]]))
    assert text.splitlines()[-1] == "| x\\|y\\\\ | 1 |"
