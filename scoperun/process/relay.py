"""What a signal to scoperun does: cancel a run before its command runs, then reach the command, then end a wait."""

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
    """Act on held signals during the context; one that comes before the command runs cancels the current task.

    Gives an event that is set by a signal that comes after the command has ended: it ends any wait that is left.
    Raises Interrupted if a signal has cancelled the task.
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
        raise Interrupted(f"{name} arrived before the command had started") from None
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
        # Last, after a SIGCONT was passed on: a shell in the scope has a process group of its own, so when the job is
        # continued it gets the SIGCONT from us.
        if any(received.number == signal.SIGCHLD for received in all_received):
            self._stop_if_the_command_has()

    def _act_on(self, received: Received) -> None:
        if received.number == signal.SIGCONT and received.sender == self._waker:
            return  # the waker has continued us
        is_ending = received.number in self._signals.ending
        if is_ending and not (self._workload.released or self._workload.was_given_up):
            self._interrupt(received.number)
        elif self._workload.ended:
            if received.number == signal.SIGCONT:  # we were stopped, perhaps when the command ended
                self._workload.was_not_watched()
            elif is_ending:
                self.enough.set()
        elif not received.from_terminal and not received.raised_in_us and not self._has_it_already(received):
            self._workload.send(received.number)

    def _interrupt(self, number: int) -> None:
        if self.interrupted_by is None:
            self.interrupted_by = number
            self._task.cancel()

    def _has_it_already(self, received: Received) -> bool:
        """Tell whether the command sent the signal itself, e.g. with kill(0, …), which reaches both of us."""
        return self._workload.released and _is_in_scope_of(self._workload, received.sender)

    def _stop_if_the_command_has(self) -> None:
        # The kernel keeps one of several SIGCHLD, so this one might be about another child or an earlier stop.
        number = self._workload.stopped_by()
        if number is not None and self._workload.released:
            from scoperun.process.job_control import stop_with  # noqa: PLC0415  most commands never stop

            self._waker = stop_with(self._workload, number, self._signals.fd)


def _is_in_scope_of(workload: Child, pid: int) -> bool:
    from scoperun.kernel.cgroup import cgroup_of  # noqa: PLC0415  already imported when the scope was started

    try:
        return cgroup_of(pid) == cgroup_of(workload.pid)
    except ScoperunError:  # one of them is gone
        return False
