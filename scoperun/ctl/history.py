"""`scopectl history`: the runs that scoperun has recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from scoperun.console.output import on_terminal, print_json, print_text
from scoperun.console.tables import table
from scoperun.ctl.declared import Json, Legend, Manager
from scoperun.ctl.history_rows import COLUMNS, Row
from scoperun.ctl.moments import moment
from scoperun.ctl.recorded import history, listed_names, manager_named, meant_names, no_such_name
from scoperun.errors import InvalidValue
from scoperun.history.query import Selection
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.history.store import Store

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        show_default=False,
        help="Only runs of this name, of the one that begins with it, or of all that a glob such as 'build-*' matches. "
        "With --delete: the full name, or a glob.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE",
        help="Only runs that ended at DATE or later: 2026-11-28, yesterday, or 7d for seven days ago.",
        show_default=False,
    ),
]
Before = Annotated[
    str | None, typer.Option("--before", metavar="DATE", help="Only runs that ended before DATE.", show_default=False)
]
Oom = Annotated[bool, typer.Option("--oom", help="Only runs in which memory ran out.")]
Lines = Annotated[
    int | None, typer.Option("--lines", "-n", min=1, metavar="N", help="Only the last N of them.", show_default=False)
]
Reports = Annotated[bool, typer.Option("--reports", help="With --json: each run with its whole report.")]
Names = Annotated[bool, typer.Option("--names", help="Print only the names of these runs.")]
Delete = Annotated[bool, typer.Option("--delete", help="Remove these runs from the history, and print them.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Which runs are asked for, by the words of the command line."""

    name: str | None
    system: bool | None
    since: str | None
    before: str | None
    oom: bool
    lines: int | None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it down."""
        return not self.oom and {self.name, self.system, self.since, self.before, self.lines} == {None}

    def selection(self, names: tuple[str, ...] | None) -> Selection:
        """Return what the history is asked. Raises InvalidValue for what is not a date."""
        now = time.time()
        return Selection(
            names=names,
            manager=manager_named(self.system),
            since=None if self.since is None else _moment("--since", self.since, now),
            before=None if self.before is None else _moment("--before", self.before, now),
            is_oom=self.oom,
            last=self.lines,
        )


def command(  # noqa: PLR0913  each is an option
    name: Name = None,
    *,
    since: Since = None,
    before: Before = None,
    oom: Oom = False,
    lines: Lines = None,
    names: Names = False,
    reports: Reports = False,
    delete: Delete = False,
    json: Json = False,
    legend: Legend = True,
    system: Manager = None,
) -> None:
    """Print a row for each run of `scoperun --record NAME`, the last one last.

    PEAK is the most memory that the run used, page cache included, LIMIT its own limit, and KILLED the processes that
    are known to have been killed because memory ran out. A dash is what is not known, or not there.

    The history is that of the user that calls.
    """
    asked = _Asked(name=name, system=system, since=since, before=before, oom=oom, lines=lines)
    asked.selection(None)  # a wrong date is told first
    if delete and asked.name is None and asked.before is None:
        raise InvalidValue("--delete needs a NAME or --before DATE", hint="'*' is every name")
    if reports and not json:
        raise InvalidValue("--reports needs --json")
    if names and (delete or reports or lines is not None):
        raise InvalidValue("--names goes with none of --delete, --lines and --reports")
    with history() as store:
        found = _names(store, asked) if names else []
        rows = [] if names else _rows(store, asked, delete=delete)
    if names:
        print_json(found) if json else print_text("\n".join(map(one_line, found)))
        return
    if json:
        print_json([row.to_json(whole=reports) for row in rows])
    elif not rows and on_terminal():
        print_text("No such run is recorded." if not asked.is_everything else "No run is recorded.")
    else:
        print_text(table(COLUMNS, [row.cells() for row in rows], legend=legend))


def _names(store: Store | None, asked: _Asked) -> list[str]:
    """Return the names of the runs that are asked for."""
    meant = _meant(store, asked.name, in_full=False)
    return [] if store is None else store.names(asked.selection(meant))


def _rows(store: Store | None, asked: _Asked, *, delete: bool) -> list[Row]:
    """Return the runs that are asked for; delete: and remove them."""
    meant = _meant(store, asked.name, in_full=delete)
    if store is None:
        return []
    runs = store.runs(asked.selection(meant))
    if delete:
        store.delete(runs)
    return [Row.of(run) for run in runs]


def _meant(store: Store | None, word: str | None, *, in_full: bool) -> tuple[str, ...] | None:
    """Return the names that a word means, None without a word. Raises NoSuchUnit, InvalidValue."""
    if word is None:
        return None
    if store is None:
        raise no_such_name(word, [])
    return tuple((meant_names if in_full else listed_names)(word, store.names()))


def _moment(option: str, text: str, now: float) -> float:
    try:
        return moment(text, now=now)
    except InvalidValue as error:
        raise InvalidValue(f"{option}: {error.message}", hint=error.hint) from None
