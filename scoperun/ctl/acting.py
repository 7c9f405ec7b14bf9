"""Acting on units: which ones the words mean, what was done to each, and the exit status."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.field_names import in_options
from scoperun.console.output import print_json, print_text, say
from scoperun.ctl.errors import NoSuchUnit, NotActive, Status, status_of
from scoperun.ctl.freezing import BUSES, is_our_own
from scoperun.ctl.names import acted_on, missing
from scoperun.ctl.session import COMMANDS, session
from scoperun.errors import ManagerError, ScoperunError
from scoperun.printable import one_line
from scoperun.program import reason_for
from scoperun.record import dataclass
from scoperun.spec.scope import MANAGERS_OWN
from scoperun.systemd.units import NO_SUCH_INVOCATION, Invocation, invocation_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from scoperun.ctl.session import Seen, Session

    Act = Callable[["Target"], Awaitable["Did"]]

Units = Annotated[
    list[str],
    typer.Argument(metavar="UNIT...", help="Full names (.scope can be left out), or globs.", show_default=False),
]
Every = Annotated[
    bool, typer.Option("--all", "-a", help="Globs mean every scope and service, not only scopes of scoperun.")
]

_INTERRUPTED = "interrupted before it was known to be done"

LEFT_ALONE = "it is systemd itself, which scopectl leaves alone"

GONE = {
    NO_SUCH_INVOCATION,
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.DBus.Error.UnknownObject",
}
"""systemd's errors for an invocation that is over and unloaded."""


@dataclass(frozen=True, slots=True)
class Target:
    """A unit to act on: as it was seen, by the invocation that ran then."""

    seen: Seen
    invocation: Invocation
    session: Session

    @property
    def name(self) -> str:
        """The unit's full name."""
        return self.seen.name


@dataclass(frozen=True, slots=True)
class Did:
    """What was done to a unit: as text for people, one entry a line, and further keys for JSON.

    warnings: what the user probably did not mean, for standard error.
    """

    texts: Sequence[str]
    json: dict[str, Any]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """One unit that was acted on, or one word that names none.

    unit: its name, or the word. invocation_id: None if it has none. did: None if there was an error.
    """

    unit: str
    invocation_id: str | None = None
    did: Did | None = None
    error: ScoperunError | None = None


@dataclass(frozen=True, slots=True)
class Globs:
    """Which units a glob means. every: all scopes and services, not only scopes of scoperun.

    spare_own: not the unit that this process is in, and not the bus. systemd's own scope is never meant.
    """

    every: bool
    spare_own: bool = False

    def mean(self, seen: Seen) -> bool:
        """Tell whether a glob can mean a unit."""
        return self.could_mean(seen) and not self.spare(seen)

    def could_mean(self, seen: Seen) -> bool:
        """Tell whether a glob could mean a unit if we did not need it."""
        return (self.every or seen.is_ours) and seen.name != MANAGERS_OWN

    def spare(self, seen: Seen) -> bool:
        """Tell whether a unit is spared because we need it: this process is in it, or it is the bus."""
        return self.spare_own and (seen.name in BUSES or is_our_own(seen.cgroup))


def acted(words: Sequence[str], act: Act, *, system: bool, json: bool, globs: Globs) -> int:
    """Act on the units that the words mean, print what was done to each, and return the exit status.

    A unit that cannot be acted on is named, and the rest go on; the first of them decides the status, and words that
    name no unit come after all units. After an interrupt it is printed too what was done, and what was not.
    """
    met: dict[str, Met] = {}
    try:
        asyncio.run(_act(words, act, met, system=system, globs=globs))
    except KeyboardInterrupt:
        _tell([*met.values()], json=json)
        raise
    return _tell([*met.values()], json=json)


def _tell(met: Sequence[Met], *, json: bool) -> int:
    """Print what was done to each unit and why not to others, and return the exit status."""
    errors = [(each.unit, each.error) for each in met if each.error is not None]
    if json:
        print_json([_as_json(each) for each in met])
    else:
        print_text(_lines([(each.unit, text) for each in met if each.did is not None for text in each.did.texts]))
    for each in met:
        for warning in each.did.warnings if each.did is not None else ():
            say(f"scopectl: warning: {each.unit}: {warning}")
    for unit, error in errors:
        say(f"scopectl: {in_options(str(error) if isinstance(error, NoSuchUnit) else f'{unit}: {error}')}")
    return status_of(errors[0][1]) if errors else Status.OK


def _lines(rows: Sequence[tuple[str, str]]) -> str:
    """Return a line for each unit and text: with a tab, or aligned on a terminal, which wraps what is too long."""
    width = max((len(unit) for unit, _ in rows), default=0)
    between = "  " if os.isatty(1) else "\t"
    return "\n".join(
        f"{one_line(unit).ljust(width if os.isatty(1) else 0)}{between}{one_line(text)}" for unit, text in rows
    )


def _as_json(met: Met) -> dict[str, Any]:
    error = None if met.error is None else in_options(str(met.error))
    more = {} if met.did is None else met.did.json
    done = None if met.did is None else ", ".join(met.did.texts)
    return {"unit": met.unit, "invocation_id": met.invocation_id, "done": done, "error": error, **more}


async def _act(words: Sequence[str], act: Act, met: dict[str, Met], *, system: bool, globs: Globs) -> None:
    """Act on the units that the words mean; met: gets what became of each, by its name or the word that names none."""
    async with session(system=system) as opened:
        seen = {each.name: each for each in await opened.units(COMMANDS)}
        names, without = acted_on(words, [*seen], globbed=[name for name, each in seen.items() if globs.mean(each)])
        _say_what_is_spared(words, seen, names, globs)
        others = [name for name, each in seen.items() if name != MANAGERS_OWN and not globs.spare(each)]
        met |= {name: Met(unit=name, error=ScoperunError(_INTERRUPTED)) for name in names}
        met |= {word: Met(unit=word, error=missing(word, others)) for word in without}

        async def meet(name: str) -> None:
            met[name] = await _met(opened, seen[name], act)

        await asyncio.gather(*map(meet, names))


def _say_what_is_spared(words: Sequence[str], seen: Mapping[str, Seen], names: Sequence[str], globs: Globs) -> None:
    """Say which units the words would also mean if we did not need them."""
    own = [name for name, each in seen.items() if globs.could_mean(each) and globs.spare(each) and name not in names]
    for name in acted_on(words, own)[0]:
        why = "it is the bus" if name in BUSES else "scopectl itself runs in it"
        say(f"scopectl: {one_line(name)} is left alone: {why}, and only its full name means it")


async def _met(opened: Session, seen: Seen, act: Act) -> Met:
    """Act on a unit and return what was done, or why it was not."""
    identifier = None
    try:
        if seen.name == MANAGERS_OWN:
            raise ScoperunError(LEFT_ALONE)
        if not seen.unit.is_active and seen.cgroup is None:
            raise NotActive(f"it is not active: {seen.unit.active}")
        identifier = await invocation_of(opened.manager, seen.name)
        if not identifier:
            raise _ended()
        did = await act(Target(seen, Invocation(opened.manager, seen.name, identifier), opened))
    except ScoperunError as error:
        is_gone = isinstance(error, ManagerError) and error.name in GONE
        return Met(unit=seen.name, invocation_id=identifier, error=_ended() if is_gone else error)
    except MemoryError:
        raise
    except Exception as error:  # the other units still get their lines
        if sys.flags.dev_mode:
            raise
        return Met(unit=seen.name, invocation_id=identifier, error=ScoperunError(reason_for("scopectl", error)))
    return Met(unit=seen.name, invocation_id=identifier, did=did)


def _ended() -> NotActive:
    return NotActive("it has ended meanwhile")
