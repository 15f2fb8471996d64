"""Plots as inline SVG, coloured by the page they stand in (classes and CSS variables, no scripts).

Every plot scales to the width of its place, carries a title for screen readers, and shows a value
under the pointer through SVG's own `<title>`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

from nertune.reports.tables import FEW

WIDTH = 440
"""In user units, about a pixel each: small enough that a phone hardly shrinks the letters."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 44
_HEIGHT = 260
_N_COLOURS = 6
_LETTER = 7.0  # width of a small letter; what is missing would be cut off


@dataclass(frozen=True)
class Series:
    """One line of a plot: its name and its (x, y) points.

    mark: an x to point out. colour: its place among the colours, its own if not given. listed:
    whether the legend names it.
    """

    name: str
    points: Sequence[tuple[float, float]]
    mark: float | None = None
    dashed: bool = False
    colour: int | None = None
    listed: bool = True


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its value from 0 to 1, an interval around it, how many it speaks of."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    support: int | None = None


def lines(
    title: str, series: Sequence[Series], x_name: str, y_name: str, whole: bool = False
) -> str:
    """Lines over one pair of axes, with a legend; nothing for series without a point.

    whole: only whole numbers are written below.
    """
    drawn = [line for line in series if line.points]
    if not drawn:
        return ""
    xs = _Axis.over([x for line in drawn for x, _ in line.points], (_LEFT, WIDTH - _RIGHT))
    ys = _Axis.over([y for line in drawn for _, y in line.points], (_HEIGHT - _BOTTOM, _TOP))
    parts = [_axes(xs, ys, (x_name, y_name), whole)]
    keys = []
    for i, line in enumerate(drawn):
        place = i if line.colour is None else line.colour
        style = f"c{place % _N_COLOURS}{' dashed' if line.dashed else ''}"
        parts.append(_line(line, style, xs, ys))
        if line.listed:
            keys.append((line.name, style))
    legend, n_rows = _legend(keys, _HEIGHT)
    return _svg(title, _HEIGHT + 20 * n_rows, [*parts, legend])


def _line(line: Series, style: str, xs: _Axis, ys: _Axis) -> str:
    path = " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in line.points)
    parts = [f'<polyline class="line {style}" points="{path}"/>']
    for x, y in line.points:
        marked = x == line.mark
        parts.append(
            f'<circle class="dot {style}{" mark" if marked else ""}" cx="{xs(x):.1f}" '
            f'cy="{ys(y):.1f}" r="{6 if marked else 2.5}">'
            f"<title>{escape(line.name)}: {_short(y)} at {_short(x)}</title></circle>"
        )
    return "".join(parts)


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from 0 to 100 per cent, with whiskers where there is an interval.

    A bar that speaks of few entities is pale.
    """
    if not rows:
        return ""
    left = min(166.0, 12 + max(_length(row.name) for row in rows))
    right = WIDTH - (104 if any(row.support is not None for row in rows) else 52)
    step = 26
    xs = _Axis(0.0, 1.0, left, right)
    parts = []
    for tick in (0, 25, 50, 75, 100):
        x = xs(tick / 100)
        ends = f'y1="4" y2="{step * len(rows) + 4}"'
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" {ends}/>')
        parts.append(_text(x, step * len(rows) + 20, str(tick), "tick middle"))
    parts += [_bar(row, xs, 4 + step * i) for i, row in enumerate(rows)]
    return _svg(title, step * len(rows) + 28, parts)


def _bar(row: Bar, xs: _Axis, y: float) -> str:
    name = _fitted(row.name, xs.start - 12)
    pale = " pale" if row.support is not None and row.support < FEW else ""
    number = f"{100 * row.value:.1f}"
    parts = [
        _text(xs.start - 8, y + 17, name, "label end"),
        f'<rect class="bar{pale}" x="{xs.start:.1f}" y="{y + 5}" '
        f'width="{xs(row.value) - xs.start:.1f}" height="16" rx="2">'
        f"<title>{escape(row.name)}: {100 * row.value:.2f}</title></rect>",
    ]
    if row.interval:
        low, high = map(xs, row.interval)
        parts.append(f'<path class="whisker" d="M{low:.1f},{y + 9}v8m0,-4H{high:.1f}m0,-4v8"/>')
    if row.support is not None:
        number += f" ({row.support:,})"
    parts.append(_text(xs.end + 8, y + 17, number, "tick"))
    return "".join(parts)


def reliability(title: str, bins: Iterable[tuple[float, float, int]]) -> str:
    """Share of right entities over their mean score; circles grow with the number of entities.

    bins: (mean score, share right, how many), empty ones left out. Few entities: a hollow circle.
    """
    filled = [one for one in bins if one[2]]
    if not filled:
        return ""
    height = 320
    xs = _Axis(0.0, 1.0, _LEFT, _LEFT + height - _BOTTOM - _TOP)
    ys = _Axis(0.0, 1.0, height - _BOTTOM, _TOP)
    most = max(number for _, _, number in filled)
    parts = [
        _axes(xs, ys, ("score given", "share that is right")),
        f'<line class="ideal" x1="{xs(0)}" y1="{ys(0)}" x2="{xs(1)}" y2="{ys(1)}"/>',
    ]
    for score, right, number in filled:
        radius = 3 + 9 * math.sqrt(number / most)
        parts.append(
            f'<circle class="dot c0{" hollow" if number < FEW else ""}" cx="{xs(score):.1f}" '
            f'cy="{ys(right):.1f}" r="{radius:.1f}"><title>score {score:.2f}: '
            f"{100 * right:.1f} % of {number:,} right</title></circle>"
        )
    return _svg(title, height, parts, round(xs.end + 16))


@dataclass(frozen=True)
class _Axis:
    """A linear scale from values to places."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], places: tuple[float, float]) -> _Axis:
        low, high = min(values), max(values)
        room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room, *places)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, whole: bool = False) -> list[float]:
        """Round values, three to seven of them, fewer where only whole ones will do."""
        raw = max((self.high - self.low) / 6, 1.0 if whole else 0.0)
        power = 10 ** math.floor(math.log10(raw))
        units = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
        step = next(power * unit for unit in units if power * unit >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * i for i in range(first, last + 1)]


def _axes(xs: _Axis, ys: _Axis, names: tuple[str, str], whole: bool = False) -> str:
    parts = []
    for tick in ys.ticks():
        y = ys(tick)
        parts.append(
            f'<line class="grid" x1="{xs.start:.1f}" x2="{xs.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(xs.start - 6, y + 4, _short(tick), "tick end"))
    for tick in xs.ticks(whole):
        parts.append(_text(xs(tick), ys.start + 16, _short(tick), "tick middle"))
    parts.append(_text((xs.start + xs.end) / 2, ys.start + 34, names[0], "name middle"))
    middle = (ys.start + ys.end) / 2
    turned = f' transform="rotate(-90 12 {middle})"'
    parts.append(_text(12, middle, names[1], "name middle", turned))
    return "".join(parts)


def _legend(keys: Sequence[tuple[str, str]], top: float) -> tuple[str, int]:
    """The names beside their lines, and how many rows they take."""
    x, row, parts = float(_LEFT), 0, []
    for name, style in keys:
        shown = _fitted(name, WIDTH - _LEFT - 40)
        width = 44 + _length(shown)
        if x > _LEFT and x + width > WIDTH:
            x, row = float(_LEFT), row + 1
        y = top + 20 * row + 6
        parts.append(f'<path class="line {style}" d="M{x:.1f},{y}h22"/>')
        parts.append(_text(x + 28, y + 4, shown, "tick"))
        x += width
    return "".join(parts), row + 1


def _length(text: str) -> float:
    """About how wide a text is; capitals are wider, Chinese letters twice as wide."""
    return _LETTER * sum(
        2 if east_asian_width(letter) in "WF" else 1 if letter.islower() else 1.25
        for letter in text
    )


def _fitted(text: str, width: float) -> str:
    """The text, or as much of it as fits and an ellipsis."""
    if _length(text) <= width:
        return text
    while text and _length(text) + _LETTER > width:
        text = text[:-1]
    return f"{text}…"


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str], width: int = WIDTH) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height:.0f}" style="--width:{width}px" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _short(value: float) -> str:
    return f"{value:.4g}"
