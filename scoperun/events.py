"""What can happen to an invocation, and what can be read of it: frozen values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class JobRemoved:
    """systemd's start job for the scope is over; `result` is done, failed, canceled, timeout or the like."""

    result: str


@dataclass(frozen=True, slots=True)
class ResultChanged:
    """The scope's Result= was announced; it may be the same as before."""

    result: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The unit's ActiveState= was announced; it may be the same as before."""

    active_state: str


@dataclass(frozen=True, slots=True)
class WorkloadExited:
    """The command's own process ended.

    status: its wait status, negative if signal -status killed it (os.waitstatus_to_exitcode).
    at: seconds on the monotonic clock.
    """

    status: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the scope, from /proc."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The cgroup's counters when the command had ended, while the keeper held the cgroup; None is not readable.

    memory_events: counts of low, high, max, oom, oom_kill and oom_group_kill in the scope and below (memory.events).
    oomd_kills: times that systemd-oomd killed the scope (the extended attribute user.oomd_ooms).
    memory_peak, memory_swap_peak: bytes.
    memory_stat: bytes, and counts for those keys that are counts (memory.stat).
    cpu_user, cpu_system: seconds (cpu.stat).
    tasks_peak: tasks without the keeper (pids.peak).
    processes: those still in the scope, without the keeper (cgroup.procs).
    """

    memory_events: Mapping[str, int] | None = None
    oomd_kills: int | None = None
    memory_peak: int | None = None
    memory_swap_peak: int | None = None
    memory_stat: Mapping[str, int] | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None
    tasks_peak: int | None = None
    processes: tuple[Process, ...] | None = None

    @property
    def oom_kill(self) -> int | None:
        """The processes that the kernel's OOM killer killed in the scope, None if that could not be read."""
        return None if self.memory_events is None else self.memory_events.get("oom_kill")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeProperties:
    """The scope's own properties, from one GetAll after the end; None is not known to this systemd, or not kept.

    oom_kills is processes, or group kills under OOMPolicy=kill (systemd 259); memory in bytes.
    """

    result: str
    oom_policy: str | None = None
    oom_kills: int | None = None
    managed_oom_kills: int | None = None
    memory_peak: int | None = None
    memory_swap_peak: int | None = None


@dataclass(frozen=True, slots=True)
class BusLost:
    """The connection to systemd is gone; nothing more will be announced."""

    reason: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """We asked systemd to stop the scope, after the command had ended."""


Event = (
    StopRequested | JobRemoved | ResultChanged | StateChanged | WorkloadExited | Counters | ScopeProperties | BusLost
)
