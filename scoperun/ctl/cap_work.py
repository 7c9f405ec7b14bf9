"""The order of `scopectl cap`: what runs is looked at, files are written, and systemd applies them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.ctl.cap_checks import see_available, see_it_exists, see_only_its_own
from scoperun.ctl.cap_done import Done
from scoperun.ctl.cap_drafts import Drafts
from scoperun.ctl.cap_files import CapFolder
from scoperun.ctl.cap_hold import Holds, hold
from scoperun.ctl.cap_removal import removed
from scoperun.ctl.cap_steps import Work, leave_alone, reload, with_old
from scoperun.ctl.cap_text import Cap, limits_in_words, settings_of
from scoperun.ctl.capping import Bound, above, bind, running, see_can_wait, values
from scoperun.ctl.in_force import text_of
from scoperun.ctl.limit_warnings import below, of_limits, of_place
from scoperun.ctl.session import COMMANDS, Session, session
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY, format_size
from scoperun.systemd import installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_files import CapFile
    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.cap_request import Asked
    from scoperun.ctl.capping import Running
    from scoperun.ctl.session import Seen


APPS = "app.slice"
"""The slice in which desktops start applications."""


async def done(asked: Asked) -> Done:
    """Do what is asked for. Raises ScoperunError."""
    target = asked.target
    async with session(system=target.system) as opened:
        folder = CapFolder.among(await installed.folders(opened.manager), system=opened.system)
        seen = await opened.units(COMMANDS if target.is_app else ("*.slice",))
        names = target.names(each.name for each in seen if each.unit.is_active)
        names = (*names, *(each for each in folder.names_of(target.of) if each not in names))
        meant = [each for each in seen if any(one.bind(each.name) for one in names)]
        told = Done()
        if target.is_app and not asked.only_shows and not asked.dry_run:
            active = {each.name for each in seen if each.unit.is_active}
            Holds.of(os.environ, system=target.system).forget_others(active)
        if not asked.remove:
            see_it_exists(asked, meant, told)
        if asked.only_shows:
            told.notes.extend(f"It is capped: {limits}" for limits in _earlier(folder, names))
            return await _shown(opened, names, meant, told)
        if asked.remove:
            return await removed(Work(opened, folder, names, meant, asked, told))
        if not asked.force:
            see_only_its_own(asked, names, meant)
            await see_available(opened, asked.wanted)
        return await _capped(Work(opened, folder, names, meant, asked, told))


def _earlier(folder: CapFolder, names: Sequence[Names]) -> list[str]:
    """Return the limits of the cap that there is, as text: several if its files differ."""
    files = (folder.read(folder.file(each)) for each in names)
    return [*dict.fromkeys(limits_in_words(file.cap.settings) for file in files if file is not None and file.cap)]


async def _shown(opened: Session, names: Sequence[Names], meant: Sequence[Seen], done: Done) -> Done:
    done.names.extend(each.glob for each in names)
    memory = Property(name="MemoryMax", signature="t", value=INFINITY)
    for unit in await running(opened, meant, ()):
        used = unit.cgroup.number("memory.current")
        now = values(unit, [memory])
        limit = text_of("MemoryMax", now["MemoryMax"])
        text = f"runs: uses {'-' if used is None else format_size(used)}, MemoryMax={limit}"
        limits = {"MemoryMax": {"before": limit, "now": limit}}
        done.units.append(Bound(unit.name, [text], limits, True))
    done.found_none = bool(done.complaints)
    return done


async def _capped(work: Work) -> Done:
    """Write the files of a cap, and have systemd apply them."""
    asked, done, cap = work.asked, work.done, work.asked.wanted
    units = await running(work.opened, work.meant, cap)
    if not asked.force:
        see_can_wait(units)
    old = [file for each in work.names if (file := work.folder.read(work.folder.file(each))) is not None]
    read = with_old(cap, old)
    before = {each.name: values(each, read) for each in units}
    held = [each for each in units if each.over is not None and not asked.force]
    new = Cap(asked.target.of, settings_of(cap))
    now = limits_in_words(new.settings)
    done.notes.extend(f"It takes the place of {each}" for each in _earlier(work.folder, work.names) if each != now)
    to_write = _to_write(work, old, new)
    releasable = {each.name for each in held}
    if not asked.dry_run:
        with Drafts(work.folder, to_write) as drafts:
            releasable = {
                each.name for each in held if await hold(each.holds, each.invocation, read, with_old((), old))
            }
            drafts.write(new)
    if asked.dry_run:
        done.units.extend(Bound(each.name, ["would be capped"], {}, True) for each in units if each not in held)
    else:
        await reload(work, "written")
        done.units.extend([await bind(each, before[each.name], cap, read) for each in units if each not in held])
    done.units.extend(
        Bound(each.name, [_held(above(each.over), is_releasable=each.name in releasable)], {}, True)
        for each in held
        if each.over is not None
    )
    _note(work, units)
    done.warnings.extend(await _warnings(work, units))
    return done


async def _warnings(work: Work, units: Sequence[Running]) -> list[str]:
    """Return what the user probably did not mean, each once: several units can be in one slice."""
    asked = work.asked
    cap = asked.wanted
    found = of_limits(cap, asked.about)
    for each in units:
        found += of_place(cap, each.cgroup, "the application is" if asked.target.is_app else f"{each.name} is")
    if asked.target.is_app and not units and (apps := (await work.opened.cgroups()).get(APPS)) is not None:
        found += below(cap, apps.levels(), "applications are")
    return list(dict.fromkeys(found))


def _held(uses: str, *, is_releasable: bool) -> str:
    """Return what becomes of a unit that uses more than the cap allows."""
    instead = (
        "--force caps it now, and the kernel kills in it"
        if is_releasable
        else "also with --force: it has limits by another file or scopectl set, which count more"
    )
    return f"keeps its limits until its next start, because it uses {uses} ({instead})"


def _to_write(work: Work, old: Sequence[CapFile], cap: Cap) -> list[Names]:
    """Return the names whose files have to be written, and say what becomes of the others."""
    there = {each.path: each for each in old}
    found = []
    for each in work.names:
        path = work.folder.file(each)
        file = there.get(path)
        if file is not None and file.cap is None:
            leave_alone(work.done, path)
        elif file is not None and file.cap == cap:
            work.done.files.append((path, "unchanged"))
        else:
            work.done.files.append((path, "would be written" if work.asked.dry_run else "written"))
            found.append(each)
    return found


def _note(work: Work, units: Sequence[Any]) -> None:
    target, notes = work.asked.target, work.done.notes
    limit = next((each.value for each in work.asked.wanted if each.name == "MemoryMax"), None)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if target.of == "--session" and isinstance(limit, int) and limit != INFINITY:
        left = format_size(max(memory - limit, 0))
        notes.append(f"Leaves {left} of {format_size(memory)} for the desktop itself, the system and other users.")
    if target.of == "--users":
        notes.append("It binds user-0.slice too: root's own logins.")
    if target.is_app and not units:
        notes.append("Nothing of it runs: the cap holds from its next start.")
