"""The timeline of a run: a row a sample, marks in between, and the lines that are read again."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from scoperun.evidence.events import (
    CpuTimeUsedUp,
    Event,
    MemorySnapshot,
    OomdMark,
    ResultChanged,
    Sampled,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryTold,
    SoftPressureTold,
)
from scoperun.evidence.invocation import Invocation
from scoperun.report.conclusion import conclude
from scoperun.report.timeline import COLUMNS, first_line, is_csv, line
from scoperun.report.timeline_reading import BrokenTimeline, rows
from scoperun.report.timeline_report import TimelineReport
from scoperun.report.timeline_rows import Rows
from scoperun.spec.sizes import INFINITY
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure
from tests.unit.stories import MIB, START, STARTED, counted, exited

BEGAN = replace(START, timeline_interval=0.2)


def counts(**some: int) -> dict[str, int]:
    return dict.fromkeys(("low", "high", "max", "oom", "oom_kill", "oom_group_kill"), 0) | some


def sample(after: float, *, interval: float = 0.2, refused: int = 0, **some: int) -> Sampled:
    """Return a sample so many seconds after the beginning."""
    return Sampled(
        at=100.0 + after,
        interval=interval,
        memory=10 * MIB,
        memory_max=INFINITY,
        swap=0,
        stat={"anon": 8 * MIB, "file": MIB},
        events=counts(**some),
        cpu=0.25,
        tasks=2,
        tasks_refused=refused,
    )


def snapshot(after: float, **some: int) -> MemorySnapshot:
    return MemorySnapshot(at=100.0 + after, events=counts(**some), ooms={}, current=20 * MIB, limit=20 * MIB)


def marks(*events: Event, start: object = BEGAN) -> list[tuple[object, object, object]]:
    """Return time, mark and value of each mark; events without a time of their own come at the end."""
    maker = Rows(start)  # type: ignore[arg-type]
    found = [row for event in events for row in maker.of(event, 109.0)]
    return [(row["time"], row["mark"], row["value"]) for row in found if row.get("mark") is not None]


def test_a_sample_is_a_row_and_no_mark() -> None:
    [row] = Rows(BEGAN).of(sample(0.5), 109.0)
    assert (row["time"], row["memory"], row["anon"], row["cpu"], row["tasks"]) == (0.5, 10 * MIB, 8 * MIB, 0.25, 2)
    assert row["kernel"] is None  # memory.stat does not have it
    assert row.get("mark") is None


def test_a_limit_that_is_reached_all_the_time_is_marked_once_until_it_is_not() -> None:
    found = marks(
        snapshot(0.1, max=1),
        snapshot(0.11, max=9),
        sample(0.2, max=20),
        sample(0.4, max=40),
        sample(0.6, max=40),
        snapshot(0.7, max=41),
        sample(0.8, max=41, refused=3),
    )
    assert found == [(0.1, "memory-max", 1), (0.7, "memory-max", 41), (0.8, "tasks-max", 3)]


def test_a_mark_has_the_numbers_of_its_moment() -> None:
    [row] = Rows(BEGAN).of(snapshot(0.1, max=1), 109.0)
    assert (row["memory"], row["memory_max"], row["max"]) == (20 * MIB, 20 * MIB, 1)


def test_kills_are_marked_at_once_and_the_rest_at_the_next_sample_or_the_end() -> None:
    found = marks(
        snapshot(0.1, oom_kill=1),
        snapshot(0.15, oom_kill=2),
        snapshot(0.18, oom_kill=3),
        sample(0.2, oom_kill=3),
        sample(0.4, oom_kill=3),
        snapshot(0.5, oom_kill=4),
        counted(5),
    )
    kills = [(time, value) for time, mark, value in found if mark == "oom-kill"]
    assert kills == [(0.1, 1), (0.2, 3), (0.5, 4), (9.0, 5)]


def test_soft_limits_and_their_signals_are_marked() -> None:
    start = replace(BEGAN, soft_memory=SoftMemory(15 * MIB, 10), soft_pressure=SoftPressure(0.3, 2.0, 12))
    passed = (SoftMemoryPassed(at=101.0, memory=16 * MIB), SoftMemoryTold(at=101.0), SoftMemoryKilled())
    found = marks(sample(0.2, high=5), *passed, SoftPressureTold(at=102.0), CpuTimeUsedUp(used=2.0), start=start)
    assert [(mark, value) for _, mark, value in found] == [
        ("soft-mem", None),
        ("soft-mem-signal", 10),
        ("soft-mem-kill", None),
        ("soft-pressure-signal", 12),
        ("cpu-time", None),
    ]  # and no memory-high: that is the soft limit's own


def test_what_systemd_says_again_and_again_is_marked_once() -> None:
    oomd = counted(0, oomd_marks=[OomdMark(kills=2)])
    found = marks(ResultChanged("success"), ResultChanged("timeout"), ResultChanged("timeout"), oomd, oomd)
    assert found == [(9.0, "timeout", None), (9.0, "memory-max", 3), (9.0, "oomd-kill", 2)]


def test_a_doubled_interval_is_marked() -> None:
    assert marks(sample(0.2), sample(0.4, interval=0.4), sample(0.8, interval=0.4)) == [(0.4, "interval", 0.4)]


def test_the_report_counts_the_samples() -> None:
    invocation = Invocation()
    for event in (*STARTED, sample(0.1), sample(0.3, interval=0.4), exited(0), counted(0)):
        invocation.feed(event)
    report = conclude(("true",), BEGAN, invocation)
    assert report.timeline == TimelineReport(interval=0.2, last_interval=0.4, wakes=2, largest_anon=8 * MIB)
    assert conclude(("true",), START, invocation).timeline is None


@pytest.mark.parametrize(("path", "expected"), [("a.csv", True), ("A.CSV", True), ("a.jsonl", False), ("csv", False)])
def test_the_name_decides_about_the_format(path: str, expected: bool) -> None:
    assert is_csv(path) is expected


def written(events: Sequence[Event], *, as_csv: bool) -> list[str]:
    maker = Rows(BEGAN)
    made = [line(row, as_csv=as_csv) for event in events for row in maker.of(event, 109.0)]
    return [first_line(BEGAN, ("a\udcff\n",), as_csv=as_csv), *made]


@pytest.mark.parametrize("as_csv", [False, True])
def test_the_lines_are_read_again(as_csv: bool) -> None:
    lines = written([sample(0.2), snapshot(0.3, max=1)], as_csv=as_csv)
    assert not any("\n" in each for each in lines)
    first, second = rows(lines, as_csv=as_csv)
    assert list(first) == list(COLUMNS)
    assert (first["time"], first["memory_max"], first["kernel"], first["mark"]) == (0.2, INFINITY, None, None)
    assert (second["mark"], second["value"], second["tasks"]) == ("memory-max", 1, None)


def test_the_first_line_of_json_says_of_which_run_it_is() -> None:
    beginning = json.loads(written([], as_csv=False)[0])
    assert beginning.pop("scoperun")
    assert beginning == {
        "timeline": 1,
        "unit": "job.scope",
        "command": ["a\\xff\n"],
        "started": "2025-01-02T03:04:05.678+00:00",
        "interval": 0.2,
    }


HEAD = '{"timeline": 1}'


@pytest.mark.parametrize(
    ("lines", "as_csv", "number", "reason"),
    [
        ([], False, 1, "it is empty"),
        ([""], True, 1, "it is empty"),
        (['{"time": 1}'], False, 1, "it is not the beginning of a timeline"),
        (['{"timeline": 2}'], False, 1, "it is a timeline of version 2"),
        (["[]"], False, 1, "it is not an object of JSON"),
        ([HEAD, '{"time": 1}', '{"time": 2, "mem'], False, 3, "it is not JSON"),
        ([HEAD, "[" * 60000], False, 2, "nested"),
        ([HEAD, " " * 70000], False, 2, "it is too long"),
        ([HEAD, "{}"], False, 2, "it has no time"),
        ([HEAD, '{"time": -1}'], False, 2, "time is not a number that there can be"),
        ([HEAD, '{"time": 1e999}'], False, 2, "time is not a number that there can be"),
        ([HEAD, '{"time": NaN}'], False, 2, "NaN is not a number"),
        ([HEAD, '{"time": true}'], False, 2, "time is not a number"),
        ([HEAD, '{"time": 1, "mark": 5}'], False, 2, "mark is not text"),
        ([HEAD, '{"time": 1, "memory": "x"}'], False, 2, "memory is not a number"),
        (["a,b"], True, 1, "it does not name the columns of a timeline"),
        (["time,time"], True, 1, "it does not name the columns of a timeline"),
        (["time,memory", "1"], True, 2, "it has 1 columns, not 2"),
        (["time,memory", "1,x"], True, 2, "memory 'x' is not a number"),
        (["time,memory", '1,"'], True, 2, "it is not CSV"),
        (["time,memory", "1,nan"], True, 2, "memory is not a number that there can be"),
    ],
)
def test_a_line_that_is_not_one_of_a_timeline_is_named(
    lines: list[str], as_csv: bool, number: int, reason: str
) -> None:
    with pytest.raises(BrokenTimeline, match=reason) as caught:
        list(rows(lines, as_csv=as_csv))
    assert caught.value.number == number


def test_columns_that_are_not_known_are_left_out() -> None:
    [row] = rows(['{"timeline": 1, "more": 1}', '{"time": 1, "more": [1]}'], as_csv=False)
    assert list(row) == list(COLUMNS)
