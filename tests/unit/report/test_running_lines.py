"""What happens while the command runs is told in a line each, once, with no more than is known by then."""

import json
import signal
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from scoperun.evidence.events import EndedTask, Event, MemorySnapshot, SoftMemoryPassed, SoftMemoryTold, Task
from scoperun.evidence.invocation import Invocation
from scoperun.report.running_lines import RunningLines
from scoperun.spec.soft_memory import SoftMemory
from tests.unit.stories import MIB, START, STARTED

BIG = Task(pid=4243, name="big", anon=18 * MIB, forked=False)
SMALL = Task(pid=4244, name="small", anon=MIB, forked=False)
KILLED = (EndedTask(task=BIG, status=-9),)


def snapshot(at: float, kills: int, tasks: Iterable[Task] = (), **more: Any) -> MemorySnapshot:
    return MemorySnapshot(
        at=at,
        events={"oom_kill": kills} | more.pop("events", {}),
        ooms={"/job.scope": kills},
        current=20 * MIB,
        stat={"anon": 19 * MIB},
        limit=20 * MIB,
        tasks=tuple(tasks),
        taken=0,
        **more,
    )


BEFORE = snapshot(101.0, 0, [BIG, SMALL])


class Run:
    """A run whose lines are asked for."""

    def __init__(self, soft: SoftMemory | None = None) -> None:
        self.invocation = Invocation()
        self.running = RunningLines(replace(START, soft_memory=soft))
        for event in STARTED:
            self.invocation.feed(event)

    def lines(self, *events: Event, keeper_killed: bool = False) -> list[dict[str, Any]]:
        """Feed events and return the new lines."""
        for event in events:
            self.invocation.feed(event)
        return [json.loads(line) for line in self.running.new(self.invocation, keeper_killed=keeper_killed)]


def test_a_passing_is_told_once_and_before_it_is_known_whether_the_signal_was_sent() -> None:
    run = Run(SoftMemory(15 * MIB, signal.SIGUSR1))
    assert run.lines(SoftMemoryPassed(at=101.25, memory=16 * MIB)) == [
        {"event": "soft", "unit": "job.scope", "at": 1.25, "memory": 16 * MIB, "limit": 15 * MIB, "signal": "SIGUSR1"}
    ]
    assert run.lines(SoftMemoryTold(at=101.25)) == []
    (again,) = run.lines(SoftMemoryPassed(at=103.0, memory=17 * MIB))
    assert again["at"] == 3.0


def test_a_passing_without_a_signal_has_none() -> None:
    (line,) = Run(SoftMemory(15 * MIB, None)).lines(SoftMemoryPassed(at=101.25, memory=16 * MIB))
    assert line["signal"] is None


def test_a_kill_is_told_once_with_its_victim() -> None:
    run = Run()
    assert run.lines(BEFORE) == []
    assert run.lines(snapshot(101.5, 1, [SMALL], ended=KILLED)) == [
        {
            "event": "oom",
            "unit": "job.scope",
            "at": 1.5,
            "kills": 1,
            "victims": [{"pid": 4243, "name": "big", "source": "process table"}],
        }
    ]
    assert run.lines(snapshot(101.6, 1, [SMALL])) == []


def test_the_count_is_that_of_all_kills_so_far() -> None:
    run = Run()
    lines = run.lines(BEFORE, snapshot(101.5, 1, [SMALL], ended=KILLED), snapshot(101.7, 3))
    assert [line["kills"] for line in lines] == [1, 3]
    assert [line["victims"] is None for line in lines] == [False, True]


def test_a_victim_that_is_not_certain_is_not_named() -> None:
    ended = (EndedTask(task=SMALL, status=-9),)
    (line,) = Run().lines(BEFORE, snapshot(101.5, 1, [BIG], ended=ended))
    assert (line["kills"], line["victims"]) == (1, None)


def test_the_commands_own_end_is_not_taken_from_elsewhere() -> None:
    """It has not been waited for yet, so only its status in the process table counts."""
    command = replace(BIG, pid=START.pid)
    for status, is_victim in [(-9, True), (0, False)]:
        ended = (EndedTask(task=command, status=status),)
        run = Run()
        (line,) = run.lines(snapshot(101.0, 0, [command, SMALL]), snapshot(101.5, 1, [SMALL], ended=ended))
        assert (line["victims"] is not None) is is_victim


def test_where_the_keeper_may_have_been_counted_the_count_is_not_known() -> None:
    (line,) = Run().lines(BEFORE, snapshot(101.5, 2), keeper_killed=True)
    assert line["kills"] is None


def test_of_a_group_kill_the_kernels_count_is_none_of_processes() -> None:
    (line,) = Run().lines(BEFORE, snapshot(101.5, 3, events={"oom_group_kill": 1}))
    assert line["kills"] is None
