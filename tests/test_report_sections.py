"""The sections of a report: figures that add up, errors as they are quoted, Markdown."""

from __future__ import annotations

import re

import pytest

from made_report import made_report
from nertune.analysis import KINDS
from nertune.reports import report_html, report_markdown
from nertune.reports.errors import MEANINGS, listed_errors, shown_error
from nertune.reports.sections import sections
from nertune.reports.tables import Section, Table, markdown, markdown_table


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A report on 15 labels, one of them rare, by a model that is often wrong."""
    lines = [f"w{i} B-L{i % 15}\nx{i} I-L{i % 15}\nof O\n" for i in range(600)]
    path = tmp_path_factory.mktemp("many") / "many.conll"
    path.write_text("\n".join([*lines, "rare B-RARE\n"]), encoding="utf-8")
    return made_report(path)


class TestSections:
    def of(self, report, name):
        return next(section for section in sections(report) if section.name == name)

    def test_every_section_has_its_own_name(self, many):
        names = [section.key for section in sections(many)]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)

    def test_errors_by_kind_and_by_label_add_up_to_all(self, many):
        section = self.of(many, "Kinds of errors")
        by_kind, by_label = section.tables
        kinds = [int(row[1].replace(",", "")) for row in by_kind.rows]
        assert [row[0] for row in by_kind.rows] == list(KINDS) == list(MEANINGS)
        *labels, total = [[int(n.replace(",", "")) for n in row[1:]] for row in by_label.rows]
        assert [sum(column) for column in zip(*labels, strict=True)] == total
        assert total == [*kinds, len(many.errors)]

    def test_a_frequent_error_is_quoted(self, many):
        rows = {row[0]: row[-1] for row in self.of(many, "Kinds of errors").tables[0].rows}
        assert re.fullmatch(r"“.+” L\d+ read as “.+” L\d+(, \d+ times)?", rows["type"])
        assert re.fullmatch(r"“of” L\d+, \d+ times", rows["spurious"])

    def test_the_colours_of_confused_labels_are_shares(self, many):
        [table] = self.of(many, "Confused labels").tables
        assert len(table.rows) == len(table.shares) == 17
        for row in table.shares[:-1]:
            assert sum(row) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in table.shares[-1])

    def test_figures_of_few_entities_are_marked(self, many):
        scores = self.of(many, "Scores by label").tables[0]
        assert [scores.rows[i][0] for i in scores.faint] == ["RARE"]
        assert scores.name_of(max(scores.faint)) == "RARE *"
        assert "fewer than 30" in scores.note
        text = report_markdown(many)
        assert "| RARE \\* |" in text
        assert "\\* fewer than 30 gold entities" in text
        assert 'class="faint"' in report_html(many)

    def test_intervals_hold_their_scores(self, many):
        for row in self.of(many, "Scores by label").tables[0].rows:
            if row[4]:
                low, high = map(float, row[4].split(" to "))
                assert low - 0.05 <= float(row[3]) <= high + 0.05

    def test_sentences_without_documents_are_called_sentences(self, many):
        assert "of the 601 sentences" in self.of(many, "Scores by label").text[1]

    def test_strict_mode_and_semeval_agree_with_the_headline(self, many):
        f1 = f"{100 * many.scores.micro.f1:.2f}"
        assert f"F1 {f1}" in self.of(many, "Scores by label").text[2]
        _, table = self.of(many, "Near misses").tables
        assert table.rows[0][-1] == f1
        assert self.of(many, "Confidence").tables[0].rows[0][-1] == f1


class TestListedErrors:
    def test_a_list_that_is_too_long_is_cut_and_says_so(self, many):
        text = report_html(many, list_bytes=50_000)
        shown = len(listed_errors(many, 50_000))
        left = len(many.errors) - shown
        assert 0 < shown < len(many.errors)
        assert f"{left:,} of {len(many.errors):,} errors are left out" in text
        assert "report.json has all" in text
        assert len(many.to_dict()["errors"]) == len(many.errors)
        whole = report_html(many)
        assert "left out" not in whole
        added = len(whole.encode()) - len(text.encode())
        # What an error is said to take is what it takes.
        assert added / left == pytest.approx(50_000 / shown, rel=0.2)

    def test_a_long_sentence_is_shown_around_the_error(self, tmp_path):
        words = [f"w{i} O" for i in range(300)]
        words[150] = "name B-PER"
        path = tmp_path / "long.conll"
        path.write_text("\n".join(words) + "\n", encoding="utf-8")
        report = made_report(path)
        error = next(error for error in report.errors if "name" in report.sentence(0))
        shown = "".join(text for text, _ in shown_error(report, error, context=3).runs)
        place = (error.gold or error.predicted)[0]
        assert len(shown.split()) <= 3 + 3 + 2 + 3
        assert report.sentence(0)[place] in shown
        assert "…" in shown

    def test_the_marks_are_the_entities(self, many):
        for error in many.errors[:300]:
            runs = shown_error(many, error).runs
            words = many.sentence(error.sentence)
            for span, marks in ((error.gold, "gold both"), (error.predicted, "found both")):
                marked = " ".join(text for text, mark in runs if mark and mark in marks.split())
                assert marked == (" ".join(words[span[0] : span[1]]) if span else "")


class TestMarkdown:
    def test_text_of_a_file_is_shown_as_it_is(self):
        section = Section("A", ["1 < 2 & *this* _that_ `code` [x](y) $3$"])
        assert markdown([section]).splitlines()[-1] == (
            r"1 \< 2 \& \*this\* \_that\_ \`code\` \[x\](y) \$3\$"
        )

    def test_a_label_keeps_its_underscores(self):
        assert "| NAT_REL_POL |" in markdown_table(Table("", ("a",), [["NAT_REL_POL"]]))

    def test_what_the_page_folds_is_folded(self):
        assert markdown([Section("A", ["b"], folded=True)]) == (
            "<details><summary>A</summary>\n\nb\n\n</details>"
        )

    def test_a_cell_cannot_break_its_table(self):
        text = markdown_table(Table("", ("a", "b"), [["x|y\\\nz", "1"]]))
        assert text.splitlines()[-1] == "| x\\|y\\\\ z | 1 |"
