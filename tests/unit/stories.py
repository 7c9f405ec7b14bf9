"""Runs as sequences of events: what is known at the start, then the events in their usual order.

Each story has all the events that come from a recent systemd and a kernel with the memory controller.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scoperun.evidence.events import (
    Counters,
    Event,
    JobRemoved,
    LeftActive,
    OomdMark,
    Process,
    ResultChanged,
    ScopeProperties,
    StateChanged,
    WorkloadExited,
)
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.start import Start
from scoperun.evidence.verdict import Verdict
from scoperun.report.conclusion import conclude
from scoperun.report.report import Report
from scoperun.spec.limits import LimitsInForce

MIB = 1024**2
LIMITS = LimitsInForce(memory_max=20 * MIB, memory_swap_max=0)
TIMED = replace(LIMITS, runtime_max=2.0)

START = Start(
    manager="user",
    systemd="257.9-1",
    kernel="6.12.48",
    unit="job.scope",
    invocation_id="0123456789abcdef0123456789abcdef",
    slice="app.slice",
    cgroup="/user.slice/user-1000.slice/user@1000.service/app.slice/job.scope",
    pid=4242,
    cwd="/home/user",
    started=datetime.datetime(2025, 1, 2, 3, 4, 5, 678_900, tzinfo=datetime.UTC),
    monotonic=100.0,
    counted_from=99.5,
    limits=LIMITS,
)

STARTED: tuple[Event, ...] = (
    ResultChanged("success"),
    StateChanged("inactive"),
    ResultChanged("success"),
    StateChanged("active"),
    JobRemoved("done"),
)
"""The first events of every story, in the order in which one connection delivers them."""

RESULT_AGAIN = ResultChanged("success")
"""An old Result=, announced again after a daemon-reload."""

STUB = ScopeProperties(result="success", oom_policy="")
"""The properties of a collected unit: systemd loads an empty one with its name."""


def exited(status: int) -> WorkloadExited:
    return WorkloadExited(status, at=102.0)


def counted(oom_kill: int, *processes: Process, oomd_marks: Sequence[OomdMark] | None = ()) -> Counters:
    """Return counters; `oomd_marks` is None for a kernel whose cgroups have no extended attributes for users."""
    return Counters(
        memory_events={"low": 0, "high": 0, "max": 3, "oom": oom_kill, "oom_kill": oom_kill, "oom_group_kill": 0},
        oomd_marks=oomd_marks,
        memory_peak=20 * MIB,
        memory_swap_peak=0,
        memory_stat={"anon": 4096, "file": 0},
        cpu_user=0.25,
        cpu_system=0.5,
        cpu_throttled=0.0,
        tasks_peak=2,
        tasks_refused=0,
        processes=processes,
    )


def read(result: str, policy: str = "stop") -> ScopeProperties:
    return ScopeProperties(result=result, oom_policy=policy, memory_peak=20 * MIB, memory_swap_peak=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run.

    name: what happened. verdict: the right one. events: those after the start.
    """

    name: str
    verdict: Verdict
    events: tuple[Event, ...]
    limits: LimitsInForce = LIMITS


def _story(name: str, verdict: Verdict, *events: Event, limits: LimitsInForce = LIMITS) -> Story:
    return Story(name=name, verdict=verdict, events=events, limits=limits)


STORIES = (
    _story(
        "the only process runs out of memory", Verdict.OOM_KILL,
        exited(-9), ResultChanged("oom-kill"), StateChanged("failed"), counted(1), read("oom-kill"),
    ),
    _story(
        "the only process runs out of memory and systemd stops the scope first", Verdict.OOM_KILL,
        ResultChanged("oom-kill"), StateChanged("deactivating"), exited(-9), counted(1), StateChanged("failed"),
        read("oom-kill"),
    ),
    _story(
        "the only process runs out of memory under continue", Verdict.OOM_KILL,
        exited(-9), counted(1), ResultChanged("success"), StateChanged("inactive"), read("success", "continue"),
    ),
    _story(
        "the only process runs out of memory under kill, the keeper with it", Verdict.OOM_KILL,
        ResultChanged("oom-kill"), StateChanged("failed"), exited(-9), Counters(), read("oom-kill", "kill"),
    ),
    _story(
        "a child runs out of memory under stop", Verdict.OOM_KILL,
        ResultChanged("oom-kill"), StateChanged("deactivating"), exited(-15), counted(1), StateChanged("failed"),
        read("oom-kill"),
    ),
    _story(
        "a child runs out of memory under stop and the shell handles the signal", Verdict.OOM_KILL,
        ResultChanged("oom-kill"), StateChanged("deactivating"), exited(0), counted(1), StateChanged("failed"),
        read("oom-kill"),
    ),
    _story(
        "a child runs out of memory under continue", Verdict.OOM_KILL,
        exited(0), counted(1), ResultChanged("success"), StateChanged("inactive"), read("success", "continue"),
    ),
    _story(
        "a child runs out of memory under kill", Verdict.OOM_KILL,
        exited(-9), counted(3), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill"),
    ),
    _story(
        "a child runs out of memory under continue where systemd counts", Verdict.OOM_KILL,
        exited(3), counted(1), ResultChanged("success"), StateChanged("inactive"),
        replace(read("success", "continue"), oom_kills=1, managed_oom_kills=0),
    ),
    _story(
        "the only process runs out of memory before systemd 252", Verdict.OOM_KILL,
        exited(-9), counted(1), ResultChanged("success"), StateChanged("inactive"), ScopeProperties(result="success"),
    ),
    _story(
        "the result is announced again after an OOM kill", Verdict.OOM_KILL,
        exited(-9), ResultChanged("oom-kill"), StateChanged("failed"), RESULT_AGAIN, counted(1), read("oom-kill"),
    ),
    _story(
        "the unit is collected before it is read after an OOM kill", Verdict.OOM_KILL,
        exited(-9), ResultChanged("oom-kill"), StateChanged("failed"), counted(1), STUB,
    ),
    _story(
        "systemd-oomd kills the scope", Verdict.OOM_KILL,
        exited(-9), counted(0, oomd_marks=(OomdMark(1),)), ResultChanged("oom-kill"), StateChanged("failed"),
        read("oom-kill"),
    ),
    _story(
        "systemd-oomd kills the scope under continue", Verdict.OOM_KILL,
        exited(-9), counted(0, oomd_marks=(OomdMark(1),)), ResultChanged("success"), StateChanged("inactive"),
        read("success", "continue"),
    ),
    _story(
        "systemd-oomd kills the scope, the keeper with it", Verdict.OOM_KILL,
        exited(-9), Counters(), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill"),
    ),
    _story(
        "systemd-oomd kills the scope where systemd counts", Verdict.OOM_KILL,
        exited(-9), counted(0, oomd_marks=(OomdMark(1),)), ResultChanged("oom-kill"), StateChanged("failed"),
        replace(read("oom-kill"), oom_kills=0, managed_oom_kills=1),
    ),
    _story(
        "systemd-oomd kills the scope under continue, the keeper with it, where systemd counts", Verdict.OOM_KILL,
        exited(-9), Counters(), ResultChanged("success"), StateChanged("inactive"),
        replace(read("success", "continue"), oom_kills=0, managed_oom_kills=1),
    ),
    _story(
        "somebody kills the command", Verdict.SIGNAL,
        exited(-9), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"),
    ),
    _story(
        "somebody kills the command under continue", Verdict.SIGNAL,
        exited(-9), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success", "continue"),
    ),
    _story(
        "somebody kills the command where systemd counts", Verdict.SIGNAL,
        exited(-9), counted(0), ResultChanged("success"), StateChanged("inactive"),
        replace(read("success"), oom_kills=0, managed_oom_kills=0),
    ),
    _story(
        "somebody kills the command and the unit is collected before it is read", Verdict.SIGNAL,
        exited(-9), counted(0), ResultChanged("success"), StateChanged("inactive"), STUB,
    ),
    _story(
        "the command dies of a segmentation fault", Verdict.SIGNAL,
        exited(-11), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"),
    ),
    _story(
        "the command exits with 0", Verdict.SUCCESS,
        exited(0), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"),
    ),
    _story(
        "the command exits with 0 within its time", Verdict.SUCCESS,
        exited(0), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"), limits=TIMED,
    ),
    _story(
        "the command exits with 0 and leaves a process running", Verdict.SUCCESS,
        exited(0), counted(0, Process(pid=4243, name="sleep")), read("success"),
    ),
    _story(
        "the command exits with 3", Verdict.EXIT_CODE,
        exited(3), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"),
    ),
    _story(
        "the command exits with 137 as if it had been killed", Verdict.EXIT_CODE,
        exited(137), counted(0), ResultChanged("success"), StateChanged("inactive"), read("success"),
    ),
    _story(
        "the command exits with 0 and the scope runs into its time before it is let go of", Verdict.SUCCESS,
        WorkloadExited(0, at=101.4), counted(0), ResultChanged("timeout"), LeftActive(101.6), StateChanged("failed"),
        read("timeout"), limits=TIMED,
    ),
    _story(
        "the command runs into its time", Verdict.TIMEOUT,
        ResultChanged("timeout"), LeftActive(101.6), StateChanged("deactivating"), exited(-15), counted(0),
        StateChanged("failed"), read("timeout"), limits=TIMED,
    ),
    _story(
        "the command runs into its time and exits with 0 when told to stop", Verdict.TIMEOUT,
        ResultChanged("timeout"), LeftActive(101.6), StateChanged("deactivating"), exited(0), counted(0),
        StateChanged("failed"), read("timeout"), limits=TIMED,
    ),
    _story(
        "the command runs into its time and has to be killed", Verdict.TIMEOUT,
        ResultChanged("timeout"), LeftActive(101.6), StateChanged("deactivating"), exited(-9), counted(0),
        StateChanged("failed"), read("timeout"), limits=TIMED,
    ),
)  # fmt: skip


def told(events: Iterable[Event], limits: LimitsInForce = LIMITS, command: tuple[str, ...] = ("./work",)) -> Report:
    """Return the report on a scope in which `events` happened after the start."""
    invocation = Invocation()
    for event in (*STARTED, *events):
        invocation.feed(event)
    return conclude(command, replace(START, limits=limits), invocation)
