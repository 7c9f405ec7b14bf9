"""Round values for the axes of a plot: 20M and 1.5G, not 19.2M, and 20s, not 17.8s. No I/O."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_TENS = (1, 1.5, 2, 3, 4, 5, 6, 8)
_SIXTIETHS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 10, 12, 15, 20, 30)
_HOURS = (1, 1.5, 2, 3, 4, 6, 8, 12)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SIZES = (1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 512)
_FINEST = -6
_SPARE = 1.15
"""How much longer than the shortest an axis can be for the sake of more labels."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The distances that labels can have, from small to large; is_short: whether the text of a label is exact."""

    values: Callable[[], Iterator[float]]
    is_short: Callable[[float], bool] = lambda _: True

    def at_least(self, distance: float, labels: float) -> float:
        """Return the smallest step of at least `distance` for so many labels."""
        return next(
            step
            for step in self.values()
            if step >= distance and all(self.is_short(step * number) for number in range(int(labels) + 1))
        )


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from 0 to `end`, with a label at each multiple of `step`."""

    end: float
    step: float

    def label_at(self, value: float) -> float | None:
        """Return the value of the label at a place, None if it has none; `value` is not exact."""
        nearest = round(value / self.step) * self.step
        return nearest if abs(value - nearest) < self.step / 1000 else None


def axis(largest: float, steps: Steps, *, cells: int, spacings: Sequence[int]) -> Axis:
    """Return an axis that has room for a value with a cell to spare, and little more.

    spacings: how many cells the labels can be apart, the closest first, which is taken if the axis is short enough.
    """
    least = largest * (1 + 1 / cells) / cells
    found = []
    for spacing in spacings:
        step = steps.at_least(least * spacing, cells / spacing)
        found.append(Axis(step / spacing * cells, step))
    shortest = min(each.end for each in found)
    return next(each for each in found if each.end <= _SPARE * shortest)


def _times() -> Iterator[float]:
    for exponent in range(_FINEST, 0):
        yield from (number * 10.0**exponent for number in _TENS)
    for unit, numbers in ((1, _SIXTIETHS), (_MINUTE, _SIXTIETHS), (_HOUR, _HOURS)):
        yield from (float(unit * number) for number in numbers)
    for exponent in itertools.count():
        yield from (float(_DAY * number * 10**exponent) for number in _TENS)


def _sizes() -> Iterator[float]:
    for exponent in itertools.count():
        yield from (float(number * 1024**exponent) for number in _SIZES)


def _is_short_size(size: float) -> bool:
    """Tell whether a size is exact with one digit after the point: 1.5G, but not 1.25G."""
    try:
        return parse_size(format_size(int(size))) == size
    except InvalidValue:  # it is more than there can be
        return True


def _numbers(finest: int) -> Iterator[float]:
    for exponent in itertools.count(finest):
        yield from (number * 10.0**exponent for number in (1, 2, 5))


TIMES = Steps(_times)
SIZES = Steps(_sizes, _is_short_size)
WHOLE = Steps(lambda: _numbers(0))
SHARES = Steps(lambda: _numbers(-2))
"""Of processors."""
