"""A limit on processor time is a time above 0, ends a run as a timeout, and is reported with its use."""

import math
from dataclasses import replace
from typing import Any

import pytest

from scoperun.cli.options import parse
from scoperun.console.field_names import in_options
from scoperun.errors import InvalidValue
from scoperun.evidence.events import (
    Counters,
    CpuTimeChecked,
    CpuTimeUsedUp,
    Event,
    LeftActive,
    LeftoversAwaited,
    ResultChanged,
    StateChanged,
    WorkloadExited,
)
from scoperun.evidence.verdict import Verdict
from scoperun.report.cpu_time_text import cpu_time_use
from scoperun.report.report import Report
from scoperun.report.text import report_text
from scoperun.spec.request import RunRequest
from tests.schema import validated
from tests.unit.stories import LIMITS, counted, exited, read, told

pytestmark = pytest.mark.usefixtures("config")

LIMIT = replace(LIMITS, cpu_time=0.5)
STOPPED: tuple[Event, ...] = (
    CpuTimeChecked(used=0.4),
    CpuTimeChecked(used=0.625),
    CpuTimeUsedUp(used=0.625),
    StateChanged("deactivating"),
    LeftActive(101.6),
    exited(-15),
    counted(0),
    StateChanged("inactive"),
    read("success"),
)


def ended(*events: Event, limits: Any = LIMIT) -> Report:
    report = told(events, limits)
    validated(report.to_json())
    return report


@pytest.mark.parametrize(("text", "seconds"), [("1.5", 1.5), ("2min", 120.0), ("infinity", None)])
def test_it_is_a_time(text: str, seconds: float | None) -> None:
    parsed = parse(["--cpu-time", text, "true"])
    assert parsed is not None
    assert parsed.request.cpu_time == seconds


@pytest.mark.parametrize("wrong", [0, -1.0, math.nan, True, "90", -math.inf])
def test_a_program_is_refused_what_is_not_one(wrong: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        RunRequest(command=("true",), cpu_time=wrong)
    assert in_options(str(refused.value)).startswith(f"--cpu-time {wrong!r} is not a time above 0 seconds")


def test_infinity_is_no_limit_for_a_program_either() -> None:
    assert RunRequest(command=("true",), cpu_time=math.inf).cpu_time is None


@pytest.mark.parametrize("status", [-15, 0, 3, -9])
def test_a_scope_that_used_it_up_timed_out(status: int) -> None:
    events = [exited(status) if isinstance(each, WorkloadExited) else each for each in STOPPED]
    report = ended(*events)
    assert (report.verdict, report.timed_out, report.exit_status) == (Verdict.TIMEOUT, True, 124)
    assert (report.limits.cpu_time, report.cpu_time_checks) == (0.5, 2)


def test_a_command_that_had_to_be_killed_timed_out_although_the_counters_went_with_it() -> None:
    killed = (exited(-9), Counters(), ResultChanged("timeout"), StateChanged("failed"), read("timeout"))
    report = ended(*STOPPED[:5], *killed)
    assert (report.verdict, report.exit_status) == (Verdict.TIMEOUT, 124)
    assert cpu_time_use(report) == "used at least 625ms of 500ms"
    text = report_text(report)
    assert text.startswith("scoperun: TIMED OUT after 500ms of processor time (cpu_time): ./work\n")
    assert "\n     ended  KILLED (SIGKILL)\n       cpu  used at least 625ms of 500ms\n" in text


def test_what_it_used_to_the_end_is_told_where_it_is_known() -> None:
    assert cpu_time_use(ended(*STOPPED)) == "used 750ms of 500ms"


def test_the_use_at_the_stop_is_the_weightiest_evidence() -> None:
    weightiest, *_ = ended(*STOPPED).evidence
    assert (weightiest.source, weightiest.value) == ("cpu.stat usage_usec", 625_000)


def test_a_check_that_did_not_lead_to_a_stop_is_evidence_behind_the_counts() -> None:
    events = (CpuTimeChecked(used=0.4), CpuTimeChecked(used=None), exited(0), counted(0), StateChanged("inactive"))
    report = ended(*events, read("success"))
    assert report.verdict is Verdict.SUCCESS
    assert report.cpu_time_checks == 2
    assert [each.value for each in report.evidence if each.source == "cpu.stat usage_usec"] == [400_000]
    assert report.evidence[0].source == "memory.events oom_kill"


def test_a_limit_that_was_never_looked_at_is_no_evidence() -> None:
    report = ended(exited(0), counted(0), StateChanged("inactive"), read("success"))
    assert report.cpu_time_checks == 0
    assert "cpu.stat usage_usec" not in [each.source for each in report.evidence]


def test_without_the_limit_the_checks_are_null() -> None:
    report = ended(exited(0), counted(0), StateChanged("inactive"), read("success"), limits=LIMITS)
    assert (report.limits.cpu_time, report.cpu_time_checks) == (None, None)


def test_an_oom_kill_is_one_although_the_time_was_used_up_too() -> None:
    events = [counted(1) if isinstance(each, Counters) else each for each in STOPPED]
    report = ended(*events)
    assert (report.verdict, report.timed_out, report.exit_status) == (Verdict.OOM_KILL, True, 124)
    assert cpu_time_use(report) == "used 750ms of 500ms"
    assert report.evidence[0].source == "memory.events oom_kill"
    text = report_text(report)
    assert text.startswith("scoperun: TIMED OUT after 500ms of processor time (cpu_time), and an OOM KILLER")
    assert "\n     ended  SIGTERM\n" in text


def test_a_scope_that_an_oom_kill_stopped_did_not_time_out_although_it_used_the_time_up_meanwhile() -> None:
    events = [counted(1) if isinstance(each, Counters) else each for each in STOPPED[:-1]]
    report = ended(*events, read("oom-kill"))
    assert (report.verdict, report.timed_out, report.exit_status) == (Verdict.OOM_KILL, False, 143)


def test_a_command_that_had_left_the_scope_keeps_its_own_end() -> None:
    """What used the time was something else that was in the scope."""
    left = WorkloadExited(3, at=102.0, cgroup="/user.slice/user-1000.slice/user@1000.service/app.slice/other.scope")
    events = [left if isinstance(each, WorkloadExited) else each for each in STOPPED]
    report = ended(*events)
    assert (report.verdict, report.exit_status) == (Verdict.EXIT_CODE, 3)


def test_leftovers_that_are_waited_for_time_out_too() -> None:
    events = (exited(0), *STOPPED[:5], LeftoversAwaited(), *STOPPED[6:])
    assert ended(*events).verdict is Verdict.TIMEOUT


def test_the_other_limit_on_time_is_told_if_that_ended_the_scope() -> None:
    limits = replace(LIMIT, runtime_max=2.0, cpu_time=3600.0)
    events = (CpuTimeChecked(used=0.4), ResultChanged("timeout"), LeftActive(101.6), exited(-15), counted(0))
    report = ended(*events, StateChanged("failed"), read("timeout"), limits=limits)
    assert report.verdict is Verdict.TIMEOUT
    assert cpu_time_use(report) == ""
    assert report_text(report).startswith("scoperun: TIMED OUT after 2s (RuntimeMaxSec=): ./work\n")
