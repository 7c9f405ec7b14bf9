"""What a batch amounts to, counted while it runs. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scoperun.batch.events import Finished, Started

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.batch.attempt import Attempt
    from scoperun.batch.events import Event


class Tally:
    """The numbers of this runner's part of a batch.

    all: the jobs of the batch. states: how many jobs are in each state. retried: attempts that followed another one.
    reserved: bytes that the jobs that run may have; most_reserved: the most of it. running: attempts that run.
    largest: the attempt with the highest peak.
    """

    def __init__(self, states: Mapping[str, int]) -> None:
        """Take how many jobs are in each state at the beginning. Those that an earlier runner ran wait again."""
        self.states = Counter(states)
        self.states["waiting"] += self.states.pop("running", 0)
        self.all = sum(states.values())
        self.retried = 0
        self.running = 0
        self.reserved = 0
        self.most_reserved = 0
        self.largest: Attempt | None = None

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return self.all - self.states["waiting"] - self.states["running"]

    def take(self, event: Event) -> None:
        """Count what happens."""
        match event:
            case Started():
                self._move("waiting", "running")
                self.running += 1
                self.retried += event.number > 1
                self.reserved += event.memory
                self.most_reserved = max(self.most_reserved, self.reserved)
            case Finished(attempt=attempt):
                self._move("running", event.state)
                self.running -= 1
                self.reserved -= attempt.memory
                if (attempt.peak or 0) > ((self.largest and self.largest.peak) or 0):
                    self.largest = attempt

    def _move(self, before: str, after: str) -> None:
        self.states[before] -= 1
        self.states[after] += 1
