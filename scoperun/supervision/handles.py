"""What a run has in hand from the moment that its scope stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.start import Start
    from scoperun.kernel.log import KernelLog
    from scoperun.kernel.memory_watch import MemoryWatch
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.process.keeper import Keeper
    from scoperun.process.workload import Workload
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Handles:
    """One run whose scope stands: to have these is to have begun.

    run: what was asked for. unit: the scope as systemd knows it; scope: as the kernel shows it.
    workload: the command's own process. keeper: the process that holds the scope's counters.
    memory: the watch on the scope's memory. kernel_log: the kernel's log from now on.
    feed: what all events go to. start: what the report says of the beginning.
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

    @property
    def invocation(self) -> Invocation:
        """What has become of the run so far."""
        return self.feed.invocation
