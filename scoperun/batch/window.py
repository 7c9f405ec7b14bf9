"""The first jobs that wait, in the order of starts: the only ones that are looked at. No I/O but that of the state."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.batch.rows import Place
    from scoperun.batch.state import State

SIZE = 1000
"""Jobs that are looked at. More would find a smaller job that fits more often, and cost more memory and time."""


class Window:
    """The waiting jobs with the lowest places. Jobs are put back when they wait for another attempt."""

    def __init__(self, state: State, *, size: int = SIZE) -> None:
        """Take the state of a batch; nothing is read yet."""
        self._state = state
        self._size = size
        self._places: list[Place] = []
        self._read_up_to = -1
        self._is_all = False

    def places(self) -> Sequence[Place]:
        """Return the first jobs that wait; empty if none does. The caller does not change it."""
        if not self._is_all and len(self._places) <= self._size // 2:
            more = self._state.waiting(after=self._read_up_to, most=self._size - len(self._places))
            self._is_all = not more
            if more:
                self._read_up_to = more[-1].place
                self._places.extend(more)
        return self._places

    def look_again(self) -> None:
        """Read jobs that were added behind all others."""
        self._is_all = False

    def take(self, place: Place) -> None:
        """Remove a job, which is to be started."""
        at = bisect_left(self._places, place.place, key=_key)
        assert self._places[at] == place  # noqa: S101  it was among `places`
        del self._places[at]

    def put_back(self, place: Place) -> None:
        """Add a job that was taken, and waits for another attempt."""
        insort(self._places, place, key=_key)


def _key(place: Place) -> int:
    return place.place
