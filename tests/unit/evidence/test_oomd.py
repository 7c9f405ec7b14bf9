"""A kill by systemd-oomd is reported with what its messages and its marks say, and with nothing that they do not."""

from typing import Any

import pytest

from scoperun.evidence.events import (
    Counters,
    Event,
    MemorySnapshot,
    OomdMark,
    OomdRead,
    ResultChanged,
    StateChanged,
    Task,
    WorkloadExited,
)
from scoperun.evidence.oomd_log import OomdCause, oomd_kills
from scoperun.report.oom_report import Oom
from scoperun.report.text import kernel_log_text, report_text
from tests.report_rows import head, rows
from tests.unit.stories import START, counted, exited, read, told

SCOPE = str(START.cgroup)
APP, _, _ = SCOPE.rpartition("/")
WHOLE = OomdMark(1, cgroup=SCOPE, processes=3)
BELOW = OomdMark(1, cgroup=f"{SCOPE}/work", processes=2)


def pressure(cgroup: str = SCOPE, of: str = APP, *, marked: bool = False) -> str:
    """Return the message; `marked`: in the words of newer versions."""
    what = f"Marked {cgroup} for killing" if marked else f"Killed {cgroup}"
    return f"{what} due to memory pressure for {of} being 12.34% > 2.00% for > 1min 20s with reclaim activity"


def swap(cgroup: str = SCOPE) -> str:
    used = "memory used (980) / total (1000) and swap used (960) / total (1000) being more than 90.00%"
    return f"Killed {cgroup} due to {used}"


def oom_of(*messages: str, mark: OomdMark = WHOLE, status: int = -9, reason: str | None = None) -> tuple[Oom, Any]:
    """Return what the report says about the OOM, and the rows of its text."""
    said = OomdRead(marks=(mark,), messages=None if reason else messages, reason=reason)
    events: list[Event] = [exited(status), counted(0, oomd_marks=(mark,)), StateChanged("inactive")]
    report = told([*events, read("success", "continue"), said])
    assert report.oom is not None
    assert str(report.oom.limit_of) == "systemd-oomd"
    assert {each.value for each in report.evidence if "journal" in each.source} == set(messages)
    return report.oom, rows(report_text(report))


@pytest.mark.parametrize("marked", [False, True])
def test_the_pressure_of_a_slice_above_was_the_reason(marked: bool) -> None:
    oom, text = oom_of(pressure(marked=marked))
    assert (oom.limit_unit, oom.limit, oom.kills, oom.victims) == ("app.slice", None, 2, None)
    assert oom.oomd is not None
    assert (oom.oomd.cgroup, oom.oomd.cause) == (SCOPE, OomdCause.MEMORY_PRESSURE)
    assert (oom.oomd.pressure, oom.oomd.limit, oom.oomd.time) == ("12.34%", "2.00%", "1min 20s")
    assert text["killed"] == (
        "this scope (2 processes), by systemd-oomd because of the memory pressure of app.slice, which this scope is in "
        "(12.34%, more than 2.00% for more than 1min 20s)"
    )
    assert "missing" not in text
    assert "OOM kills" not in text["memory"]


def test_processes_that_it_killed_too_are_not_said_to_be_killed_by_systemd() -> None:
    """Under OOMPolicy=kill systemd kills what is left, but nothing was."""
    shell, child = Task(pid=START.pid, name="sh", anon=1), Task(pid=4300, name="child", anon=1)
    before = MemorySnapshot(at=101.9, events={}, ooms={SCOPE: 0}, tasks=(shell, child))
    gone, said = Counters(oomd_marks=(WHOLE,)), OomdRead(marks=(WHOLE,), messages=(pressure(),))
    ending = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
    killed = WorkloadExited(-9, at=102.0, name="sh")
    report = told([before, killed, gone, *ending, said])
    assert report.oom is not None
    assert (report.oom.victims, report.oom.kills) == (None, 2)
    assert "others" not in rows(report_text(report))


def test_the_scopes_own_pressure_was_the_reason() -> None:
    oom, text = oom_of(pressure(of=SCOPE))
    assert oom.limit_unit == START.unit
    assert "by systemd-oomd because of the memory pressure of this scope (12.34%" in text["killed"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-9, "KILLED BY SYSTEMD-OOMD"),
        (-15, "SIGTERM, SYSTEMD-OOMD killed children"),
        (3, "exit 3, but SYSTEMD-OOMD killed children"),
    ],
)
def test_the_text_does_not_say_that_memory_ran_out(status: int, words: str) -> None:
    said = OomdRead(marks=(BELOW,))
    events: list[Event] = [exited(status), counted(0, oomd_marks=(BELOW,)), StateChanged("inactive")]
    assert head(report_text(told([*events, read("success", "continue"), said]))) == f"scoperun: {words}: ./work"


@pytest.mark.parametrize("root", ["", "/"])
def test_the_pressure_of_the_root_slice_was_the_reason(root: str) -> None:
    oom, _ = oom_of(pressure(of=root))
    assert oom.limit_unit == "-.slice"


def test_no_unit_is_named_if_the_machines_swap_was_the_reason() -> None:
    oom, text = oom_of(swap())
    assert oom.limit_unit is None
    assert text["killed"].endswith(
        "by systemd-oomd because more than 90.00% of the machine's memory and of its swap were in use"
    )


def test_a_cgroup_inside_the_scope_was_killed() -> None:
    """The keeper is not in it."""
    oom, text = oom_of(pressure(f"{SCOPE}/work"), mark=BELOW, status=0)
    assert oom.oomd is not None
    assert (oom.kills, oom.oomd.cgroup) == (2, f"{SCOPE}/work")
    assert text["killed"].startswith("work inside this scope (2 processes), by systemd-oomd because of")


def test_the_last_of_several_kills_is_reported() -> None:
    oom, _ = oom_of(pressure(f"{SCOPE}/work"), swap())
    assert oom.oomd is not None
    assert (oom.oomd.cgroup, oom.oomd.cause) == (SCOPE, OomdCause.MEMORY_USED)
    assert oom.oomd.log == (pressure(f"{SCOPE}/work"), swap())


def test_without_the_journal_the_reason_and_the_unit_are_unknown() -> None:
    oom, text = oom_of(reason="this user is not allowed to read it")
    assert oom.oomd is not None
    assert (oom.limit_unit, oom.oomd.cause, oom.oomd.log) == (None, None, None)
    assert (oom.kills, oom.oomd.cgroup) == (2, SCOPE)
    assert text["killed"] == "this scope (2 processes), by systemd-oomd"
    assert text["missing"] == "this user is not allowed to read it"
    assert kernel_log_text(oom) == "scoperun: this user is not allowed to read it"


def test_its_messages_are_quoted_in_place_of_the_kernels() -> None:
    oom, _ = oom_of(pressure(f"{SCOPE}/a\x1bb"), mark=BELOW)
    assert kernel_log_text(oom) == pressure(f"{SCOPE}/a\\x1bb")


def test_the_number_of_processes_is_unknown_if_it_killed_twice() -> None:
    """It counts those once more that have not ended yet."""
    oom, text = oom_of(pressure(), pressure(), mark=OomdMark(2, cgroup=SCOPE, processes=4))
    assert oom.kills is None
    assert text["killed"].startswith("this scope, by systemd-oomd because of")


@pytest.mark.parametrize("processes", [None, 1])
def test_the_number_of_processes_is_unknown_if_only_the_keeper_or_nothing_was_counted(processes: int | None) -> None:
    """It counts them after the kill, so the count can be missing."""
    oom, text = oom_of(mark=OomdMark(1, cgroup=SCOPE, processes=processes))
    assert oom.kills is None
    assert text["killed"] == "this scope, by systemd-oomd"


@pytest.mark.parametrize(
    "message",
    [
        pressure(f"{SCOPE}2"),
        pressure(APP),
        pressure(of="/system.slice"),
        pressure() + ", or not",
        f"Considered 3 cgroups for killing, top candidates were: {SCOPE}",
        swap("/system.slice/other.service"),
    ],
)
def test_other_messages_say_nothing_about_the_scope(message: str) -> None:
    assert oomd_kills([message], SCOPE) == []


def test_a_cgroup_named_like_a_message_does_not_change_its_meaning() -> None:
    named = f"{SCOPE}/x due to memory pressure for / being 1% > 2% for > 1s with reclaim activity"
    (kill,) = oomd_kills([pressure(named)], SCOPE)
    assert (kill.cgroup, kill.monitored) == (named, APP)
