"""The timeline: samples of what a scope uses. It is the only part of a run that polls.

Nothing tells when a scope uses more memory than before, so whoever wants to see that has to look again and again. The
interval doubles each time that there are so many more samples: a run of a week at 0.2 seconds has 46000 of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from scoperun.evidence.events import Sampled
from scoperun.kernel.held_cgroup import HeldCgroup, Numbers, Room

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.supervision.feed import Feed

SAMPLES_PER_INTERVAL = 5000
"""How many samples there are before the interval doubles."""

_FILES = 9
"""How many files are kept open."""

_NOTHING = Numbers(memory=None, memory_max=None, swap=None, tasks=None, cpu=None, is_frozen=None)


class Timeline:
    """The samples of one scope, to be closed after use."""

    def __init__(self, cgroup: Cgroup, feed: Feed, interval: float, *, samples: int = SAMPLES_PER_INTERVAL) -> None:
        """Read nothing yet.

        cgroup: of the scope. interval: seconds. samples: how many there are before the interval doubles.
        """
        self._feed = feed
        self._held = HeldCgroup(cgroup, Room(_FILES))
        self._interval = interval
        self._samples = samples
        self._taken = 0
        self._is_closed = False

    async def run(self) -> None:
        """Take samples until the scope is gone."""
        due = time.monotonic()
        while self.look():
            due = max(due + self._interval, time.monotonic())  # scoperun might have been stopped for a while
            await asyncio.sleep(due - time.monotonic())

    def look(self) -> bool:
        """Take a sample, unless the scope is gone; tell whether it was there."""
        if self._is_closed:
            return False
        at, held = time.monotonic(), self._held
        stat, events, refusals = map(held.table, ("memory.stat", "memory.events", "pids.events"))
        numbers = held.numbers()  # the last to be read: they tell whether the scope is still there
        if numbers is None and not os.path.exists(held.cgroup.path):
            return False
        self._taken += 1
        if self._taken % self._samples == 0:
            self._interval *= 2
        known = numbers or _NOTHING
        self._feed.put(
            Sampled(
                at=at,
                interval=self._interval,
                memory=known.memory,
                memory_max=known.memory_max,
                swap=known.swap,
                stat=stat,
                events=events,
                cpu=known.cpu,
                tasks=None if known.tasks is None else max(known.tasks - 1, 0),  # without the keeper
                tasks_refused=None if refusals is None else refusals.get("max"),
            )
        )
        return True

    def close(self) -> None:
        """Take no more samples, and close the files."""
        self._is_closed = True
        self._held.close()
