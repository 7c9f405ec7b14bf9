"""`scopectl wait`: until units have ended."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.field_names import in_options
from scoperun.ctl.declared import Json, System
from scoperun.ctl.ending import Ending, ending
from scoperun.ctl.errors import Status
from scoperun.ctl.names import acted_on, missing
from scoperun.ctl.output import on_terminal, print_json, print_text, say
from scoperun.ctl.session import COMMANDS, session
from scoperun.kernel.kill_count import counting
from scoperun.printable import one_line
from scoperun.systemd.unit_end import UnitEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.kernel.kill_count import KillCount

Units = Annotated[
    list[str], typer.Argument(metavar="UNIT...", show_default=False, help="A unit's name, or a glob such as 'build-*'.")
]


def command(units: Units, *, json: Json = False, system: System = False) -> int:
    """Wait until the units have ended, and print how each of them did.

    A line has the unit, its Result= and whether processes in it were OOM-killed: yes, no or unknown. In scopes with
    OOMPolicy=continue or Delegate=yes systemd before version 259 does not count the kills; scopectl sees those before
    the last process has ended. systemd does not know the exit status of a scope's processes: scoperun --report has it.

    The exit status is 0 if all units ended with the result success and without an OOM kill, 1 if one did not or that
    is not known, 4 if there is no such unit.
    """
    endings, errors = asyncio.run(_ended(units, system=system, tells=not json))
    if json:
        print_json([*map(_row, endings), *(_without_unit(*each) for each in errors.items())])
    if errors:
        return Status.NO_SUCH_UNIT
    return Status.OK if all(each.is_success for each in endings) else Status.FAILED


async def _ended(words: Sequence[str], *, system: bool, tells: bool) -> tuple[list[Ending], dict[str, str]]:
    """Return how the units ended that the words name, and for each word that names none why; tells: print each."""
    async with session(system=system) as opened:
        seen = {each.name: each for each in await opened.units(COMMANDS)}
        names, without = acted_on(words, list(seen))
        errors = {word: in_options(str(missing(word, list(seen)))) for word in without}
        for error in errors.values():
            say(f"scopectl: {error}")
        ends = {name: UnitEnd(opened.manager, name) for name in names}
        await asyncio.gather(*(each.begin() for each in ends.values()))
        with ExitStack() as watches:
            # Before the invocation was known, this could be the cgroup of the one before it.
            counts = {name: watches.enter_context(counting(seen[name].cgroup)) for name in names}
            found = await asyncio.gather(*(_end(ends[name], counts[name], tells=tells) for name in names))
    return list(found), errors


async def _end(end: UnitEnd, count: KillCount, *, tells: bool) -> Ending:
    await end.wait()
    count.look()
    found = ending(end.name, end.invocation, await end.properties(), seen=count.kills)
    if tells:
        print_text(one_line(found.sentence) if on_terminal() else "\t".join(map(one_line, found.words)))
    return found


def _row(each: Ending) -> dict[str, Any]:
    return {
        "unit": each.unit,
        "invocation_id": each.invocation_id or None,
        "result": each.result,
        "oom_killed": each.oom_killed,
        "oom_kills": each.oom_kills,
        "error": None,
    }


def _without_unit(word: str, error: str) -> dict[str, Any]:
    return {**dict.fromkeys(("invocation_id", "result", "oom_killed", "oom_kills")), "unit": word, "error": error}
