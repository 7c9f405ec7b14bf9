"""Processes to put into a new scope, and what became of that, as values. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.process_facts import ProcessFacts
    from scoperun.spec.properties import Property
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.handles import Handles
    from scoperun.systemd.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to attach. run: the scope; its command is only what the description says.

    pids: of the processes. tree: their descendants too. force: also what `why_not` warns of.
    wait: a keeper holds the scope's counters, and `report` tells how the first of the processes ended.
    """

    run: RunRequest
    pids: tuple[int, ...]
    tree: bool = False
    force: bool = False
    wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Processes in their new scope.

    unit: the scope, to which we have a reference. cgroup: None if all processes have ended.
    properties: what was asked for, TasksMax= with room for a keeper.
    moved: the processes that are in it, as they were before. ended: the PIDs of those that have ended before.
    outside: those that could not be moved, by PID, with the reason. void: limits that are not in force, as text.
    handles: of the scope, if it is waited for and not all processes have ended.
    """

    unit: Unit
    cgroup: Cgroup | None
    properties: tuple[Property, ...]
    moved: tuple[ProcessFacts, ...]
    ended: tuple[int, ...]
    outside: dict[int, str]
    void: tuple[str, ...]
    handles: Handles | None


class CannotMove(ScoperunError):
    """Processes cannot be moved; `reasons` has one for each, by PID. Nothing was moved."""

    def __init__(self, reasons: dict[int, str], names: dict[int, str]) -> None:
        """names: those of the processes, by PID."""
        super().__init__("nothing was attached")
        self.reasons = reasons
        self.names = names


class NoneLeft(ScoperunError):
    """All processes have ended."""
