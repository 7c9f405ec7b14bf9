"""What a check of the machine found, as a value. No I/O."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

_WHY = {
    "Python": "scoperun is written in Python, and talks to systemd with the package dbus-next.",
    "kernel": "Older kernels count less, so that a report knows less.",
    "cgroup v2": "The kernel keeps limits on its unified cgroup hierarchy.",
    "bus": "systemd is asked for a scope over D-Bus.",
    "PID namespace": "systemd is told by their numbers which processes to put into a scope.",
    "user namespace": "The bus and systemd know you by your user's number.",
    "systemd": "systemd makes the scope and says how it ended. Newer versions set and say more.",
    "controllers": "The controllers of your manager's cgroup keep the limits.",
    "memory controller": "It keeps `memory_max` and the other limits on memory, and counts what is used.",
    "pids controller": "It keeps `tasks_max`.",
    "cpu controller": "It keeps `cpu_quota` and `cpu_weight`.",
    "io controller": "It keeps limits on disks, and counts what is read and written.",
    "cpuset controller": "It keeps a command on some of the processors (AllowedCPUs=).",
    "swap accounting": "Without it a command under a limit on memory would go on in swap.",
    "zswap": "`memory_zswap_max` limits what the kernel keeps compressed in memory in place of swap.",
    "kernel log": "There the kernel says which process it killed, and what the others used.",
    "pressure (PSI)": "`soft_pressure` and systemd-oomd go by the time that processes wait for memory.",
    "systemd-oomd": "It kills early, where ManagedOOMMemoryPressure= or ManagedOOMSwap= asks for it.",
    "linger": "Without it your manager, and all that it runs, ends with your last session.",
    "limits": "This is the main job: a command is run under a limit on memory.",
}


class State(enum.StrEnum):
    """What a check found.

    missing: without this, no run with limits works. limited: a run works, but something else does not.
    """

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a run needs or uses.

    name: what it is, e.g. "memory controller". found: what is there, or what is missing and which effect that has.
    remedy: how to get it, None if nothing is to be done or it is not known.
    commands: lines for a shell of root that do so, or a part of it.
    is_choice: the commands change the machine for more than scoperun, so they are only for those who want that.
    """

    name: str
    state: State
    found: str
    remedy: str | None = None
    commands: tuple[str, ...] = ()
    is_choice: bool = False

    @property
    def why(self) -> str:
        """Why it matters, as a sentence."""
        return _WHY.get(self.name, "")


@dataclass(frozen=True, slots=True)
class Machine:
    """All checks, in the order in which a run needs the things."""

    checks: tuple[Check, ...]

    @property
    def can_run(self) -> bool:
        """Whether a run with limits works."""
        return all(check.state is not State.MISSING for check in self.checks)

    def to_dict(self, in_words: Callable[[str], str]) -> dict[str, Any]:
        """Return what is printed as JSON.

        in_words: puts the names that its reader knows in place of fields like `memory_max`.
        """
        checks = [
            {
                "name": check.name,
                "state": str(check.state),
                "found": in_words(check.found),
                "why": in_words(check.why),
                "remedy": None if check.remedy is None else in_words(check.remedy),
                "commands": list(check.commands),
            }
            for check in self.checks
        ]
        return {"can_run": self.can_run, "checks": checks}
