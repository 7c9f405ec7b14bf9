"""The JSON lines that tell of a run while it goes on: a soft limit was passed, the kernel killed something. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scoperun.evidence.events import SoftMemoryPassed, SoftPressurePassed, WorkloadExited
from scoperun.evidence.oom_kill import ScopeEnd
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.oom_kill import OomKill
    from scoperun.evidence.start import Start


class RunningLines:
    """The lines of one run. Each thing that happened is told once."""

    def __init__(self, start: Start) -> None:
        """Begin with nothing told."""
        self._start = start
        self._passings_told = 0
        self._pressure_told = 0
        self._killings_told = 0

    def new(self, invocation: Invocation, *, keeper_killed: bool) -> Iterator[str]:
        """Yield a line for each thing that has happened since the last call.

        keeper_killed: the keeper was killed, so that it might be one of those that were counted.
        """
        passings = [event for event in invocation.soft_memory if isinstance(event, SoftMemoryPassed)]
        for passing in passings[self._passings_told :]:
            yield self._soft_line(passing)
        self._passings_told = len(passings)
        pressed = [event for event in invocation.soft_pressure if isinstance(event, SoftPressurePassed)]
        for each in pressed[self._pressure_told :]:
            yield self._pressure_line(each)
        self._pressure_told = len(pressed)
        killings = invocation.memory.killings
        for number in range(self._killings_told, len(killings)):
            yield self._oom_line(killings[: number + 1], keeper_killed=keeper_killed)
        self._killings_told = len(killings)

    def _soft_line(self, passing: SoftMemoryPassed) -> str:
        soft = self._start.soft_memory
        return self._line(
            "soft",
            passing.at,
            memory=passing.memory,
            limit=None if soft is None else soft.limit,
            signal=None if soft is None or soft.signal is None else signal_name(soft.signal),
        )

    def _pressure_line(self, passing: SoftPressurePassed) -> str:
        soft = self._start.soft_pressure
        return self._line(
            "soft",
            passing.at,
            share=None if soft is None else soft.share,
            window=None if soft is None else soft.window,
            signal=None if soft is None or soft.signal is None else signal_name(soft.signal),
        )

    def _oom_line(self, killings: list[OomKill], *, keeper_killed: bool) -> str:
        last = killings[-1]
        is_counted = not keeper_killed and not any(each.is_group for each in killings)
        victims = last.name_victims(_end_so_far(last, keeper_killed=keeper_killed))
        return self._line(
            "oom",
            last.until,
            kills=sum(each.kills for each in killings) if is_counted else None,
            victims=[{"pid": each.pid, "name": each.name, "source": each.source} for each in victims] or None,
        )

    def _line(self, event: str, at: float, **more: Any) -> str:
        since_start = round(at - self._start.monotonic, 6)
        return json.dumps({"event": event, "unit": self._start.unit, "at": since_start} | more)


def _end_so_far(killing: OomKill, *, keeper_killed: bool) -> ScopeEnd:
    """Return what naming victims needs: nothing has ended yet but the processes that are missing."""
    return ScopeEnd(
        pid=0,  # no process has this PID: how the command itself ended is among the others' ends
        exited=WorkloadExited(0, at=killing.until),
        policy=None,
        tasks_peak=None,
        keeper_killed=keeper_killed,
        other_kills=None,
        most=None,
        ended_with_scope=False,
    )
