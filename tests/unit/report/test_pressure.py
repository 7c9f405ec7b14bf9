"""What a scope waited for is in the report as it was read, and in the text if it was much."""

from dataclasses import replace
from typing import Any

import pytest

from scoperun.evidence.events import WorkloadExited, without_totals
from scoperun.evidence.pressure import Pressure
from scoperun.report.report import Report
from scoperun.report.text import report_text
from tests.report_rows import head, rows
from tests.schema import validated
from tests.unit.stories import counted, exited, read, told

MUCH = Pressure(memory_some=1.5, memory_full=1.0, cpu_some=1.8, cpu_full=1.0, io_some=1.25, io_full=0.4)


def ended(pressure: Pressure | None, *, status: int = 0, at: float = 102.0, **counters: Any) -> Report:
    """Return the report of a run of 2 seconds."""
    counted_so = replace(counted(0), pressure=pressure, **counters)
    return told([replace(exited(status), at=at), counted_so, read("success")])


def waited(report: Report) -> str | None:
    return rows(report_text(report)).get("waited")


def test_it_is_in_the_report_as_it_was_read() -> None:
    report = validated(ended(MUCH).to_json())
    assert report["pressure"] == {
        "memory_some": 1.5, "memory_full": 1.0, "cpu_some": 1.8, "cpu_full": 1.0, "io_some": 1.25, "io_full": 0.4,
    }  # fmt: skip


@pytest.mark.parametrize("pressure", [None, Pressure(io_some=0.0)])
def test_what_is_not_known_is_null(pressure: Pressure | None) -> None:
    shown = validated(ended(pressure).to_json())["pressure"]
    assert shown is None if pressure is None else (shown["io_some"], shown["memory_some"]) == (0.0, None)


def test_much_waiting_is_a_row_even_of_a_plain_run() -> None:
    text = report_text(ended(MUCH))
    assert head(text).startswith("scoperun: ok: ./work   2s")
    assert rows(text) == {"waited": "1.500s of 2s for memory, 1.250s for disks, 1s for a processor"}
    assert waited(ended(MUCH, status=-9)) == waited(ended(MUCH))


@pytest.mark.parametrize(
    ("pressure", "row"),
    [
        (Pressure(memory_some=0.199), None),
        (Pressure(memory_some=0.2), "200ms of 2s for memory"),
        (Pressure(io_some=2.0), "2s of 2s for disks"),
        (Pressure(io_some=0.99), None),
        (Pressure(cpu_some=2.0, cpu_full=0.99), None),
        (Pressure(memory_some=0.0, cpu_full=1.0), "1s of 2s for a processor"),
        (Pressure(), None),
        (None, None),
    ],
)
def test_little_waiting_is_not_mentioned(pressure: Pressure | None, row: str | None) -> None:
    assert waited(ended(pressure)) == row


def test_a_short_run_is_said_to_wait_only_for_a_noticeable_time() -> None:
    assert waited(ended(Pressure(memory_some=0.09), at=100.1)) is None
    assert waited(ended(Pressure(memory_some=0.1), at=100.1)) == "100ms of 100ms for memory"
    assert waited(ended(Pressure(io_some=0.9), at=100.9)) is None


def test_leftovers_can_have_waited_for_longer_than_the_command_ran() -> None:
    assert waited(ended(Pressure(memory_some=5.0))) == "5s for memory"


def test_a_run_of_unknown_time_is_said_to_have_waited() -> None:
    late = WorkloadExited(0, at=200.0, late=True)
    report = told([late, replace(counted(0), pressure=MUCH), read("success")])
    assert waited(report) == "1.500s for memory, 1.250s for disks, 1s for a processor"


def test_a_throttled_scope_is_not_said_to_have_waited_for_a_processor() -> None:
    report = ended(Pressure(cpu_some=1.0, cpu_full=1.0), cpu_throttled=1.0)
    assert set(rows(report_text(report))) == {"throttled"}


def test_totals_from_before_the_end_are_not_those_of_the_run() -> None:
    assert without_totals(replace(counted(0), pressure=MUCH)).pressure is None
