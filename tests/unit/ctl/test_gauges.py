"""Bars and graphs take exactly their width, show a little as something, and look full only when they are."""

import pytest

from scoperun.ctl import gauges
from scoperun.spec.sizes import INFINITY


@pytest.mark.parametrize(
    ("share", "bar"),
    [
        (None, "    "),
        (0.0, "    "),
        (0.0001, "▏   "),
        (0.25, "█   "),
        (0.5, "██  "),
        (0.6, "██▍ "),
        (0.999, "███▉"),
        (1.0, "████"),
    ],
)
def test_a_bar_is_filled_to_its_share(share: float | None, bar: str) -> None:
    assert gauges.bar(share, 4) == bar


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], "    "),
        ([0, 0], "  ▁▁"),
        ([7, 14], "  ▄█"),
        ([1, 2, None, 8, 8], "▂ ██"),
        ([9, 1, 1, 1, 1], "████"),
    ],
)
def test_a_line_shows_the_last_values_relative_to_the_highest(values: list[int | None], line: str) -> None:
    assert gauges.line_of(values, 4) == line


def test_what_is_not_known_is_a_dash() -> None:
    assert [gauges.size(None), gauges.count(None), gauges.percent(None)] == ["-"] * 3
    assert [gauges.size(20 << 20), gauges.count(0), gauges.percent(0.5)] == ["20M", "0", "50.0"]
    assert gauges.size(INFINITY) == "infinity"
