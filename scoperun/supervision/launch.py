"""Run a command in a scope: run(), run_sync() and wrap().

They fork after importing all modules that talk to systemd. After a fork, a page of memory that is shared with the child
is copied as soon as this process touches it, and an import touches nearly all pages.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from scoperun.errors import ScoperunError
from scoperun.kernel.descriptors import see_room_for_loop
from scoperun.process.processes import spawn
from scoperun.spec.request import RunRequest, words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack

    from scoperun.evidence.events import Event
    from scoperun.evidence.start import Start
    from scoperun.process.parent import Parent
    from scoperun.process.processes import Processes
    from scoperun.process.terminal import Modes
    from scoperun.report.report import Report
    from scoperun.spec.limits import Limits
    from scoperun.spec.request import ExecContext
    from scoperun.spec.soft_memory import SoftMemory
    from scoperun.spec.soft_pressure import SoftPressure
    from scoperun.supervision.supervision import Supervision

    Beside = Callable[[Supervision], AbstractAsyncContextManager[None]]


class RunOptions(TypedDict, total=False):
    """The options of a run besides its command.

    limits: what the scope may use.
    soft_memory: a limit at which the command gets a signal, before the kernel kills at the limit in `limits`.
    soft_pressure: a share of time spent waiting for memory at which the command gets a signal.
    cpu_time: seconds of processor time that all processes of the scope may use together before the scope is stopped.
    timeline_interval: seconds between samples of what the scope uses: each is a scoperun.Sampled in Scope.events(). The
        interval doubles each time that there are 5000 more; by default there are no samples.
    unit: the scope's name, with or without .scope; by default a unique one.
    slice: the slice to put the scope in; by default systemd's, app.slice.
    slice_inherit: put the scope in the slice that the caller runs in, or in `slice` below that.
    description: text for people; by default the command line.
    properties: further properties as for systemd-run -p, e.g. ("MemoryHigh=15M",); they override `limits`.
    require_limits: refuse to run if the kernel does not hold the scope to its limits; by default True.
    system: use the system manager instead of the user's; needs root.
    context: how the command starts: environment, directory, user, group, nice level.
    wait: return only when no process is left in the scope.
    kill_leftovers: stop what is left in the scope when the command has ended.
    die_with_scoperun: have systemd stop the scope when this process ends, even by SIGKILL: SIGTERM, and SIGKILL after
        limits.timeout_stop. What the command leaves is stopped too. A guard process in a scope of its own, one for all
        runs, tells systemd of the end.
    """

    limits: Limits
    soft_memory: SoftMemory | None
    soft_pressure: SoftPressure | None
    cpu_time: float | None
    timeline_interval: float | None
    unit: str | None
    slice: str | None
    slice_inherit: bool
    description: str | None
    properties: tuple[str, ...]
    require_limits: bool
    system: bool
    context: ExecContext
    wait: bool
    kill_leftovers: bool
    die_with_scoperun: bool


async def run(command: Sequence[str], **options: Unpack[RunOptions]) -> Report:
    """Run `command` in a scope of its own and return how it ended. RunOptions describes the options.

    No shell is involved. The command inherits this program's streams, environment and working directory. Cancelling
    the task kills everything in the scope. Raises ScoperunError, with nothing left behind, if the command could not
    be run or supervised.
    """
    from scoperun.supervision.order import supervise

    request = RunRequest(command=words(command), **options)
    with spawn(request) as processes:
        return await supervise(request, processes)


def run_sync(command: Sequence[str], **options: Unpack[RunOptions]) -> Report:
    """Do what `run` does, for a program without an event loop. Ctrl-C kills everything in the scope."""
    import asyncio

    from scoperun.supervision.order import supervise

    request = RunRequest(command=words(command), **options)
    with spawn(request) as processes:
        _see_room_for_loop()
        return asyncio.run(supervise(request, processes))


def wrap(
    request: RunRequest,
    *,
    beside: Beside,
    give_up: Collection[int] = (),
    trace: Callable[[Event | Start], None] | None = None,
    parent: Parent | None = None,
) -> Report:
    """Do what `run_sync` does, for a program that serves only this command, as the command line does.

    Signals sent to this process are passed on to the command, the terminal is restored as a shell restores it, and
    this process closes its standard input and output once the command has them.

    beside: a context that is entered when the command runs, and left when there is a report.
    give_up: further descriptors to close once the command has them. If we kept the write end of a pipe, its reader
        would wait for us after the command has closed it.
    trace: called with every event, also those from before the command runs, and with the Start just before it runs;
        it must not raise.
    parent: the process at whose end the scope is stopped.
    """
    from scoperun.process.signals import HeldSignals
    from scoperun.process.streams import give_up_streams, occupy_closed_streams

    occupy_closed_streams()
    modes = _terminal_modes()
    with HeldSignals() as signals:
        import asyncio

        from scoperun.process.relay import relaying
        from scoperun.supervision.order import supervised

        async def supervise_and_relay(processes: Processes) -> Report:
            with relaying(signals, processes.workload) as enough:
                run = supervised(request, processes, enough, trace=trace, parent=parent)
                async with run as supervision, beside(supervision):
                    report = await supervision.report()
                    if modes is not None and report.signal is not None:
                        modes.restore()
                    return report

        with spawn(request, before_exec=signals.undo_in_child) as processes:
            give_up_streams()
            for fd in give_up:
                os.close(fd)
            _see_room_for_loop()
            return asyncio.run(supervise_and_relay(processes))


def _terminal_modes() -> Modes | None:
    if not (os.isatty(0) and os.isatty(1)):
        return None
    from scoperun.process.terminal import modes

    return modes()


def _see_room_for_loop() -> None:
    try:
        see_room_for_loop()
    except OSError as error:
        raise ScoperunError(f"cannot start an event loop: {error.strerror}") from None
