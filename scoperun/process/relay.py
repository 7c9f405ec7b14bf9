"""What scoperun does with a signal: it ends the attempt, then it is the command's, then it ends the waiting."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.errors import Interrupted, ScoperunError
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.process.child import Child
    from scoperun.process.signals import HeldSignals, Received


@contextmanager
def relaying(signals: HeldSignals, workload: Child) -> Iterator[asyncio.Event]:
    """Act on held signals for the current task, which is cancelled by one that comes before the command runs.

    Gives what is set by one that comes after the command has ended: whatever is still waited for, that is enough.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in a task
    relay = _Relay(signals, workload, task)
    loop.add_reader(signals.fd, relay.act_on_all)
    try:
        yield relay.enough
    except asyncio.CancelledError:
        if relay.interrupted_by is None:
            raise
        name = signal_name(relay.interrupted_by)
        raise Interrupted(f"{name} came before the command was started") from None
    finally:
        loop.remove_reader(signals.fd)


class _Relay:
    """Where signals go in the course of one run."""

    def __init__(self, signals: HeldSignals, workload: Child, task: asyncio.Task[object]) -> None:
        self.enough = asyncio.Event()
        self.interrupted_by: int | None = None
        self._signals = signals
        self._workload = workload
        self._task = task
        self._waker: int | None = None

    def act_on_all(self) -> None:
        all_received = self._signals.read()
        for received in all_received:
            if received.number != signal.SIGCHLD:
                self._act_on(received)
        # Last: a shell inside has a process group of its own, so that its SIGCONT, when the job goes on, is from us.
        if any(received.number == signal.SIGCHLD for received in all_received):
            self._stop_if_the_command_has()

    def _act_on(self, received: Received) -> None:
        if received.number == signal.SIGCONT and received.sender == self._waker:
            return  # this is how we came back from a stop
        is_ending = received.number in self._signals.ending
        if self._workload.ended:
            if received.number == signal.SIGCONT:  # we were stopped, perhaps when it ended
                self._workload.was_not_watched()
            elif is_ending:
                self.enough.set()
        elif is_ending and not self._workload.released:
            self._interrupt(received.number)
        elif not received.from_terminal and not received.raised_in_us and not self._has_it_already(received):
            self._workload.send(received.number)

    def _interrupt(self, number: int) -> None:
        if self.interrupted_by is None:
            self.interrupted_by = number
            self._task.cancel()

    def _has_it_already(self, received: Received) -> bool:
        """Tell whether the command has sent it itself, e.g. with kill(0, …), which has reached us both."""
        return self._workload.released and _is_in_scope_of(self._workload, received.sender)

    def _stop_if_the_command_has(self) -> None:
        # Of several SIGCHLD one is kept, so this one may be about another child, or about what is over already.
        number = self._workload.stopped_by()
        if number is not None and self._workload.released:
            from scoperun.process.job_control import stop_with  # noqa: PLC0415  most commands never stop

            self._waker = stop_with(self._workload, number, self._signals.fd)


def _is_in_scope_of(workload: Child, pid: int) -> bool:
    from scoperun.kernel.cgroup import cgroup_of  # noqa: PLC0415  it is there since the scope stands

    try:
        return cgroup_of(pid) == cgroup_of(workload.pid)
    except ScoperunError:  # one of them is gone
        return False
