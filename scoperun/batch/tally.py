"""What a batch amounts to, counted while it runs. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scoperun.batch.events import Finished, Started
from scoperun.batch.rows import RUNNING, WAITING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.batch.events import Event


class Tally:
    """The numbers of this runner's part of a batch.

    all: the jobs of the batch. states: how many jobs are in each state. retried: attempts that another one follows,
    because of how they ended.
    """

    def __init__(self, states: Mapping[str, int]) -> None:
        """Take how many jobs are in each state at the beginning. Those that an earlier runner ran wait again."""
        self.states = Counter(states)
        self.states[WAITING] += self.states.pop(RUNNING, 0)
        self.all = sum(states.values())
        self.retried = 0

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return self.all - self.states[WAITING] - self.states[RUNNING]

    def take(self, event: Event) -> None:
        """Count what happens."""
        match event:
            case Started():
                self._move(WAITING, RUNNING)
            case Finished():
                self._move(RUNNING, event.state)
                self.retried += not event.is_final and not event.is_interrupted

    def _move(self, before: str, after: str) -> None:
        self.states[before] -= 1
        self.states[after] += 1
