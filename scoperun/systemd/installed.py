"""Unit files that are installed: where systemd looks for them, which there are, and which start by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import BusLost
from scoperun.systemd.jobs import job_ended
from scoperun.systemd.signals import MANAGER, PATH
from scoperun.systemd.units import list_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.systemd.manager import Manager


async def folders(manager: Manager) -> list[str]:
    """Return the folders in which the manager looks for unit files; raise one of manager.UNANSWERED."""
    found = await manager.get(PATH, MANAGER, "UnitPath")
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


async def files(manager: Manager, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the path and the state (enabled, disabled, static) of each unit file of these names that there is.

    Raises one of manager.UNANSWERED.
    """
    (rows,) = await manager.call("ListUnitFilesByPatterns", "asas", list[str](), list(names), answer="a(ss)")
    return {path.rpartition("/")[2]: (path, state) for path, state in rows}


async def active_states(manager: Manager, names: Sequence[str]) -> dict[str, str]:
    """Return the ActiveState= of each of these units that is loaded; raise one of manager.UNANSWERED."""
    return {unit.name: unit.active for unit in await list_units(manager, patterns=names)}


async def reload(manager: Manager) -> None:
    """Have the manager read all unit files again; raise one of manager.UNANSWERED."""
    await manager.call("Reload", "")


async def enable(manager: Manager, name: str) -> None:
    """Have a unit start with what its [Install] section names; raise one of manager.UNANSWERED."""
    await manager.call("EnableUnitFiles", "asbb", [name], False, False, answer="ba(sss)")  # runtime, force


async def disable(manager: Manager, name: str) -> None:
    """Undo `enable`; raise one of manager.UNANSWERED."""
    await manager.call("DisableUnitFiles", "asb", [name], False, answer="a(sss)")  # runtime


async def restart(manager: Manager, name: str) -> str:
    """Start a unit, anew if it runs; return how its job ended, `done` or why not. Raises one of manager.UNANSWERED."""
    return await _job(manager, name, "RestartUnit", {"active"})


async def stop(manager: Manager, name: str) -> str:
    """Stop a unit; return how its job ended, `done` or why not. Raises one of manager.UNANSWERED."""
    return await _job(manager, name, "StopUnit", {"inactive", "failed"})


async def _job(manager: Manager, name: str, member: str, states: set[str]) -> str:
    async def queue() -> str:
        match await manager.call(member, "ss", name, "replace", answer="o"):
            case [str(job)]:
                return job
        raise BusLost(f"{member}: systemd's answer is not valid")

    async def is_over() -> bool:
        return (await active_states(manager, [name])).get(name, "inactive") in states

    return await job_ended(manager, name, queue, is_over=is_over)
