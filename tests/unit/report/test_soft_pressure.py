"""A soft limit on pressure is given as SHARE/TIME:SIGNAL, and reported with its consequences."""

import json
import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.cli.limit_names import limit_names
from scoperun.cli.options import parse
from scoperun.cli.preview import preview
from scoperun.console.field_names import in_options
from scoperun.errors import InvalidValue
from scoperun.evidence.events import (
    Event,
    SoftMemoryPassed,
    SoftPressureKilled,
    SoftPressurePassed,
    SoftPressureRestored,
    SoftPressureTold,
    StateChanged,
)
from scoperun.evidence.invocation import Invocation
from scoperun.report.conclusion import conclude
from scoperun.report.names import LimitName
from scoperun.report.report import Report
from scoperun.report.running_lines import RunningLines
from scoperun.report.text import report_text
from scoperun.spec.request import RunRequest
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure, format_pressure, parse_pressure
from tests.report_rows import head, named, rows
from tests.schema import validated
from tests.unit.stories import MIB, START, STARTED, counted, exited, read

pytestmark = pytest.mark.usefixtures("config")

USR1 = signal.SIGUSR1


def request(*argv: str) -> RunRequest:
    parsed = parse([*argv, "true"])
    assert parsed is not None
    return parsed.request


@pytest.mark.parametrize(
    ("text", "soft"),
    [
        ("30%/2s", SoftPressure(0.3, 2.0, signal.SIGTERM)),
        ("30%/2", SoftPressure(0.3, 2.0, signal.SIGTERM)),
        ("0.5%/10s:USR1", SoftPressure(0.005, 10.0, USR1)),
        ("100%/1min:SIGUSR1", SoftPressure(1.0, 60.0, USR1)),
        ("12.25%/500ms:none", SoftPressure(0.1225, 0.5, None)),
        ("infinity", None),
        ("infinity:USR1", None),
    ],
)
def test_it_is_a_share_a_time_and_a_signal(text: str, soft: SoftPressure | None) -> None:
    assert request("--soft-pressure", text).soft_pressure == soft


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", "'' is not a share of a time (e.g. 30%/2s)"),
        ("30%", "'30%' is not a share of a time (e.g. 30%/2s)"),
        ("2s", "'2s' is not a share of a time (e.g. 30%/2s)"),
        ("0.3/2s", "'0.3/2s' is not a share of a time (write 30%/2s)"),
        ("30/2s", "'30/2s' is not a share of a time (write 30%/2s)"),
        ("2s/30%", "'2s/30%' is not a share of a time"),
        ("-5%/2s", "'-5%/2s' is not a share of a time"),
        ("0%/2s", "a share of 0% is out of range (above 0% and at most 100%, e.g. 30%/2s)"),
        ("101%/2s", "a share of 101% is out of range"),
        ("30%/soon", "'soon' is not a valid time"),
        ("30%/0", "is not a time above 0"),
        ("30%/infinity", "infinity alone means no limit"),
        ("0.000001%/2s", "less than 1 microsecond of waiting"),
        ("30%/2s:", "'' is not a signal (e.g. 30%/2s:USR1)"),
        ("30%/2s:KILL", "SIGKILL cannot be handled, so it cannot warn a command"),
        ("infinity:x", "'x' is not a signal"),
    ],
)
def test_what_is_not_one_is_refused_with_what_to_write(text: str, right: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        request("--soft-pressure", text)
    line = in_options(str(refused.value))
    assert right in line
    assert "--soft-pressure" in line


@pytest.mark.parametrize(
    "wrong",
    [(0, 2.0), (1.5, 2.0), (True, 2.0), ("30%", 2.0), (math.nan, 2.0), (0.3, 0), (0.3, math.inf), (0.3, math.nan),
     (0.3, "2s"), (1e-9, 0.5), (0.3, 2.0, 0), (0.3, 2.0, signal.SIGSTOP)],
)  # fmt: skip
def test_the_library_refuses_the_same(wrong: Any) -> None:
    with pytest.raises(InvalidValue):
        SoftPressure(*wrong)


def test_the_kernel_gets_microseconds() -> None:
    soft = SoftPressure(0.3, 2.0)
    assert (soft.stall_usec, soft.window_usec, soft.text) == (600_000, 2_000_000, "30%/2s")


@pytest.mark.parametrize("text", ["30%/2s", "0.5%/0.5s", "33.333333%/10s", "100%/86400s"])
def test_a_share_is_written_as_it_is_read(text: str) -> None:
    assert format_pressure(*parse_pressure(text)) == text


def test_a_config_file_can_set_it_and_the_command_line_can_take_it_away(config: Path) -> None:
    config.write_text('[defaults]\nsoft-pressure = "30%/2s:none"\n')
    assert request().soft_pressure == SoftPressure(0.3, 2.0, None)
    assert request("--soft-pressure", "infinity").soft_pressure is None


def test_it_asks_nothing_of_systemd_and_is_shown_by_dry_run() -> None:
    parsed = parse(["--soft-pressure", "30%/2s:USR1", "true"])
    assert parsed is not None
    shown = preview(parsed.request, parsed.sources)
    assert [(each.to_text(), each.source) for each in shown.chosen] == [
        ("--soft-pressure 30%/2s:SIGUSR1", "--soft-pressure")
    ]
    plain = preview(request(), parsed.sources)
    assert [each.property for each in shown.asked] == [each.property for each in plain.asked]
    assert limit_names(parsed.sources, parsed.request) == {"soft_pressure": LimitName("--soft-pressure 30%/2s:USR1")}


PASSED, TOLD = SoftPressurePassed(at=101.2), SoftPressureTold(at=101.2)
AGAIN, TOLD_AGAIN = SoftPressurePassed(at=101.9), SoftPressureTold(at=101.9)
KILLED = SoftPressureKilled()


def told(*events: Event, status: int = 0, signal_number: int | None = USR1) -> Report:
    invocation = Invocation()
    for event in (*STARTED, *events, exited(status), counted(0), StateChanged("inactive"), read("success")):
        invocation.feed(event)
    return conclude(("./work",), replace(START, soft_pressure=SoftPressure(0.3, 2.0, signal_number)), invocation)


def test_its_consequences_are_in_the_report() -> None:
    report = validated(told(PASSED, TOLD, SoftPressureRestored(), AGAIN, status=-9).to_json())
    assert report["soft_pressure"] == {
        "share": 0.3,
        "window": 2.0,
        "signal": "SIGUSR1",
        "passed": [{"at": 1.2, "told": True}, {"at": 1.9, "told": False}],
        "killed": False,
    }
    assert (report["verdict"], report["soft_memory"]) == ("signal", None)


def test_without_a_signal_nothing_was_told() -> None:
    report = told(PASSED, signal_number=None)
    shown = validated(report.to_json())["soft_pressure"]
    assert (shown["signal"], shown["passed"]) == (None, [{"at": 1.2, "told": None}])
    assert rows(report_text(report)) == {"pressure": "30%/2s passed after 1.200s"}


def test_a_limit_that_the_kernel_does_not_watch_is_not_reported_as_one() -> None:
    invocation = Invocation()
    for event in (*STARTED, exited(0), counted(0), read("success")):
        invocation.feed(event)
    report = conclude(("./work",), replace(START, unwatched_pressure="the kernel cannot"), invocation)
    assert validated(report.to_json())["soft_pressure"] is None


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([PASSED, TOLD], "30%/2s passed after 1.200s: SIGUSR1 sent"),
        ([PASSED], "30%/2s passed after 1.200s: SIGUSR1 could not be sent"),
        ([PASSED, TOLD, AGAIN, TOLD_AGAIN], "30%/2s passed 2 times, first after 1.200s: SIGUSR1 sent"),
        (
            [PASSED, TOLD, KILLED],
            "30%/2s passed after 1.200s: SIGUSR1 sent; still above it after TimeoutStopSec=: killed",
        ),
    ],
)
def test_it_is_a_row_of_the_text(events: list[Event], row: str) -> None:
    shown = report_text(told(*events, status=3))
    assert head(shown).startswith("scoperun: exit 3: ./work   ")
    assert rows(shown) == {"pressure": row}
    assert "pressure" not in report_text(told(status=3))


@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        ([PASSED, TOLD], -USR1, "ENDED BY SOFT LIMIT"),
        ([PASSED, TOLD, KILLED], -9, "ENDED BY SOFT LIMIT"),
        ([PASSED, TOLD], -9, "KILLED (SIGKILL), not out of memory"),
        ([PASSED], -USR1, "SIGUSR1"),
        ([], -USR1, "SIGUSR1"),
    ],
)
def test_a_command_that_it_ended_is_said_to_be_ended_by_it(events: list[Event], status: int, words: str) -> None:
    assert head(report_text(told(*events, status=status))).startswith(f"scoperun: {words}: ./work")


def test_the_limit_is_named_as_the_user_wrote_it() -> None:
    names = named(soft_pressure="--soft-pressure 30%/2s:USR1", timeout_stop="--kill-after 5s")
    shown = rows(report_text(told(PASSED, TOLD, KILLED, status=-9), names=names))
    assert shown["pressure"] == (
        "30%/2s passed after 1.200s (--soft-pressure 30%/2s:USR1): SIGUSR1 sent; "
        "still above it after --kill-after: killed"
    )


def test_each_passing_is_a_line_once_beside_those_of_memory() -> None:
    soft = SoftMemory(15 * MIB, None)
    running = RunningLines(replace(START, soft_memory=soft, soft_pressure=SoftPressure(0.3, 2.0, USR1)))
    invocation = Invocation()

    def lines(*events: Event) -> list[dict[str, Any]]:
        for event in events:
            invocation.feed(event)
        return [json.loads(line) for line in running.new(invocation, keeper_killed=False)]

    passed = {"event": "soft", "unit": "job.scope", "at": 1.2, "share": 0.3, "window": 2.0, "signal": "SIGUSR1"}
    assert lines(PASSED) == [passed]
    assert lines(TOLD, SoftPressureRestored()) == []
    (of_memory, again) = lines(AGAIN, SoftMemoryPassed(at=101.9, memory=16 * MIB))
    assert (of_memory["limit"], again) == (15 * MIB, passed | {"at": 1.9})
