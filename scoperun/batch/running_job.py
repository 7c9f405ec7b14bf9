"""One attempt of a job, from its fork to its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.batch.attempt import Attempt, reported
from scoperun.errors import BusUnavailable, LimitNotEnforced, ManagerError, ScopeFailed, ScoperunError
from scoperun.record import dataclass, replace
from scoperun.supervision.running import begun
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.batch.job import Job
    from scoperun.batch.state import Place
    from scoperun.batch.streams import Streams
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision

_REFUSALS = (BusUnavailable, ManagerError, ScopeFailed, LimitNotEnforced)
"""Why a scope cannot be started that say nothing about the command."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    attempt: how it ended. report: None if the command did not run. refusal: why its scope could not be started: then
    the attempt tells nothing about the job. was_stopped: we ended it.
    """

    attempt: Attempt
    report: Report | None = None
    refusal: ScoperunError | None = None
    was_stopped: bool = False

    @property
    def is_of_bus(self) -> bool:
        """Whether systemd could not be reached."""
        return isinstance(self.refusal, BusUnavailable)


class RunningJob:
    """An attempt that was begun. place: of the job among those that waited. number: the attempt's own."""

    def __init__(self, job: Job, request: RunRequest, *, place: Place, number: int) -> None:
        """Take a job and the request for this attempt; nothing is started yet."""
        self.job = job
        self.place = place
        self.number = number
        self._request = request
        self._supervision: Supervision | None = None
        self._task: asyncio.Task[None] | None = None
        self._was_stopped = False
        self._was_killed = False

    @property
    def unit(self) -> str:
        """The name of its scope."""
        return f"{self._request.unit}"

    def start(self, streams: Streams, ended: Callable[[RunningJob, Outcome], None]) -> None:
        """Start it in a task, which closes the streams and calls `ended` at the end."""
        self._task = asyncio.create_task(self._run(streams, ended))

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

    async def _run(self, streams: Streams, ended: Callable[[RunningJob, Outcome], None]) -> None:
        now = time.time()
        unknown = Attempt(
            seq=self.job.seq,
            number=self.number,
            unit=self.unit,
            memory=self.place.memory,
            alone=self.place.alone,
            started=now,
            ended=now,
        )
        outcome = Outcome(unknown, was_stopped=True)
        try:
            outcome = await self._supervised(streams, unknown)
        except asyncio.CancelledError:
            outcome = Outcome(replace(unknown, ended=time.time()), was_stopped=True)
        finally:
            ended(self, outcome)

    async def _supervised(self, streams: Streams, attempt: Attempt) -> Outcome:
        """Run the command and return what became of it."""
        try:
            try:
                async with begun(self._request, before_exec=streams.take) as self._supervision:
                    streams.close()
                    if self._was_stopped:
                        await self._stop(self._supervision)
                    report = await self._supervision.report()
            finally:
                self._supervision = None
                streams.close()
        except _REFUSALS as error:
            return Outcome(replace(attempt, ended=time.time(), error=str(error)), refusal=error)
        except ScoperunError as error:  # e.g. its folder is missing
            end = replace(attempt, ended=time.time(), exit_status=error.exit_status, error=str(error))
            return Outcome(end, was_stopped=self._was_stopped)
        end = reported(report, replace(attempt, ended=time.time()))
        return Outcome(end, report, was_stopped=self._was_stopped)
