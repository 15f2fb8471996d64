"""Reports and comparisons in a real browser: what one can click, and how they look everywhere.

Run with `make test`, or `pytest -m browser`; skipped where Debian's chromium is missing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from made_report import made_report
from nertune.bundle import load_bundle
from nertune.engine import Tagger
from nertune.evaluation import evaluate_file
from nertune.reports import (
    Report,
    compare_runs,
    report_html,
    report_on_run,
    write_comparison,
    write_report,
)
from nertune.training import train

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Page = sync_api.Page
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; as root: apt-get install chromium"),
]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESKTOP, PAPER = 390, 1280, 718  # pixels; A4 between margins of a centimetre
LONG = "a-rather-long-name-for-organisations-of-all-kinds"

# Every text against what is behind it, as WCAG 2 counts: 4.5, or 3 where it is large.
CONTRAST = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const colour = text => {
    const [r, g, b, a = 1] = numbers(text);
    return text.startsWith("color(srgb") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const over = (top, below) => top.slice(0, 3).map((x, i) => x * top[3] + below[i] * (1 - top[3]));
  const light = rgb => rgb.map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    if (!element) { return [255, 255, 255]; }
    const own = colour(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
  };
  const faults = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) { continue; }
    const paper = behind(element), svg = element instanceof SVGElement;
    if (svg && element.tagName !== "text") { continue; }
    const a = light(over(colour(svg ? style.fill : style.color), paper)), b = light(paper);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= 24 || size >= 18.66 && style.fontWeight >= 600 ? 3 : 4.5)) {
      faults.push([walker.currentNode.data.trim().slice(0, 30), ratio.toFixed(2)]);
    }
  }
  return faults;
}"""


@dataclass(frozen=True)
class Pages:
    """Pages on disk, and the reports that some of them show."""

    tiny: Path
    many: Path
    comparison: Path
    reports: dict[str, Report] = field(default_factory=dict)


@pytest.fixture(scope="module")
def pages(tiny, tmp_path_factory) -> Pages:
    """A tiny model that errs, 16 labels in three scripts, and two runs compared."""
    folder = tmp_path_factory.mktemp("pages")
    for name, rate in (("good", 1e-2), ("bad", 1e-4)):
        train(tiny.recipe(training={"epochs": 2, "learning_rate": rate}), folder / name)
    bundle = load_bundle(folder / "bad")
    tagger = Tagger.load(bundle.folder)
    report = report_on_run(evaluate_file(tagger, tiny.test), tagger, bundle)
    many = made_report(many_labels(folder / "many.conll"), noise=1.9)
    return Pages(
        write_report(report, folder / "tiny")[0],
        write_report(many, folder / "many")[0],
        write_comparison(compare_runs([folder / "good", folder / "bad"]), folder)[0],
        {"tiny": report, "many": many},
    )


def many_labels(path: Path) -> Path:
    """Annotated text with 16 labels, one of them long; words that are long, Arabic or Chinese."""
    sentences = [
        f"محمد B-PERSON\nعبد I-PERSON\nمدينة O\nالقاهرة B-L{i % 14}\n. O\n"
        f"\n王小明 B-PERSON\n在 O\n東京大学 B-L{(i + 3) % 14}\n"
        f"\n{'unbreakable' * 20} B-{LONG}\nand O\n<b>this</b> B-L{(i + 7) % 14}\n"
        for i in range(60)
    ]
    path.write_text("\n".join(sentences), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page that may fetch nothing but itself and must log nothing."""
    context = browser.new_context(viewport={"width": DESKTOP, "height": 900})
    page = context.new_page()
    logged: list[str] = []
    fetched: list[str] = []
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    yield page
    context.close()
    assert logged == []
    assert all(url.startswith("file:") and url.endswith(".html") for url in fetched)


def opened(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    return page


def visible(page: Page) -> list[str]:
    """What is said of each error in sight: kind, labels, score."""
    return page.locator("ol.errors li:visible .what").all_inner_texts()


def said(page: Page) -> str:
    return page.locator("#shown").inner_text()


class TestFilters:
    def test_all_errors_are_there_at_first(self, page, pages):
        errors = pages.reports["tiny"].errors
        assert len(errors) < 100
        opened(page, pages.tiny)
        assert said(page) == f"{len(errors)} errors"
        assert len(visible(page)) == len(errors)
        assert page.locator("#more").is_hidden()

    def test_by_kind_and_labels(self, page, pages):
        errors = pages.reports["tiny"].errors
        opened(page, pages.tiny)
        kind = errors[0].kind
        of_kind = [error for error in errors if error.kind == kind]
        page.select_option("#kind", kind)
        assert said(page) == f"{len(of_kind)} of {len(errors)} errors"
        shown = visible(page)
        assert len(shown) == len(of_kind)
        assert all(text.startswith(kind) for text in shown)
        for side in ("gold", "predicted"):
            span = getattr(of_kind[0], side)
            label = span[2] if span else "none"
            page.select_option(f"#{side}", label)
            assert visible(page)
            assert all(f"{side} {label}" in text for text in visible(page))
        page.click("text=clear")
        page.wait_for_function("document.querySelectorAll('ol.errors li[hidden]').length === 0")
        assert said(page) == f"{len(errors)} errors"

    def test_by_words_of_the_sentence(self, page, pages):
        report = pages.reports["tiny"]
        opened(page, pages.tiny)
        page.fill("#words", "LISBON ")
        fits = [e for e in report.errors if "Lisbon" in report.sentence(e.sentence)]
        assert said(page) == f"{len(fits)} of {len(report.errors)} errors"
        assert len(visible(page)) == len(fits) > 0
        page.fill("#words", "<no such words>")
        assert said(page) == f"0 of {len(report.errors)} errors"
        assert visible(page) == []

    def test_by_score(self, page, pages):
        opened(page, pages.tiny)
        in_order = visible(page)
        page.select_option("#order", "score")
        scores = [float(text.split("score ")[1][:4]) for text in visible(page) if "score" in text]
        assert scores == sorted(scores, reverse=True)
        assert sorted(visible(page)) == sorted(in_order)
        page.select_option("#order", "")
        assert visible(page) == in_order

    def test_a_long_list_is_shown_bit_by_bit(self, page, pages):
        n = len(pages.reports["many"].errors)
        assert n > 200
        opened(page, pages.many)
        assert said(page) == f"{n:,} errors, the first 100 shown"
        assert len(visible(page)) == 100
        page.click("#more")
        assert len(visible(page)) == 200
        page.select_option("#kind", "type")
        assert len(visible(page)) <= 100

    def test_a_number_of_a_table_lists_its_errors(self, page, pages):
        opened(page, pages.tiny)
        buttons = page.locator("#kinds-of-errors table[data-finds] button")
        for i in range(buttons.count()):
            number = buttons.nth(i).inner_text()
            buttons.nth(i).click()
            assert said(page).removesuffix(" errors").split(" of ")[0] == number
        assert page.locator("#kind").evaluate("box => box === document.activeElement")
        for button in page.locator("#confused-labels button").all()[:3]:
            number = button.inner_text()
            button.click()
            assert said(page).removesuffix(" errors").split(" of ")[0] == number


class TestSections:
    def test_folded_ones_open_by_a_click_and_by_a_link(self, page, pages):
        opened(page, pages.tiny)
        tags = page.locator("#single-tags table")
        assert tags.is_hidden()
        page.click("#single-tags summary")
        assert "B-PER" in tags.inner_text()
        assert page.locator("#about table").is_hidden()
        page.click("nav >> text=About")
        page.wait_for_selector("#about table", state="visible")

    def test_every_link_leads_somewhere(self, page, pages):
        opened(page, pages.tiny)
        for link in page.locator("nav a").all():
            link.click()
            target = page.url.partition("#")[2]
            assert 0 <= page.locator(f"#{target}").bounding_box()["y"] < 900

    def test_one_gets_along_with_the_keyboard(self, page, pages):
        opened(page, pages.tiny)
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "[document.activeElement.hash, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert focused == ["#scores-by-label", "solid"]

    def test_without_scripts_every_error_is_there(self, browser, pages):
        with browser.new_context(java_script_enabled=False) as context:
            page = opened(context.new_page(), pages.many)
            assert len(visible(page)) == len(pages.reports["many"].errors)
            assert page.locator(".filters").is_hidden()

    def test_on_paper_everything_is_unfolded_and_nothing_to_click(self, page, pages, tmp_path):
        opened(page, pages.tiny)
        page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert page.locator("#about details").get_attribute("open") is not None
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator(".filters").is_hidden()
        assert page.locator("nav").is_hidden()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["tiny", "many", "comparison"])
class TestLooks:
    @pytest.mark.parametrize(
        ("width", "media"), [(PHONE, "screen"), (DESKTOP, "screen"), (PAPER, "print")]
    )
    def test_nothing_is_wider_than_the_page(self, page, pages, name, width, media):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media)
        opened(page, getattr(pages, name))
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_text_can_be_read(self, page, pages, name, scheme):
        page.emulate_media(color_scheme=scheme)
        opened(page, getattr(pages, name))
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate(CONTRAST) == []

    def test_no_text_of_a_plot_is_cut_off(self, page, pages, name):
        opened(page, getattr(pages, name))
        outside = page.evaluate(
            """() => [...document.querySelectorAll("svg.plot")].flatMap(svg => {
              const frame = svg.getBoundingClientRect();
              return [...svg.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1 ||
                  box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
              }).map(text => text.textContent);
            })"""
        )
        assert outside == []


def test_nothing_moves(pages):
    page = report_html(pages.reports["tiny"])
    assert not re.search(r"transition|animation|scroll-behavior|<marquee", page)
