"""The chart: what is drawn of what was measured."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from tests.benchmarks import chart

DATA = {
    "machine": "a machine & its <load>",
    "modules": [55, 198, 2002],
    "seconds": {"one": [0.5, 1.2, 8.4], "two": [0.4, 1.0, 3.0], "three": [0.1, 0.11, 0.12], "four": [0.1, 0.1, 0.1]},
}
SVG = "{http://www.w3.org/2000/svg}"


def test_each_line_is_drawn_with_its_label() -> None:
    root = ElementTree.fromstring(chart.svg(DATA))
    assert len(root.findall(f".//{SVG}polyline")) == 4
    assert len(root.findall(f".//{SVG}circle")) == 4 * 3
    texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert {"one 8.4 s", "four 0.1 s", "2,002", "a machine & its <load>"} <= set(texts)


def test_longer_is_higher_and_all_of_it_is_on_the_picture() -> None:
    root = ElementTree.fromstring(chart.svg(DATA))
    for line in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert all(0 < x < chart.WIDTH and chart.TOP - 1 < y < chart.HEIGHT for x, y in points)
        assert all(left[0] < right[0] and left[1] >= right[1] for left, right in itertools.pairwise(points))


def test_it_is_light_and_dark() -> None:
    light, _, dark = chart.svg(DATA).partition("@media (prefers-color-scheme: dark)")
    assert re.findall(r"\.c\d", light.partition("</style>")[0]) == re.findall(r"\.c\d", dark.partition("</style>")[0])


@pytest.mark.parametrize(("least", "step"), [(0.9, 1), (1, 1), (1.1, 2), (2.1, 5), (0.03, 0.05), (12, 20)])
def test_steps_are_round(least: float, step: float) -> None:
    assert chart.round_step(least) == pytest.approx(step)


@pytest.mark.parametrize(
    ("heights", "moved"),
    [([100, 50], [100, 50]), ([100, 100, 99], [100, 83, 66]), ([90, 100, 50], [83, 100, 50])],
)
def test_labels_do_not_cover_each_other(heights: list[float], moved: list[float]) -> None:
    assert chart.apart(heights) == moved
