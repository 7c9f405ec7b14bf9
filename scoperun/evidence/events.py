"""What can happen to an invocation, and what can be read of it: frozen values. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.kernel_report import KernelReport
    from scoperun.spec.limits import LimitsInForce


# Page cache and the like fill what room there is, and go before anybody is killed. Shared memory and what is locked are
# on none of these lists.
_DROPPABLE = ("active_file", "inactive_file", "slab_reclaimable")


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
class LeftActive:
    """When systemd began to end the scope, or found that it had ended: seconds on the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class WorkloadExited:
    """The command's own process ended.

    status: its wait status, negative if signal -status killed it (os.waitstatus_to_exitcode).
    at: seconds on the monotonic clock.
    name: what the process was called at its end, None if that could not be read.
    cgroup: the cgroup that it died in, by its name; None if that could not be read.
    cpu: seconds of processor time, from when it became the command, with what it waited for (wait4(2)).
    late: `at` is when it was noticed, maybe long after: scoperun was stopped, and the kernel does not say more.
    """

    status: int
    at: float
    name: str | None = None
    cgroup: str | None = None
    cpu: float | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the scope, from /proc. name: None could not be read, as where /proc hides the process (hidepid)."""

    pid: int
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Process):
    """A process of the scope and what memory it has, in bytes, from /proc; None could not be read.

    anon: not backed by a file, so that it can only go to swap. swap: what of it is there.
    oom_score, oom_score_adj: how the kernel chooses among processes (proc(5)).
    """

    rss: int | None = None
    anon: int | None = None
    swap: int | None = None
    oom_score: int | None = None
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """A process of the scope that has ended or is about to, and its wait status, None if that could not be read."""

    task: Task
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySnapshot:
    """What the kernel said of the scope's memory at one moment, when memory.events had changed; None is not readable.

    at: seconds on the monotonic clock.
    events: as in Counters.
    ooms: how often each cgroup from the scope up ran into its own limit (`oom` of memory.events.local), by its name.
    groups: how often each of those, and of the cgroups in the scope, was killed as a whole (`oom_group_kill`).
    limit: memory.max in bytes. stat: memory.stat. current, swap_current: bytes.
    faulted: the bytes that page faults can have taken so far at the most.
    stalls: how often an allocation had to free memory first, because the machine was short of it.
    tasks: the processes that live, without the keeper. places: the cgroup of each process that was listed, by its PID.
    ended: those that lived at the snapshot before and do not now, and those that are about to end.
    rested: nobody looked for a while before, so that who came and went meanwhile was not seen.
    prompted: one of those who lived at the snapshot before has ended just now, and none of them earlier.
    """

    at: float
    events: Mapping[str, int]
    ooms: Mapping[str, int | None]
    groups: Mapping[str, int | None] = field(default_factory=dict)
    limit: int | None = None
    stat: Mapping[str, int] | None = None
    current: int | None = None
    swap_current: int | None = None
    faulted: int | None = None
    stalls: int | None = None
    tasks: tuple[Task, ...] = ()
    places: Mapping[int, str] = field(default_factory=dict)
    ended: tuple[EndedTask, ...] = ()
    rested: bool = False
    prompted: bool = False

    @property
    def needed(self) -> int | None:
        """The bytes of memory and swap in use without what the kernel can drop; None if that was not readable."""
        if self.current is None:
            return None
        droppable = sum((self.stat or {}).get(name, 0) for name in _DROPPABLE)
        return max(self.current - droppable, 0) + (self.swap_current or 0)

    @property
    def oom_kill(self) -> int:
        """The processes that the kernel's OOM killer has killed so far, in the scope and below."""
        return self.events.get("oom_kill", 0)


@dataclass(frozen=True, slots=True)
class OomdMark:
    """What stands where systemd-oomd counts its kills of a cgroup: the extended attribute user.oomd_ooms.

    kills: how many those are; None is not a number. systemd-oomd cannot count on from there, and then leaves no mark
        (increment_oomd_xattr() in src/oom/oomd-util.c).
    pids: the processes that live in the cgroup. systemd-oomd kills them all, so a mark beside one that lives was
        written by something else, such as the command. systemd believes it.
    """

    kills: int | None
    pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The cgroup's counters when the command had ended, while the keeper held the cgroup; None is not readable.

    memory_events: counts of low, high, max, oom, oom_kill and oom_group_kill in the scope and below (memory.events).
    ooms, groups: as in MemorySnapshot; None if no OOM kill was counted.
    counts_alone: the kernel counts for each cgroup alone, and so systemd knows nothing of kills below the scope.
    oomd_marks: the marks of systemd-oomd on the scope and on the cgroups in it.
    memory_peak, memory_swap_peak: bytes.
    memory_stat: bytes, and counts for those keys that are counts (memory.stat).
    cpu_user, cpu_system: seconds (cpu.stat). cpu_throttled: seconds in which a limit on the processor held it back.
    tasks_peak: tasks without the keeper (pids.peak). tasks_refused: times that a limit on tasks refused one.
    processes: those still in the scope, without the keeper (cgroup.procs).
    keeper_killed: the keeper was killed too, and is one of those that were counted.
    limits: those that the kernel held the scope to.
    """

    memory_events: Mapping[str, int] | None = None
    ooms: Mapping[str, int | None] | None = None
    groups: Mapping[str, int | None] | None = None
    counts_alone: bool = False
    oomd_marks: Sequence[OomdMark] | None = None
    memory_peak: int | None = None
    memory_swap_peak: int | None = None
    memory_stat: Mapping[str, int] | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None
    cpu_throttled: float | None = None
    tasks_peak: int | None = None
    tasks_refused: int | None = None
    processes: tuple[Process, ...] | None = None
    keeper_killed: bool = False
    limits: LimitsInForce | None = None

    @property
    def oom_kill(self) -> int | None:
        """The processes that the kernel's OOM killer killed in the scope, None if that could not be read."""
        return None if self.memory_events is None else self.memory_events.get("oom_kill")

    @property
    def oomd_kills(self) -> int | None:
        """How often systemd-oomd killed the scope, or a cgroup in it; None if that cannot be known."""
        counts = [mark.kills for mark in self.oomd_marks or () if not mark.pids]
        return None if self.oomd_marks is None or None in counts else sum(filter(None, counts))

    @property
    def oomd_forged(self) -> bool:
        """There is a mark that is not systemd-oomd's."""
        return any(mark.pids for mark in self.oomd_marks or ())


def without_totals(counters: Counters) -> Counters:
    """Return counters without what is a maximum or a sum: of a time before the end it says too little."""
    return replace(
        counters,
        memory_peak=None,
        memory_swap_peak=None,
        tasks_peak=None,
        tasks_refused=None,
        cpu_user=None,
        cpu_system=None,
        cpu_throttled=None,
    )


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
    kill_mode: str | None = None
    send_sigkill: bool | None = None

    @property
    def kills_all(self) -> bool:
        """A stop of the scope is to kill every process in the end."""
        return bool(self.send_sigkill) and self.kill_mode in {"control-group", "mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLogRead:
    """The kernel log was asked about the scope: the reports on its victims, without the keeper.

    reports: None if it could not be read. reason: why there is none, None if there is one.
    is_complete: as many victims are named as there must be. of_keeper: the reports in which the keeper was one more.
    is_whole: it was read to its end, nothing was missing, and of each victim it is known whether it was in the scope.
    """

    reports: tuple[KernelReport, ...] | None
    reason: str | None = None
    is_complete: bool = False
    is_whole: bool = False
    of_keeper: tuple[KernelReport, ...] = ()

    @property
    def keeper_named(self) -> bool:
        """The kernel named the keeper as a victim."""
        return bool(self.of_keeper)

    @property
    def victim_count(self) -> int | None:
        """How many victims the kernel named, None if its log could not be read."""
        return None if self.reports is None else sum(len(report.victims) for report in self.reports)


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection to systemd is gone; nothing more will be announced."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftoversAwaited:
    """What the command had left in the scope was waited for."""


@dataclass(frozen=True, slots=True)
class LeftRunning:
    """The processes that were in the scope last, when systemd had let go of it; None if its cgroup was gone."""

    processes: tuple[Process, ...] | None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """We asked systemd to stop the scope, after the command had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryPassed:
    """The scope needs more than its soft limit. at: seconds on the monotonic clock; memory: bytes that it needs."""

    at: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryTold:
    """systemd sent the signal for the passing that was noticed `at` that time."""

    at: float


@dataclass(frozen=True, slots=True)
class SoftMemoryRestored:
    """The scope is within its soft limit again, and will be told when it passes it the next time."""


@dataclass(frozen=True, slots=True)
class SoftMemoryKilled:
    """The processes of the scope were killed, as the signal for its soft limit was of no use."""


SoftMemoryEvent = SoftMemoryPassed | SoftMemoryTold | SoftMemoryRestored | SoftMemoryKilled

Event = (
    SoftMemoryEvent
    | LeftoversAwaited
    | LeftRunning
    | StopRequested
    | JobRemoved
    | ResultChanged
    | StateChanged
    | LeftActive
    | MemorySnapshot
    | WorkloadExited
    | Counters
    | ScopeProperties
    | KernelLogRead
    | ConnectionLost
)
