"""Plots as inline SVG, coloured by the page they stand in (classes and CSS variables, no scripts).

Every plot scales to the width of its place, carries a title for screen readers, and shows a value
under the pointer through SVG's own `<title>`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 12, 44
_N_COLOURS = 6
_LETTER = 7.2  # width of an average letter of a label, in user units


@dataclass(frozen=True)
class Series:
    """One line of a plot: its name and its (x, y) points; `mark` is an x to point out."""

    name: str
    points: Sequence[tuple[float, float]]
    mark: float | None = None


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its value from 0 to 1, an interval around it, and a note behind it."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    note: str = ""


def lines(title: str, series: Sequence[Series], x_name: str, y_name: str) -> str:
    """Lines over one pair of axes, with a legend; nothing for series without a point."""
    drawn = [line for line in series if line.points]
    if not drawn:
        return ""
    xs = _Axis.over([x for line in drawn for x, _ in line.points], (_LEFT, _WIDTH - _RIGHT))
    height = 300
    ys = _Axis.over([y for line in drawn for _, y in line.points], (height - _BOTTOM, _TOP))
    parts = [_axes(xs, ys, x_name, y_name)]
    for i, line in enumerate(drawn):
        colour = f"c{i % _N_COLOURS}"
        path = " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line {colour}" points="{path}"/>')
        for x, y in line.points:
            place = f'cx="{xs(x):.1f}" cy="{ys(y):.1f}"'
            marked = " mark" if x == line.mark else ""
            radius = 6 if marked else 3
            parts.append(
                f'<circle class="dot {colour}{marked}" {place} r="{radius}">'
                f"<title>{escape(line.name)}: {_short(y)} at {_short(x)}</title></circle>"
            )
    legend, rows = _legend([line.name for line in drawn], height)
    return _svg(title, height + 20 * rows, [*parts, legend])


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from 0 to 100 per cent, with whiskers where there is an interval."""
    if not rows:
        return ""
    left = min(240.0, 16 + _LETTER * max(len(row.name) for row in rows))
    right = _WIDTH - 110
    step = 26
    parts = []
    for tick in range(0, 101, 25):
        x = left + (right - left) * tick / 100
        ends = f'y1="4" y2="{step * len(rows) + 4}"'
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" {ends}/>')
        parts.append(_text(x, step * len(rows) + 20, str(tick), "tick middle"))
    for i, row in enumerate(rows):
        y = 4 + step * i
        size = (right - left) * row.value
        parts.append(_text(left - 8, y + 17, row.name, "label end"))
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{y + 5}" width="{size:.1f}" height="16" rx="2">'
            f"<title>{escape(row.name)}: {100 * row.value:.2f}</title></rect>"
        )
        if row.interval:
            low, high = (left + (right - left) * edge for edge in row.interval)
            parts.append(
                f'<path class="whisker" d="M{low:.1f},{y + 9}v8m0,-4H{high:.1f}m0,-4v8"/>'
            )
        parts.append(_text(right + 8, y + 17, f"{100 * row.value:.1f} {row.note}".strip(), "tick"))
    return _svg(title, step * len(rows) + 30, parts)


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]
) -> str:
    """A table of counts coloured by their share of the row; rows are gold, columns predicted."""
    if not rows or not columns:
        return ""
    left = min(160.0, 16 + _LETTER * max(map(len, rows)))
    size = min(72.0, (_WIDTH - left - 8) / len(columns))
    head = 12 + min(110.0, _LETTER * max(map(len, columns))) * (0.75 if size < 60 else 0) + 14
    parts = []
    for j, name in enumerate(columns):
        x = left + size * (j + 0.5)
        turned = f' transform="rotate(-50 {x:.1f} {head - 8:.1f})"' if size < 60 else ""
        kind = "label" if turned else "label middle"
        parts.append(_text(x, head - 8, name, kind, turned))
    height = min(size, 34.0)
    for i, name in enumerate(rows):
        total = sum(counts[i])
        y = head + height * i
        parts.append(_text(left - 8, y + height / 2 + 5, name, "label end"))
        for j, count in enumerate(counts[i]):
            share = count / total if total else 0.0
            kind = "right" if name == columns[j] else "wrong"
            parts.append(
                f'<rect class="cell {kind}" x="{left + size * j:.1f}" y="{y:.1f}" '
                f'width="{size - 2:.1f}" height="{height - 2:.1f}" '
                f'style="--share:{math.sqrt(share):.3f}">'
                f"<title>{escape(name)} read as {escape(columns[j])}: {count}</title></rect>"
            )
            if count:
                x = left + size * (j + 0.5) - 1
                strong = " strong" if math.sqrt(share) > 0.6 else ""
                parts.append(_text(x, y + height / 2 + 4, str(count), f"count middle{strong}"))
    return _svg(title, head + height * len(rows) + 8, parts)


def reliability(title: str, bins: Iterable[tuple[float, float, int]]) -> str:
    """Share of right entities over their mean score; circles grow with the number of entities.

    bins: (mean score, share right, how many), empty ones left out.
    """
    filled = [one for one in bins if one[2]]
    if not filled:
        return ""
    height = 360
    xs = _Axis(0.0, 1.0, _LEFT, _LEFT + height - _BOTTOM - _TOP)
    ys = _Axis(0.0, 1.0, height - _BOTTOM, _TOP)
    most = max(number for _, _, number in filled)
    parts = [
        _axes(xs, ys, "score given", "share that is right"),
        f'<line class="ideal" x1="{xs(0)}" y1="{ys(0)}" x2="{xs(1)}" y2="{ys(1)}"/>',
    ]
    for score, right, number in filled:
        radius = 3 + 9 * math.sqrt(number / most)
        parts.append(
            f'<circle class="dot c0" cx="{xs(score):.1f}" cy="{ys(right):.1f}" r="{radius:.1f}">'
            f"<title>score {score:.2f}: {100 * right:.1f} % of {number} right</title></circle>"
        )
    return _svg(title, height, parts)


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

    def ticks(self) -> list[float]:
        """Round values, four to nine of them."""
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * i for i in range(first, last + 1)]


def _axes(xs: _Axis, ys: _Axis, x_name: str, y_name: str) -> str:
    parts = []
    for tick in ys.ticks():
        y = ys(tick)
        parts.append(
            f'<line class="grid" x1="{xs.start:.1f}" x2="{xs.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(xs.start - 6, y + 4, _short(tick), "tick end"))
    for tick in xs.ticks():
        parts.append(_text(xs(tick), ys.start + 16, _short(tick), "tick middle"))
    parts.append(_text((xs.start + xs.end) / 2, ys.start + 34, x_name, "name middle"))
    middle = (ys.start + ys.end) / 2
    parts.append(_text(14, middle, y_name, "name middle", f' transform="rotate(-90 14 {middle})"'))
    return "".join(parts)


def _legend(names: Sequence[str], top: float) -> tuple[str, int]:
    """The names beside their colours, and how many rows they take."""
    x, row, parts = float(_LEFT), 0, []
    for i, name in enumerate(names):
        width = 34 + _LETTER * len(name)
        if x > _LEFT and x + width > _WIDTH:
            x, row = float(_LEFT), row + 1
        y = top + 20 * row + 4
        place = f'x="{x:.1f}" y="{y}" width="14" height="4"'
        parts.append(f'<rect class="key c{i % _N_COLOURS}" {place}/>')
        parts.append(_text(x + 20, y + 6, name, "tick"))
        x += width
    return "".join(parts), row + 1


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _short(value: float) -> str:
    return f"{value:.4g}"
