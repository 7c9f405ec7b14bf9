"""The keeper in a scope of scoperun's, seen from outside: it is there for as long as its scoperun is. Reads only."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scoperun.kernel.process_table import fields, is_dead

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

_SESSION = 3  # of the fields after the name in /proc/PID/stat
_NAMES = {"cat", "sh"}
_BLOCKED = sum(1 << (each - 1) for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def living_keeper(cgroup: Cgroup) -> int | None:
    """Return the PID of the keeper in a scope, or in a leaf below it (Delegate=); None if there is none.

    A process that imitates a keeper is taken for one: it can only mislead about its own scope.
    """
    places = (cgroup, *cgroup.directly_below())
    return next((pid for each in places for pid in each.pids() or () if _is_keeper(pid)), None)


def _is_keeper(pid: int) -> bool:
    """Tell whether it is a small program that leads a session and has all signals blocked, as nothing else has."""
    facts = fields(pid)
    if facts is None:
        return False
    name, stat, status = facts
    blocked = int(status.get("SigBlk", "0"), 16)
    return name in _NAMES and int(stat[_SESSION]) == pid and blocked & _BLOCKED == _BLOCKED and not is_dead(stat)
