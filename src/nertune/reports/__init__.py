"""One result or several as terminal tables, Markdown, JSON, and one self-contained HTML page."""

from nertune.reports.comparison import compare_runs, comparison_sections, write_comparison
from nertune.reports.pages import report_html, report_markdown, write_report
from nertune.reports.report import Report, build_report, report_on_run
from nertune.reports.sections import sections as report_sections
from nertune.reports.tables import Section, Table

__all__ = [
    "Report",
    "Section",
    "Table",
    "build_report",
    "compare_runs",
    "comparison_sections",
    "report_html",
    "report_markdown",
    "report_on_run",
    "report_sections",
    "write_comparison",
    "write_report",
]
