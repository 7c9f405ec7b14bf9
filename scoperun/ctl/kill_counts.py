"""How many processes were OOM-killed since the last conclusion, in all and in each unit: two counts that agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scoperun.kernel.unit_kills import Rise

_TRIES = 3
"""How often the counts are read at a conclusion, if more processes are killed meanwhile."""


class KillCounts:
    """The counts, which cannot be read at one moment: a kill can fall between two of them.

    by_unit: the kills in each unit. invocations: the invocation ID of each of these units, None if it is not known.
    """

    def __init__(self, total: Callable[[], int], units: Callable[[], Mapping[str, Rise]]) -> None:
        """Begin now. total: returns the count above all units. units: those whose own has risen since the last time.

        These functions can raise OSError; then each method raises it that reads.
        """
        self._total = total
        self._units = units
        self._seen = self._concluded = total()
        self.by_unit: dict[str, int] = {}
        self.invocations: dict[str, str | None] = {}
        self.settle()
        self.conclude()

    @property
    def kills(self) -> int:
        """How many processes were killed since the last conclusion, as far as was read."""
        return self._seen - self._concluded

    def look(self) -> bool:
        """See whether there were more kills, and in which of the units that still exist; tell whether there were."""
        seen = self._total()
        if seen == self._seen:
            return False
        self._seen = seen
        self._count()
        return True

    def settle(self) -> None:
        """Count until no process is killed meanwhile: what only one of the counts had would be told again."""
        for _ in range(_TRIES):
            self._seen = self._total()
            self._count()
            if self._total() == self._seen:
                return
        # In each try a process was killed after the count above all units was read: its unit can have counted it.
        self._seen = max(self._seen, self._concluded + sum(self.by_unit.values()))

    def conclude(self) -> None:
        """Begin anew, with what was not seen yet."""
        self._concluded = self._seen
        self.by_unit, self.invocations = {}, {}

    def _count(self) -> None:
        for unit, rise in self._units().items():
            self.by_unit[unit] = self.by_unit.get(unit, 0) + rise.kills
            self.invocations[unit] = rise.invocation_id
