"""Reports as files: one HTML page that needs nothing else, Markdown, JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import nertune
from nertune.analysis import KINDS, NONE
from nertune.files import make_folder, whole_file
from nertune.reports.errors import examples, listed_errors
from nertune.reports.report import Report
from nertune.reports.sections import headlines, sections
from nertune.reports.tables import Table, escaped, markdown, markdown_table

LIST_BYTES = 4_000_000
"""How much of the page the list of errors may take; report.json has all of them."""
SHOWN_AT_ONCE = 100
_EXAMPLES = 5


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write report.html, report.md and report.json; each appears whole. Returns their paths."""
    texts = {
        "report.html": report_html(report),
        "report.md": report_markdown(report),
        "report.json": json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n",
    }
    return write_texts(folder, texts)


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, made if need be; each appears whole. Returns their paths."""
    make_folder(folder)
    for name, text in texts.items():
        with whole_file(folder / name) as handle:
            handle.write(text)
    return [folder / name for name in texts]


def report_html(report: Report, list_bytes: int = LIST_BYTES) -> str:
    """The report as one page."""
    shown = listed_errors(report, list_bytes)
    labels = {
        side: _none_last(span[2] if span else NONE for span in spans)
        for side, spans in (
            ("gold", [error.gold for error in report.errors]),
            ("predicted", [error.predicted for error in report.errors]),
        )
    }
    return html_page(
        "report.html.j2",
        {
            "title": report.title,
            "date": report.date,
            "headlines": headlines(report),
            "sections": sections(report),
            "notes": report.notes,
            "errors": shown,
            "n_errors": len(report.errors),
            "at_once": SHOWN_AT_ONCE,
            "kinds": KINDS,
            "labels": labels,
        },
    )


def _none_last(labels: Iterable[str]) -> list[str]:
    return sorted(set(labels), key=lambda label: (label == NONE, label))


def report_markdown(report: Report) -> str:
    """The report as Markdown, with some errors of each kind as examples."""
    figures = Table(
        "", ("", "", ""), [[one.name, one.value, one.note] for one in headlines(report)],
        totals=frozenset({0}), text_columns=frozenset({2}),
    )  # fmt: skip
    parts = [
        markdown_head(report.title, report.date),
        markdown_table(figures),
        *(f"Note: {escaped(note)}" for note in report.notes),
        markdown(sections(report)),
        _examples(report),
    ]
    return "\n\n".join(parts)


def markdown_head(title: str, date: str) -> str:
    """Title, version and date."""
    return f"# {escaped(title)}\n\nnertune {nertune.__version__}, {date}"


def _examples(report: Report) -> str:
    if not report.errors:
        return "## Examples of errors\n\nThere is no error.\n"
    lines = [
        "## Examples of errors",
        "",
        f"Up to {_EXAMPLES} of each kind, **the words in question** bold; all "
        f"{len(report.errors):,} are in report.json.",
        "",
        "| kind | gold | predicted | text |",
        "|---|---|---|---|",
    ]
    for error in examples(report, _EXAMPLES):
        text = "".join(
            f"**{escaped(run)}**" if mark else escaped(run) for run, mark in error.runs
        )
        sides = f"{escaped(error.gold)} | {escaped(error.predicted)}"
        lines.append(f"| {error.kind} | {sides} | {text} |")
    return "\n".join(lines) + "\n"


def html_page(template: str, values: Mapping[str, Any]) -> str:
    """A page from one of our templates; every value is escaped but the plots."""
    environment = Environment(
        loader=PackageLoader("nertune.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["zip"] = zip
    common = {"version": nertune.__version__, "date": time.strftime("%Y-%m-%d")}
    return environment.get_template(template).render({**common, **values})
