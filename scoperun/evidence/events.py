"""What can happen to an invocation, and what can be read about it: frozen values. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.kernel_report import KernelReport
    from scoperun.evidence.pressure import Pressure
    from scoperun.spec.limits import LimitsInForce


# Page cache and the like fill the free room, and the kernel drops them before it kills a process. Shared memory and
# locked pages are on none of these lists.
_DROPPABLE = ("active_file", "inactive_file", "slab_reclaimable")


@dataclass(frozen=True, slots=True)
class JobRemoved:
    """systemd's start job for the scope is over; `result`: done, failed, canceled, timeout or another of its words."""

    result: str


@dataclass(frozen=True, slots=True)
class ResultChanged:
    """systemd announced the scope's Result=, changed or not."""

    result: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """systemd announced the unit's ActiveState=, changed or not."""

    active_state: str


@dataclass(frozen=True, slots=True)
class LeftActive:
    """When systemd began to end the scope, or found that it had ended: seconds on the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class WorkloadExited:
    """The command's own process ended.

    status: its wait status, negative if signal -status killed it (os.waitstatus_to_exitcode). None if it is not known,
        which happens only with a process that is not our child.
    at: seconds on the monotonic clock.
    name: the process's name at its end, None if that could not be read.
    cgroup: the path of the cgroup that it died in, None if that could not be read.
    cpu: seconds of processor time since it became the command, including the processes that it waited for (wait4(2));
        None if not known.
    late: `at` is when scoperun noticed the end, possibly long after it: scoperun was stopped, and the kernel does not
        keep the time.
    """

    status: int | None
    at: float
    name: str | None = None
    cgroup: str | None = None
    cpu: float | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the scope, from /proc.

    pid: its PID.
    name: None if it could not be read, e.g. because /proc hides the process (hidepid).
    """

    pid: int
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Process):
    """A process of the scope and its memory, from /proc; None is a value that could not be read.

    rss: bytes in memory.
    anon: bytes that no file backs, so they can only go to swap.
    swap: bytes in swap.
    oom_score, oom_score_adj: the numbers by which the kernel chooses a victim (proc(5)).
    forked: it has not executed a program since it was forked, so that its memory might be a copy of its parent's.
    """

    rss: int | None = None
    anon: int | None = None
    swap: int | None = None
    oom_score: int | None = None
    oom_score_adj: int | None = None
    forked: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """A process of the scope that has ended or is about to end.

    task: the process as it was last seen alive, perhaps before it executed another program.
    status: its wait status, negative if a signal killed it; None if that could not be read.
    name: its name at its end; None if that could not be read.
    """

    task: Task
    status: int | None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySnapshot:
    """What the kernel said about the scope's memory at one moment; None is a value that could not be read.

    at: seconds on the monotonic clock.
    events: memory.events, as in Counters.memory_events.
    ooms: how often each cgroup from the scope up ran into its own limit (`oom` of memory.events.local), by its path.
    groups: how often each of those, and each cgroup in the scope, was killed as a whole (`oom_group_kill`), by path.
    limit: memory.max in bytes.
    stat: memory.stat, in bytes or counts.
    current, swap_current: bytes in use of memory and of swap.
    taken: the bytes that page faults can have taken so far, at most, and those in use that are taken without them, for
        files in memory and by the kernel.
    uncounted: the bytes of page faults that `taken` might lack.
    stalls: how often an allocation had to free memory first because the machine was short of it.
    tasks: the living processes, without the keeper.
    places: the cgroup of each process that was listed, by its PID.
    ended: the processes that lived at the snapshot before and do not now, and those about to end.
    rested: the scope was not watched for a while before this snapshot, or kills were counted while it was taken, so
        processes can have come and gone unseen.
    prompted: a process that lived at the snapshot before ended just now, and no other of them ended earlier.
    """

    at: float
    events: Mapping[str, int]
    ooms: Mapping[str, int | None]
    groups: Mapping[str, int | None] = field(default_factory=dict)
    limit: int | None = None
    stat: Mapping[str, int] | None = None
    current: int | None = None
    swap_current: int | None = None
    taken: int | None = None
    uncounted: int = 0
    stalls: int | None = None
    tasks: tuple[Task, ...] = ()
    places: Mapping[int, str] = field(default_factory=dict)
    ended: tuple[EndedTask, ...] = ()
    rested: bool = False
    prompted: bool = False

    @property
    def needed(self) -> int | None:
        """The bytes of memory and swap in use that the kernel cannot drop; None if not readable."""
        if self.current is None:
            return None
        droppable = sum((self.stat or {}).get(name, 0) for name in _DROPPABLE)
        return max(self.current - droppable, 0) + (self.swap_current or 0)

    @property
    def charged(self) -> int | None:
        """The bytes of processes' memory and swap that the scope has; None if not readable."""
        anon = (self.stat or {}).get("anon")
        return None if anon is None else anon + (self.swap_current or 0)

    @property
    def oom_kill(self) -> int:
        """How many processes the kernel's OOM killer has killed so far, in the scope and below."""
        return self.events.get("oom_kill", 0)


@dataclass(frozen=True, slots=True)
class OomdMark:
    """The extended attribute user.oomd_ooms of a cgroup, in which systemd-oomd counts its kills of that cgroup.

    kills: the count; None if the attribute is not a number. systemd-oomd cannot increment that and then writes nothing
        (increment_oomd_xattr() in src/oom/oomd-util.c).
    pids: the processes that live in the cgroup. systemd-oomd kills all processes of a cgroup, so if any lives,
        something else wrote the mark, such as the command. systemd believes the mark all the same.
    cgroup: the path of the cgroup, None if not known.
    processes: how many processes systemd-oomd killed in it, the keeper included (user.oomd_kill); None if not known, or
        not yet: systemd-oomd writes it after the kill.
    """

    kills: int | None
    pids: tuple[int, ...] = ()
    cgroup: str | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The cgroup's counters after the command ended, while the keeper held the cgroup; None is not readable.

    memory_events: counts of low, high, max, oom, oom_kill and oom_group_kill in the scope and below (memory.events).
    ooms, groups: as in MemorySnapshot; None if no OOM kill was counted.
    counts_alone: the kernel counts each cgroup separately, so systemd does not learn of kills below the scope.
    oomd_marks: the marks of systemd-oomd on the scope and on the cgroups in it.
    memory_peak, memory_swap_peak: bytes.
    memory_stat: memory.stat, in bytes, or counts for the keys that are counts.
    cpu_user, cpu_system: seconds of processor time (cpu.stat).
    cpu_throttled: seconds for which a limit on the processor held the scope back.
    io: bytes and operations by their names in io.stat, over all devices.
    tasks_peak: the highest number of tasks, without the keeper (pids.peak).
    tasks_refused: how often a limit on tasks refused one.
    pressure: how long the scope waited for memory, processors and disks.
    processes: the processes still in the scope, without the keeper (cgroup.procs).
    keeper_killed: the keeper was killed too, and is one of those that were counted.
    limits: the limits that the kernel held the scope to.
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
    io: Mapping[str, int] | None = None
    tasks_peak: int | None = None
    tasks_refused: int | None = None
    pressure: Pressure | None = None
    processes: tuple[Process, ...] | None = None
    keeper_killed: bool = False
    limits: LimitsInForce | None = None

    @property
    def oom_kill(self) -> int | None:
        """How many processes the kernel's OOM killer killed in the scope, None if that could not be read."""
        return None if self.memory_events is None else self.memory_events.get("oom_kill")

    @property
    def oomd_kills(self) -> int | None:
        """How often systemd-oomd killed the scope, or a cgroup in it; None if that cannot be known."""
        counts = [mark.kills for mark in self.oomd_marks or () if not mark.pids]
        return None if self.oomd_marks is None or None in counts else sum(filter(None, counts))

    @property
    def oomd_forged(self) -> bool:
        """Whether something other than systemd-oomd wrote one of the marks."""
        return any(mark.pids for mark in self.oomd_marks or ())


def without_totals(counters: Counters) -> Counters:
    """Return counters without maxima and sums, which are too low if they were read before the end."""
    return replace(
        counters,
        memory_peak=None,
        memory_swap_peak=None,
        tasks_peak=None,
        tasks_refused=None,
        cpu_user=None,
        cpu_system=None,
        cpu_throttled=None,
        pressure=None,
        io=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeProperties:
    """The scope's own properties, from one GetAll after the end; None if this systemd lacks or did not keep one.

    result: Result=.
    oom_policy: OOMPolicy=.
    oom_kills: processes that the kernel killed, or group kills under OOMPolicy=kill (OOMKills=, systemd 259).
    managed_oom_kills: kills by systemd-oomd (ManagedOOMKills=, systemd 259).
    memory_peak, memory_swap_peak: bytes.
    kill_mode: KillMode=.
    send_sigkill: SendSIGKILL=.
    runtime_max: seconds, math.inf for no limit (RuntimeMaxUSec=).
    """

    result: str
    oom_policy: str | None = None
    oom_kills: int | None = None
    managed_oom_kills: int | None = None
    memory_peak: int | None = None
    memory_swap_peak: int | None = None
    kill_mode: str | None = None
    send_sigkill: bool | None = None
    runtime_max: float | None = None

    @property
    def is_of_scope(self) -> bool:
        """Whether they are certainly the scope's: of a unit that is gone systemd tells the defaults."""
        return self.result != "success" or bool(self.oom_policy)

    @property
    def kills_all(self) -> bool:
        """Whether stopping the scope kills every process in it in the end."""
        return bool(self.send_sigkill) and self.kill_mode in {"control-group", "mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLogRead:
    """What the kernel log says about the scope.

    reports: the reports on its victims, without the keeper; None if the log could not be read.
    reason: why reports are missing, None if no reason is known.
    is_complete: the log names as many victims as there must be.
    is_whole: the log was read to its end, nothing was missing, and for each victim it is known whether it was in the
        scope.
    of_keeper: the reports that named the keeper as one more victim.
    """

    reports: tuple[KernelReport, ...] | None
    reason: str | None = None
    is_complete: bool = False
    is_whole: bool = False
    of_keeper: tuple[KernelReport, ...] = ()

    @property
    def keeper_named(self) -> bool:
        """Whether the kernel named the keeper as a victim."""
        return bool(self.of_keeper)

    @property
    def victim_count(self) -> int | None:
        """How many victims the kernel named, None if its log could not be read."""
        return None if self.reports is None else sum(len(report.victims) for report in self.reports)


@dataclass(frozen=True, slots=True, kw_only=True)
class OomdRead:
    """What systemd-oomd says about its kills in the scope, read after them.

    marks: as in Counters, with the number of processes; None if they cannot be read.
    messages: its messages in the journal that begin with the scope's cgroup or one below it, the oldest first; None if
        the journal cannot be read.
    reason: why messages are missing, None if no reason is known.
    """

    marks: Sequence[OomdMark] | None
    messages: tuple[str, ...] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection to systemd is gone for `reason`; systemd's announcements no longer arrive."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftoversAwaited:
    """scoperun waited for the processes that the command had left in the scope, or had systemd stop them."""


@dataclass(frozen=True, slots=True)
class LeftRunning:
    """The processes still in the scope when scoperun looked last, at the very end; None if its cgroup was gone."""

    processes: tuple[Process, ...] | None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """scoperun asked systemd to stop the scope after the command had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryPassed:
    """The scope needs more than its soft limit. at: seconds on the monotonic clock; memory: bytes that it needs."""

    at: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryTold:
    """systemd sent the signal for the SoftMemoryPassed event of the same `at`, in seconds on the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class SoftMemoryRestored:
    """The scope is within its soft limit again; the next time it needs more, it is signalled again."""


@dataclass(frozen=True, slots=True)
class SoftMemoryKilled:
    """The processes of the scope were killed because they stayed above the soft limit after the signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftPressurePassed:
    """The kernel says that the scope spent its share of time waiting. at: seconds on the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftPressureTold:
    """systemd sent the signal for the SoftPressurePassed event of the same `at`, in seconds on the monotonic clock."""

    at: float


@dataclass(frozen=True, slots=True)
class SoftPressureRestored:
    """The scope waited less than its share for one window; the next time that it waits more, it is signalled again."""


@dataclass(frozen=True, slots=True)
class SoftPressureKilled:
    """The processes of the scope were killed because they waited as much as before after the signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimeChecked:
    """scoperun looked whether the processor time is used up. used: seconds used by the scope; None if not readable."""

    used: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimeUsedUp:
    """The scope has used up its processor time, so scoperun has systemd stop it. used: seconds.

    The command was still running, or scoperun was waiting for what the command had left in the scope, and nothing else
    was ending the scope.
    """

    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What the scope used at one moment of its timeline; None is a value that could not be read.

    at: seconds on the monotonic clock.
    interval: seconds until the next sample.
    memory, swap: bytes in use. memory_max: its limit in bytes.
    stat: memory.stat, in bytes or counts. events: memory.events, as in Counters.memory_events.
    cpu: seconds of processor time that the scope has used since it exists.
    tasks: processes and threads, without the keeper. tasks_refused: how often a limit on tasks has refused one.
    """

    at: float
    interval: float
    memory: int | None = None
    memory_max: int | None = None
    swap: int | None = None
    stat: Mapping[str, int] | None = None
    events: Mapping[str, int] | None = None
    cpu: float | None = None
    tasks: int | None = None
    tasks_refused: int | None = None


SoftMemoryEvent = SoftMemoryPassed | SoftMemoryTold | SoftMemoryRestored | SoftMemoryKilled

SoftPressureEvent = SoftPressurePassed | SoftPressureTold | SoftPressureRestored | SoftPressureKilled

Event = (
    SoftMemoryEvent
    | SoftPressureEvent
    | CpuTimeChecked
    | CpuTimeUsedUp
    | Sampled
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
    | OomdRead
    | ConnectionLost
)
