"""The report: verdict, evidence and measurements as a value, and that value as JSON. No I/O."""

from __future__ import annotations

import math
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from scoperun.dataclass import dataclass
from scoperun.events import Counters
from scoperun.oom_report import OomTraces, oom, oom_evidence
from scoperun.printable import utf8
from scoperun.sizes import INFINITY
from scoperun.soft_memory import soft_memory_report
from scoperun.verdict import Traces, Verdict, counted_by_oomd, decide, killed_by_kernel, oom_killed
from scoperun.version import __version__

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from scoperun.events import Process
    from scoperun.invocation import Invocation
    from scoperun.limits import LimitsInForce
    from scoperun.oom_report import Oom
    from scoperun.soft_memory import SoftMemory, SoftMemoryReport
    from scoperun.verdict import Evidence

SCHEMA = 1
"""Raised when a key changes its meaning; readers ignore keys that they do not know."""

EXIT_TIMEOUT = 124
_KILLED = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the scope used: peaks in bytes, memory.events as counts, memory.stat in bytes or counts.

    stat: as last seen; before the last OOM kill, if there was one and something was seen before it.
    """

    peak: int | None = None
    swap_peak: int | None = None
    events: Mapping[str, int] | None = None
    stat: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """Processor time of the scope, in seconds."""

    user: float | None = None
    system: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one invocation ended. Sizes are bytes, times seconds; None is what could not be known.

    soft_memory: None if no soft limit was asked for.
    timed_out: runtime_max ended it. Result= alone may also be the time that a stop by somebody else took.
    """

    scoperun: str
    systemd: str | None
    kernel: str
    manager: str
    unit: str
    invocation_id: str | None
    slice: str | None
    cgroup: str | None
    command: tuple[str, ...]
    cwd: str | None
    pid: int
    started: str
    runtime: float
    verdict: Verdict
    result: str | None
    exit_code: int | None
    signal: int | None
    limits: LimitsInForce
    memory: Memory
    soft_memory: SoftMemoryReport | None
    oom: Oom | None
    cpu: Cpu
    tasks_peak: int | None
    pressure: None
    left_running: tuple[Process, ...] | None
    evidence: tuple[Evidence, ...]
    timed_out: bool
    schema: int = SCHEMA

    @property
    def exit_status(self) -> int:
        """What scoperun exits with: the command's own status, 128+n for signal n, 124 if our timeout ended it."""
        if self.timed_out:
            return EXIT_TIMEOUT
        return _KILLED + self.signal if self.signal is not None else self.exit_code or 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what json.dumps takes, with the keys of the manual."""
        report = {"schema": self.schema} | _as_dict(self) | {"limits": _limits(self.limits)}
        if self.oom and self.oom.kernel_log:
            report["oom"]["kernel_log"] = [_no_limit_in_words(each) for each in report["oom"]["kernel_log"]]
        del report["timed_out"]  # verdict, runtime and limits say it
        return report

    def to_json(self, **more: str) -> str:
        """Return the report as one JSON object on one line, with `more` before it."""
        import json  # noqa: PLC0415  what is printed is text, mostly

        return json.dumps(more | self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was learned of the scope when it stood: what the report says of its beginning.

    started: when the command was released, UTC; monotonic: the same in seconds on the monotonic clock.
    asked: when systemd was asked for the scope, on that clock: its own clock for the command began later.
    """

    systemd: str | None
    kernel: str
    manager: str
    unit: str
    invocation_id: str
    slice: str | None
    cgroup: str | None
    pid: int
    cwd: str | None
    started: datetime.datetime
    monotonic: float
    asked: float
    limits: LimitsInForce
    soft_memory: SoftMemory | None = None

    def to_json(self) -> str:
        """Return the line that says that the command runs: what is known of it, with the keys of the report."""
        keys = ("unit", "invocation_id", "pid", "cgroup")
        import json  # noqa: PLC0415  as above

        start: dict[str, Any] = {"event": "started"} | {key: getattr(self, key) for key in keys}
        return json.dumps(start | {"limits": _limits(self.limits)})


def conclude(command: tuple[str, ...], start: Start, invocation: Invocation) -> Report:
    """Return the report on an invocation that has ended, or of which nothing more will be heard."""
    exited, counters = invocation.exit, invocation.counters or Counters()
    assert exited is not None  # noqa: S101  the caller waited for it
    traces = _traces(start, invocation)
    verdict, evidence = decide(traces)
    left = OomTraces(
        traces=traces, invocation=invocation, exited=exited, cgroup=start.cgroup, unit=start.unit, pid=start.pid
    )
    is_oom = verdict is Verdict.OOM_KILL
    return Report(
        scoperun=__version__,
        systemd=start.systemd,
        kernel=start.kernel,
        manager=start.manager,
        unit=start.unit,
        invocation_id=start.invocation_id,
        slice=start.slice,
        cgroup=start.cgroup,
        command=tuple(map(utf8, command)),
        cwd=start.cwd,
        pid=start.pid,
        started=start.started.isoformat(timespec="milliseconds"),
        runtime=round(exited.at - start.monotonic, 6),
        verdict=verdict,
        result=traces.result,
        exit_code=exited.status if exited.status >= 0 else None,
        signal=-exited.status if exited.status < 0 else None,
        limits=start.limits,
        memory=_memory(invocation),
        soft_memory=_soft_memory(start, invocation),
        oom=oom(left) if is_oom else None,
        cpu=Cpu(user=counters.cpu_user, system=counters.cpu_system),
        tasks_peak=counters.tasks_peak,
        pressure=None,
        left_running=() if invocation.ended else counters.processes,
        evidence=(*evidence, *oom_evidence(left)) if is_oom else evidence,
        timed_out=traces.result == "timeout" and _ran_out_of_time(start, invocation.emptied or exited.at),
    )


def kernel_may_have_killed(start: Start, invocation: Invocation) -> bool | None:
    """Tell whether the kernel's log has more to say of this scope: None if of a kill that nothing else tells of."""
    # An end that was no SIGKILL needs no more words where there are no limits on memory.
    traces = _traces(start, invocation)
    match oom_killed(traces):
        case True:
            return bool(killed_by_kernel(traces)) or not counted_by_oomd(traces)
        case None if traces.status == -SIGKILL or traces.memory_accounted:
            return None
        case _:
            return False


def _traces(start: Start, invocation: Invocation) -> Traces:
    assert invocation.exit is not None  # noqa: S101  the caller waited for it
    return Traces(
        status=invocation.exit.status,
        result=invocation.final_result,
        counters=invocation.counters,
        properties=invocation.properties,
        kills_seen=invocation.memory.kills_seen,
        kernel_victims=invocation.kernel_log.victims if invocation.kernel_log else None,
        keeper_named=invocation.kernel_log is not None and invocation.kernel_log.keeper_named,
        ended=invocation.ended,
        memory_accounted=start.limits.memory_max is not None,
        runtime_limited=start.limits.runtime_max is not None,
    )


def _ran_out_of_time(start: Start, end: float) -> bool:
    limit = start.limits.runtime_max
    return limit is not None and end - start.asked >= limit


def _memory(invocation: Invocation) -> Memory:
    """Systemd keeps the peaks (since 256.3) when the cgroup is gone."""
    counters, properties = invocation.counters or Counters(), invocation.properties
    peak, swap_peak = counters.memory_peak, counters.memory_swap_peak
    if properties:
        peak = properties.memory_peak if peak is None else peak
        swap_peak = properties.memory_swap_peak if swap_peak is None else swap_peak
    before_kill = invocation.memory.before if invocation.memory.kills or counters.memory_stat is None else None
    stat = (before_kill and before_kill.stat) or counters.memory_stat
    return Memory(peak=peak, swap_peak=swap_peak, events=counters.memory_events, stat=stat)


def _soft_memory(start: Start, invocation: Invocation) -> SoftMemoryReport | None:
    if start.soft_memory is None:
        return None
    return soft_memory_report(start.soft_memory, invocation.soft_memory, began=start.monotonic)


def _limits(limits: LimitsInForce) -> dict[str, float | str | None]:
    return _no_limit_in_words(_as_dict(limits))


def _as_dict(value: Report | LimitsInForce) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415  what is printed is text, mostly

    return asdict(value)


def _no_limit_in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write no limit as systemd does: JSON has no word for it."""
    return {name: "infinity" if value in (INFINITY, math.inf) else value for name, value in values.items()}
