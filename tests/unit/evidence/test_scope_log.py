"""A run gets its scope's part of the kernel log: no more kills than were counted, and whether it is complete."""

import json
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import pytest

from scoperun.evidence.events import Counters, Event, KernelLogRead
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.kernel_clock import KernelClock
from scoperun.evidence.kernel_report import LOST, KernelRecord
from scoperun.evidence.membership import membership
from scoperun.evidence.scope_log import ScopeLog
from scoperun.kernel.journal import journal_record
from tests.unit.evidence.kernel_records import OURS, killed, summary
from tests.unit.evidence.test_oom import FIRST, LEAK, OTHER, SHELL, ended, seen
from tests.unit.stories import START, counted, exited

KEEPER = 4241
PAGE_SIZE = 4096
THEIRS = "/system.slice/other.service"
SCOPE_7_2 = json.loads((Path(__file__).parent / "kernel_logs" / "scope-7.2.json").read_text(encoding="ascii"))
KILLED = exited(-9)


def log_of(*events: Event) -> ScopeLog:
    """Return the log of a scope of which these events are known without the log."""
    invocation = Invocation()
    for event in (FIRST, *events):
        invocation.feed(event)
    return ScopeLog(membership(START, invocation, keeper=KEEPER, clock=KernelClock()), invocation, page_size=PAGE_SIZE)


def read(records: Iterable[KernelRecord], *events: Event, was_all: bool = True) -> KernelLogRead:
    log = log_of(*events)
    log.take(records)
    return log.found(was_all=was_all)


def victims(found: KernelLogRead) -> list[int]:
    return [victim.pid for report in found.reports or () for victim in report.victims]


class TestCounted:
    """At most as many victims are named by PID alone as kills were counted."""

    gone = (seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=1, ended=(ended(LEAK), ended(OTHER))))
    records = (killed(LEAK.pid, "leak"), killed(OTHER.pid, "other"))

    def test_as_many_as_were_counted_are_named(self) -> None:
        assert victims(read(self.records, *self.gone, counted(2))) == [LEAK.pid, OTHER.pid]

    def test_if_there_are_more_none_is_named(self) -> None:
        """Both disappeared, one was killed, and it is not known which: the other can be a namesake elsewhere."""
        assert victims(read(self.records, *self.gone, counted(1))) == []

    def test_a_victim_that_is_named_with_its_cgroup_comes_first(self) -> None:
        records = killed(LEAK.pid), summary(OTHER.pid), killed(OTHER.pid, "other")
        assert victims(read(records, *self.gone, counted(1))) == [OTHER.pid]

    def test_without_counters_all_are_named(self) -> None:
        assert victims(read(self.records, *self.gone, Counters())) == [LEAK.pid, OTHER.pid]


class TestCompleteness:
    """The log is complete if it names as many as were counted; otherwise it gives the reason if that is known."""

    ours = (summary(LEAK.pid), killed(LEAK.pid))

    def test_a_log_that_names_as_many_as_were_counted_is_complete(self) -> None:
        found = read(self.ours, exited(0), counted(1))
        assert (found.victim_count, found.is_complete, found.reason) == (1, True, None)
        found = read(self.ours, exited(0), counted(2))
        assert (found.victim_count, found.is_complete, found.reason) == (1, False, None)

    def test_it_is_complete_even_if_the_log_goes_on(self) -> None:
        found = read(self.ours, exited(0), counted(1), was_all=False)
        assert (found.is_complete, found.reason) == (True, None)

    def test_an_unfinished_log_has_a_reason(self) -> None:
        found = read([], exited(0), counted(1), was_all=False)
        assert (found.reports, found.is_complete) == ((), False)
        assert found.reason == (
            "the kernel log kept growing and was not read to its end, and what was read says nothing about this scope"
        )
        found = read(self.ours, exited(0), counted(2), was_all=False)
        assert (found.victim_count, found.is_complete) == (1, False)
        assert found.reason == "the kernel log kept growing and was not read to its end"

    def test_an_overwritten_log_has_a_reason(self) -> None:
        reason = "parts of the kernel log were overwritten before they were read"
        assert (
            read([LOST], exited(0), counted(1)).reason == f"{reason}, and what was read says nothing about this scope"
        )
        assert read([LOST, *self.ours], exited(0), counted(2)).reason == reason

    @pytest.mark.parametrize("events", [(counted(1),), (seen(SHELL, oom_kill=1), Counters())])
    def test_a_log_without_an_expected_report_has_a_reason(self, events: tuple[Event, ...]) -> None:
        """E.g. journald hangs."""
        found = read([], exited(0), *events)
        assert found.reason == "the kernel log has no report about this scope, or not yet"

    def test_a_log_without_a_report_has_a_reason_if_nothing_was_counted(self) -> None:
        found = read([], KILLED, Counters())
        assert (found.victim_count, found.reason) == (0, "the kernel log says nothing about this scope")

    def test_the_keeper_is_counted_but_is_not_a_victim(self) -> None:
        """E.g. the kernel names no cgroup after ten reports in five seconds."""
        found = read([killed(99, "stranger"), killed(START.pid, "sh"), killed(KEEPER, "cat")], KILLED, counted(2))
        assert (victims(found), found.keeper_named, found.is_complete) == ([START.pid], True, True)


def test_a_name_that_is_not_text_is_printable() -> None:
    found = read([summary(LEAK.pid, name="\udcff"), killed(LEAK.pid, name="\udcff")], KILLED)
    assert [victim.name for report in found.reports or () for victim in report.victims] == ["\\xff"]


# In pieces


def sample() -> list[KernelRecord]:
    """Return a real report on the scope, with other reports around it."""
    texts = [text.replace(SCOPE_7_2["cgroup"], OURS) for text in SCOPE_7_2["records"]]
    ours = [KernelRecord(text, 101.9) for text in texts]
    return [summary(9, THEIRS), killed(9), *ours, killed(START.pid), summary(8, THEIRS), killed(8)]


@pytest.mark.parametrize("seed", range(8))
def test_the_result_does_not_depend_on_how_the_records_are_split(seed: int) -> None:
    chance, rest, log = random.Random(seed), sample(), log_of(KILLED)  # noqa: S311
    while rest:
        size = chance.randrange(1, 20)
        log.take(rest[:size])
        rest = rest[size:]
    assert log.found(was_all=True) == read(sample(), KILLED)
    assert len(read(sample(), KILLED).reports or ()) == 2


def chatter(lines: int) -> list[bytes]:
    """Return the journal of a busy kernel: a report now and then, ours last."""
    noise = [KernelRecord(f"eth0: link status 0x{line:04x}, 17 packets dropped", 101.0) for line in range(100)]
    theirs = [summary(7, THEIRS), killed(7)]
    records = [record for _ in range(lines // 100) for record in (*noise, *theirs)]
    return [entry(record) for record in (*records, *sample())]


def entry(record: KernelRecord) -> bytes:
    time_of_source = {"_SOURCE_MONOTONIC_TIMESTAMP": str(int((record.at or 0) * 1e6))}
    fields = {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "MESSAGE": record.text} | time_of_source
    return json.dumps(fields).encode()


def calls(lines: list[bytes]) -> int:
    """Return the number of function calls for reading them in pieces, as from a pipe.

    It measures the cost without the noise of other processes.
    """
    made = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    log = log_of(KILLED, counted(3))
    sys.setprofile(count)
    try:
        for start in range(0, len(lines), 200):
            pieces = map(journal_record, lines[start : start + 200])
            log.take([record for record in pieces if record is not None])
    finally:
        sys.setprofile(None)
    assert len(log.found(was_all=True).reports or ()) == 2
    return made


def test_ten_times_the_records_cost_at_most_twelve_times_as_much() -> None:
    assert calls(chatter(30_000)) <= 12 * calls(chatter(3_000))


class TestWhole:
    """The log alone gives a count only if it leaves nothing open."""

    gone = (seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),)), Counters())
    named = (summary(LEAK.pid, OURS), killed(LEAK.pid, "leak"))

    def test_it_is_whole_if_each_victims_cgroup_is_named(self) -> None:
        elsewhere = (summary(77, THEIRS), killed(77, "leak"))
        assert read([*elsewhere, *self.named], *self.gone).is_whole
        assert read([*self.named, *elsewhere], *self.gone).is_whole

    def test_it_is_not_whole_if_one_victims_cgroup_is_missing(self) -> None:
        """The kernel omits it after ten reports in five seconds."""
        assert not read([*self.named, killed(77, "leak")], *self.gone).is_whole
        assert not read([killed(77, "leak"), *self.named], *self.gone).is_whole

    def test_it_is_not_whole_if_a_part_is_missing(self) -> None:
        assert not read([*self.named, LOST], *self.gone).is_whole
        assert not read(self.named, *self.gone, was_all=False).is_whole
