"""What scoperun does with a signal: it ends the attempt, then it is the command's, then it ends the waiting."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.errors import Interrupted, ScoperunError
from scoperun.io.signals import ENDING, PASSED_ON, HeldSignals, Received, stop_like_the_command
from scoperun.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.io.workload import Workload


@contextmanager
def relaying(signals: HeldSignals, workload: Workload) -> Iterator[asyncio.Event]:
    """Act on held signals for the current task, which is cancelled by one that comes before the command runs.

    Gives what is set by one that comes after the command has ended: whoever still waits has waited enough.
    """
    enough = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in a task
    interrupted: list[int] = []

    def interrupt(number: int) -> None:
        if not interrupted:
            interrupted.append(number)
            task.cancel()

    def act_on_all() -> None:
        for received in signals.read():
            if received.stopped_by is not None:
                _stop_too(received.stopped_by, workload)
            elif workload.released and not workload.ended:
                _pass_on(received, workload)
            elif received.number in ENDING:
                enough.set() if workload.ended else interrupt(received.number)

    loop.add_reader(signals.fd, act_on_all)
    try:
        yield enough
    except asyncio.CancelledError:
        if not interrupted:
            raise
        raise Interrupted(f"{signal_name(interrupted[0])} came before the command was started") from None
    finally:
        loop.remove_reader(signals.fd)


def _stop_too(number: int, workload: Workload) -> None:
    if workload.stopped_by() is not None:  # it may have been continued, and we with it, before we heard of it
        stop_like_the_command(number)


def _pass_on(received: Received, workload: Workload) -> None:
    if received.number in PASSED_ON and _is_for_us_alone(received, workload):
        workload.send(received.number)


def _is_for_us_alone(received: Received, workload: Workload) -> bool:
    """Tell whether the command has not got the signal itself: from the terminal, or as one of its own kill(0, …)."""
    return not received.from_terminal and not _is_in_scope_of(workload, received.sender)


def _is_in_scope_of(workload: Workload, pid: int) -> bool:
    from scoperun.io.cgroup import cgroup_of  # noqa: PLC0415  it is there since the scope stands

    try:
        return cgroup_of(pid) == cgroup_of(workload.pid)
    except ScoperunError:  # one of them is gone
        return False
