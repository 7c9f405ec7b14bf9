"""Binds what runs by a cap: what would go over it is seen first, then systemd reads its files again.

systemd 252 and 262 apply a drop-in to running units when they reload. 257 does not, but then does at any later moment,
e.g. when another unit of the slice starts: so a unit that uses more than the cap has to be held at what it has before
the reload, or the kernel kills it later.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.ctl.acting import GONE
from scoperun.ctl.cap_hold import Holds, release, said_of
from scoperun.ctl.cap_over import Over, over
from scoperun.ctl.cap_text import limits_in_words, settings_of
from scoperun.ctl.in_force import in_force, setting, text_of
from scoperun.errors import ManagerError, ScoperunError
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.record import dataclass
from scoperun.spec.limits import READ_BACK
from scoperun.spec.properties import Property
from scoperun.spec.scope import with_keeper
from scoperun.spec.sizes import INFINITY, format_size, in_words
from scoperun.supervision.enforcement import unenforced
from scoperun.systemd.answers import UNIT
from scoperun.systemd.units import Invocation, invocation_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.ctl.session import Seen, Session
    from scoperun.kernel.cgroup import Cgroup

_APPLIES_ALL = Property(name="MemoryAccounting", signature="b", value=True)
"""Setting this has systemd apply all properties of a unit; it is on, or a limit on memory turns it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A unit that a cap is for, and that runs. over: what it uses, if that is more than the cap allows.

    kills: how many of its processes the kernel had killed for memory. holds: the notes about what holds units.
    """

    seen: Seen
    cgroup: Cgroup
    invocation: Invocation
    holds: Holds
    over: Over | None
    kills: int

    @property
    def name(self) -> str:
        """The unit's full name."""
        return self.seen.name


@dataclass(frozen=True, slots=True)
class Bound:
    """What became of a running unit. texts: for people. limits: before and now, for JSON. is_bound: the cap holds."""

    unit: str
    texts: Sequence[str]
    limits: Mapping[str, Any]
    is_bound: bool


async def running(opened: Session, units: Sequence[Seen], cap: Sequence[Property]) -> list[Running]:
    """Return the units that run, of those given, with whether they use more than a cap."""
    found, holds = [], Holds.of(os.environ, system=opened.system)
    for seen in units:
        if seen.cgroup is None or not seen.unit.is_active:
            continue
        try:
            identifier = await invocation_of(opened.manager, seen.name)
        except ManagerError as error:
            if error.name in GONE:  # it has ended meanwhile
                continue
            raise
        if identifier:
            invocation = Invocation(opened.manager, seen.name, identifier)
            kills = (seen.cgroup.table("memory.events") or {}).get("oom_kill", 0)
            more = over(seen.cgroup, cap)
            found.append(
                Running(seen=seen, cgroup=seen.cgroup, invocation=invocation, holds=holds, over=more, kills=kills)
            )
    return found


def see_can_wait(units: Sequence[Running]) -> None:
    """Raise ScoperunError if a unit uses more than a cap, and its next start is not a new unit."""
    for each in units:
        if each.over is not None and each.seen.file is None:
            end = each.name.rpartition(".")[2]
            instead = "end some of it" if end == "slice" else f"stop it first: scopectl stop {each.name}"
            raise ScoperunError(
                f"not capped: {each.name} uses {above(each.over)}, and the kernel would kill processes in it",
                hint=f"{instead}; --force caps it all the same",
            )


def above(more: Over) -> str:
    """Return what a unit uses, and the limit that it is above, in words."""
    return f"{more}, more than MemoryMax={format_size(more.limit)}"


def values(unit: Running, wanted: Sequence[Property]) -> dict[str, Any]:
    """Return what is in force of the properties, by their settings' names: no limit where the kernel has no file."""
    found = in_force(wanted, unit.cgroup, has_keeper=False, systemd={})
    limits = {setting(each) for each in wanted if each.sets in READ_BACK}
    return {name: INFINITY if value is None and name in limits else value for name, value in found.items()}


async def bind(unit: Running, before: Mapping[str, Any], cap: Sequence[Property], read: Sequence[Property]) -> Bound:
    """Have systemd apply its files to a unit, if the reload has not done it; return what is in force then.

    read: the properties to read back, those of the cap and then those that it only had.
    """
    try:
        # An answer to this comes after systemd has applied what the reload changed. If the kernel has ended the unit,
        # no property is set: systemd would make its cgroup again.
        state = (await unit.invocation.properties(UNIT, {"ActiveState"})).get("ActiveState")
        is_left = state not in {"inactive", "failed"} and unit.cgroup.pids() is not None
        if is_left:
            await release(unit.holds, unit.invocation, cap)
        if is_left and (_void(unit, cap) or _is_as_before(unit, before, read[len(cap) :])):
            await unit.invocation.set_properties([_APPLIES_ALL])
        said = await said_of(unit.invocation, read) if is_left else {}
    except ManagerError as error:
        if error.name not in GONE:
            raise
        is_left = False
    if not is_left or unit.cgroup.pids() is None:
        return Bound(unit.name, [_ended(unit)], {}, True)
    now, void = values(unit, read), _void(unit, cap)
    wrong = [
        f"{limits_in_words(settings_of([each]))} is not in force, because another file or scopectl set counts more: "
        f"scopectl status {unit.name} says which"
        for each in cap
        if said.get(each.sets, each.value) != each.value
    ]
    wrong = wrong or [f"{limit} is not in force: {reason}" for limit, reason in void]
    wrong += [
        f"{limits_in_words(settings_of([each]))} is still in force, by another file or scopectl set: "
        f"scopectl status {unit.name} says which"
        for each in read[len(cap) :]
        if said.get(each.sets) == each.value != INFINITY and now[setting(each)] == before.get(setting(each))
    ]
    limits = {name: {"before": in_words(before.get(name)), "now": in_words(now[name])} for name in now}
    kills = (unit.cgroup.table("memory.events") or {}).get("oom_kill", 0) - unit.kills
    killed = [f"the kernel killed {kills} of its processes"] if kills > 0 else []
    # systemd 262 does not wait for the kernel to make room: nothing is killed before the unit needs more.
    if (still := over(unit.cgroup, cap)) is not None and not wrong:
        killed.append(f"it still uses {still}: the kernel kills in it once it needs more")
    what = f"{'not fully ' if wrong else ''}{'capped' if cap else 'released'}"
    return Bound(unit.name, [f"{what}: {', '.join(changes(before, now))}", *wrong, *killed], limits, not wrong)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a text for each limit, as it was and as it is."""
    texts = {name: (text_of(name, before.get(name)), text_of(name, now[name])) for name in now}
    return [f"{name} {old} -> {new}" if old != new else f"{name} stays {new}" for name, (old, new) in texts.items()]


def _is_as_before(unit: Running, before: Mapping[str, Any], dropped: Sequence[Property]) -> bool:
    """Tell whether a limit that a cap had and has no more is still in force."""
    return any(value == before[name] != INFINITY for name, value in values(unit, dropped).items())


def _ended(unit: Running) -> str:
    return "it has ended meanwhile" + ("" if unit.over is None else f": it used {above(unit.over)}")


def _void(unit: Running, cap: Sequence[Property]) -> list[tuple[str, str]]:
    asked = [with_keeper(each) for each in cap]
    whole = ScopeCgroup(unit.cgroup, 0)
    limits = unit.cgroup.limits()
    tasks = [each for each in cap if each.name == "TasksMax" and limits.tasks_max != each.value]
    rest = [each for each in asked if each.name != "TasksMax"]
    missing = unit.cgroup.missing("pids") or "the kernel has not kept it"
    return [*unenforced(rest, whole, limits), *((f"TasksMax={each.value}", missing) for each in tasks)]
