"""Reports as files: one HTML page that needs nothing else, Markdown, JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import nertune
from nertune.analysis import KINDS, EntityError
from nertune.files import make_folder, whole_file
from nertune.reports.report import Report
from nertune.reports.sections import headlines, sections
from nertune.reports.tables import markdown

MOST_ERRORS = 5000
_EXAMPLES = 20


@dataclass(frozen=True)
class ShownError:
    """An error as the page shows it: runs of text, each with its kind of mark and its label."""

    kind: str
    gold: str
    predicted: str
    sentence: int
    score: float | None
    runs: list[tuple[str, str]]


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write report.html, report.md and report.json; each appears whole. Returns their paths."""
    make_folder(folder)
    texts = {
        "report.html": report_html(report),
        "report.md": report_markdown(report),
        "report.json": json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        with whole_file(folder / name) as handle:
            handle.write(text)
    return [folder / name for name in texts]


def report_html(report: Report) -> str:
    """The report as one page."""
    shown = [shown_error(report, error) for error in report.errors[:MOST_ERRORS]]
    return html_page(
        "report.html.j2",
        {
            "title": report.title,
            "date": report.date,
            "headlines": headlines(report),
            "sections": sections(report),
            "errors": shown,
            "n_errors": len(report.errors),
            "kinds": KINDS,
            "labels": sorted({error.gold or error.predicted for error in shown}),
        },
    )


def report_markdown(report: Report) -> str:
    """The report as Markdown, with the first errors as examples."""
    head = [f"# {report.title}", "", f"nertune {nertune.__version__}, {report.date}", ""]
    for one in headlines(report):
        head.append(f"- {one.name}: {one.value}" + (f" ({one.note})" if one.note else ""))
    lines = ["## Examples of errors", ""]
    for error in report.errors[:_EXAMPLES]:
        shown = shown_error(report, error)
        text = "".join(
            f"[{run}]" if mark else run for run, mark in shown.runs
        )
        sides = f"gold {shown.gold or 'none'}, predicted {shown.predicted or 'none'}"
        lines.append(f"- {shown.kind} ({sides}): {text}")
    return "\n".join(head) + "\n" + markdown(sections(report)) + "\n" + "\n".join(lines) + "\n"


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


def shown_error(report: Report, error: EntityError) -> ShownError:
    """An error with its sentence divided where gold and predicted entity begin and end."""
    words = report.sentence(error.sentence)
    sides = [(name, span) for name, span in (("gold", error.gold), ("found", error.predicted))
             if span]  # fmt: skip
    edges = sorted({0, len(words), *(edge for _, span in sides for edge in span[:2])})
    runs = []
    for start, end in pairwise(edges):
        inside = [name for name, span in sides if span[0] <= start and end <= span[1]]
        mark = "both" if len(inside) == 2 else (inside or [""])[0]
        runs.append((" ".join(words[start:end]), mark))
    return ShownError(
        error.kind,
        error.gold[2] if error.gold else "",
        error.predicted[2] if error.predicted else "",
        error.sentence + 1,
        error.score,
        _spaced(runs),
    )


def _spaced(runs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The runs with a space between neighbours, outside their marks."""
    spaced: list[tuple[str, str]] = []
    for i, run in enumerate(runs):
        if i:
            spaced.append((" ", ""))
        spaced.append(run)
    return spaced
