"""A report has every key of schema 1, null for unknown values, and is JSON whatever its values are."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.evidence.events import (
    ConnectionLost,
    Counters,
    Event,
    JobRemoved,
    KernelLogRead,
    LeftActive,
    LeftoversAwaited,
    MemorySnapshot,
    Process,
    ResultChanged,
    StateChanged,
    WorkloadExited,
)
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.kernel_log import parse
from scoperun.evidence.kernel_report import KernelRecord
from scoperun.evidence.last_seen import Victim
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from scoperun.report.conclusion import conclude
from scoperun.report.report import Report, start_line
from scoperun.report.text import report_text
from scoperun.spec.limits import Ceiling, LimitsInForce
from scoperun.spec.sizes import INFINITY
from scoperun.version import __version__
from tests.schema import validated
from tests.unit.stories import LIMITS, MIB, START, STORIES, TIMED, Story, counted, exited, read, told

KERNEL_LOGS = Path(__file__).parents[1] / "evidence" / "kernel_logs"

KEYS = [
    "schema", "scoperun", "systemd", "kernel", "manager", "unit", "invocation_id", "slice", "cgroup", "left_scope",
    "command", "cwd", "pid", "started", "runtime", "verdict", "result", "exit_code", "signal", "limits",
    "limits_changed", "effective_memory_max", "memory", "soft_memory", "soft_pressure", "oom", "cpu", "cpu_time_checks",
    "timeline", "tasks_peak", "tasks_refused", "io", "pressure", "left_running", "evidence",
]  # fmt: skip
KEYS_OF = {
    "limits": {"memory_max", "memory_high", "memory_swap_max", "memory_zswap_max", "tasks_max", "cpu_quota",
               "runtime_max", "cpu_time"},
    "memory": {"peak", "swap_peak", "events", "stat"},
    "oom": {"kills", "policy", "limit_of", "limit_unit", "limit", "needed", "victims", "tasks",
            "kernel_log", "kernel_log_reason", "oomd"},
    "cpu": {"user", "system", "throttled", "outside"},
}  # fmt: skip

OOM_KILL: tuple[Event, ...] = (
    exited(-9),
    counted(1),
    ResultChanged("oom-kill"),
    StateChanged("failed"),
    read("oom-kill"),
)
NOTHING_KNOWN: tuple[Event, ...] = (exited(-9), ConnectionLost("gone"))


def as_json(report: Report) -> dict[str, Any]:
    text = report.to_json()
    assert "\n" not in text
    return json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("events", [OOM_KILL, NOTHING_KNOWN, (exited(0), counted(0), read("success"))])
def test_the_keys_are_those_of_schema_1_in_order(events: tuple[Event, ...]) -> None:
    report = as_json(told(events))
    assert list(report) == KEYS
    assert report["schema"] == 1


@pytest.mark.parametrize("key", KEYS_OF)
def test_each_part_has_all_its_keys(key: str) -> None:
    assert set(as_json(told(OOM_KILL))[key]) == KEYS_OF[key]


def test_a_command_does_not_end_before_its_start() -> None:
    """The clock for its end can have a coarse resolution."""
    at = START.monotonic - 0.004
    events = (WorkloadExited(0, at=at), counted(0), read("success"))
    assert as_json(told(events))["runtime"] == 0


def test_a_report_has_everything_that_is_known() -> None:
    report = as_json(told(OOM_KILL, TIMED, ("./bigleak2", "-v")))
    assert report == report | {
        "scoperun": __version__,
        "systemd": "257.9-1",
        "kernel": "6.12.48",
        "manager": "user",
        "unit": "job.scope",
        "invocation_id": "0123456789abcdef0123456789abcdef",
        "slice": "app.slice",
        "cgroup": "/user.slice/user-1000.slice/user@1000.service/app.slice/job.scope",
        "command": ["./bigleak2", "-v"],
        "cwd": "/home/user",
        "pid": 4242,
        "started": "2025-01-02T03:04:05.678+00:00",
        "runtime": 2.0,
        "verdict": "oom-kill",
        "result": "oom-kill",
        "exit_code": None,
        "signal": 9,
        "cpu": {"user": 0.25, "system": 0.5, "throttled": 0.0, "outside": None},
        "tasks_peak": 2,
        "left_running": [],
    }
    assert report["limits"] == report["limits"] | {"memory_max": 20 * MIB, "memory_swap_max": 0, "runtime_max": 2.0}
    assert report["memory"]["peak"] == 20 * MIB
    assert report["memory"]["events"]["oom_kill"] == 1
    assert report["memory"]["stat"] == {"anon": 4096, "file": 0}
    assert report["oom"] == report["oom"] | {"kills": 1, "policy": "stop"}
    assert report["evidence"][:2] == [
        {"source": "memory.events oom_kill", "value": 1},
        {"source": "user.oomd_ooms", "value": 0},
    ]


def test_an_unknown_value_is_null_and_not_left_out() -> None:
    nowhere = replace(START, systemd=None, slice=None, cwd=None, limits=LimitsInForce())
    invocation = Invocation()
    for event in NOTHING_KNOWN:
        invocation.feed(event)
    report = as_json(conclude(("true",), nowhere, invocation))
    unknown = {"systemd", "slice", "left_scope", "cwd", "result", "exit_code", "limits_changed", "soft_memory",
               "soft_pressure", "oom", "effective_memory_max", "cpu_time_checks", "timeline", "tasks_peak",
               "tasks_refused", "io", "pressure", "left_running"}  # fmt: skip
    assert {key for key, value in report.items() if value is None} == unknown
    for part in "limits", "memory", "cpu":
        assert set(report[part]) == KEYS_OF[part]
        assert set(report[part].values()) == {None}


def test_the_use_of_disks_is_that_of_io_stat() -> None:
    use = {"rbytes": 1, "wbytes": 2, "dbytes": 3, "rios": 4, "wios": 5, "dios": 6}
    assert as_json(told([exited(0), replace(counted(0), io=use), read("success")]))["io"] == {
        "read": 1, "written": 2, "discarded": 3, "reads": 4, "writes": 5, "discards": 6,
    }  # fmt: skip


def test_oom_is_null_without_an_oom_kill() -> None:
    assert as_json(told([exited(-9), counted(0), read("success")]))["oom"] is None


def test_an_uncounted_oom_kill_has_an_unknown_number() -> None:
    """The keys of the OOM are present; 0 would be wrong."""
    oom = as_json(told([exited(-9), ResultChanged("oom-kill"), ConnectionLost("gone")]))["oom"]
    assert set(oom) == KEYS_OF["oom"]
    assert (oom["kills"], oom["policy"]) == (None, None)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_number_of_an_oom_kill_is_never_0(story: Story) -> None:
    oom = told(story.events, story.limits).oom
    assert (oom is not None) is (story.verdict is Verdict.OOM_KILL)
    assert oom is None or oom.kills != 0


def test_no_limit_is_infinity_as_in_systemd() -> None:
    """Not every JSON reader can hold 2^64-1, and JSON has no word for infinity."""
    limits = LimitsInForce(
        memory_max=INFINITY, memory_high=INFINITY, tasks_max=INFINITY, cpu_quota=INFINITY, runtime_max=math.inf
    )
    shown = as_json(told(OOM_KILL, limits))["limits"]
    no_limit = {"memory_max", "memory_high", "tasks_max", "cpu_quota", "runtime_max"}
    assert {name for name, value in shown.items() if value == "infinity"} == no_limit
    assert shown["memory_swap_max"] is None


@pytest.mark.parametrize(
    ("ceiling", "shown"),
    [
        (Ceiling(limit=15 * MIB, cgroup="/a.slice", is_known=True), 15 * MIB),
        (Ceiling(limit=INFINITY, cgroup="/a.slice", is_known=True), "infinity"),
        (Ceiling(limit=15 * MIB, cgroup="/", is_known=False), None),
        (None, None),
    ],
)
def test_the_least_limit_of_all_is_told_if_all_are_known(ceiling: Ceiling | None, shown: object) -> None:
    start = replace(START, ceiling=ceiling)
    invocation = Invocation()
    for event in OOM_KILL:
        invocation.feed(event)
    assert as_json(conclude(("true",), start, invocation))["effective_memory_max"] == shown
    assert json.loads(start_line(start, ("true",)))["effective_memory_max"] == shown


def test_a_limit_is_a_number() -> None:
    shown = as_json(told(OOM_KILL, replace(LIMITS, cpu_quota=0.5, tasks_max=100)))["limits"]
    assert (shown["memory_max"], shown["cpu_quota"], shown["tasks_max"]) == (20 * MIB, 0.5, 100)


def test_arguments_with_any_bytes_survive_json() -> None:
    """Bytes that are not UTF-8 become escapes, so every JSON reader accepts them."""
    command = ("./caf\udce9", "é", "a\nb", 'say "hi"', "\x07", "")
    report = as_json(told(OOM_KILL, command=command))
    assert report["command"] == ["./caf\\xe9", "é", "a\nb", 'say "hi"', "\x07", ""]
    json.dumps(report, ensure_ascii=False).encode()


def test_to_dict_returns_plain_data() -> None:
    assert json.loads(json.dumps(told(OOM_KILL).to_dict())) == as_json(told(OOM_KILL))


@pytest.mark.parametrize(
    ("status", "exit_code", "number", "exit_status"),
    [(0, 0, None, 0), (3, 3, None, 3), (255, 255, None, 255), (-9, None, 9, 137), (-15, None, 15, 143)],
)
def test_the_exit_status_is_the_commands_or_128_and_its_signal(
    status: int, exit_code: int | None, number: int | None, exit_status: int
) -> None:
    report = told([exited(status), counted(0), StateChanged("inactive"), read("success")])
    assert (report.exit_code, report.signal, report.exit_status) == (exit_code, number, exit_status)


def test_an_oom_kill_of_the_command_exits_with_137() -> None:
    assert told(OOM_KILL).exit_status == 137


def test_an_oom_kill_of_a_child_keeps_the_commands_status() -> None:
    report = told([exited(3), counted(1), StateChanged("inactive"), read("success", "continue")])
    assert (report.verdict, report.exit_status) == (Verdict.OOM_KILL, 3)


@pytest.mark.parametrize("status", [0, -9, -15])
def test_our_timeout_exits_with_124(status: int) -> None:
    report = told([LeftActive(101.6), exited(status), counted(0), StateChanged("failed"), read("timeout")], TIMED)
    assert (report.verdict, report.exit_status) == (Verdict.TIMEOUT, 124)


@pytest.mark.parametrize(
    ("began", "at", "result", "awaited", "exit_status"),
    [
        (101.6, 102.0, "timeout", False, 124),
        (101.6, 102.0, "oom-kill", False, 143),
        (101.4, 102.0, "timeout", False, 143),
        (101.6, 101.0, "timeout", True, 143),
        (None, 102.0, "timeout", False, 143),
    ],
    ids=["time ended it", "the kill ended it", "something else stopped it", "time ended leftovers", "unknown"],
)
def test_our_timeout_after_an_oom_kill_of_a_child_exits_with_124(
    began: float | None, at: float, result: str, exit_status: int, *, awaited: bool
) -> None:
    first = MemorySnapshot(at=100.0, events={}, ooms={START.cgroup or "": 0}, groups={START.cgroup or "": 0})
    told_first = [first, *([LeftActive(began)] if began is not None else [])]
    waits = [LeftoversAwaited()] if awaited else []
    counters = replace(counted(1), ooms={START.cgroup or "": 1}, groups={START.cgroup or "": 0})
    end = [replace(exited(-15), at=at), counters, StateChanged("failed"), read(result, "continue")]
    report = told([*told_first, *waits, *end], TIMED)
    assert (report.verdict, report.exit_status) == (Verdict.OOM_KILL, exit_status)
    how = "TIMED OUT after 2s (RuntimeMaxSec=)" if exit_status == 124 else "SIGTERM"
    assert report_text(report).startswith(f"scoperun: {how}, and a child RAN OUT OF MEMORY:")


def test_a_command_that_runs_out_of_memory_while_time_ends_it_is_not_called_a_child() -> None:
    end = [LeftActive(101.6), exited(-9), counted(1), StateChanged("failed"), read("timeout", "continue")]
    report = told(end, TIMED)
    assert report.oom is not None
    victim = Victim(pid=report.pid, name="work", rss=None, anon=None, source="wait status")
    text = report_text(replace(report, oom=replace(report.oom, limit_of=LimitOf.SCOPE, victims=(victim,))))
    assert " ".join(text.split()).startswith(
        "scoperun: TIMED OUT after 2s (RuntimeMaxSec=), and the command RAN OUT OF MEMORY: ./work"
    )


@pytest.mark.parametrize("then", [None, 60.0, 2.0])
def test_a_limit_on_time_that_was_changed_meanwhile_is_the_one_that_ended_the_scope(then: float | None) -> None:
    """By a drop-in for scopes and a daemon-reload."""
    now = replace(read("timeout"), runtime_max=2.0)
    counters = replace(counted(0), limits=LIMITS)
    events = [LeftActive(101.6), exited(-15), counters, StateChanged("failed"), now]
    report = told(events, replace(LIMITS, runtime_max=then))
    assert (report.verdict, report.exit_status, report.limits.runtime_max) == (Verdict.TIMEOUT, 124, 2.0)
    assert report.limits_changed == ({} if then == 2.0 else {"runtime_max": then})
    assert report_text(report).startswith("scoperun: TIMED OUT after 2s (RuntimeMaxSec=): ")
    validated(report.to_json())


@pytest.mark.parametrize(("policy", "limit"), [("stop", None), ("", 60.0)], ids=["lifted", "of a unit that is gone"])
def test_a_limit_on_time_that_was_lifted_is_none_if_it_was_the_scopes(policy: str, limit: float | None) -> None:
    now = replace(read("success", policy), runtime_max=math.inf)
    report = told([exited(0), counted(0), StateChanged("inactive"), now], replace(LIMITS, runtime_max=60.0))
    assert report.limits.runtime_max == limit


@pytest.mark.parametrize(("status", "exit_status"), [(0, 0), (3, 3), (-9, 137)])
def test_a_command_that_ends_within_its_time_limit_keeps_its_status(status: int, exit_status: int) -> None:
    report = told([exited(status), counted(0), StateChanged("inactive"), read("success")], TIMED)
    assert report.exit_status == exit_status


def test_a_timeout_that_is_not_ours_is_the_signal_that_ended_the_command() -> None:
    """The scope was stopped from outside and took too long; --timeout was not given."""
    report = told([exited(-9), counted(0), StateChanged("failed"), read("timeout")])
    assert (report.verdict, report.exit_status) == (Verdict.TIMEOUT, 137)


def test_systemds_values_replace_those_of_a_removed_cgroup() -> None:
    memory = told([exited(-9), Counters(), StateChanged("failed"), read("oom-kill", "kill")]).memory
    assert (memory.peak, memory.swap_peak, memory.events, memory.stat) == (20 * MIB, 0, None, None)


def test_the_kernels_peak_is_preferred() -> None:
    counters = replace(counted(0), memory_peak=1, memory_swap_peak=2)
    memory = told([exited(0), counters, read("success")]).memory
    assert (memory.peak, memory.swap_peak) == (1, 2)


def test_processes_that_are_left_are_named() -> None:
    left = Process(pid=7, name="sleep")
    assert as_json(told([exited(0), counted(0, left), read("success")]))["left_running"] == [
        {"pid": 7, "name": "sleep"}
    ]


def test_without_the_memory_controller_no_counters_are_missing() -> None:
    bare = replace(LIMITS, memory_max=None, memory_swap_max=None)
    assert told([exited(0), Counters(), JobRemoved("done"), read("success")], bare).verdict is Verdict.SUCCESS


def test_the_start_is_one_line_with_keys_of_the_report() -> None:
    text = start_line(START, ("./work",))
    assert "\n" not in text
    start = json.loads(text, parse_constant=pytest.fail)
    assert list(start) == [
        "event",
        "unit",
        "invocation_id",
        "pid",
        "cgroup",
        "command",
        "limits",
        "effective_memory_max",
    ]
    report = as_json(told(OOM_KILL))
    assert start == {"event": "started"} | {key: report[key] for key in start if key != "event"}


def test_the_start_has_no_limit_as_infinity() -> None:
    start = json.loads(start_line(replace(START, limits=LimitsInForce(tasks_max=INFINITY)), ("true",)))
    assert (start["limits"]["tasks_max"], start["limits"]["memory_max"]) == ("infinity", None)


def test_the_start_has_the_command_as_the_report_has_it() -> None:
    command = ("sh", "-c", "exit 3", "not UTF-8: \udcff")
    assert json.loads(start_line(START, command))["command"] == as_json(told(OOM_KILL, command=command))["command"]


def test_a_report_can_be_indented_for_people() -> None:
    text = told(OOM_KILL).to_json(indent=2)
    assert text.startswith('{\n  "schema": 1,\n')
    assert json.loads(text) == as_json(told(OOM_KILL))


@pytest.mark.parametrize("sample", ["scope-7.2", "group-7.2", "burst-7.2", "scope-5.0"])
def test_each_record_of_the_kernel_is_there_once(sample: str) -> None:
    """A victim in the kernel's report knows its own record, which is one of `records`."""
    printed = json.loads((KERNEL_LOGS / f"{sample}.json").read_text(encoding="ascii"))["records"]
    reports = tuple(parse(map(KernelRecord, printed), page_size=4096))
    assert any(report.victims for report in reports)
    text = told([*OOM_KILL, KernelLogRead(reports=reports)]).to_json()
    records = [record for report in reports for record in report.records]
    assert {record: text.count(json.dumps(record)) for record in records} == Counter(records)


def test_a_report_among_other_lines_begins_with_its_event() -> None:
    line = json.loads(told(OOM_KILL).to_json(event="finished"))
    assert list(line) == ["event", *KEYS]
    assert line == {"event": "finished"} | as_json(told(OOM_KILL))


@pytest.mark.parametrize("manager", ["user", "system"])
def test_the_manager_is_the_requested_one(manager: str) -> None:
    invocation = Invocation()
    invocation.feed(exited(0))
    assert conclude(("true",), replace(START, manager=manager), invocation).manager == manager


@pytest.mark.parametrize(
    ("began", "status"),
    [(101.6, 124), (101.5, 124), (101.4, 137), (None, 137)],
    ids=["after", "at", "before", "unknown"],
)
def test_a_stop_that_began_before_the_time_limit_is_not_our_timeout(began: float | None, status: int) -> None:
    """Systemd gives the same Result= to a stop requested by something else that lasted until after that time."""
    times = [] if began is None else [LeftActive(began)]
    report = told([*times, exited(-9), counted(0), read("timeout")], TIMED)
    assert (report.verdict, report.exit_status) == (Verdict.TIMEOUT, status)


def test_limits_are_those_at_the_end_and_changes_are_listed() -> None:
    raised = replace(counted(0), limits=replace(LIMITS, memory_max=200 * MIB))
    report = as_json(told([exited(0), raised, read("success")]))
    assert report["limits"]["memory_max"] == 200 * MIB
    assert report["limits_changed"] == {"memory_max": 20 * MIB}


@pytest.mark.parametrize(
    ("then", "now", "changed"),
    [(INFINITY, None, {}), (None, INFINITY, {}), (None, 0.5, {"cpu_quota": None}), (0.5, 1.0, {"cpu_quota": 0.5})],
)
def test_a_controller_that_appears_or_disappears_does_not_change_a_limit(
    then: float | None, now: float | None, changed: dict[str, float | None]
) -> None:
    """The cpu controller exists while a unit beside the scope needs it."""
    before = replace(LIMITS, cpu_quota=then)
    report = told([exited(0), replace(counted(0), limits=replace(before, cpu_quota=now)), read("success")], before)
    assert (report.limits.cpu_quota, report.limits_changed) == (now, changed)


def test_a_duration_is_never_negative() -> None:
    """The command ended within one tick of the kernel's clock, which puts its end before its start."""
    assert told([WorkloadExited(0, at=START.monotonic - 0.001), counted(0), read("success")]).runtime == 0


def test_limits_that_were_unreadable_at_the_end_are_not_called_unchanged() -> None:
    report = told([exited(-9), Counters(), read("oom-kill")])
    assert (report.limits.memory_max, report.limits_changed) == (20 * MIB, None)


ELSEWHERE = "/user.slice/user-1000.slice/user@1000.service/app.slice/other.scope"
AT_HOME = START.cgroup


@pytest.mark.parametrize("cgroup", [AT_HOME, f"{AT_HOME}/below", None])
def test_a_command_that_died_in_the_scope_has_not_left_it(cgroup: str | None) -> None:
    report = told([replace(exited(0), cgroup=cgroup), counted(0), read("success")])
    assert report.left_scope is None


@pytest.mark.parametrize("cgroup", [ELSEWHERE, "/", f"{AT_HOME}2"])
def test_a_command_that_died_elsewhere_has_left_the_scope(cgroup: str) -> None:
    assert told([replace(exited(0), cgroup=cgroup), counted(0), read("success")]).left_scope == cgroup


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(0, Verdict.SUCCESS), (3, Verdict.EXIT_CODE), (-15, Verdict.SIGNAL), (-9, Verdict.UNKNOWN)],
)
@pytest.mark.parametrize("result", ["success", "timeout", "resources"])
def test_the_scopes_end_does_not_affect_a_command_that_left_it(status: int, verdict: Verdict, result: str) -> None:
    events = [replace(exited(status), cgroup=ELSEWHERE), counted(0), LeftActive(101.6), read(result)]
    report = told(events, TIMED)
    assert (report.verdict, report.exit_status) == (verdict, status if status >= 0 else 128 - status)


def test_an_oom_kill_in_the_scope_counts_even_if_the_command_left_it() -> None:
    report = told([replace(exited(-9), cgroup=ELSEWHERE), counted(1), read("success", "continue")])
    assert report.verdict is Verdict.OOM_KILL


@pytest.mark.parametrize(
    ("used", "outside"), [(None, None), (0.7, None), (0.75, None), (0.79, None), (0.81, 0.06), (10.0, 9.25)]
)
def test_processor_time_outside_the_scope_is_reported(used: float | None, outside: float | None) -> None:
    """The scope saw 0.75 s."""
    assert told([replace(exited(0), cpu=used), counted(0), read("success")]).cpu.outside == outside


def test_a_small_part_of_much_processor_time_is_not_reported() -> None:
    counters = replace(counted(0), cpu_user=100.0)
    assert told([replace(exited(0), cpu=104.0), counters, read("success")]).cpu.outside is None
    assert told([replace(exited(0), cpu=110.0), counters, read("success")]).cpu.outside == 9.5


def test_systemds_stop_can_be_announced_after_its_signals() -> None:
    """The command can have ended by then because of those signals."""
    report = told([replace(exited(-15), at=101.58), LeftActive(101.6), counted(0), read("timeout")], TIMED)
    assert (report.verdict, report.exit_status) == (Verdict.TIMEOUT, 124)
