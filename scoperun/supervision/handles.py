"""The objects that belong to a run from the moment its scope is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.start import Start
    from scoperun.kernel.log import KernelLog
    from scoperun.kernel.memory_watch import MemoryWatch
    from scoperun.kernel.pressure_trigger import PressureTrigger
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.process.keeper import Keeper
    from scoperun.process.workload import Workload
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Handles:
    """One run whose scope is started; before that the run has no Handles.

    run: what was asked for. unit: the scope as systemd knows it; scope: the same as the kernel shows it.
    workload: the command's own process. keeper: the process that holds the scope's counters.
    memory: the watch on the scope's memory. kernel_log: the kernel's log from now on.
    pressure: the kernel's notices of the soft limit on pressure; None without one.
    feed: takes all events. start: what the report says about the start.
    """

    run: RunRequest
    unit: Unit
    scope: ScopeCgroup
    workload: Workload
    keeper: Keeper
    memory: MemoryWatch
    kernel_log: KernelLog
    feed: Feed
    start: Start
    pressure: PressureTrigger | None = None

    @property
    def invocation(self) -> Invocation:
        """What is known about the run so far."""
        return self.feed.invocation
