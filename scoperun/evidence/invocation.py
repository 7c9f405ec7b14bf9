"""One activation of one scope: events in, state out. No I/O, no clock.

The law of this file: events come in any order, and any of them can be missing. Nothing here depends on their order,
with one exception: a scope has ended when systemd says so after it was active, and then it stays ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import (
    ConnectionLost,
    Counters,
    CpuTimeChecked,
    CpuTimeUsedUp,
    JobRemoved,
    KernelLogRead,
    LeftActive,
    LeftoversAwaited,
    LeftRunning,
    MemorySnapshot,
    OomdRead,
    ResultChanged,
    Sampled,
    ScopeProperties,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryRestored,
    SoftMemoryTold,
    SoftPressureKilled,
    SoftPressurePassed,
    SoftPressureRestored,
    SoftPressureTold,
    StateChanged,
    StopRequested,
    WorkloadExited,
)
from scoperun.evidence.oom import OomWatch

if TYPE_CHECKING:
    from scoperun.evidence.events import Event, SoftMemoryEvent, SoftPressureEvent


class Invocation:
    """What is known about a scope, from the request to the end."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self.job_result: str | None = None
        self.active_state: str | None = None
        self.left_active: float | None = None
        self._was_active = False
        self.result: str | None = None
        self.exit: WorkloadExited | None = None
        self.counters: Counters | None = None
        self.properties: ScopeProperties | None = None
        self.memory = OomWatch()
        self.kernel_log: KernelLogRead | None = None
        self.oomd: OomdRead | None = None
        self.soft_memory: list[SoftMemoryEvent] = []
        self.soft_pressure: list[SoftPressureEvent] = []
        self.cpu_time_checks = 0
        self.cpu_time_used: float | None = None
        self.cpu_time_used_up = False
        self.samples = 0
        self.sample_interval: float | None = None
        self.largest_anon: int | None = None
        self.stop_requested = False
        self.awaited_leftovers = False
        self.left_running: LeftRunning | None = None
        self.bus_lost: str | None = None

    def feed(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case JobRemoved(result):
                self.job_result = result
            case ResultChanged(result):
                self._announce(result)
            case StateChanged(active_state):
                self._take_state(active_state)
            case LeftActive(at):
                self.left_active = at
            case WorkloadExited():
                self.exit = event
            case LeftoversAwaited():
                self.awaited_leftovers = True
            case StopRequested():
                self.stop_requested = True
            case ConnectionLost(reason):
                self.bus_lost = reason
            case _:
                self._take_reading(event)

    def _take_reading(self, event: Event) -> None:
        match event:
            case MemorySnapshot():
                self.memory.feed(event)
            case Counters():
                self.counters = event
            case ScopeProperties():
                self.properties = event
                self._announce(event.result)
            case KernelLogRead():
                self.kernel_log = event
            case OomdRead():
                self.oomd = event
            case LeftRunning():
                self.left_running = event
            case Sampled():
                self._take_sample(event)
            case _:
                self._take_own_limit(event)

    def _take_own_limit(self, event: Event) -> None:
        """Take in what scoperun says about the limits that it watches itself."""
        match event:
            case SoftMemoryPassed() | SoftMemoryTold() | SoftMemoryRestored() | SoftMemoryKilled():
                self.soft_memory.append(event)
            case SoftPressurePassed() | SoftPressureTold() | SoftPressureRestored() | SoftPressureKilled():
                self.soft_pressure.append(event)
            case CpuTimeChecked(used=used):
                self.cpu_time_checks += 1
                self.cpu_time_used = self.cpu_time_used if used is None else used
            case CpuTimeUsedUp(used=used):
                self.cpu_time_used, self.cpu_time_used_up = used, True

    def _take_sample(self, sample: Sampled) -> None:
        self.samples += 1
        self.sample_interval = sample.interval
        anon = (sample.stat or {}).get("anon")
        if anon is not None:
            self.largest_anon = max(anon, self.largest_anon or 0)

    def _take_state(self, active_state: str) -> None:
        # An answer that came just before the announcement of the end is taken in after it, because the coroutine that
        # waits for it is resumed later. What has ended does not become active again: that is another invocation.
        if not self.ended or active_state in {"inactive", "failed"}:
            self.active_state = active_state
            self._was_active |= active_state == "active"

    def _announce(self, result: str) -> None:
        # After a reload systemd announces old values again, and a unit that was collected reads as a success. So a
        # failure that was seen once stays (https://github.com/systemd/systemd/issues/38085).
        # A timeout after we asked for a stop is about the leftovers and says nothing about the command.
        if self.result in {None, "success"} and not (self.stop_requested and result == "timeout"):
            self.result = result

    @property
    def started(self) -> bool:
        """Whether systemd's start job is over with any result, or the connection over which that would come is gone."""
        return self.job_result is not None or self.bus_lost is not None

    @property
    def exited(self) -> bool:
        """Whether the command's process has ended."""
        return self.exit is not None

    @property
    def stopping(self) -> bool:
        """Whether systemd is ending the scope, by its last announcement."""
        return self.active_state == "deactivating"

    @property
    def failed(self) -> bool:
        """Whether systemd says that the scope has failed; it takes no further action then."""
        return self.active_state == "failed"

    @property
    def ended(self) -> bool:
        """Whether systemd says that the scope has ended."""
        # systemd announces a new unit as inactive while its start job waits.
        was_started = self.job_result is not None or self._was_active
        return self.failed or (self.active_state == "inactive" and was_started)

    @property
    def given_up(self) -> bool:
        """Whether systemd takes no further action, although processes can be left that were to be stopped."""
        return self.failed or (self.ended and (self.stop_requested or self.cpu_time_used_up))

    @property
    def final_result(self) -> str | None:
        """Result=, but None for a success that can still change or whose later change might have been missed."""
        heard_to_the_end = self.ended and self.active_state != "failed"
        if self.result != "success" or self.properties is not None or heard_to_the_end:
            return self.result
        return None

    @property
    def over(self) -> bool:
        """Whether the scope has ended, or systemd's announcements about it no longer arrive."""
        return self.ended or self.bus_lost is not None
