"""The report: verdict, evidence and measurements as a value, and that value as JSON. No I/O."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from scoperun.events import Counters
from scoperun.request import printable
from scoperun.sizes import INFINITY
from scoperun.verdict import Traces, Verdict, decide, oom_kills
from scoperun.version import __version__

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from scoperun.events import Process, ScopeProperties, WorkloadExited
    from scoperun.invocation import Invocation
    from scoperun.limits import LimitsInForce
    from scoperun.verdict import Evidence

SCHEMA = 1
"""Raised when a key changes its meaning; readers ignore keys that they do not know."""

EXIT_TIMEOUT = 124
_KILLED = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the scope used: peaks in bytes, memory.events as counts, memory.stat as last seen, in bytes or counts."""

    peak: int | None = None
    swap_peak: int | None = None
    events: Mapping[str, int] | None = None
    stat: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Oom:
    """An OOM: how many processes were killed (None: not counted) and the OOMPolicy= that followed."""

    kills: int | None
    policy: str | None
    limit_of: str | None = None
    limit_unit: str | None = None
    victims: None = None
    tasks: None = None
    kernel_log: None = None
    kernel_log_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """Processor time of the scope, in seconds."""

    user: float | None = None
    system: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one invocation ended. Sizes are bytes, times seconds; None is what could not be known.

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
        report = {"schema": self.schema} | asdict(self) | {"limits": _limits(self.limits)}
        del report["timed_out"]  # verdict, runtime and limits say it
        return report

    def to_json(self, **more: str) -> str:
        """Return the report as one JSON object on one line, with `more` before it."""
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

    def to_json(self) -> str:
        """Return the line that says that the command runs: what is known of it, with the keys of the report."""
        keys = ("unit", "invocation_id", "pid", "cgroup")
        start: dict[str, Any] = {"event": "started"} | {key: getattr(self, key) for key in keys}
        return json.dumps(start | {"limits": _limits(self.limits)})


def conclude(command: tuple[str, ...], start: Start, invocation: Invocation) -> Report:
    """Return the report on an invocation that has ended, or of which nothing more will be heard."""
    exited, counters, properties = invocation.exit, invocation.counters or Counters(), invocation.properties
    assert exited is not None  # noqa: S101  the caller waited for it
    traces = Traces(
        status=exited.status,
        result=invocation.final_result,
        counters=counters,
        properties=properties,
        ended=invocation.ended,
        memory_accounted=start.limits.memory_max is not None,
        runtime_limited=start.limits.runtime_max is not None,
    )
    verdict, evidence = decide(traces)
    policy = properties.oom_policy if properties else None
    return Report(
        scoperun=__version__,
        systemd=start.systemd,
        kernel=start.kernel,
        manager=start.manager,
        unit=start.unit,
        invocation_id=start.invocation_id,
        slice=start.slice,
        cgroup=start.cgroup,
        command=tuple(map(printable, command)),
        cwd=start.cwd,
        pid=start.pid,
        started=start.started.isoformat(timespec="milliseconds"),
        runtime=round(exited.at - start.monotonic, 6),
        verdict=verdict,
        result=traces.result,
        exit_code=exited.status if exited.status >= 0 else None,
        signal=-exited.status if exited.status < 0 else None,
        limits=start.limits,
        memory=_memory(counters, properties),
        oom=Oom(kills=oom_kills(traces) or None, policy=policy) if verdict is Verdict.OOM_KILL else None,
        cpu=Cpu(user=counters.cpu_user, system=counters.cpu_system),
        tasks_peak=counters.tasks_peak,
        pressure=None,
        left_running=() if invocation.ended else _printable(counters.processes),
        evidence=evidence,
        timed_out=traces.result == "timeout" and _ran_out_of_time(start, exited),
    )


def _ran_out_of_time(start: Start, exited: WorkloadExited) -> bool:
    limit = start.limits.runtime_max
    return limit is not None and exited.at - start.asked >= limit


def _printable(processes: tuple[Process, ...] | None) -> tuple[Process, ...] | None:
    return processes and tuple(replace(each, name=printable(each.name)) for each in processes)


def _memory(counters: Counters, properties: ScopeProperties | None) -> Memory:
    """Systemd keeps the peaks (since 256.3) when the cgroup is gone."""
    peak, swap_peak = counters.memory_peak, counters.memory_swap_peak
    if properties:
        peak = properties.memory_peak if peak is None else peak
        swap_peak = properties.memory_swap_peak if swap_peak is None else swap_peak
    return Memory(peak=peak, swap_peak=swap_peak, events=counters.memory_events, stat=counters.memory_stat)


def _limits(limits: LimitsInForce) -> dict[str, float | str | None]:
    return {name: "infinity" if value in {INFINITY, math.inf} else value for name, value in asdict(limits).items()}
