"""A batch from its options to its exit status: `run_batch` reads like a table of contents."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from scoperun.batch.batches import is_usual, seen
from scoperun.batch.concluding import Close, concluded
from scoperun.batch.descriptors import Descriptors
from scoperun.batch.earlier import clear_earlier
from scoperun.batch.interrupts import interruptible_by_signals, interrupting
from scoperun.batch.job_lines import end_line
from scoperun.batch.joblog_file import JobLog
from scoperun.batch.limits import run_request
from scoperun.batch.making import checked_jobs, ids_differ, made
from scoperun.batch.memory_options import total_of, with_memory
from scoperun.batch.output import Output, Way
from scoperun.batch.plan import Plan, Stage
from scoperun.batch.preview import json_lines, text_lines
from scoperun.batch.progress import shown
from scoperun.batch.recording import Recording
from scoperun.batch.results import Results
from scoperun.batch.runner import Runner
from scoperun.batch.tally import Tally
from scoperun.console.output import print_text, say
from scoperun.errors import InvalidValue
from scoperun.process.signals import HeldSignals
from scoperun.process.streams import occupy_closed_streams
from scoperun.record import replace
from scoperun.startup import stay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from scoperun.batch.events import Event
    from scoperun.batch.folder import Folder
    from scoperun.batch.job import Job
    from scoperun.batch.limits import Common
    from scoperun.batch.options import Options
    from scoperun.batch.rows import Header
    from scoperun.batch.state import State
    from scoperun.spec.request import RunRequest


def run_batch(options: Options) -> int:
    """Run a batch, and return the exit status. Raises ScoperunError if it cannot begin."""
    occupy_closed_streams()
    if not options.is_resumed and options.source.file is None and options.source.values is None:
        raise InvalidValue("no jobs", hint="a FILE, - for standard input, or -- CMD {} ::: VALUE...")
    if options.is_resumed and options.dry_run:
        hint = "scopectl batch status shows one that there is"
        raise InvalidValue("--dry-run shows the jobs of a new batch", hint=hint)
    total = total_of(options)
    shared = with_memory(options, total)
    if options.dry_run:
        return _previewed(options, shared, total)
    descriptors = Descriptors()
    descriptors.allow(options.slots)
    with interruptible_by_signals(), made(options, shared, total) as batch, HeldSignals() as signals:
        work = _Work(options, batch.folder, batch.state, total=total, shared=shared, descriptors=descriptors)
        with work.outputs(signals):
            asyncio.run(work.run(signals))
        status = work.concluded()
        batch.is_finished = status == 0 and is_usual(batch.folder.path)  # nothing is left to resume
    return status


def stored(path: str) -> Header:
    """Return what belongs to a batch as a whole, by its folder. Raises ScoperunError."""
    with seen(path) as (_, _, batch):
        return batch.header


def _previewed(options: Options, shared: Common, total: int) -> int:
    found = ids_differ(checked_jobs(options, shared, total))
    for line in (json_lines if options.json else text_lines)(found):
        print_text(line)
    return 0


class _Work:
    """The work of one runner on a batch."""

    def __init__(  # noqa: PLR0913  each is open, and made elsewhere
        self,
        options: Options,
        folder: Folder,
        state: State,
        *,
        total: int,
        shared: Common,
        descriptors: Descriptors,
    ) -> None:
        self._options = options
        self._descriptors = descriptors
        self._folder = folder
        self._state = state
        self._total = total
        self._shared = shared
        self._header = state.header()
        self._tally = Tally(state.counts())
        self._takers: list[Callable[[Event], None]] = [self._tally.take]
        self._stops = 0
        self._began = time.monotonic()
        self._was_told_to_end = False
        self._are_jobs_over = False
        self._unprinted: str | None = None
        self._written: dict[str, JobLog | Results | Recording] = {}

    @contextmanager
    def outputs(self, signals: HeldSignals) -> Iterator[None]:
        """Open what is written while jobs run. Raises ScoperunError."""
        options = self._options
        with ExitStack() as stack:
            results = None if options.results is None else Results(options.results)
            self._output = Output(
                stack.enter_context(self._folder.output()),
                undo=partial(_undo, signals, self._descriptors),
                way=Way(
                    is_tagged=options.is_tagged,
                    order=self._state.unfinished() if options.keeps_order else None,
                    is_silent=options.json,
                ),
                results=results,
            )
            self._takers.append(self._output.take)
            if results is not None:
                self._written["--results"] = results
            if options.joblog is not None:
                joblog = stack.enter_context(JobLog(options.joblog, is_new=not options.is_resumed))
                self._takers.append(joblog.take)
                self._written["--joblog"] = joblog
            if options.record is not None:
                recording = Recording(options.record)
                self._takers.append(recording.take)
                self._written["--record"] = recording
            if options.json:
                self._takers.append(self._print_line)
            yield

    async def run(self, signals: HeldSignals) -> None:
        """Run the jobs. Raises ScoperunError if that cannot begin."""
        options = self._options
        self._runner = Runner(self._state, self._plan(), slots=options.slots)
        with (
            interrupting(
                signals,
                stage=lambda: self._runner.stage,
                end=self._end,
                woken=self._woken,
                aside=self._aside,
            ),
            shown(options.progress, self._runner, self._tally) as progress,
        ):
            self._takers.append(progress.take)
            self._output.aside = progress.aside
            self._output.recover(self._state)
            self._woken()
            self._printing = asyncio.create_task(self._printed())
            stay()
            try:
                await self._runner.run(partial(clear_earlier, self._state, self._header.id, system=options.system))
            finally:
                self._output.close()
                self._are_jobs_over = True
                await asyncio.wait([self._printing])

    def concluded(self) -> int:
        """Say how the batch ended, and return the exit status."""
        close = Close(
            path=self._folder.path,
            elapsed=None if self._options.is_resumed else time.monotonic() - self._began,
            failure=self._runner.failure,
            was_told_to_end=self._was_told_to_end,
            unprinted=self._unprinted,
            unreadable=self._output.unreadable,
            unwritten={option: each.failure for option, each in self._written.items() if each.failure is not None},
        )
        return concluded(self._state, close, json=self._options.json)

    def _plan(self) -> Plan:
        options = self._options
        return Plan(
            batch=self._header.id,
            total=self._total,
            policy=options.policy,
            request=self._request,
            streams=self._output.streams,
            take=self._take,
            halt=options.halt,
            delay=options.delay,
            system=options.system,
        )

    def _request(self, job: Job, memory: int, unit: str, slice: str) -> RunRequest:  # noqa: A002  as its field
        """Return the request for an attempt: it ends with us, and with that what it leaves running ends with it."""
        made = run_request(job, memory, self._shared, unit=unit, slice=slice)
        return replace(made, die_with_scoperun=True)

    def _take(self, event: Event) -> None:
        for take in self._takers:
            take(event)

    async def _printed(self) -> None:
        """Print what jobs print; if nobody reads it, the batch is to end."""
        try:
            await self._output.print_all()
        except asyncio.CancelledError:
            self._unprinted = "nothing reads it"
        except OSError as error:
            self._unprinted = error.strerror or str(error)
            self._runner.end(Stage.STOPPING)

    def _print_line(self, event: Event) -> None:
        if (line := end_line(event)) is not None:
            self._output.put(line)

    def _end(self, stage: Stage) -> None:
        """Tell the runner to end, and the user what happens now."""
        self._was_told_to_end = True
        if self._are_jobs_over:  # all that is waited for is that our output is read
            self._printing.cancel()
        running = len(self._runner.running)
        jobs, are = ("1 job", "is") if running == 1 else (f"{running} jobs", "are")
        them = "it" if running == 1 else "them"
        self._runner.end(stage)  # before anything is said: whatever becomes of that, the runner ends
        match stage:
            case Stage.DRAINING if running:
                self._say(f"scopectl: no more jobs are started; {jobs} {are} left to end; again to stop {them}")
            case Stage.STOPPING if running:
                self._say(f"scopectl: {jobs} {are} stopped; again to kill {them}")
            case Stage.KILLING if running:
                self._say(f"scopectl: {jobs} {are} killed")

    def _aside(self) -> AbstractContextManager[None]:
        """Return a context in which the terminal is not the bar's."""
        return self._output.aside()

    def _say(self, text: str) -> None:
        with self._aside():
            say(text)

    def _woken(self) -> None:
        """Do what another terminal wants."""
        wanted = self._state.wanted()
        self._set_slots(wanted.slots or self._options.slots)
        self._runner.pause(is_paused=wanted.is_paused)
        while wanted.stops > self._stops:
            self._stops += 1
            self._end(max(Stage.STOPPING, Stage(min(self._runner.stage + 1, Stage.KILLING))))

    def _set_slots(self, slots: int) -> None:
        try:
            self._descriptors.allow(slots)
        except InvalidValue as error:
            self._say(f"scopectl: {error.complaint}")
        else:
            self._runner.set_slots(slots)


def _undo(signals: HeldSignals, descriptors: Descriptors) -> None:
    """In a job's process: undo what we have set in ours."""
    signals.undo_in_child()
    descriptors.undo_in_child()
