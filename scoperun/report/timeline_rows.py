"""Turns the events of a run into the rows of its timeline: a row for each sample, and marks in between. No I/O.

A mark says that something happened. A command at its limit runs into it a hundred times a second, so what the kernel
counts is marked when it begins, and again only after a sample between which and the one before nothing was counted.
OOM kills are marked once more at the next sample, with their number by then. So the marks cannot fill a disk either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import (
    Counters,
    CpuTimeUsedUp,
    MemorySnapshot,
    ResultChanged,
    Sampled,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryTold,
    SoftPressureKilled,
    SoftPressurePassed,
    SoftPressureTold,
)
from scoperun.report.timeline import EVENTS, KINDS
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scoperun.evidence.start import Start
    from scoperun.report.timeline import Cell

    Row = dict[str, Cell]

_LIMITS = {"max": "memory-max", "high": "memory-high"}
"""The marks for limits that were reached, by what memory.events counts then."""

_KILL = "oom-kill"

_MARKS: dict[type[object], str] = {
    SoftMemoryPassed: "soft-mem",
    SoftMemoryTold: "soft-mem-signal",
    SoftMemoryKilled: "soft-mem-kill",
    SoftPressurePassed: "soft-pressure",
    SoftPressureTold: "soft-pressure-signal",
    SoftPressureKilled: "soft-pressure-kill",
    CpuTimeUsedUp: "cpu-time",
}
"""The marks for what scoperun itself notices and does."""


class Rows:
    """Makes the rows of one run."""

    def __init__(self, start: Start) -> None:
        """Take how the run began."""
        self._start = start
        self._interval = start.timeline_interval
        # A soft limit is a MemoryHigh= of ours, and has marks of its own.
        self._limits = {name: mark for name, mark in _LIMITS.items() if name == "max" or start.soft_memory is None}
        self._counts: dict[str, int] = {}
        self._at_last_sample: dict[str, int] = {}
        self._going_on: set[str] = set()
        self._marked_kills = 0
        self._is_timed_out = self._is_oomd_marked = False

    def of(self, event: object, at: float) -> Iterator[Row]:
        """Yield the rows for an event; most have none. at: when it was taken in, in seconds on the monotonic clock."""
        match event:
            case Sampled():
                yield from self._of_sample(event)
            case MemorySnapshot():
                row = self._row(event.at, event.stat, event.events)
                row |= {"memory": event.current, "memory_max": event.limit, "swap": event.swap_current}
                yield from self._marks(row)
            case Counters():
                row = self._row(at, None, event.memory_events)
                yield from self._marks(row)
                yield from self._further_kills(row)
                yield from self._of_oomd(event, at)
            case _:
                yield from self._of_other(event, at)

    def _of_sample(self, sample: Sampled) -> Iterator[Row]:
        row = self._row(sample.at, sample.stat, sample.events) | {
            "memory": sample.memory,
            "memory_max": sample.memory_max,
            "swap": sample.swap,
            "cpu": None if sample.cpu is None else round(sample.cpu, 6),
            "tasks": sample.tasks,
            "tasks_refused": sample.tasks_refused,
        }
        yield row
        yield from self._marks(row)
        yield from self._further_kills(row)
        self._going_on = {name for name, count in self._counts.items() if count != self._at_last_sample.get(name, 0)}
        self._at_last_sample = dict(self._counts)
        if self._interval is not None and sample.interval > self._interval:
            self._interval = sample.interval
            yield {"time": row["time"], "mark": "interval", "value": sample.interval}

    def _row(self, at: float, stat: Mapping[str, int] | None, events: Mapping[str, int] | None) -> Row:
        row: Row = {"time": self._time(at)}
        row |= {kind: (stat or {}).get(kind) for kind in KINDS}
        return row | {name: (events or {}).get(name) for name in EVENTS}

    def _marks(self, row: Row) -> Iterator[Row]:
        """Yield a mark for each count of the row that has risen; the mark has the row's numbers too."""
        for name, mark in (*self._limits.items(), ("tasks_refused", "tasks-max"), ("oom_kill", _KILL)):
            count = row.get(name)
            if not isinstance(count, int) or count <= self._counts.get(name, 0):
                continue
            self._counts[name] = count
            if name not in self._going_on:
                self._going_on.add(name)
                self._marked_kills = count if mark == _KILL else self._marked_kills
                yield row | {"mark": mark, "value": count}

    def _further_kills(self, row: Row) -> Iterator[Row]:
        """Yield a mark with the number of kills if there have been more since the last one."""
        kills = self._counts.get("oom_kill", 0)
        if kills > self._marked_kills:
            self._marked_kills = kills
            yield row | {"mark": _KILL, "value": kills}

    def _of_oomd(self, counters: Counters, at: float) -> Iterator[Row]:
        if counters.oomd_kills and not self._is_oomd_marked:  # the counters can be read twice
            self._is_oomd_marked = True
            yield {"time": self._time(at), "mark": "oomd-kill", "value": counters.oomd_kills}

    def _of_other(self, event: object, at: float) -> Iterator[Row]:
        """Yield the mark for an event that has no numbers of the kernel's."""
        mark = _MARKS.get(type(event))
        if isinstance(event, ResultChanged) and event.result == "timeout" and not self._is_timed_out:
            mark, self._is_timed_out = "timeout", True  # systemd announces it again and again
        if mark is not None:
            yield {"time": self._time(at), "mark": mark, "value": self._signal(event)}

    def _signal(self, event: object) -> int | None:
        """Return the number of the signal that was sent, None if none was."""
        match event, self._start.soft_memory, self._start.soft_pressure:
            case SoftMemoryTold(), SoftMemory(signal=number), _:
                return number
            case SoftPressureTold(), _, SoftPressure(signal=number):
                return number
        return None

    def _time(self, at: float) -> float:
        """Return seconds since the command began."""
        return max(round(at - self._start.monotonic, 3), 0.0)
