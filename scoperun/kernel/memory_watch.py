"""A snapshot of a scope's memory whenever the kernel says that its memory.events changed; nothing is polled."""

from __future__ import annotations

import asyncio
import os
import select
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.kernel import vmstat
from scoperun.kernel.endings import Endings
from scoperun.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.evidence.events import MemorySnapshot
    from scoperun.kernel.scope_cgroup import ScopeCgroup


@dataclass(frozen=True, slots=True)
class Budget:
    """How much time the snapshots of a watch may take, by the clock on the wall.

    A kernel that counts what a processor does in ticks finds nothing, since it is a tick that wakes us and we have done
    before the next.
    share: of all time.
    burst: seconds beyond that.
    reserve: seconds beyond both, anew in each rest, for snapshots that the ends of processes prompt.
    """

    share: float = 0.005
    burst: float = 0.05
    reserve: float = 0.02


_BUDGET = Budget()


@contextmanager
def watching(
    scope: ScopeCgroup, *, give: Callable[[MemorySnapshot], None], budget: Budget = _BUDGET
) -> Iterator[MemoryWatch]:
    """Give a snapshot at each change of memory.events for the length of the context.

    A workload that lives at its limit changes it a hundred times a second. Snapshots then become so few that they take
    no more than their budget; the end of a process that was seen is worth one all the same, as long as those are few.
    """
    watch = MemoryWatch(scope, give, budget)
    try:
        watch.start()
        yield watch
    finally:
        watch.stop()


class MemoryWatch:
    """The watch on one scope."""

    def __init__(self, scope: ScopeCgroup, give: Callable[[MemorySnapshot], None], budget: Budget) -> None:
        """Take what `watching` was given."""
        self._scope = scope
        self._give = give
        self._budget = budget
        self._files: list[int] = []
        self._epoll = select.epoll()
        self._endings = Endings()
        self._holds_all = False
        self._rested = False
        self._hears_ends = False
        self._rest: asyncio.TimerHandle | None = None
        self._deaf_from = 0.0
        self._last = replace(scope.first_snapshot(), stalls=vmstat.stalls())
        self._spent = 0.0
        self._began = self._last.at
        give(self._last)

    def start(self) -> None:
        """Listen to the scope, and to those above it for when their own limits are reached."""
        with suppress(OSError):  # no memory controller, and nothing to hear
            for file in self._scope.cgroup.event_files():
                self._files.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
                _acknowledge(self._files[-1])
                self._epoll.register(self._files[-1], select.EPOLLPRI)
            self._listen()

    def stop(self) -> None:
        """Hear nothing more."""
        self._be_deaf()
        self._epoll.close()
        self._endings.close()
        while self._files:
            os.close(self._files.pop())

    def look(self) -> bool:
        """Take a snapshot, and give it, unless the cgroup is gone; tell whether it was there."""
        began = time.monotonic()
        snapshot = self._scope.snapshot(before=self._last, wait_status=self._endings.wait_status)
        if snapshot is not None:
            prompted = bool(snapshot.ended) and self._hears_ends
            rested = self._rested or snapshot.rested
            self._last = replace(snapshot, stalls=vmstat.stalls(), rested=rested, prompted=prompted)
            self._rested = False
            self._holds_all = self._endings.watch({task.pid for task in snapshot.tasks})
            self._give(self._last)
        self._spent += time.monotonic() - began
        return snapshot is not None

    def _listen(self) -> None:
        self._rest = None
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._woken)

    def _be_deaf(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        if not self._epoll.closed:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            asyncio.get_running_loop().remove_reader(self._endings.fileno())
        self._hears_ends = False

    def _woken(self) -> None:
        """Look, and then listen on, or have a rest first."""
        try:
            for file, _ in self._epoll.poll(0):
                _acknowledge(file)
            is_there = self.look()
        except OSError:
            is_there = False
        self._be_deaf()
        if is_there:
            excess = self._spent - self._budget.burst - self._budget.share * (time.monotonic() - self._began)
            self._have_a_rest(excess) if excess > 0 else self._listen()

    def _have_a_rest(self, excess: float) -> None:
        """Listen no more until so much is not too much any more; what changes meanwhile wakes us then."""
        loop = asyncio.get_running_loop()
        if self._rest is None:  # what is in excess by now has no end been worth
            self._deaf_from = excess + self._budget.reserve
        self._rested = True
        self._rest = loop.call_later(excess / self._budget.share, self._listen)
        self._hears_ends = self._holds_all and excess < self._deaf_from
        if self._hears_ends:
            loop.add_reader(self._endings.fileno(), self._woken)


def _acknowledge(file: int) -> None:
    """Read a file of counters: it wakes us for what changes after that."""
    os.pread(file, 4096, 0)
