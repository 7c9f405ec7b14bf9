"""`scopectl list`: a row for each unit."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.output import on_terminal, print_json, print_text, say, takes_utf8
from scoperun.console.tables import table
from scoperun.ctl.columns import BY_DEFAULT, EVERY, WITH_APPS, chosen, order
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.errors import Status
from scoperun.ctl.names import listed, not_listed, unlisted
from scoperun.ctl.reading import Moment, Reading
from scoperun.ctl.session import COMMANDS, SCOPES, session
from scoperun.kernel.swap import has_swap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.columns import Field
    from scoperun.ctl.errors import NoSuchUnit
    from scoperun.ctl.session import Seen, Session

All = Annotated[bool, typer.Option("--all", "-a", help="All scopes and services, desktop applications by name too.")]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B", help=f"These columns in this order: {', '.join(EVERY)}."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort", metavar="COLUMN", help="By this column: numbers with the largest first, text from A. Default: unit."
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", "-r", help="In the reverse order.")]
Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN]...",
        show_default=False,
        help="Only units with this name, or whose name begins with it; or a glob such as 'build-*'.",
    ),
]


def command(  # noqa: PLR0913  each is an option
    patterns: Patterns = None,
    *,
    every: All = False,
    columns: Columns = None,
    sort: Sort = None,
    reverse: Reverse = False,
    json: Json = False,
    legend: Legend = True,
    system: System = False,
) -> int:
    """Print a row for each unit.

    MEMORY and SWAP are what the unit uses now, LIMIT the least limit on memory of the unit and of everything above it,
    CPU the processor time that it has used. TASKS counts threads too, and the process with which scoperun holds its
    scope. A dash is printed for what cannot be known. STATE is systemd's, or frozen, or empty if no process is left.
    """
    default = WITH_APPS if every else BY_DEFAULT
    fields = chosen(columns, "--columns") if columns is not None else [EVERY[name] for name in default]
    by = chosen(sort, "--sort") if sort is not None else [EVERY["unit"]]
    readings, errors = asyncio.run(
        _readings(patterns or [], {each.name for each in (*fields, *by)}, every=every, system=system)
    )
    readings = order(readings, by, reverse=reverse)
    if json:
        print_json([{field.name: field.value(reading) for field in fields} for reading in readings])
    elif not readings and on_terminal():
        print_text("" if errors else _nothing(patterns, every=every))
    else:
        print_text(_table(fields, readings, legend=legend, may_leave_out=columns is None))
    for error in errors:
        say(f"scopectl: {error}")
    return Status.NO_SUCH_UNIT if errors else Status.OK


async def _readings(
    patterns: Sequence[str], wanted: set[str], *, every: bool, system: bool
) -> tuple[list[Reading], list[NoSuchUnit]]:
    """Return what is known of the units that are meant, and an error for each word that means none."""
    async with session(system=system) as opened:
        loaded = await _loaded(opened, COMMANDS if every else SCOPES)
        offered = [seen.name for seen in loaded if every or seen.is_ours]
        unknown = unlisted(patterns, offered)
        others = [] if every or not unknown else [seen.name for seen in await _loaded(opened, COMMANDS)]
        errors = [not_listed(word, offered, others) for word in unknown]
        meant = set(listed(patterns, offered))
        units = [seen for seen in loaded if seen.name in meant]
        entered = await _entered(opened, units) if "age" in wanted else {}
    apps = _apps(units) if "app" in wanted else {}
    moment = Moment(now=time.time(), has_swap=has_swap())
    found = [Reading(seen, moment, entered=entered.get(seen.name), app=apps.get(seen.name)) for seen in units]
    return found, errors


async def _loaded(opened: Session, kinds: Sequence[str]) -> list[Seen]:
    """Return the units of these kinds that run, or that have failed."""
    return [seen for seen in await opened.units(kinds) if seen.unit.active != "inactive"]


async def _entered(opened: Session, units: Sequence[Seen]) -> dict[str, float | None]:
    """Return when the units became active whose files do not say that: services, as a rule."""
    asked = [seen.name for seen in units if seen.started is None and seen.unit.is_active]
    times = await asyncio.gather(*(opened.entered(name) for name in asked))
    return dict(zip(asked, times, strict=True))


def _apps(units: Sequence[Seen]) -> dict[str, str | None]:
    from scoperun.ctl.desktop_apps import app_name  # noqa: PLC0415  only --all shows them

    return {seen.name: app_name(seen.name, os.environ) for seen in units}


def _nothing(patterns: Sequence[str] | None, *, every: bool) -> str:
    if patterns:
        return "No such unit runs."
    return "No scope or service runs." if every else "No scope of scoperun runs."


def _table(fields: Sequence[Field], readings: Sequence[Reading], *, legend: bool, may_leave_out: bool) -> str:
    is_terminal, utf8 = on_terminal(), takes_utf8()
    columns: list[Any] = [field.column if may_leave_out else field.column_that_stays for field in fields]
    rows = [[field.cell(reading, is_terminal, utf8) for field in fields] for reading in readings]
    return table(columns, rows, legend=legend)
