"""`scopectl wait`: until units have ended."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.field_names import in_options
from scoperun.console.output import on_terminal, print_json, print_text, say
from scoperun.ctl.declared import Json, System
from scoperun.ctl.ending import Ending, ending
from scoperun.ctl.errors import Status
from scoperun.ctl.names import acted_on, missing
from scoperun.ctl.session import COMMANDS, session
from scoperun.errors import InvalidValue
from scoperun.kernel.kill_count import counting
from scoperun.printable import one_line
from scoperun.record import dataclass
from scoperun.spec.scope import MANAGERS_OWN
from scoperun.spec.sizes import parse_positive_time
from scoperun.systemd.unit_end import UnitEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.kernel.kill_count import KillCount

Units = Annotated[
    list[str], typer.Argument(metavar="UNIT...", show_default=False, help="A unit's name, or a glob such as 'build-*'.")
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        show_default=False,
        help="Wait no longer than that, e.g. 90 or 5min; the exit status is 124 if units still run then.",
    ),
]


@dataclass(frozen=True, slots=True)
class _Waited:
    """What came of waiting.

    left: the units that still run, with their invocation IDs. errors: for each word that names no unit, why.
    """

    endings: list[Ending]
    left: dict[str, str]
    errors: dict[str, str]

    @property
    def status(self) -> int:
        """The exit status."""
        if self.left:
            return Status.TIMED_OUT
        if self.errors:
            return Status.NO_SUCH_UNIT
        return Status.OK if all(each.is_success for each in self.endings) else Status.FAILED


def command(units: Units, *, timeout: Timeout = None, json: Json = False, system: System = False) -> int:
    """Wait until the units have ended, and print how each of them did.

    A line has the unit, its Result= and whether processes in it were OOM-killed: yes, no or unknown. In scopes with
    OOMPolicy=continue or Delegate=yes systemd before version 259 does not count the kills; scopectl sees those before
    the last process has ended. systemd does not know the exit status of a scope's processes: scoperun --report has it.

    The exit status is 0 if all units ended with the result success and without an OOM kill, 1 if one did not or that
    is not known, 4 if there is no such unit, 124 if some still run after --timeout.
    """
    limit = None if timeout is None else _seconds(timeout)
    waited = asyncio.run(_waited(units, limit, system=system, tells=not json))
    if json:
        late = f"not ended after --timeout {timeout}"
        left = [_without_end(unit, late, invocation_id=each) for unit, each in waited.left.items()]
        print_json([*map(_row, waited.endings), *left, *(_without_end(*each) for each in waited.errors.items())])
    if waited.left:
        say(f"scopectl: not ended after --timeout {timeout}: {', '.join(map(one_line, waited.left))}")
    return waited.status


def _seconds(text: str) -> float | None:
    """Return the time after which waiting ends, None for infinity. Raises InvalidValue."""
    try:
        seconds = parse_positive_time(text)
    except InvalidValue as error:
        raise InvalidValue(f"--timeout: {error.message}", hint=error.hint) from None
    return None if seconds == math.inf else seconds


async def _waited(words: Sequence[str], timeout: float | None, *, system: bool, tells: bool) -> _Waited:
    """Wait for the units that the words name, at most for `timeout` seconds; tells: print how each of them ended."""
    async with session(system=system) as opened:
        seen = {each.name: each for each in await opened.units(COMMANDS) if each.name != MANAGERS_OWN}
        names, without = acted_on(words, list(seen))
        errors = {word: in_options(str(missing(word, list(seen)))) for word in without}
        for error in errors.values():
            say(f"scopectl: {error}")
        ends = {name: UnitEnd(opened.manager, name) for name in names}
        await asyncio.gather(*(each.begin() for each in ends.values()))
        with ExitStack() as watches:
            # Before the invocation was known, this could be the cgroup of the one before it.
            counts = {name: watches.enter_context(counting(seen[name].cgroup)) for name in names}
            deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
            found = await asyncio.gather(*(_end(ends[name], counts[name], deadline, tells=tells) for name in names))
    ended = [each for each in found if each is not None]
    left = [name for name, each in zip(names, found, strict=True) if each is None]
    return _Waited(ended, {name: ends[name].invocation for name in left}, errors)


async def _end(end: UnitEnd, count: KillCount, deadline: float | None, *, tells: bool) -> Ending | None:
    """Return how a unit ended, None if it runs at the deadline, by the loop's clock; tells: and print it."""
    try:
        async with asyncio.timeout_at(deadline):
            await end.wait()
    except TimeoutError:
        return None
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


def _without_end(word: str, error: str, *, invocation_id: str | None = None) -> dict[str, Any]:
    known = {"unit": word, "invocation_id": invocation_id, "error": error}
    return {**dict.fromkeys(("result", "oom_killed", "oom_kills")), **known}
