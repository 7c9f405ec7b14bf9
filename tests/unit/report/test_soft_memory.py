"""A soft limit is given as SIZE:SIGNAL, refused if it can have no effect, and reported with what followed."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.cli.command import _warn
from scoperun.cli.options import parse
from scoperun.cli.preview import preview
from scoperun.console.field_names import in_options
from scoperun.errors import InvalidValue
from scoperun.evidence.events import (
    Event,
    MemorySnapshot,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryRestored,
    SoftMemoryTold,
    StateChanged,
)
from scoperun.evidence.invocation import Invocation
from scoperun.report.conclusion import conclude
from scoperun.report.report import Report
from scoperun.report.text import report_text
from scoperun.spec.limits import Limits
from scoperun.spec.request import RunRequest
from scoperun.spec.sizes import INFINITY
from scoperun.spec.soft_memory import SoftMemory
from tests.schema import validated
from tests.unit.stories import MIB, START, STARTED, counted, exited, read

pytestmark = pytest.mark.usefixtures("config")

USR1 = signal.SIGUSR1


def request(*argv: str) -> RunRequest:
    parsed = parse([*argv, "true"])
    assert parsed is not None
    return parsed.request


def refusal(*argv: str) -> str:
    with pytest.raises(InvalidValue) as refused:
        request(*argv)
    line = in_options(str(refused.value))
    assert "--soft-mem" in line
    return line


@pytest.mark.parametrize(
    ("text", "soft"),
    [
        ("15M", SoftMemory(15 * MIB, signal.SIGTERM)),
        ("15M:USR1", SoftMemory(15 * MIB, USR1)),
        ("15M:SIGUSR1", SoftMemory(15 * MIB, USR1)),
        ("15M:10", SoftMemory(15 * MIB, 10)),
        ("15M:SIGRTMIN+3", SoftMemory(15 * MIB, signal.SIGRTMIN + 3)),
        ("4096:RTMIN+1", SoftMemory(4096, signal.SIGRTMIN + 1)),
        ("infinity", None),
        ("infinity:USR1", None),
    ],
)
def test_it_is_a_size_and_a_signal(text: str, soft: SoftMemory | None) -> None:
    assert request("--soft-mem", text).soft_memory == soft


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", "e.g. 20M or 1.5G"),
        ("soon", "e.g. 20M or 1.5G"),
        (":USR1", "e.g. 20M or 1.5G"),
        ("0", "at least 1"),
        ("4095", "less than a page of memory"),
        ("15M:", "'' is not a signal (e.g. 15M:USR1)"),
        ("15M:TERMINATE", "'TERMINATE' is not a signal"),
        ("15M:0", "'0' is not a signal"),
        ("15M:65", "'65' is not a signal"),
        ("15M:USR1:USR2", "'USR1:USR2' is not a signal"),
        ("15M:KILL", "SIGKILL cannot be handled, so it cannot warn a command"),
        ("15M:9", "SIGKILL cannot be handled, so it cannot warn a command"),
        ("15M:STOP", "SIGSTOP cannot be handled, so it cannot warn a command"),
    ],
)
def test_what_tells_nothing_is_refused(text: str, right: str) -> None:
    assert right in refusal("--soft-mem", text)


@pytest.mark.parametrize(
    "limit", [["--mem", "15M"], ["--mem", "14M"], ["-p", "MemoryMax=15M"], ["--mem", "20M", "-p", "MemoryMax=1M"]]
)
def test_what_the_hard_limit_comes_before_is_refused(limit: list[str]) -> None:
    assert "--soft-mem 15M is not below --mem " in refusal("--soft-mem", "15M", *limit)


@pytest.mark.parametrize("other", [["--mem-high", "10M"], ["-p", "MemoryHigh=20M"], ["-p", "MemoryHigh=infinity"]])
def test_another_high_limit_beside_it_is_refused(other: list[str]) -> None:
    assert refusal("--soft-mem", "15M", *other).startswith("--soft-mem 15M excludes --mem-high and -p MemoryHigh=")


def test_a_high_limit_that_is_taken_back_is_none() -> None:
    asked = {
        each.name: each.value for each in request("--soft-mem", "15M", "--mem-high", "infinity").scope_properties()
    }
    assert asked["MemoryHigh"] == 15 * MIB


@pytest.mark.parametrize("value", ['"15M:USR1"', "15728640"])
def test_a_config_file_may_have_it(value: str, config: Path) -> None:
    config.write_text(f"[defaults]\nsoft-mem = {value}\n")
    soft = request("--mem", "20M").soft_memory
    assert soft is not None
    assert soft.limit == 15 * MIB


@pytest.mark.parametrize(
    "wrong", [(0,), (-1,), (INFINITY,), (1.5,), (True,), (MIB, 0), (MIB, 65), (MIB, signal.SIGKILL)]
)
def test_a_program_is_refused_the_same(wrong: Any) -> None:
    with pytest.raises(InvalidValue):
        SoftMemory(*wrong)


def test_the_kernel_is_asked_by_memory_high() -> None:
    parsed = parse(["--mem", "20M", "--soft-mem", "15M", "true"])
    assert parsed is not None
    shown = preview(parsed.request, parsed.sources).to_text()
    (line,) = [line for line in shown.splitlines() if line.startswith("MemoryHigh=")]
    assert line.split() == ["MemoryHigh=15728640", "(15M)", "--soft-mem"]


def test_it_is_no_trap(capfd: pytest.CaptureFixture[str]) -> None:
    _warn(RunRequest(command=("true",), limits=Limits(memory_max=20 * MIB), soft_memory=SoftMemory(15 * MIB)))
    assert capfd.readouterr().err == ""


def snapshot(**known: Any) -> MemorySnapshot:
    return MemorySnapshot(at=101.0, events={}, ooms={}, **known)


def test_what_the_kernel_can_drop_is_not_needed() -> None:
    stat = {"anon": 5, "file": 60, "shmem": 10, "inactive_file": 30, "active_file": 20, "slab_reclaimable": 7}
    assert snapshot(current=100, stat=stat, swap_current=0).needed == 43
    assert snapshot(current=100, stat=stat, swap_current=40).needed == 83
    assert snapshot(current=50, stat=stat).needed == 0
    assert snapshot(current=50).needed == 50
    assert snapshot(stat=stat).needed is None


PASSED = SoftMemoryPassed(at=101.2, memory=16 * MIB)
TOLD = SoftMemoryTold(at=101.2)
AGAIN = SoftMemoryPassed(at=101.9, memory=17 * MIB)
TOLD_AGAIN = SoftMemoryTold(at=101.9)
KILLED = SoftMemoryKilled()


def told(*events: Event, status: int = 0) -> Report:
    invocation = Invocation()
    for event in (*STARTED, *events, exited(status), counted(0), StateChanged("inactive"), read("success")):
        invocation.feed(event)
    return conclude(("./work",), replace(START, soft_memory=SoftMemory(15 * MIB, USR1)), invocation)


def test_what_came_of_it_is_in_the_report() -> None:
    report = validated(told(PASSED, TOLD, SoftMemoryRestored(), AGAIN, status=-9).to_json())
    assert report["soft_memory"] == {
        "limit": 15 * MIB,
        "signal": "SIGUSR1",
        "passed": [{"at": 1.2, "memory": 16 * MIB, "told": True}, {"at": 1.9, "memory": 17 * MIB, "told": False}],
        "killed": False,
    }
    assert report["verdict"] == "signal"


def test_a_kill_is_no_oom() -> None:
    report = json.loads(told(PASSED, TOLD, KILLED, status=-9).to_json())
    assert (report["soft_memory"]["killed"], report["verdict"], report["oom"]) == (True, "signal", None)


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([PASSED, TOLD], "15M passed after 1.200s: SIGUSR1 sent"),
        ([PASSED], "15M passed after 1.200s: SIGUSR1 could not be sent"),
        ([PASSED, TOLD, AGAIN, TOLD_AGAIN], "15M passed 2 times, first after 1.200s: SIGUSR1 sent"),
        ([PASSED, TOLD, AGAIN], "15M passed 2 times, first after 1.200s: SIGUSR1 not sent each time"),
        ([PASSED, TOLD, KILLED], "15M passed after 1.200s: SIGUSR1 sent; still above it after timeout_stop: killed"),
    ],
)
def test_it_is_a_row_of_the_text(events: list[Event], row: str) -> None:
    assert f"\n      Soft: {row}\n" in report_text(told(*events, status=3))


def test_the_command_line_names_its_option_in_the_text() -> None:
    text = report_text(told(PASSED, TOLD, KILLED, status=-9), kill_after="--kill-after")
    assert "SIGUSR1 sent; still above it after --kill-after: killed\n" in text


def test_a_success_stays_one_line() -> None:
    assert "\n" not in report_text(told(PASSED, TOLD))
    assert "; soft limit of 15M passed after 1.200s: SIGUSR1 sent" in report_text(told(PASSED, TOLD))
    assert "soft" not in report_text(told()).lower()
