"""`scopectl advise`: the limit on memory that earlier runs suggest."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from scoperun import regular_file
from scoperun.console.output import print_json, print_text
from scoperun.ctl.advice_text import lines
from scoperun.ctl.declared import Json, Manager
from scoperun.ctl.history_rows import Row
from scoperun.ctl.recorded import history, manager_named, no_such_name, shown_name
from scoperun.errors import ScoperunError
from scoperun.history.advice import advice
from scoperun.history.past_run import NO_REPORT, TOO_DEEP, PastRun, past_run, reports_in
from scoperun.history.query import Selection
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME|REPORT...",
        show_default=False,
        help="Names of recorded runs, or files of --report: words with a slash or with .json at the end.",
    ),
]


@dataclass(frozen=True, slots=True)
class _Job:
    """Runs that are taken together: those of a name, or those in files. Without a name it is None."""

    name: str | None
    runs: list[PastRun]

    @property
    def title(self) -> str:
        """What the lines about it begin with."""
        return self.name if self.name is not None else "the reports"


def command(words: Words, *, json: Json = False, system: Manager = None) -> None:
    """Print which limit on memory earlier runs of a job suggest.

    It is the 95th percentile of their peaks, rounded up, and the limit that would have been enough for all that
    succeeded. With fewer than 20 runs, or if 5 % or more ran out of memory, might have, or were signalled at a soft
    limit, that is not known: then it says what was used, or what is too little.

    The runs of each name are one job, and all files together are another one. A peak has the page cache in it, of which
    a lower limit would have left less.
    """
    jobs = [(job, advice(job.runs)) for job in _jobs(words, manager_named(system))]
    if json:
        print_json([{"name": job.name, **asdict(found)} for job, found in jobs])
    else:
        print_text("\n".join(one_line(line) for job, found in jobs for line in lines(job.title, found)))


def _jobs(words: Sequence[str], manager: str | None) -> Iterator[_Job]:
    names = [word for word in words if not _is_file(word)]
    yield from _recorded(names, manager) if names else ()
    files = [word for word in words if _is_file(word)]
    if files:
        yield _Job(None, [run for file in files for run in _in_file(file)])


def _is_file(word: str) -> bool:
    return "/" in word or word.endswith(".json")


def _recorded(words: Sequence[str], manager: str | None) -> list[_Job]:
    with history() as store:
        if store is None:
            raise no_such_name(words[0], [])
        known = store.names()
        names = dict.fromkeys(shown_name(word, known) for word in words)
        rows = {name: [Row.of(run) for run in store.runs(Selection(names=(name,), manager=manager))] for name in names}
    return [_Job(name, [_past_run(row) for row in of_name]) for name, of_name in rows.items()]


def _past_run(row: Row) -> PastRun:
    """Return what a recorded report says, which is nothing if it is damaged."""
    try:
        return past_run(row.report)
    except ValueError:
        return PastRun(verdict=None)


def _in_file(path: str) -> list[PastRun]:
    try:
        with os.fdopen(regular_file.opened(path, follow=True), encoding="utf-8") as file:
            return [past_run(report) for report in reports_in(file.read())]
    except ValueError as error:
        reason = str(error) if str(error) in {NO_REPORT, TOO_DEEP} else "it is not JSON"
        raise ScoperunError(f"{path}: not a report of scoperun: {reason}") from None
    except OSError as error:
        raise ScoperunError(f"cannot read {path}: {error.strerror or 'it is not a regular file'}") from None
