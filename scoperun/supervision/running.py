"""Scope: a run to watch and control, for programs that need more than its report."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from scoperun.process.processes import spawn
from scoperun.spec.request import RunRequest, words
from scoperun.supervision.order import supervised

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType
    from typing import Unpack

    from scoperun.evidence.events import Event
    from scoperun.evidence.start import Start
    from scoperun.report.report import Report
    from scoperun.spec.limits import Limits
    from scoperun.supervision.launch import RunOptions
    from scoperun.supervision.supervision import Supervision


@asynccontextmanager
async def begun(
    request: RunRequest,
    *,
    before_exec: Callable[[], None] | None = None,
    check: Callable[[], None] | None = None,
) -> AsyncIterator[Supervision]:
    """Run a command in a scope of its own for the length of the context, as `Scope` does.

    before_exec: called in the command's process before it takes on the request's identity.
    check: as for `supervised`.
    """
    async with AsyncExitStack() as stack:
        processes = stack.enter_context(spawn(request, before_exec=before_exec))
        yield await stack.enter_async_context(supervised(request, processes, asyncio.Event(), check=check))


class Scope:
    """A command that runs in a scope of its own for the length of an `async with`.

        async with scoperun.Scope(["./work"], limits=scoperun.Limits(memory_max=scoperun.GiB)) as scope:
            await scope.set_limits(scoperun.Limits(memory_max=2 * scoperun.GiB))
            report = await scope.report()

    Leaving the context before there is a report kills everything in the scope. The options are those of `run`;
    see RunOptions.
    """

    def __init__(self, command: Sequence[str], **options: Unpack[RunOptions]) -> None:
        """Check the request; nothing is started yet. Raises InvalidValue for a value that is not valid."""
        self._request = RunRequest(command=words(command), **options)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the scope and let the command run. If that fails, raises ScoperunError with nothing left behind."""
        async with AsyncExitStack() as stack:
            self._supervision = await stack.enter_async_context(begun(self._request))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill what still runs, unless there is a report."""
        await self._stack.__aexit__(kind, error, traceback)

    @property
    def start(self) -> Start:
        """What is known about the scope: its unit, invocation, cgroup, limits in force, and the command's PID."""
        return self._supervision.start

    async def report(self) -> Report:
        """Wait for the end of the command and return how it ended."""
        return await self._supervision.report()

    def events(self) -> AsyncIterator[Event]:
        """Yield each scoperun.Event from now on, until there is a report."""
        return self._supervision.watch()

    async def set_limits(self, limits: Limits) -> None:
        """Change limits of the running scope; a limit that is None stays as it is.

        Raises InvalidValue for limits that can only be set at the start (runtime_max, timeout_stop, oom_policy), and
        LimitNotEnforced if the kernel does not hold the scope to a new limit.
        """
        await self._supervision.set_limits(limits)

    async def stop(self) -> None:
        """Have systemd stop the scope: SIGTERM to every process, and SIGKILL after limits.timeout_stop.

        Returns when the stop is queued, or the scope has ended already; `report` waits for the end.
        """
        await self._supervision.stop()

    async def kill(self, number: int = signal.SIGTERM) -> None:
        """Send signal `number` to every process of the scope."""
        await self._supervision.kill(number)

    async def freeze(self) -> None:
        """Suspend every process of the scope until `thaw`."""
        await self._supervision.freeze()

    async def thaw(self) -> None:
        """Resume the processes of a frozen scope."""
        await self._supervision.thaw()
