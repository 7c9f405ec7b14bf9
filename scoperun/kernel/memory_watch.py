"""Take a snapshot of a scope's memory whenever the kernel reports a change of memory.events; never polls."""

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
    """How much time the snapshots of a watch may take, in elapsed time.

    Processor time would not do: a kernel that accounts it by ticks charges us nothing, because a tick wakes us and we
    are done before the next.
    share: fraction of all time since the watch began.
    burst: extra seconds, once.
    reserve: extra seconds per pause, for snapshots prompted by a process's exit.
    """

    share: float = 0.005
    burst: float = 0.05
    reserve: float = 0.02


_BUDGET = Budget()


@contextmanager
def watching(
    scope: ScopeCgroup, *, give: Callable[[MemorySnapshot], None], budget: Budget = _BUDGET
) -> Iterator[MemoryWatch]:
    """Call `give` with a snapshot at each change of memory.events, for the length of the context.

    A workload at its limit changes memory.events a hundred times a second. The watch then pauses between snapshots to
    stay within its budget. In a pause the exit of a known process still prompts a snapshot, within the reserve.
    Raises OSError if there are too few descriptors.
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
        """Take the first snapshot and give it; the parameters are those of `watching`."""
        self._scope = scope
        self._give = give
        self._budget = budget
        self._files: list[int] = []
        self._epoll = select.epoll()
        self._endings = Endings()
        self._holds_all = False
        self._rested = False
        self._listens_to_exits = False
        self._rest: asyncio.TimerHandle | None = None
        self._exits_ignored_from = 0.0
        self._last = replace(scope.first_snapshot(), stalls=vmstat.stalls())
        self._spent = 0.0
        self._began = self._last.at
        give(self._last)

    def start(self) -> None:
        """Listen to the scope, and to the cgroups above it, whose own limits might be reached."""
        with suppress(OSError):  # there is no memory controller, so nothing to listen to
            for file in self._scope.cgroup.event_files():
                self._files.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
                _acknowledge(self._files[-1])
                self._epoll.register(self._files[-1], select.EPOLLPRI)
            self._listen()

    def stop(self) -> None:
        """Stop listening, and close the descriptors."""
        self._stop_listening()
        self._epoll.close()
        self._endings.close()
        while self._files:
            os.close(self._files.pop())

    def look(self) -> bool:
        """Take a snapshot and give it, unless the cgroup is gone; tell whether the cgroup was there."""
        began = time.monotonic()
        snapshot = self._scope.snapshot(before=self._last, endings=self._endings)
        if snapshot is not None:
            prompted = bool(snapshot.ended) and self._listens_to_exits
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

    def _stop_listening(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        if not self._epoll.closed:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            asyncio.get_running_loop().remove_reader(self._endings.fileno())
        self._listens_to_exits = False

    def _woken(self) -> None:
        """Take a snapshot, then listen again, after a pause if the budget is exceeded."""
        try:
            for file, _ in self._epoll.poll(0):
                _acknowledge(file)
            is_there = self.look()
        except OSError:
            is_there = False
        self._stop_listening()
        if is_there:
            excess = self._spent - self._budget.burst - self._budget.share * (time.monotonic() - self._began)
            self._pause(excess) if excess > 0 else self._listen()

    def _pause(self, excess: float) -> None:
        """Stop listening until the time spent is within the budget again; a change meanwhile wakes us after that.

        excess: seconds spent beyond the budget.
        """
        loop = asyncio.get_running_loop()
        if self._rest is None:  # a new pause: the excess so far is not from snapshots prompted by an exit
            self._exits_ignored_from = excess + self._budget.reserve
        self._rested = True
        self._rest = loop.call_later(excess / self._budget.share, self._listen)
        self._listens_to_exits = self._holds_all and excess < self._exits_ignored_from
        if self._listens_to_exits:
            loop.add_reader(self._endings.fileno(), self._woken)


def _acknowledge(file: int) -> None:
    """Read a file of counters, so that it wakes us only for later changes."""
    os.pread(file, 4096, 0)
