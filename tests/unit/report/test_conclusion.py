"""Systemd is asked for the scope's properties only if they can add something."""

from dataclasses import replace

import pytest

from scoperun.evidence.events import (
    Counters,
    Event,
    JobRemoved,
    Process,
    ResultChanged,
    StateChanged,
)
from scoperun.evidence.invocation import Invocation
from scoperun.report.conclusion import systemd_may_know_more
from tests.unit.stories import exited

WHOLE = Counters(
    memory_events={"oom_kill": 0},
    memory_peak=1,
    memory_swap_peak=0,
    oomd_marks=(),
    processes=(),
)
KNOWN: tuple[Event, ...] = (
    JobRemoved("done"),
    exited(3),
    WHOLE,
    ResultChanged("success"),
    StateChanged("inactive"),
)


def may_know_more(*events: Event) -> bool:
    invocation = Invocation()
    for event in events:
        invocation.feed(event)
    return systemd_may_know_more(invocation)


@pytest.mark.parametrize("status", [0, 3, -15])
def test_they_cannot_if_everything_is_known(status: int) -> None:
    job, _, *rest = KNOWN
    assert not may_know_more(job, exited(status), *rest)


@pytest.mark.parametrize("event", KNOWN, ids=lambda event: type(event).__name__)
def test_they_can_if_a_value_is_missing(event: Event) -> None:
    assert may_know_more(*(each for each in KNOWN if each is not event))


@pytest.mark.parametrize(
    "event",
    [
        exited(-9),
        replace(WHOLE, memory_events={"oom_kill": 1}),
        replace(WHOLE, memory_events=None),
        replace(WHOLE, memory_peak=None),
        replace(WHOLE, memory_swap_peak=None),
        replace(WHOLE, oomd_marks=None),
        replace(WHOLE, processes=(Process(pid=7, name="left"),)),
        replace(WHOLE, processes=None),
        StateChanged("failed"),
    ],
)
def test_they_can_if_another_failure_was_seen(event: Event) -> None:
    assert may_know_more(*KNOWN, event)


def test_they_can_if_another_result_was_announced() -> None:
    assert may_know_more(*KNOWN[:3], ResultChanged("oom-kill"), *KNOWN[3:])
