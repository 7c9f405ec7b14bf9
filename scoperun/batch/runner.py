"""The order of a batch: which job starts when, and what follows from its end.

One loop does both, so that each decision sees all that has ended by then. Nothing exists for a job that waits but its
row in the database. `Runner.run` reads like a table of contents.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from scoperun.batch.admission import Admission, Hold, Room
from scoperun.batch.aftermath import Aftermath
from scoperun.batch.events import Finished, Noted, Started
from scoperun.batch.ground import mended, standing
from scoperun.batch.interruptible import Interruptible
from scoperun.batch.plan import Stage
from scoperun.batch.rows import WAITING, Begun
from scoperun.batch.running_job import RunningJob
from scoperun.batch.unit_names import scope_name
from scoperun.batch.window import Window
from scoperun.errors import BusUnavailable, ScoperunError
from scoperun.kernel.machine_memory import boot_id
from scoperun.record import replace
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from scoperun.batch.ground import Ground
    from scoperun.batch.plan import Plan
    from scoperun.batch.rows import Ended, Place
    from scoperun.batch.running_job import Outcome
    from scoperun.batch.state import State
    from scoperun.kernel.memory_left import Left

_LOOK_AGAIN = 1.0
"""Seconds until the machine's memory is read again, or systemd is asked again: nothing tells us when they are back."""


class Runner:
    """Runs the jobs of a batch that wait.

    stage: how far it is told to end. slots: how many jobs run at once at most. is_paused: no job is started for now.
    """

    def __init__(self, state: State, plan: Plan, *, slots: int, is_open: bool = False) -> None:
        """Take a batch in which no attempt is open. is_open: jobs can be added, so that it runs until it is told."""
        self.stage = Stage.RUNNING
        self.slots = slots
        self.is_paused = False
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
        self._aftermath = Aftermath(state, plan.policy, total=plan.total)
        self._is_short = False
        self._failed = 0
        self._all = sum(state.counts().values())
        self._beginning = Interruptible()
        self._earliest = 0.0
        self._is_cut_off = False
        self._ground: Ground | None = None

    async def run(self, first: Callable[[], Awaitable[object]] | None = None) -> None:
        """Run jobs until none is left, or until it is told to end. Raises ScoperunError if it cannot begin.

        first: awaited before, unless it is told to end meanwhile; raises what it raises.
        """
        if first is not None and self.stage is Stage.RUNNING:
            await self._beginning.wait(first())
        has_begun, is_told = False, False
        while not self._is_over():
            try:
                async with AsyncExitStack() as stack:
                    ground = await self._beginning.wait(stack.enter_async_context(self._standing()))
                    if ground is None:
                        continue
                    has_begun, is_told = True, False
                    self._is_cut_off = False
                    self._has_ground.set()
                    await self._run_on(ground, stack)
            except BusUnavailable as error:
                if not has_begun:
                    raise
                if not is_told:
                    self._plan.take(Noted(f"waiting for systemd: {error}"))
                is_told = True
                await self._woken(_LOOK_AGAIN)

    def end(self, stage: Stage) -> None:
        """Tell it to end; it can be told again, and more strongly."""
        if stage <= self.stage:
            return
        self.stage = stage
        self._beginning.end()
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
    def failure(self) -> ScoperunError | None:
        """Why the batch itself has failed, None if it has not."""
        return self._aftermath.failure

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

    def _standing(self) -> AbstractAsyncContextManager[Ground]:
        return standing(self._plan.batch, total=self._plan.total, system=self._plan.system)

    def _is_over(self) -> bool:
        if self._running or self._ended:
            return False
        return self.stage is not Stage.RUNNING or not (self._is_open or self._window.places())

    async def _run_on(self, ground: Ground, stack: AsyncExitStack) -> None:
        """Run jobs until it is over, or until no job can stand on this ground any more and none does.

        stack: closed with the ground.
        """
        self._ground = ground
        try:
            while True:
                self._settle(ground)
                is_sound = ground.is_sound and not self._is_cut_off
                if self._is_over() or not (is_sound or self._running):
                    return
                await self._woken(self._start_what_fits(ground) if is_sound else _LOOK_AGAIN)
                if self._running and not is_sound:
                    self._ground = ground = await self._mended(ground, stack)
        finally:
            await self._kill_all()
            self._settle(ground)

    async def _mended(self, ground: Ground, stack: AsyncExitStack) -> Ground:
        """Ask systemd whether it is back; return the ground with a new connection, if it needs one and can have it."""
        if ground.has_lost_guard or self.stage is not Stage.RUNNING:
            return ground
        try:
            if not ground.manager.is_usable:
                new = stack.enter_async_context(mended(ground, system=self._plan.system))
                ground = await self._beginning.wait(new) or ground
            elif self._is_cut_off:
                self._is_cut_off = await self._beginning.wait(ground.manager.control_group()) is None
        except ScoperunError:
            pass
        return ground

    async def _kill_all(self) -> None:
        """Kill what still runs, all of it at once, and wait until nothing of it is left."""
        running = self.running
        for each in running:
            each.kill()
        for each in running:
            await each.over()

    async def _woken(self, within: float | None) -> None:
        """Wait until something has changed, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
        self._changed.clear()

    def _start_what_fits(self, ground: Ground) -> float | None:
        """Start waiting jobs until no other can be started.

        Return after how many seconds to look again though nothing has changed, None if there is no need to.
        """
        used, left = ground.used(), ground.left()
        while self.stage is Stage.RUNNING and not self.is_paused:
            if (rest := self._earliest - time.monotonic()) > 0:
                return rest
            room = Room(
                slots=self.slots,
                running=len(self._running),
                total=self._plan.total,
                reserved=self.reserved,
                used=used,
                available=None if left is None else left.size,
            )
            chosen = self._admission.choose(self._window.places(), room)
            self._tell_shortage(chosen, room, left)
            if isinstance(chosen, Hold):
                return _LOOK_AGAIN if chosen is Hold.MACHINE else None
            self._start(chosen, ground)
            self._earliest = time.monotonic() + self._plan.delay
        return None

    def _tell_shortage(self, chosen: Place | Hold, room: Room, left: Left | None) -> None:
        """Say it once if nothing runs because others have the memory for it, which can last forever."""
        is_short = chosen is Hold.MACHINE and room.running == 0
        if left is not None and is_short and not self._is_short:
            least = format_size(min(place.memory for place in self._window.places()))
            free = format_size(room.of_machine)
            self._plan.take(
                Noted(f"waiting for memory: {left.where} has {free} available, and the next job asks for {least}")
            )
        self._is_short = is_short

    def _start(self, place: Place, ground: Ground) -> None:
        """Note that an attempt begins, and then begin it."""
        self._window.take(place)
        job, number = self._state.job(place.seq), self._state.begun(place.seq) + 1
        unit = scope_name(self._plan.batch, job.seq, number)
        begun = Begun(job.seq, number, unit, self._boot, time.time())
        self._state.begin(begun)
        running = RunningJob(job, begun, place=place, check=ground.see_intact)
        self._running[job.seq] = running
        request = partial(self._plan.request, job, place.memory, unit, ground.slice)
        running.start(self._plan.begin, request, partial(self._plan.streams, job, number), self._take_end)
        self._plan.take(Started(job=job, number=number, unit=unit, memory=place.memory, alone=place.alone))

    def _take_end(self, running: RunningJob, outcome: Outcome) -> None:
        self._ended.append((running, outcome))
        self._changed.set()

    def _settle(self, ground: Ground) -> None:
        """Keep what has ended since the last time, and only then free its place.

        If it cannot be kept, the batch fails, and these jobs run again later; so do those that a mistake of ours ended.
        """
        ended = [(running, outcome) for running, outcome in self._ended if outcome.crash is None]
        crashed = [(running, outcome) for running, outcome in self._ended if outcome.crash is not None]
        if ended:
            ends = [self._aftermath.of(running, outcome, ground) for running, outcome in ended]
            self._state.end(*ends)
            self._is_cut_off |= any(outcome.is_of_bus for _, outcome in ended)
            if self.failure is not None:
                self.end(Stage.DRAINING)
            self._ended = crashed
            for (running, outcome), end in zip(ended, ends, strict=True):
                self._free(running, outcome, end)
        for _, outcome in crashed:
            if outcome.crash is not None:
                raise outcome.crash

    def _free(self, running: RunningJob, outcome: Outcome, end: Ended) -> None:
        """Free the place of an attempt whose end is kept, and tell the rest of the program."""
        del self._running[running.job.seq]
        if end.state == WAITING:
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

    def _count(self, end: Ended) -> None:
        """Count a job that has ended, and stop if too many have failed."""
        if end.state == WAITING or end.attempt.is_success:
            return
        self._failed += 1
        halt = self._plan.halt
        if halt is not None and halt.should_halt(failed=self._failed, total=self._all):
            self.end(Stage.STOPPING if halt.is_now else Stage.DRAINING)
