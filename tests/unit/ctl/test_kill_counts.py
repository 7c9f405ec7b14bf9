"""A kill is counted once, whenever it falls between the readings of the two counts."""

import pytest

from scoperun.ctl.kill_counts import KillCounts
from scoperun.kernel.unit_kills import Rise


class Kernel:
    """One unit and what is above it. racing: how many kills fall between the next readings of the two counts."""

    def __init__(self) -> None:
        self.kills = 3
        self.racing = 0
        self._told = 3

    def total(self) -> int:
        return self.kills

    def units(self) -> dict[str, Rise]:
        if self.racing:
            self.racing -= 1
            self.kills += 1
        rise, self._told = self.kills - self._told, self.kills
        return {"a.scope": Rise(rise, "1" * 32)} if rise else {}


def test_what_was_killed_before_it_began_does_not_count() -> None:
    kernel = Kernel()
    kernel.racing = 1
    counts = KillCounts(kernel.total, kernel.units)
    assert (counts.kills, counts.by_unit, counts.look()) == (0, {}, False)
    counts.settle()
    assert (counts.kills, counts.by_unit) == (0, {})


def test_a_kill_is_looked_for_in_the_units_once() -> None:
    kernel = Kernel()
    counts = KillCounts(kernel.total, kernel.units)
    kernel.kills += 2
    assert (counts.look(), counts.look()) == (True, False)
    assert (counts.kills, counts.by_unit, counts.invocations) == (2, {"a.scope": 2}, {"a.scope": "1" * 32})
    counts.conclude()
    assert (counts.kills, counts.by_unit, counts.invocations, counts.look()) == (0, {}, {}, False)


@pytest.mark.parametrize("racing", range(9))
def test_a_kill_between_the_readings_is_not_told_again(racing: int) -> None:
    """However often that happens: a kill that no unit has counted would be taken for one in a unit that has ended."""
    kernel = Kernel()
    counts = KillCounts(kernel.total, kernel.units)
    kernel.kills += 1
    kernel.racing = racing
    told = 0
    for _ in range(20):
        counts.look()
        counts.settle()
        assert counts.kills == sum(counts.by_unit.values())
        told += counts.kills
        counts.conclude()
    assert told == 1 + racing
