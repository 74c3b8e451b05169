"""Draws the chart of reloads by size of the project, an SVG that follows the reader's light or dark colours."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tests.benchmarks.sizes import DATA

IMAGE = DATA.with_suffix(".svg")
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 196, 56, 60  # margins around the lines
LABEL_HEIGHT = 17  # pixels between two labels, at least
STEPS = 5  # horizontal lines above the axis, about
CAPTION = "Seconds from the save of a view module to the fresh answer, by modules of the project"

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 } .small { font-size: 11px; fill: #666 }
.grid { stroke: #ddd } polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.c0 { --c: #767676 } .c1 { --c: #b45309 } .c2 { --c: #2f7fd1 } .c3 { --c: #0f7b3f }
polyline { stroke: var(--c) } circle { fill: var(--c) } text.label { fill: var(--c) }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .small { fill: #aaa } .grid { stroke: #444 }
  .c0 { --c: #a3a3a3 } .c1 { --c: #f59e0b } .c2 { --c: #6db3f8 } .c3 { --c: #4ade80 }
}
"""


def draw() -> None:
    """Draws what was measured last."""
    IMAGE.write_text(svg(json.loads(DATA.read_text())))


def svg(data: Mapping[str, Any]) -> str:
    """The chart of what ``sizes.measure`` has returned."""
    modules: Sequence[int] = data["modules"]
    lines: Mapping[str, Sequence[float]] = data["seconds"]
    step = round_step(max(map(max, lines.values())) / STEPS)
    top = step * -(-max(map(max, lines.values())) // step)
    xs = [LEFT + (WIDTH - LEFT - RIGHT) * count / max(modules) for count in modules]

    def y_of(seconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * seconds / top

    parts = [_text(LEFT, 26, CAPTION), *_axes(modules, xs, step, top, y_of(0), y_of)]
    heights = apart([y_of(seconds[-1]) for seconds in lines.values()])
    for number, ((name, seconds), height) in enumerate(zip(lines.items(), heights, strict=True)):
        points = [(x, y_of(one)) for x, one in zip(xs, seconds, strict=True)]
        parts.append(f'<g class="c{number}"><polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        parts.append(_text(xs[-1] + 10, height + 4, f"{name} {seconds[-1]:.2g} s", f"label c{number}") + "</g>")
    parts.append(_text(LEFT, HEIGHT - 12, str(data["machine"]), "small"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{CAPTION}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _axes(modules: Sequence[int], xs: Sequence[float], step: float, top: float, bottom: float, y_of: Any) -> list[str]:
    parts = []
    for number in range(round(top / step) + 1):
        y = y_of(number * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{number * step:g}", "small", "end"))
    shown = -1e9
    for count, x in zip(modules, xs, strict=True):
        if x - shown >= 2 * LABEL_HEIGHT:  # small sizes are close to each other
            parts.append(_text(x, bottom + 18, f"{count:,}", "small", "middle"))
            shown = x
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def round_step(least: float) -> float:
    """The next larger number of 1, 2 and 5, and their tenths, hundredths, tens, ..."""
    power = 10.0**-3
    while True:
        for digit in (1, 2, 5):
            if digit * power >= least:
                return digit * power
        power *= 10


def apart(heights: Sequence[float]) -> list[float]:
    """Moves labels up, as little as it takes to keep each from covering another."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=lambda one: -moved[one])
    for below, above in itertools.pairwise(order):
        moved[above] = min(moved[above], moved[below] - LABEL_HEIGHT)
    return moved
