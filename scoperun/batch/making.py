"""The state that a runner works with: that of a new batch, or of one that is resumed."""

from __future__ import annotations

import os
import random
import time
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.batch.admission import see_that_it_fits
from scoperun.batch.batches import is_usual, new_id, path_of
from scoperun.batch.ending import FAILURES
from scoperun.batch.folder import opened
from scoperun.batch.job_files import jobs
from scoperun.batch.limits import see_usable
from scoperun.batch.rows import Header, Wanted
from scoperun.batch.state import State, id_is_taken
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.batch.folder import Folder
    from scoperun.batch.job import Job
    from scoperun.batch.limits import Common
    from scoperun.batch.options import Options


@dataclass(slots=True)
class Made:
    """An open batch, of which this process is the only runner. is_finished: nothing of it is to be kept."""

    folder: Folder
    state: State
    is_finished: bool = False


@contextmanager
def made(options: Options, shared: Common, total: int) -> Iterator[Made]:
    """Open the state of a batch, of which this process is the only runner for the length of the context.

    A new batch that is refused leaves nothing. Raises ScoperunError.
    """
    batch = new_id()
    path = options.path or path_of(batch)
    is_new = not options.is_resumed
    with opened(path, create=is_new, is_usual=is_usual(path)) as folder, folder.locked(is_new=is_new):
        is_kept = not is_new
        try:
            with folder.database(create=is_new) as connection:
                found = Made(folder, State(connection))
                if options.is_resumed:
                    _resume(found, options, shared, total)
                else:
                    _make(found, batch, options, checked_jobs(options, shared, total), total)
                is_kept = True
                try:
                    yield found
                except ScoperunError:  # e.g. for --joblog
                    is_kept = not is_new or found.state.has_begun
                    raise
                is_kept = not found.is_finished
        finally:
            if not is_kept:
                folder.remove()


def checked_jobs(options: Options, shared: Common, total: int) -> Iterator[Job]:
    """Yield the jobs; raise InvalidValue for one that could never run."""
    for job in jobs(options.source, shared):
        see_that_it_fits(job, total)
        yield job


def ids_differ(found: Iterable[Job]) -> Iterator[Job]:
    """Yield the jobs; raise InvalidValue for an id that another has, as the database of a batch does."""
    ids = set()
    for job in found:
        if job.name in ids:
            raise id_is_taken(job)
        if job.name is not None:
            ids.add(job.name)
        yield job


def _make(new: Made, batch: str, options: Options, found: Iterator[Job], total: int) -> None:
    header = Header(
        id=batch,
        created=time.time(),
        cwd=_here(),
        words=options.words,
        command=options.command,
        total=total,
    )
    count = new.state.make(header, found)
    if options.is_shuffled:
        places = array("q", range(1, count + 1))
        random.shuffle(places)
        new.state.shuffle(places)


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise ScoperunError("the working directory was removed", hint="cd to another one") from None


def _resume(earlier: Made, options: Options, shared: Common, total: int) -> None:
    state = earlier.state
    if not state.is_made:
        raise earlier.folder.no_batch()
    state.want(Wanted())  # what is wanted from now on, while jobs are read, is for this runner
    if options.source.file is not None or options.source.values is not None:
        state.see_same(jobs(options.source, shared))
    given = shared.memory if options.gives_memory and isinstance(shared.memory, int) else None
    left = state.left(FAILURES if options.is_retry else ())
    _see_they_can_run((job if given is None else replace(job, memory=given) for job in left), shared, total)
    if options.is_retry:
        state.retry(FAILURES)
    if given is not None:
        state.give_memory(given)


def _see_they_can_run(left: Iterable[Job], shared: Common, total: int) -> None:
    """Raise InvalidValue if a job of an earlier runner cannot be run with the options that there are now."""
    seen = set()
    for job in left:
        if (asked := (job.memory, job.settings)) in seen:  # all that goes together with options, or does not
            continue
        seen.add(asked)
        see_that_it_fits(job, total)
        try:
            see_usable(job, shared)
        except InvalidValue as error:
            raise InvalidValue(f"job {job.seq}: {error.message}: {job.text!r}", hint=error.hint) from None
