"""The order of a batch: which job starts when, and what follows from its end.

One loop does both, so that each decision sees all that has ended by then. Nothing exists for a job that waits but its
row in the database. `Runner.run` reads like a table of contents.
"""

from __future__ import annotations

import asyncio
import enum
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.batch.admission import Admission, Hold, Room
from scoperun.batch.ending import FAILURES, ending
from scoperun.batch.events import Finished, Noted, Started
from scoperun.batch.ground import scope_name, standing
from scoperun.batch.retry import next_attempt
from scoperun.batch.running_job import RunningJob
from scoperun.batch.state import Begun, Ended
from scoperun.batch.window import Window
from scoperun.errors import BusUnavailable, ScoperunError
from scoperun.kernel.machine_memory import available, boot_id
from scoperun.record import dataclass, replace
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.batch.events import Event
    from scoperun.batch.ground import Ground
    from scoperun.batch.halt import Halt
    from scoperun.batch.job import Job
    from scoperun.batch.retry import Policy
    from scoperun.batch.running_job import Outcome
    from scoperun.batch.state import Place, State
    from scoperun.batch.streams import Streams
    from scoperun.spec.request import RunRequest

_WAITING = "waiting"
"""The state of a job that waits for an attempt."""

_LOOK_AGAIN = 1.0
"""Seconds until the machine's memory is read again, or systemd is asked again: nothing tells us when they are back."""

_MOST_REFUSALS = 3
"""Scopes in a row that systemd refuses before the batch gives up."""


class Stage(enum.IntEnum):
    """How far a batch is told to end."""

    RUNNING = 0
    DRAINING = 1
    """No job starts any more."""
    STOPPING = 2
    """Jobs that run are stopped, too."""
    KILLING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the jobs of a batch are run.

    batch: its ID. total: bytes that they may have together. system: they run in the system's manager.
    delay: seconds between two starts at least.
    request: makes the request for an attempt from the job, its memory, the names of its scope and of the slice.
    streams: opens the output of an attempt, by its number.
    take: called with what happens; it must not raise.
    """

    batch: str
    total: int
    policy: Policy
    request: Callable[[Job, int, str, str], RunRequest]
    streams: Callable[[Job, int], Streams]
    take: Callable[[Event], None]
    halt: Halt | None = None
    delay: float = 0.0
    system: bool = False


class Runner:
    """Runs the jobs of a batch that wait.

    stage: how far it is told to end. slots: how many jobs run at once at most. is_paused: no job is started for now.
    failure: why the batch itself has failed.
    """

    def __init__(self, state: State, plan: Plan, *, slots: int, is_open: bool = False) -> None:
        """Take a batch in which no attempt is open. is_open: jobs can be added, so that it runs until it is told."""
        self.stage = Stage.RUNNING
        self.slots = slots
        self.is_paused = False
        self.failure: ScoperunError | None = None
        self._is_open = is_open
        self._has_ground = asyncio.Event()
        self._state = state
        self._plan = plan
        self._boot = boot_id()
        self._window = Window(state)
        self._admission: Admission[Place] = Admission()
        self._running: dict[int, RunningJob] = {}
        self._ended: list[tuple[RunningJob, Outcome]] = []
        self._changed = asyncio.Event()
        self._refusals = 0
        self._is_short = False
        counts = state.counts()
        self._failed = sum(counts.get(each, 0) for each in FAILURES)
        self._all = sum(counts.values())
        self._earliest = 0.0
        self._ground: Ground | None = None

    async def run(self) -> None:
        """Run jobs until none is left, or until it is told to end. Raises ScoperunError if it cannot begin."""
        has_begun = False
        while not self._is_over():
            try:
                plan = self._plan
                async with standing(plan.batch, total=plan.total, system=plan.system) as ground:
                    has_begun, self._ground = True, ground
                    self._has_ground.set()
                    await self._run_on(ground)
            except BusUnavailable as error:
                if not has_begun:
                    raise
                self._plan.take(Noted(f"waiting for systemd: {error}"))
                await self._woken(_LOOK_AGAIN)

    def end(self, stage: Stage) -> None:
        """Tell it to end; it can be told again, and more strongly."""
        if stage <= self.stage:
            return
        self.stage = stage
        for running in self._running.values():
            if stage is Stage.STOPPING:
                running.stop()
            elif stage is Stage.KILLING:
                running.kill()
        self._changed.set()

    def look_again(self) -> None:
        """Look at jobs that were added."""
        self._window.look_again()
        self._changed.set()

    async def begun(self) -> None:
        """Wait until jobs can be started."""
        await self._has_ground.wait()

    def set_slots(self, slots: int) -> None:
        """Change how many jobs run at once; those that run go on."""
        self.slots = slots
        self._changed.set()

    def pause(self, *, is_paused: bool = True) -> None:
        """Start no more jobs for now, or start them again."""
        self.is_paused = is_paused
        self._changed.set()

    @property
    def running(self) -> Sequence[RunningJob]:
        """The attempts that run."""
        return [*self._running.values()]

    @property
    def total(self) -> int:
        """The bytes that all jobs may have together."""
        return self._plan.total

    @property
    def used(self) -> int:
        """The bytes that the jobs that run use, as far as the kernel says it."""
        return 0 if self._ground is None else self._ground.used()

    def used_by(self, running: RunningJob) -> int:
        """Return the bytes that one of them uses, page cache included."""
        return 0 if self._ground is None else self._ground.used_by(running.unit)

    @property
    def reserved(self) -> int:
        """The bytes that the jobs that run may have together."""
        return sum(running.place.memory for running in self._running.values())

    def _is_over(self) -> bool:
        if self._running or self._ended:
            return False
        return self.stage is not Stage.RUNNING or not (self._is_open or self._window.places())

    async def _run_on(self, ground: Ground) -> None:
        """Run jobs until it is over, or until no job can stand on this ground any more and none does."""
        try:
            while True:
                self._settle(ground)
                if self._is_over() or not (ground.is_sound or self._running):
                    return
                hold = self._start_what_fits(ground) if ground.is_sound else Hold.NOTHING
                await self._woken(self._patience(hold))
        finally:
            for running in self.running:
                running.kill()
                await running.over()
            self._settle(ground)

    async def _woken(self, within: float | None) -> None:
        """Wait until something has changed, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
        self._changed.clear()

    def _patience(self, hold: Hold) -> float | None:
        """Return the seconds after which to look again though nothing has changed, None if there is no need to."""
        if hold is Hold.MACHINE:
            return _LOOK_AGAIN
        rest = self._earliest - time.monotonic()
        return rest if rest > 0 and hold is Hold.NOTHING and not self.is_paused else None

    def _start_what_fits(self, ground: Ground) -> Hold:
        """Start waiting jobs until no other can be started; return why."""
        used, free = ground.used(), available()
        while self.stage is Stage.RUNNING and not self.is_paused:
            if time.monotonic() < self._earliest:
                return Hold.NOTHING
            room = Room(
                slots=self.slots,
                running=len(self._running),
                total=self._plan.total,
                reserved=self.reserved,
                used=used,
                available=free,
            )
            chosen = self._admission.choose(self._window.places(), room)
            self._tell_shortage(chosen, room)
            if isinstance(chosen, Hold):
                return chosen
            self._start(chosen, ground)
            self._earliest = time.monotonic() + self._plan.delay
        return Hold.NOTHING

    def _tell_shortage(self, chosen: Place | Hold, room: Room) -> None:
        """Say it once if nothing runs because the machine has no memory for it, which can last forever."""
        is_short = chosen is Hold.MACHINE and room.running == 0
        if is_short and not self._is_short:
            least = format_size(min(place.memory for place in self._window.places()))
            free = format_size(room.of_machine)
            self._plan.take(
                Noted(f"waiting for memory: the machine has {free} available, and the next job asks for {least}")
            )
        self._is_short = is_short

    def _start(self, place: Place, ground: Ground) -> None:
        """Note that an attempt begins, and then begin it."""
        self._window.take(place)
        job, number = self._state.job(place.seq), self._state.begun(place.seq) + 1
        unit = scope_name(self._plan.batch, job.seq, number)
        self._state.begin(Begun(job.seq, number, unit, self._boot, time.time()))
        request = self._plan.request(job, place.memory, unit, ground.slice)
        running = RunningJob(job, request, place=place, number=number)
        self._running[job.seq] = running
        running.start(self._plan.streams(job, number), self._take_end)
        self._plan.take(Started(job=job, number=number, unit=unit, memory=place.memory, alone=place.alone))

    def _take_end(self, running: RunningJob, outcome: Outcome) -> None:
        self._ended.append((running, outcome))
        self._changed.set()

    def _settle(self, ground: Ground) -> None:
        """Keep what has ended since the last time, and only then free its place."""
        ended, self._ended = self._ended, []
        if not ended:
            return
        ends = [self._end_of(running, outcome, ground) for running, outcome in ended]
        self._state.end(*ends)
        for (running, outcome), end in zip(ended, ends, strict=True):
            del self._running[running.job.seq]
            if end.state == _WAITING:
                self._window.put_back(replace(running.place, memory=end.memory, alone=end.alone))
            self._count(end)
            self._plan.take(
                Finished(
                    job=running.job,
                    attempt=end.attempt,
                    report=outcome.report,
                    state=end.state,
                    memory=end.memory,
                    is_interrupted=not end.counts,
                )
            )

    def _end_of(self, running: RunningJob, outcome: Outcome, ground: Ground) -> Ended:
        """Return what follows from the end of an attempt."""
        attempt, place = outcome.attempt, running.place
        if outcome.refusal is not None:
            self._refused(outcome)
        elif not outcome.was_stopped:
            self._refusals = 0
        was_ended_by_us = (outcome.was_stopped or ground.guard.was_lost) and not attempt.is_success
        if outcome.refusal is not None or was_ended_by_us:
            return Ended(attempt, _WAITING, place.memory, place.alone, counts=False)
        attempts = [*self._state.attempts(running.job.seq), attempt]
        again = None if attempt.is_success else next_attempt(self._plan.policy, attempts, self._plan.total)
        if again is None:
            return Ended(attempt, ending(attempts), place.memory)
        return Ended(attempt, _WAITING, again.memory, again.alone)

    def _refused(self, outcome: Outcome) -> None:
        """Note that a scope could not be started. systemd that cannot be reached is waited for."""
        if outcome.is_of_bus:
            return
        self._refusals += 1
        if self._refusals >= _MOST_REFUSALS and self.failure is None:
            self.failure = outcome.refusal
            self.end(Stage.DRAINING)

    def _count(self, end: Ended) -> None:
        """Count a job that has ended, and stop if too many have failed."""
        if end.state == _WAITING:
            return
        self._failed += not end.attempt.is_success
        halt = self._plan.halt
        if halt is not None and halt.should_halt(failed=self._failed, total=self._all):
            self.end(Stage.STOPPING if halt.is_now else Stage.DRAINING)
