"""`scopectl set`: change the limits of what runs."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.options import OPTIONS
from scoperun.console.table_options import KEPT, limits_of, properties_of, with_options
from scoperun.ctl.acting import Did, Every, Globs, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.ctl.errors import NotActive
from scoperun.ctl.freezing import is_frozen
from scoperun.ctl.in_force import in_force, limits_in_force, setting, text_of
from scoperun.ctl.limit_warnings import of_unit
from scoperun.ctl.one_at_a_time import one_at_a_time
from scoperun.errors import InvalidValue, PropertyRefused, ScoperunError
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.record import dataclass, replace
from scoperun.spec.properties import Property
from scoperun.spec.scope import AT_START, live_properties, without_keeper
from scoperun.spec.sizes import format_size, in_words
from scoperun.supervision.enforcement import unenforced
from scoperun.systemd.answers import UNIT

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

LIVE = tuple(each for each in OPTIONS if each.is_live or each.name == "property")

_FIXED = "systemd fixes it when the unit starts, and cannot change it afterwards"
REFUSED = KEPT | {
    name: f"{each.sets.replace('USec', 'Sec')}=: {_FIXED}"
    for each in OPTIONS
    if each.is_limit and not each.is_live and each.sets is not None
    for name in each.names
}
"""The limits that cannot be changed, by the names of their options, with the reason."""

Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Also set what would have no effect, and MemoryMax= below what is used, where the kernel kills.",
        show_default=False,
    ),
]


@with_options(LIVE, refused=REFUSED)
def command(
    units: Units,
    *,
    force: Force = False,
    every: Every = False,
    json: Json = False,
    system: System = False,
    **given: Any,
) -> int:
    """Set limits.

    A change lasts until the unit ends: "scopectl cap" is for what shall stay.
    What is not given stays as it is, also the swap of "--mem". Each limit is
    read back from the kernel, and shown as it was and as it is in force now; if
    it is not, everything is set back.

    Without --force a limit on memory below what the unit uses is refused: the
    kernel would kill processes at once, perhaps several, where a smaller number
    would do. MemoryHigh= (--mem-high) has it give memory back without a kill.
    """
    further = properties_of(given)
    _see_not_fixed(further)
    wanted = live_properties(limits_of(LIVE, given), further)
    if not wanted:
        raise InvalidValue("nothing to set", hint="e.g. scopectl set UNIT --mem 2G; scopectl set --help lists them")

    async def change(target: Target) -> Did:
        done = await _Change(target, wanted, force, target.seen.has_keeper).made()
        return replace(done, texts=[*done.texts, *_until_it_ends(target.name)])

    with one_at_a_time(os.environ, system=system):
        return acted(units, change, system=system, json=json, globs=Globs(every))


def _until_it_ends(unit: str) -> list[str]:
    """Return what keeps a limit of an application for its next start, as a text."""
    from scoperun.ctl.desktop_apps import likely_id  # noqa: PLC0415

    app = likely_id(unit)
    return [] if app is None else [f"until it ends; for each start: scopectl cap {shlex.quote(app)}"]


def _see_not_fixed(properties: list[Property]) -> None:
    for each in properties:
        if each.name in AT_START:
            raise InvalidValue(f"-p {setting(each)}=: {_FIXED}")


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of one unit. wanted: the properties, with room for a keeper. force: as the option.

    has_keeper: a keeper is in the unit.
    """

    target: Target
    wanted: tuple[Property, ...]
    force: bool
    has_keeper: bool

    async def made(self) -> Did:
        """Make the change, read it back, and return what was in force before and is now."""
        cgroup = self._cgroup()
        if not self.force:
            _see_room(self.wanted, cgroup)
        said = await self._said()
        before = in_force(self.wanted, cgroup, has_keeper=self.has_keeper, systemd=said)
        kills = _kills(cgroup)
        await self._set(self.wanted if self.has_keeper else map(without_keeper, self.wanted))
        if cgroup.pids() is None:
            raise NotActive("it was changed, and has ended since")
        void = self._void(cgroup)
        if void and is_frozen(cgroup):
            await self._set_back(said)
            reason = "it is frozen, and this systemd would change its limits at some later moment"
            raise ScoperunError(f"not changed: {reason}", hint=f"first: scopectl thaw {self.target.name}")
        if void and not self.force:
            await self._set_back(said)
            raise ScoperunError(f"not changed: {'; '.join(void)}", hint="--force sets it all the same")
        now = in_force(self.wanted, cgroup, has_keeper=self.has_keeper, systemd=await self._said())
        return _did(before, now, void, _kills(cgroup) - kills, of_unit(self.wanted, cgroup))

    def _cgroup(self) -> Cgroup:
        cgroup = self.target.seen.cgroup
        if cgroup is None:
            raise ScoperunError("it has no cgroup, and without that no limits")
        return cgroup

    async def _said(self) -> dict[str, Any]:
        """Return what systemd says of the properties."""
        names = {each.sets for each in self.wanted}
        kind = self.target.name.rpartition(".")[2].capitalize()
        said = await self.target.invocation.properties(f"org.freedesktop.systemd1.{kind}", names)
        return said if names <= set(said) else said | await self.target.invocation.properties(UNIT, names)

    async def _set(self, properties: Any) -> None:
        try:
            await self.target.invocation.set_properties(properties)
        except PropertyRefused as error:
            raise ScoperunError(
                f"{error.property_name}= cannot be changed: {_FIXED}, or it does not know the property"
            ) from None

    async def _set_back(self, said: dict[str, Any]) -> None:
        """Set the properties to what systemd has said of them before."""
        back = [back for each in self.wanted for back in as_before(each, said)]
        await self._set(back)

    def _void(self, cgroup: Cgroup) -> list[str]:
        """Return the properties that the kernel does not apply, each with the reason."""
        limits = limits_in_force(cgroup, has_keeper=self.has_keeper)
        return [
            f"{limit} would have no effect: {reason}"
            for limit, reason in unenforced(self.wanted, ScopeCgroup(cgroup, 0), limits)
        ]


def _see_room(wanted: tuple[Property, ...], cgroup: Cgroup) -> None:
    """Raise ScoperunError if a limit on memory is below what is used."""
    used = cgroup.number("memory.current")
    for each in wanted:
        if each.name == "MemoryMax" and isinstance(each.value, int) and used is not None and each.value < used:
            raise ScoperunError(
                f"not changed: it uses {format_size(used)}, and at MemoryMax={format_size(each.value)} "
                "the kernel would kill processes in it, perhaps more than one",
                hint="--force sets it all the same; --mem-high has it give memory back instead",
            )


def as_before(wanted: Property, said: dict[str, Any]) -> list[Property]:
    """Return the properties that set one back to what systemd has said before: an array has to be emptied first."""
    value = said.get(wanted.sets)
    if value is None:
        return []
    signature = "t" if wanted.sets != wanted.name else wanted.signature
    before = Property(name=wanted.sets, signature=signature, value=value)
    empty = Property(name=wanted.sets, signature=signature, value=[])
    is_array = signature.startswith("a") and isinstance(value, list)  # a structure is a list too; "ay" is bytes
    return [empty, before] if is_array and value else [before]


def _kills(cgroup: Cgroup) -> int:
    return (cgroup.table("memory.events") or {}).get("oom_kill", 0)


def _did(before: dict[str, Any], now: dict[str, Any], void: list[str], kills: int, warnings: list[str]) -> Did:
    texts = [f"{name} {text_of(name, before[name])} -> {text_of(name, now[name])}" for name in now]
    killed = [f"the kernel killed {kills} of its processes"] if kills > 0 else []
    changes = {name: {"before": in_words(before[name]), "now": in_words(now[name])} for name in now}
    told = {"limits": changes, "without_effect": void, "killed": kills, "warnings": warnings}
    return Did([*texts, *void, *killed], told, warnings)
