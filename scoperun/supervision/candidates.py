"""Which running processes can be moved into a scope, and why others cannot. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.scope import units_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.kernel.process_facts import ProcessFacts


@dataclass(frozen=True, slots=True)
class Place:
    """The unit that a cgroup belongs to.

    unit: its name, None if it is in none. user: the number of the user whose manager has it, None for the system's.
    """

    unit: str | None
    user: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """The process that asks for the move, and what it has found out about units.

    pid: its own. uid: its user; None if it can move the processes of all users.
    mains: the services of which a process is the main one, by its PID.
    watched: the scopes that a scoperun watches.
    """

    pid: int
    uid: int | None
    mains: Mapping[int, str]
    watched: frozenset[str]


def place(cgroup: str | None) -> Place:
    """Return the unit that a cgroup belongs to: the outermost that is not a slice, of a user's manager if below one."""
    units = units_of(cgroup or "")
    user = None
    for position, unit in enumerate(units):
        if manager := re.fullmatch(r"user@([0-9]+)\.service", unit):
            user, units = int(manager[1]), units[position + 1 :]
            break
    return Place(next((unit for unit in units if not unit.endswith(".slice")), None), user)


def why_refused(process: ProcessFacts, mover: Mover, *, force: bool) -> str | None:
    """Return why a process is not moved, None if it is. force: its user insists."""
    if reason := why_never(process, mover):
        return reason
    reason = None if force else why_not(process, mover)
    return reason and f"{reason} (--force moves it all the same)"


def why_never(process: ProcessFacts, mover: Mover) -> str | None:
    """Return why a process cannot be moved at all, None if it can."""
    if process.leader != process.pid:
        return f"it is a thread of process {process.leader}, and a process is moved as a whole: name that"
    if process.is_kernel:
        return "it is a thread of the kernel"
    if process.pid == 1:
        return "it is the first process of the system"
    if process.pid == mover.pid:
        return "it is scopectl itself"
    if process.is_zombie:
        return f"it has ended, and its parent, process {process.parent}, has not waited for it (a zombie)"
    if mover.uid is not None and set(process.uids) != {mover.uid}:
        others = sorted(set(process.uids) - {mover.uid})
        return f"it runs as user {', '.join(map(str, others))}, and your own systemd moves only your processes"
    if len(process.numbers) > 1:
        return "it is in another PID namespace, e.g. of a container, which has a cgroup for it already"
    if place(process.cgroup).unit == "init.scope":
        return "it belongs to a service manager (init.scope)"
    return None


def why_not(process: ProcessFacts, mover: Mover) -> str | None:
    """Return why a process should not be moved unless its user insists, None if it can be moved."""
    if process.pid in mover.mains:
        return (
            f"it is the main process of {mover.mains[process.pid]}, which would go on watching it, and kill it when "
            "that is stopped"
        )
    unit = place(process.cgroup).unit
    if unit in mover.watched:
        return f"it is in {unit}, which scoperun has made: its report would miss what the process does from now on"
    return None
