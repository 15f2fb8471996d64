"""Plots as SVG: well formed, inside their frame, with every value findable."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from nertune.reports.plots import WIDTH, Bar, Series, _Axis, bars, lines, reliability

HOSTILE = "</title><script>alert('x') & \"y\""


def drawn(svg: str) -> ElementTree.Element:
    """The plot as a tree; raises where it is not well formed."""
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in drawn(svg).iter("text")]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in drawn(svg).iter("title")]


@pytest.mark.parametrize(
    "svg",
    [
        lines("l", [], "x", "y"),
        lines("l", [Series("a", [])], "x", "y"),
        bars("b", []),
        reliability("r", []),
        reliability("r", [(0.5, 0.5, 0)]),
    ],
)
def test_nothing_to_draw_is_no_plot(svg):
    assert svg == ""


@pytest.mark.parametrize(
    "svg",
    [
        lines(HOSTILE, [Series(HOSTILE, [(0, 1)])], HOSTILE, HOSTILE),
        bars(HOSTILE, [Bar(HOSTILE, 0.5, (0.4, 0.6), 3)]),
        reliability(HOSTILE, [(0.5, 0.4, 7)]),
    ],
)
def test_names_that_look_like_markup_stay_text(svg):
    tree = drawn(svg)
    assert tree.get("aria-label") == HOSTILE
    assert not list(tree.iter("script"))


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0.9387, 0.9419), (90.02, 94.19), (-3, 4e6), (1e-9, 3e-9), (5, 5), (0, 0)],
)
def test_ticks_are_round_inside_and_few(low, high):
    axis = _Axis.over([low, high], (0, 100))
    ticks = axis.ticks()
    assert 3 <= len(ticks) <= 7
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    step = ticks[1] - ticks[0]
    leading = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(leading - unit) for unit in (1, 2, 2.5, 5, 10)) < 1e-6


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 8, 40])
def test_epochs_are_counted_in_whole_numbers(n_epochs):
    points = [(x, 1.0) for x in range(1, n_epochs + 1)]
    svg = lines("l", [Series("a", points)], "epoch", "y", whole=True)
    below = [t.text for t in drawn(svg).iter("text") if t.attrib["class"] == "tick middle"]
    assert 1 <= len(below) <= 8
    assert all(float(tick) in range(n_epochs + 1) for tick in below)


def test_every_point_is_inside_the_frame_and_says_its_value():
    points = [(1.0, 90.02), (2.0, 94.19), (3.0, -7.5)]
    svg = lines("l", [Series("dev F1", points, mark=2.0)], "epoch", "F1")
    circles = list(drawn(svg).iter("circle"))
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in circles]
    assert all(0 < x < WIDTH and 0 < y < 260 for x, y in places)
    assert sorted(places) == places
    assert min(places, key=lambda place: place[1]) == places[1]
    assert titles(svg) == ["dev F1: 90.02 at 1", "dev F1: 94.19 at 2", "dev F1: -7.5 at 3"]
    assert [float(c.attrib["r"]) for c in circles] == [2.5, 6, 2.5]


def test_more_lines_than_colours_and_long_names_fit():
    series = [Series("a very long name of a run " * 4, [(0, i)]) for i in range(9)]
    svg = lines("l", series, "x", "y")
    assert {f"c{i}" for i in range(6)} <= set(re.findall(r"c\d", svg))
    legend = [text for text in texts(svg) if text.startswith("a very")]
    assert len(legend) == 9
    assert all(text.endswith("…") for text in legend)


def test_a_line_that_is_not_listed_is_drawn_all_the_same():
    svg = lines("l", [Series("a", [(0, 1)]), Series("b", [(0, 2)], listed=False)], "x", "y")
    assert "b" not in texts(svg)
    assert titles(svg) == ["a: 1 at 0", "b: 2 at 0"]


def test_bars_are_as_long_as_their_values():
    svg = bars("b", [Bar("zero", 0.0), Bar("half", 0.5), Bar("whole", 1.0)])
    widths = [float(rect.attrib["width"]) for rect in drawn(svg).iter("rect")]
    assert widths[0] == 0
    assert widths[2] == pytest.approx(2 * widths[1], abs=0.1)
    assert {"0.0", "50.0", "100.0", "zero"} <= set(texts(svg))


def test_a_bar_of_few_entities_is_pale():
    svg = bars("b", [Bar("few", 0.5, support=29), Bar("many", 0.5, support=30)])
    assert [rect.attrib["class"] for rect in drawn(svg).iter("rect")] == ["bar pale", "bar"]
    assert "50.0 (29)" in texts(svg)


@pytest.mark.parametrize("name", ["W" * 50, "地名と組織の名前" * 4, "x" * 50])
def test_a_long_name_is_cut_but_its_title_is_whole(name):
    svg = bars("b", [Bar(name, 0.5)])
    [shown] = [text for text in texts(svg) if text.endswith("…")]
    assert name.startswith(shown[:-1])
    assert titles(svg) == [f"{name}: 50.00"]


def test_circles_of_few_entities_are_hollow_and_larger_ones_hold_more():
    svg = reliability("r", [(0.2, 0.1, 5), (0.5, 0.4, 100), (0.9, 0.95, 1000)])
    circles = list(drawn(svg).iter("circle"))
    assert ["hollow" in c.attrib["class"] for c in circles] == [True, False, False]
    radii = [float(c.attrib["r"]) for c in circles]
    assert radii == sorted(radii)
    assert titles(svg)[2] == "score 0.90: 95.0 % of 1,000 right"
