"""Holds a running unit at the limits that it has while a cap is written, and releases it when it can be capped.

A held unit has limits that are set until it ends, and those count more than the file of a cap. What was set is noted in
a file, so that a later cap, --force or --remove changes it, but not what a person has set.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from scoperun.console import own_files
from scoperun.console.own_files import State
from scoperun.ctl.acting import GONE
from scoperun.ctl.in_force import setting
from scoperun.ctl.setting import as_before
from scoperun.errors import ManagerError, ScoperunError
from scoperun.record import dataclass
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.systemd.answers import UNIT
from scoperun.systemd.bus_address import Surroundings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scoperun.systemd.units import Invocation


@dataclass(frozen=True, slots=True)
class Hold:
    """What was set to hold a unit, by the names of properties. back: what it goes back to when no cap is left."""

    held: Mapping[str, int]
    back: Mapping[str, int]

    @property
    def is_back(self) -> bool:
        """Whether nothing of it is in force."""
        return all(self.back[name] == value for name, value in self.held.items())


@dataclass(frozen=True, slots=True)
class Holds:
    """The notes about holds. folder: a file for each unit, in a folder that ends with the session."""

    folder: str

    @classmethod
    def of(cls, environment: Mapping[str, str], *, system: bool) -> Holds:
        """Return those of a manager."""
        return cls(f"{'/run' if system else Surroundings.of(environment).folder}/scoperun/held")

    def of_unit(self, unit: Invocation) -> Hold | None:
        """Return what holds a unit, None if nothing does, or if it is not known. Raises ScoperunError."""
        try:
            state, text = own_files.content_of(self._path(unit.name))
        except OSError as error:
            raise ScoperunError(f"cannot read {self._path(unit.name)}: {error.strerror}") from None
        noted = json.loads(text.partition("\n")[2]) if state is State.OURS else {}
        return Hold(noted["held"], noted["back"]) if noted.get("invocation") == unit.identifier else None

    def note(self, unit: Invocation, hold: Hold) -> None:
        """Note what holds a unit. Raises ScoperunError."""
        noted = {"invocation": unit.identifier, "held": dict(hold.held), "back": dict(hold.back)}
        try:
            own_files.write(self._path(unit.name), own_files.signed(f"{json.dumps(noted)}\n"))
        except OSError as error:
            raise ScoperunError(f"cannot write {self._path(unit.name)}: {error.strerror}") from None

    def forget_others(self, active: Collection[str]) -> None:
        """Remove the notes about units that have ended. Raises ScoperunError."""
        try:
            for name in set(os.listdir(self.folder)) - set(active):
                own_files.remove(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise ScoperunError(f"cannot remove a file in {self.folder}: {error.strerror}") from None

    def _path(self, unit: str) -> str:
        return f"{self.folder}/{unit}"


async def hold(holds: Holds, unit: Invocation, cap: Sequence[Property], before: Sequence[Property]) -> bool:
    """Set a unit's limits to what they are until it ends, so that a cap's file does not bind it; note it.

    cap: the properties to hold. before: those that the files of the old cap have. Return whether `release` can change
    all that were held, i.e. a person has set none of them. Raises ScoperunError.
    """
    held: dict[str, int] = {}
    back: dict[str, int] = {}
    try:
        said = await said_of(unit, cap)
        noted = holds.of_unit(unit) or Hold({}, {})
        for each in cap:
            name, value = each.sets, said.get(each.sets)
            if not isinstance(value, int) or (name not in noted.held and await _is_set(unit, each)):
                continue
            if name in noted.held and noted.held[name] != value:  # a person has set it since
                continue
            is_of_cap = any(old.sets == name and old.value == value for old in before)
            held[name], back[name] = value, noted.back.get(name, INFINITY if is_of_cap else value)
        holds.note(unit, Hold(held, back))
        await unit.set_properties([old for each in cap for old in as_before(each, said)])
    except ManagerError as error:
        if error.name not in GONE:
            raise
        return True
    return set(said) == set(held)


async def release(holds: Holds, unit: Invocation, cap: Sequence[Property]) -> None:
    """Set what holds a unit to what a cap has, or else back to what it was. Raises ScoperunError."""
    noted = holds.of_unit(unit)
    if noted is None:
        return
    names = [Property(name=name, signature="t", value=value) for name, value in noted.back.items()]
    said = await said_of(unit, names)
    limits = {each.sets: each for each in cap}
    ours = [limits.get(each.name, each) for each in names if said.get(each.name) == noted.held[each.name]]
    if ours:
        await unit.set_properties(ours)
    now = await said_of(unit, ours)
    kept = {name: value for name, value in now.items() if isinstance(value, int)}
    holds.note(unit, Hold(kept, {name: noted.back[name] for name in kept}))


async def said_of(unit: Invocation, properties: Sequence[Property]) -> dict[str, Any]:
    """Return what systemd says of properties, by their names; raise one of manager.UNANSWERED."""
    wanted = {each.sets for each in properties}
    kind = unit.name.rpartition(".")[2].capitalize()
    said = await unit.properties(f"{UNIT.rpartition('.')[0]}.{kind}", wanted)
    return {name: value for name, value in said.items() if name in wanted}


async def _is_set(unit: Invocation, wanted: Property) -> bool:
    """Tell whether a property has been set while the unit ran, as systemd notes it in a drop-in."""
    paths = (await unit.properties(UNIT, {"DropInPaths"})).get("DropInPaths") or []
    return any(str(each).endswith(f"/50-{setting(wanted)}.conf") for each in paths)
