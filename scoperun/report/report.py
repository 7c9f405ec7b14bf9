"""The report: verdict, evidence and measurements as a value, and the value as JSON. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.printable import utf8
from scoperun.record import dataclass
from scoperun.spec.sizes import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.events import Process
    from scoperun.evidence.pressure import Pressure
    from scoperun.evidence.start import Start
    from scoperun.evidence.verdict import Evidence, Verdict
    from scoperun.report.oom_report import Oom
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.report.soft_pressure_report import SoftPressureReport
    from scoperun.report.timeline_report import TimelineReport
    from scoperun.spec.limits import LimitsInForce

SCHEMA = 1
"""Incremented when a key changes its meaning; readers ignore keys that they do not know."""

EXIT_TIMEOUT = 124
_KILLED = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What memory the scope used; None is what could not be known.

    peak, swap_peak: bytes.
    events: memory.events, as counts.
    stat: memory.stat, in bytes or counts, as last seen; after an OOM kill, as last seen before it where possible.
    """

    peak: int | None = None
    swap_peak: int | None = None
    events: Mapping[str, int] | None = None
    stat: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """Processor time of the scope, in seconds; None is what could not be known.

    user, system: time used in user mode and in the kernel.
    throttled: how long a limit on the processor held the scope back.
    outside: what the command, and the processes that it waited for, used outside of the scope; None also if that was
        not noticeable.
    """

    user: float | None = None
    system: float | None = None
    throttled: float | None = None
    outside: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Io:
    """What the scope read from and wrote to disks, over all of them.

    read, written, discarded: bytes that the kernel asked the disks for. What is in the page cache is not read again,
        and what was written to it counts when it is written to the disk, which can be after the end.
    reads, writes, discards: the number of operations.
    """

    read: int
    written: int
    discarded: int
    reads: int
    writes: int
    discards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one invocation ended. Sizes are bytes, times seconds; None is what could not be known.

    scoperun, systemd, kernel: versions.
    manager: the systemd manager that ran the scope, `system` or `user`.
    unit, invocation_id, slice, cgroup: the scope's unit name, InvocationID=, slice and cgroup path.
    left_scope: the cgroup in which the command died if that was outside the scope, where its limits do not hold.
    command: its words. cwd: the directory that it started in. pid: its own process.
    started: when the command was released, in ISO 8601, UTC.
    runtime: how long it ran.
    verdict: what scoperun concludes. result: the last Result= of systemd.
    exit_code, signal: how the command's own process ended; one of them is None, or both if nothing tells: its parent
        alone learns that of a process which is not our child.
    limits: the limits in force at the end, or when they were last read.
    limits_changed: the values at the start of limits that differ at the end; None if they could not be read then.
    effective_memory_max: the least limit on memory, in bytes, of the scope and everything above it, at the start.
    memory, cpu: what the scope used.
    soft_memory: what became of the soft limit, None without one.
    soft_pressure: what became of the soft limit on pressure, None without one or if the kernel did not watch it.
    oom: what is known about the OOM, None unless the verdict is oom-kill.
    cpu_time_checks: how often scoperun woke up to see whether the limit on processor time was used up; None without
        such a limit.
    timeline: how often scoperun woke up for the timeline; None without one.
    tasks_peak: the highest number of tasks. tasks_refused: how often a limit on tasks refused one.
    io: what the scope read and wrote; None without the io controller.
    pressure: how long the scope waited for memory, processors and disks; None if the kernel did not tell.
    left_running: the processes that were still in the scope at the end.
    evidence: the sources that the verdict and `oom` rest on.
    timed_out: runtime_max or cpu_time ended the scope. Result=timeout alone can also mean that a stop requested by
        something else took too long.
    unread_log: why the kernel log could not be read, if the verdict is unknown; used by the text only.
    schema: the version of the keys in JSON.
    """

    scoperun: str
    systemd: str | None
    kernel: str
    manager: str
    unit: str
    invocation_id: str | None
    slice: str | None
    cgroup: str | None
    left_scope: str | None
    command: tuple[str, ...]
    cwd: str | None
    pid: int
    started: str
    runtime: float | None
    verdict: Verdict
    result: str | None
    exit_code: int | None
    signal: int | None
    limits: LimitsInForce
    limits_changed: Mapping[str, float | None] | None
    effective_memory_max: int | None
    memory: Memory
    soft_memory: SoftMemoryReport | None
    soft_pressure: SoftPressureReport | None
    oom: Oom | None
    cpu: Cpu
    cpu_time_checks: int | None
    timeline: TimelineReport | None
    tasks_peak: int | None
    tasks_refused: int | None
    io: Io | None
    pressure: Pressure | None
    left_running: tuple[Process, ...] | None
    evidence: tuple[Evidence, ...]
    timed_out: bool
    unread_log: str | None = None
    schema: int = SCHEMA

    @property
    def exit_status(self) -> int:
        """What scoperun exits with: the command's own status, 128+n for signal n, 124 if a limit on time ended it."""
        if self.timed_out:
            return EXIT_TIMEOUT
        return _KILLED + self.signal if self.signal is not None else self.exit_code or 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict for json.dumps, with the keys that the manual page lists."""
        report = {"schema": self.schema} | _as_dict(self) | {"limits": _limits(self.limits)}
        report["limits_changed"] = self.limits_changed and _no_limit_in_words(self.limits_changed)
        report |= _no_limit_in_words({"effective_memory_max": self.effective_memory_max})
        if self.oom:
            del report["oom"]["has_other_limits"]  # the kernel's reports and the evidence say it
            for task in report["oom"]["tasks"] or ():
                del task["forked"]
        if self.oom and self.oom.kernel_log:
            report["oom"]["kernel_log"] = [_kernel_report(each) for each in report["oom"]["kernel_log"]]
        del report["timed_out"]  # verdict, runtime and limits say it
        del report["unread_log"]
        return report

    def to_json(self, *, indent: int | None = None, **more: str) -> str:
        """Return the report as one JSON object, with the keys of `more` first.

        indent: spaces for each level, for people to read; None for one line.
        """
        import json  # noqa: PLC0415  most runs print text

        return json.dumps(more | self.to_dict(), indent=indent)


def start_line(start: Start, command: Sequence[str]) -> str:
    """Return the JSON line that says that the command runs, with keys as in the report."""
    import json  # noqa: PLC0415  as above

    keys = ("unit", "invocation_id", "pid", "cgroup")
    known: dict[str, Any] = {"event": "started"} | {key: getattr(start, key) for key in keys}
    known["command"] = tuple(map(utf8, command))
    effective = _no_limit_in_words({"effective_memory_max": start.effective_memory_max})
    return json.dumps(known | {"limits": _limits(start.limits)} | effective)


def _kernel_report(report: dict[str, Any]) -> dict[str, Any]:
    """Return a kernel report with each of its records once: a victim's own is among `records`."""
    for victim in report["victims"]:
        del victim["record"]
    return _no_limit_in_words(report)


def _limits(limits: LimitsInForce) -> dict[str, float | str | None]:
    return _no_limit_in_words(_as_dict(limits))


def _as_dict(value: Report | LimitsInForce) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415  most runs print text

    return asdict(value)


def _no_limit_in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write "no limit" as systemd does, `infinity`: JSON has no such number."""
    return {name: in_words(value) for name, value in values.items()}
