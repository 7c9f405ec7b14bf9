"""One attempt of a job, from its fork to its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from scoperun.batch.attempt import Attempt, reported
from scoperun.errors import (
    BusUnavailable,
    CommandNotExecutable,
    CommandNotFound,
    InvalidValue,
    LimitNotEnforced,
    PropertyRefused,
    ScoperunError,
)
from scoperun.process.child import AboutTheCommand
from scoperun.record import dataclass, replace
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from scoperun.batch.job import Job
    from scoperun.batch.rows import Begun, Place
    from scoperun.batch.streams import Streams
    from scoperun.console.option import Option
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision

    Begin = Callable[[RunRequest, Streams, Callable[[], None]], AbstractAsyncContextManager[Supervision]]
    """Runs a command in a scope of its own for the length of a context, as scoperun.supervision.running.begun does.

    The last argument is called when the scope stands, and raises ScoperunError if the command must not run there.
    """

_ABOUT_THE_COMMAND = (InvalidValue, CommandNotFound, CommandNotExecutable, AboutTheCommand)
"""Why this command cannot be executed. Every other reason is one for any command: then the job is to run later, unless
it is for a setting of the job's own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    attempt: how it ended. report: None if the command did not run. refusal: why no command can be started: then the
    attempt tells nothing about the job. was_stopped: we ended it. crash: a mistake of ours that has ended it.
    """

    attempt: Attempt
    report: Report | None = None
    refusal: ScoperunError | None = None
    was_stopped: bool = False
    crash: BaseException | None = None

    @property
    def is_of_bus(self) -> bool:
        """Whether systemd could not be reached."""
        return isinstance(self.refusal, BusUnavailable)


def is_its_own(error: ScoperunError, job: Job) -> bool:
    """Tell whether the error is about this job, and not about any other in its place."""
    if not isinstance(error, PropertyRefused | LimitNotEnforced):
        return isinstance(error, _ABOUT_THE_COMMAND)
    from scoperun.batch.columns import COLUMNS  # noqa: PLC0415  it imports all options, and the library has none

    own = [COLUMNS[name] for name, _ in job.settings]
    if isinstance(error, PropertyRefused):
        return error.property_name in {each.sets for each in own}
    return any(error.message.startswith(_named(each)) for each in own)


def _named(setting: Option) -> str:
    """Return how errors begin to name a setting: by its property as unit files have it, or by its field."""
    if setting.sets is not None:
        return setting.sets.removesuffix("USec").removesuffix("PerSec")
    return f"`{(setting.field or '').partition('.')[2]}"


class RunningJob:
    """An attempt that was begun. unit: the name of its scope. place: of the job among those that waited."""

    def __init__(self, job: Job, begun: Begun, *, place: Place, check: Callable[[], None]) -> None:
        """Take a job and its attempt as it is kept; nothing is started yet. check: as Begin has it."""
        self.job = job
        self.unit = begun.unit
        self.place = place
        self._number = begun.number
        self._check = check
        self._started = time.time()
        self._supervision: Supervision | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._was_stopped = False
        self._was_killed = False

    def start(
        self,
        begin: Begin,
        request: Callable[[], RunRequest],
        streams: Callable[[], Streams],
        ended: Callable[[RunningJob, Outcome], None],
    ) -> None:
        """Start it in a task, which makes the request, opens the streams, and closes them.

        ended: called once, whatever becomes of it.
        """
        self._task = asyncio.create_task(self._run(begin, request, streams))
        # If a task is cancelled before its first step, no line of its coroutine runs, not even a `finally`.
        self._task.add_done_callback(partial(self._over, ended))

    def stop(self) -> None:
        """Have systemd stop its scope: SIGTERM, then SIGKILL after --kill-after."""
        self._was_stopped = True
        if self._supervision is None:
            self._cancel()
        else:
            self._stopping = asyncio.create_task(self._stop(self._supervision))

    def kill(self) -> None:
        """Kill everything in its scope."""
        self._was_stopped = True
        self._cancel()

    async def over(self) -> None:
        """Wait until nothing of it is left."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _cancel(self) -> None:
        if self._task is not None and not self._was_killed:
            self._was_killed = True
            self._task.cancel()

    async def _stop(self, supervision: Supervision) -> None:
        with suppress(*UNANSWERED):  # it can be killed later, which needs no answer
            await supervision.stop()

    async def _run(
        self, begin: Begin, request: Callable[[], RunRequest], open_streams: Callable[[], Streams]
    ) -> Outcome:
        """Run the command and return what became of it."""
        try:
            asked = request()
            with closing(open_streams()) as streams:
                async with begin(asked, streams, self._check) as self._supervision:
                    streams.close()
                    report = await self._supervision.report()
        except ScoperunError as error:
            end = replace(self._attempt(), error=str(error))
            if self._supervision is not None or is_its_own(error, self.job):  # it ran, or never can
                return Outcome(replace(end, exit_status=error.exit_status), was_stopped=self._was_stopped)
            return Outcome(end, refusal=error, was_stopped=self._was_stopped)
        finally:
            self._supervision = None
        return Outcome(reported(report, self._attempt()), report, was_stopped=self._was_stopped)

    def _over(self, ended: Callable[[RunningJob, Outcome], None], task: asyncio.Task[Outcome]) -> None:
        if task.cancelled():
            outcome = Outcome(self._attempt(), was_stopped=True)
        elif (crash := task.exception()) is not None:
            outcome = Outcome(self._attempt(), crash=crash)
        else:
            outcome = task.result()
        ended(self, outcome)

    def _attempt(self) -> Attempt:
        """Return the attempt as one that ends now, of which nothing else is known."""
        return Attempt(
            seq=self.job.seq,
            number=self._number,
            unit=self.unit,
            memory=self.place.memory,
            alone=self.place.alone,
            started=self._started,
            ended=time.time(),
        )
