"""The order of `scopectl cap --remove`: the files of a cap are removed, and systemd applies what is left.

A removal that was interrupted is finished by the next one: what runs can be bound by files that are removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.ctl.cap_steps import leave_alone, reload, with_old
from scoperun.ctl.capping import Bound, bind, running, values
from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.in_force import setting
from scoperun.errors import ManagerError
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.systemd.answers import UNIT

if TYPE_CHECKING:
    from scoperun.ctl.cap_done import Done
    from scoperun.ctl.cap_files import CapFile
    from scoperun.ctl.cap_steps import Work
    from scoperun.ctl.capping import Running

_NO_LIMITS = [
    Property(name=each, signature="t", value=INFINITY)
    for each in ("MemoryMax", "MemoryHigh", "MemorySwapMax", "MemoryZSwapMax", "CPUQuotaPerSecUSec", "TasksMax")
]
"""What a cap can have had whose files are removed already."""


async def removed(work: Work) -> Done:
    """Remove the files of a cap, and have systemd apply what is left. Raises ScoperunError."""
    asked, done = work.asked, work.done
    files = _files(work)
    units = await running(work.opened, work.meant, ())
    if not files:
        units = [each for each in units if await _is_bound(work, each)]
        if not units:
            raise NoSuchUnit(f"no cap for {asked.target.of}", hint="scopectl cap --list lists them")
    read = with_old((), files) if files else _NO_LIMITS
    before = {each.name: values(each, read) for each in units}
    for each in files:
        if each.cap is None:
            leave_alone(done, each.path)
        elif asked.dry_run:
            done.files.append((each.path, "would be removed"))
        else:
            work.folder.remove(each)
            done.files.append((each.path, "removed"))
    if asked.dry_run:
        done.units.extend(Bound(each.name, ["would be released"], {}, True) for each in units)
        return done
    await reload(work, "removed")
    for unit in units:
        now = before[unit.name]
        limited = [
            each for each in read if files or now[setting(each)] not in {None, INFINITY}
        ]  # without files: what it could be
        done.units.append(await bind(unit, now, (), limited))
    return done


def _files(work: Work) -> list[CapFile]:
    """Return the files of the cap, and those in their places that a person has changed."""
    own = {work.folder.file(each) for each in work.names}
    return [
        each
        for each in work.folder.all()
        if (each.cap is not None and each.cap.of == work.asked.target.of) or (each.cap is None and each.path in own)
    ]


async def _is_bound(work: Work, unit: Running) -> bool:
    """Tell whether a unit is bound by a file of the cap that systemd has read, or held because of one."""
    own = {work.folder.file(each) for each in work.names}
    try:
        hold = unit.holds.of_unit(unit.invocation)
        paths = (await unit.invocation.properties(UNIT, {"DropInPaths"})).get("DropInPaths") or []
    except ManagerError:  # it has ended meanwhile
        return False
    return bool(own.intersection(paths)) or (hold is not None and not hold.is_back)
