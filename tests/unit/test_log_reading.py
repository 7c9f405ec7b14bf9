"""A reading of the kernel's log says what it heard, and why it may not have heard all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from scoperun.events import Counters, Event, KernelLogRead
from scoperun.invocation import Invocation
from scoperun.kernel_report import LOST, KernelLogUnreadable, KernelRecord
from scoperun.log_reading import LogReading

from .stories import START, counted, exited
from .test_oom import FIRST, LEAK, SHELL, ended, seen
from .test_scope_log import killed, summary

KEEPER = 4241


class Log:
    """A kernel log that says this, and whether that is all of it."""

    def __init__(self, *records: KernelRecord, was_all: bool = True, reason: str = "") -> None:
        self._records = records
        self._was_all = was_all
        self._reason = reason
        self.asked: dict[str, Any] = {}

    async def read(self, take: Any, **asked: Any) -> bool:
        self.asked = asked
        if self._reason:
            raise KernelLogUnreadable(self._reason)
        return bool(take(self._records)) or self._was_all


async def read(log: Log, *events: Event) -> KernelLogRead:
    invocation = Invocation()
    for event in (FIRST, *events):
        invocation.feed(event)
    return await LogReading(START, invocation, keeper=KEEPER).read(cast("Any", log), silence=1.5)


def at(moment: float, *records: KernelRecord) -> Sequence[KernelRecord]:
    return [replace(record, at=moment) for record in records]


OURS = at(101.9, summary(LEAK.pid), killed(LEAK.pid))


async def test_a_log_that_names_as_many_as_were_counted_is_complete() -> None:
    found = await read(Log(*OURS), exited(0), counted(1))
    assert (found.victims, found.is_complete, found.reason) == (1, True, None)
    found = await read(Log(*OURS), exited(0), counted(2))
    assert (found.victims, found.is_complete, found.reason) == (1, False, None)


async def test_it_is_complete_though_it_goes_on() -> None:
    found = await read(Log(*OURS, was_all=False), exited(0), counted(1))
    assert (found.is_complete, found.reason) == (True, None)


async def test_a_log_that_was_not_read_to_its_end_does_not_say_nothing() -> None:
    found = await read(Log(was_all=False), exited(0), counted(1))
    assert (found.reports, found.is_complete) == ((), False)
    assert found.reason == (
        "the kernel log goes on and on, and was not read to its end, and what was read says nothing of this scope"
    )
    found = await read(Log(*OURS, was_all=False), exited(0), counted(2))
    assert (found.victims, found.is_complete) == (1, False)
    assert found.reason == "the kernel log goes on and on, and was not read to its end"


async def test_nor_does_one_that_was_overwritten() -> None:
    found = await read(Log(LOST), exited(0), counted(1))
    assert found.reason == (
        "the kernel log was overwritten in parts before it was read, and what was read says nothing of this scope"
    )


@pytest.mark.parametrize("events", [(counted(1),), (seen(SHELL, oom_kill=1), Counters())])
async def test_nor_does_one_that_must_have_a_report(events: tuple[Event, ...]) -> None:
    """As when journald hangs."""
    found = await read(Log(), exited(0), *events)
    assert found.reason == "the kernel's report on this scope is not in its log, or not yet"


async def test_a_log_that_says_nothing_where_nothing_was_counted_says_so() -> None:
    found = await read(Log(), exited(-9), Counters())
    assert (found.victims, found.reason) == (0, "the kernel log says nothing of this scope")


async def test_what_may_not_be_read_says_why() -> None:
    assert await read(Log(reason="it is closed"), exited(-9)) == KernelLogRead(reports=None, reason="it is closed")


async def test_it_is_read_from_the_first_kill_that_was_counted() -> None:
    log = Log(*OURS)
    await read(log, replace(seen(SHELL, LEAK), at=101.5), seen(SHELL, oom_kill=1, ended=(ended(LEAK),)), counted(1))
    assert log.asked == {"within": 1.5, "since": 101.5}
    await read(log, counted(1))
    assert log.asked == {"within": 1.5, "since": None}


async def test_what_another_run_of_that_name_left_is_not_heard() -> None:
    records = at(90.0, summary(LEAK.pid), killed(LEAK.pid))
    found = await read(Log(*records, *at(101.9, killed(START.pid))), exited(-9), counted(1))
    assert [victim.pid for report in found.reports or () for victim in report.victims] == [START.pid]
