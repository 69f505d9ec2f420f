"""A curve as a small SVG: a logarithmic axis to the right, megabytes upwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 640, 320, 60, 40, 30, 160
_COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
_STEPS: Final = 4

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """What maps numbers to places.

    Attributes:
        first: Least on the axis to the right, above 0.
        last: Most on it.
        most: Most upwards.
    """

    first: float
    last: float
    most: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn."""
        span = math.log(self.last / self.first) or 1.0
        right = _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(x / self.first) / span
        return right, _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * y / self.most


def draw(title: str, axis: str, lines: Mapping[str, Points]) -> str:
    """An SVG of ``lines`` (name -> points), with the points' own places marked on the axis.

    Args:
        title: Above it.
        axis: What is to the right.
        lines: At least one, with at least one point each.
    """
    places = sorted({x for points in lines.values() for x, _ in points})
    most = max(y for points in lines.values() for _, y in points)
    step = _round_up(most / _STEPS)
    frame = Frame(places[0], places[-1], step * _STEPS)
    parts = [_text(_LEFT, _TOP - 12, title, "start"), _text((_WIDTH - _RIGHT + _LEFT) / 2, _HEIGHT - 6, axis, "middle")]
    for number in range(_STEPS + 1):
        x, y = frame.place(places[0], step * number)
        end, _ = frame.place(places[-1], 0)
        parts.append(f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{end:.0f}" y2="{y:.0f}" stroke="#ccc"/>')
        parts.append(_text(x - 6, y + 4, f"{step * number:g} MB", "end"))
    parts += [_text(frame.place(x, 0)[0], _HEIGHT - _BOTTOM + 16, f"{x:g}", "middle") for x in places]
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        spots = [frame.place(x, y) for x, y in sorted(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        parts.append(_text(spots[-1][0] + 8, spots[-1][1] + 4, name, "start", colour))
    body = "\n".join(parts)
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value)
