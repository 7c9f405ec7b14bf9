"""A soft limit is given as SIZE:SIGNAL, refused if it can have no effect, and reported with its consequences."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.cli.options import parse
from scoperun.cli.preview import preview
from scoperun.cli.warnings import warn_of_traps
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
from tests.report_rows import head, named, rows
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
        ("15M:none", SoftMemory(15 * MIB, None)),
        ("infinity:none", None),
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
        ("0", "no process can run in 0 bytes"),
        ("4095", "less than a page of memory"),
        ("15M:", "'' is not a signal (e.g. 15M:USR1)"),
        ("15M:TERMINATE", "'TERMINATE' is not a signal"),
        ("15M:0", "'0' is not a signal"),
        ("15M:None", "'None' is not a signal"),
        ("15M:65", "'65' is not a signal"),
        ("15M:USR1:USR2", "'USR1:USR2' is not a signal"),
        ("15M:KILL", "SIGKILL cannot be handled, so it cannot warn a command"),
        ("15M:9", "SIGKILL cannot be handled, so it cannot warn a command"),
        ("15M:STOP", "SIGSTOP cannot be handled, so it cannot warn a command"),
    ],
)
def test_a_limit_or_signal_without_effect_is_refused(text: str, right: str) -> None:
    assert right in refusal("--soft-mem", text)


@pytest.mark.parametrize(
    "limit", [["--mem", "15M"], ["--mem", "14M"], ["-p", "MemoryMax=15M"], ["--mem", "20M", "-p", "MemoryMax=1M"]]
)
def test_a_limit_not_below_the_hard_one_is_refused(limit: list[str]) -> None:
    named = "-p MemoryMax=" if "-p" in limit else "--mem "
    assert f"--soft-mem 15M is not below {named}" in refusal("--soft-mem", "15M", *limit)


@pytest.mark.parametrize("other", [["--mem-high", "10M"], ["-p", "MemoryHigh=20M"], ["-p", "MemoryHigh=infinity"]])
def test_another_high_limit_beside_it_is_refused(other: list[str]) -> None:
    assert refusal("--soft-mem", "15M", *other).startswith("--soft-mem 15M excludes --mem-high and -p MemoryHigh=")


def test_a_high_limit_that_is_reset_does_not_conflict() -> None:
    asked = {
        each.name: each.value for each in request("--soft-mem", "15M", "--mem-high", "infinity").scope_properties()
    }
    assert asked["MemoryHigh"] == 15 * MIB


@pytest.mark.parametrize("value", ['"15M:USR1"', "15728640"])
def test_a_config_file_can_set_it(value: str, config: Path) -> None:
    config.write_text(f"[defaults]\nsoft-mem = {value}\n")
    soft = request("--mem", "20M").soft_memory
    assert soft is not None
    assert soft.limit == 15 * MIB


@pytest.mark.parametrize(
    "wrong", [(0,), (-1,), (INFINITY,), (1.5,), (True,), (MIB, 0), (MIB, 65), (MIB, signal.SIGKILL)]
)
def test_the_library_refuses_the_same(wrong: Any) -> None:
    with pytest.raises(InvalidValue):
        SoftMemory(*wrong)


def test_it_sets_memory_high() -> None:
    parsed = parse(["--mem", "20M", "--soft-mem", "15M", "true"])
    assert parsed is not None
    shown = preview(parsed.request, parsed.sources).to_text()
    (line,) = [line for line in shown.splitlines() if line.startswith("MemoryHigh=")]
    assert line.split() == ["MemoryHigh=15728640", "(15M)", "--soft-mem"]


def test_it_is_not_a_trap(capfd: pytest.CaptureFixture[str]) -> None:
    warn_of_traps(RunRequest(command=("true",), limits=Limits(memory_max=20 * MIB), soft_memory=SoftMemory(15 * MIB)))
    assert capfd.readouterr().err == ""


def snapshot(**known: Any) -> MemorySnapshot:
    return MemorySnapshot(at=101.0, events={}, ooms={}, **known)


def test_droppable_page_cache_does_not_count_as_needed() -> None:
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


def told(*events: Event, status: int = 0, signal_number: int | None = USR1) -> Report:
    invocation = Invocation()
    for event in (*STARTED, *events, exited(status), counted(0), StateChanged("inactive"), read("success")):
        invocation.feed(event)
    return conclude(("./work",), replace(START, soft_memory=SoftMemory(15 * MIB, signal_number)), invocation)


def test_its_consequences_are_in_the_report() -> None:
    report = validated(told(PASSED, TOLD, SoftMemoryRestored(), AGAIN, status=-9).to_json())
    assert report["soft_memory"] == {
        "limit": 15 * MIB,
        "signal": "SIGUSR1",
        "passed": [{"at": 1.2, "memory": 16 * MIB, "told": True}, {"at": 1.9, "memory": 17 * MIB, "told": False}],
        "killed": False,
    }
    assert report["verdict"] == "signal"


def test_without_a_signal_nothing_was_told() -> None:
    report = told(PASSED, signal_number=None)
    shown = validated(report.to_json())["soft_memory"]
    assert shown == {
        "limit": 15 * MIB,
        "signal": None,
        "passed": [{"at": 1.2, "memory": 16 * MIB, "told": None}],
        "killed": False,
    }
    assert rows(report_text(report)) == {"soft": "15M passed after 1.200s"}
    assert rows(report_text(told(PASSED, status=3, signal_number=None))) == {"soft": "15M passed after 1.200s"}


def test_a_kill_is_not_an_oom_kill() -> None:
    report = json.loads(told(PASSED, TOLD, KILLED, status=-9).to_json())
    assert (report["soft_memory"]["killed"], report["verdict"], report["oom"]) == (True, "signal", None)


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([PASSED, TOLD], "15M passed after 1.200s: SIGUSR1 sent"),
        ([PASSED], "15M passed after 1.200s: SIGUSR1 could not be sent"),
        ([PASSED, TOLD, AGAIN, TOLD_AGAIN], "15M passed 2 times, first after 1.200s: SIGUSR1 sent"),
        ([PASSED, TOLD, AGAIN], "15M passed 2 times, first after 1.200s: SIGUSR1 not sent each time"),
        ([PASSED, TOLD, KILLED], "15M passed after 1.200s: SIGUSR1 sent; still above it after TimeoutStopSec=: killed"),
    ],
)
def test_it_is_a_row_of_the_text(events: list[Event], row: str) -> None:
    shown = report_text(told(*events, status=3))
    assert head(shown).startswith("scoperun: exit 3: ./work   ")
    assert rows(shown) == {"soft": row}


NAMES = named(soft_memory="--soft-mem 15M:USR1", timeout_stop="--kill-after 5s")


def test_a_command_that_the_limit_ended_is_a_block_that_says_so() -> None:
    shown = report_text(told(PASSED, TOLD, KILLED, status=-9), names=NAMES)
    assert head(shown) == "scoperun: ENDED BY SOFT LIMIT: ./work"
    assert rows(shown) == {
        "soft": "15M passed after 1.200s (--soft-mem 15M:USR1): SIGUSR1 sent; "
        "still above it after --kill-after: killed",
        "memory": "peak 20M of 20M",
        "time": "2s, CPU 750ms",
        "scope": "job.scope",
    }
    assert head(report_text(told(PASSED, TOLD, status=-USR1))) == "scoperun: ENDED BY SOFT LIMIT: ./work"


@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        ([PASSED, TOLD], -15, "SIGTERM"),
        ([PASSED], -USR1, "SIGUSR1"),
        ([PASSED, TOLD, AGAIN], -USR1, "SIGUSR1"),
        ([PASSED, TOLD], -9, "KILLED (SIGKILL), not out of memory"),
    ],
)
def test_a_command_that_another_signal_ended_is_not_said_to_be_ended_by_it(
    events: list[Event], status: int, words: str
) -> None:
    assert head(report_text(told(*events, status=status))).startswith(f"scoperun: {words}: ./work")


def test_a_success_has_a_row_for_it() -> None:
    first, second = report_text(told(PASSED, TOLD)).splitlines()
    assert first == "scoperun: ok: ./work   2s, CPU 750ms, memory 20M of 20M"
    assert second == "      soft  15M passed after 1.200s: SIGUSR1 sent"
    assert "soft" not in report_text(told())
