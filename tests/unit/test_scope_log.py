"""Of the kernel's log a scope has what is of its own processes, in its own time, and no more kills than it counted."""

import json
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.events import Counters, EndedTask, MemorySnapshot, Task, WorkloadExited
from scoperun.io.journal import journal_record
from scoperun.kernel_clock import KernelClock
from scoperun.kernel_report import LOST, KernelRecord, KernelReport
from scoperun.membership import Looks, Membership
from scoperun.scope_log import ScopeLog

from .stories import START, counted

COMMAND, KEEPER, LEAK = START.pid, 4243, 4300
BEGAN, EXITED = 100.0, 160.0
OURS, THEIRS = str(START.cgroup), "/system.slice/other.service"
PAGE_SIZE = 4096
SCOPE_7_2 = json.loads((Path(__file__).parent / "kernel_logs" / "scope-7.2.json").read_text(encoding="ascii"))

MEMBERSHIP = Membership(
    command=COMMAND,
    keeper=KEEPER,
    began=BEGAN,
    exited=WorkloadExited(-9, at=EXITED),
    losses=(),
    clock=KernelClock(),
)


def killed(pid: int, name: str = "leak", *, at: float = 150.0) -> KernelRecord:
    """Return all that the kernel says after ten reports in five seconds."""
    sizes = "total-vm:53736kB, anon-rss:20388kB, file-rss:1436kB, shmem-rss:12kB"
    last = "UID:1000 pgtables:80kB oom_score_adj:0"
    return KernelRecord(f"Memory cgroup out of memory: Killed process {pid} ({name}) {sizes}, {last}", at)


def summary(pid: int, cgroup: str = OURS, *, name: str = "leak", at: float = 150.0) -> KernelRecord:
    cgroups = f"oom_memcg={cgroup},task_memcg={cgroup}"
    text = f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),{cgroups},task={name},pid={pid},uid=1000"
    return KernelRecord(text, at)


def seen(*pids: int, at: float, kills: int = 0, ended: Iterable[int] = (), name: str = "leak") -> MemorySnapshot:
    return MemorySnapshot(
        at=at,
        events={"oom_kill": kills},
        ooms={},
        tasks=tuple(Task(pid=pid, name=name) for pid in pids),
        ended=tuple(EndedTask(task=Task(pid=pid, name=name), status=None) for pid in ended),
    )


def looks(*snapshots: MemorySnapshot) -> Looks:
    found = Looks()
    for snapshot in snapshots:
        found.feed(snapshot)
    return found


def reports(
    *records: KernelRecord, membership: Membership = MEMBERSHIP, counted: int | None = None
) -> tuple[KernelReport, ...]:
    log = ScopeLog(membership, cgroup=OURS, page_size=PAGE_SIZE)
    log.take(records)
    return log.reports(counted)


def victims(*records: KernelRecord, **more: Any) -> list[int]:
    return [victim.pid for report in reports(*records, **more) for victim in report.victims]


def lost(*snapshots: MemorySnapshot, counters: Counters | None = None) -> Membership:
    return replace(MEMBERSHIP, losses=looks(*snapshots).losses(counters or counted(snapshots[-1].oom_kill)))


class TestTime:
    """What was written before the command began is of another run, be it in a scope of the same name."""

    @pytest.mark.parametrize(("at", "found"), [(40.0, []), (99.8, []), (100.0, [LEAK]), (150.0, [LEAK])])
    def test_a_report_from_before_is_not_ours(self, at: float, found: list[int]) -> None:
        assert victims(summary(LEAK, at=at), killed(LEAK, at=at)) == found

    def test_of_a_clock_that_may_be_slow_what_may_be_of_our_time_is_ours(self) -> None:
        slow = replace(MEMBERSHIP, clock=KernelClock(behind=10.0))
        assert victims(summary(LEAK, at=91.0), killed(LEAK, at=91.0), membership=slow) == [LEAK]
        assert victims(summary(LEAK, at=89.0), killed(LEAK, at=89.0), membership=slow) == []

    def test_a_report_has_the_time_of_its_last_record(self) -> None:
        (report,) = reports(summary(LEAK, at=150.0), killed(LEAK, at=150.25))
        assert report.at == 150.25


class TestCommand:
    """The command's PID is nobody else's until it was waited for, nor is the keeper's."""

    @pytest.mark.parametrize(("at", "found"), [(98.0, []), (100.0, [COMMAND]), (160.5, [COMMAND]), (162.0, [])])
    def test_its_pid_counts_while_it_lived(self, at: float, found: list[int]) -> None:
        assert victims(killed(COMMAND, "called otherwise", at=at)) == found

    def test_its_pid_does_not_count_if_it_ended_otherwise(self) -> None:
        ended = replace(MEMBERSHIP, exited=WorkloadExited(0, at=EXITED))
        assert victims(killed(COMMAND), membership=ended) == []

    def test_the_keepers_pid_counts_to_the_end(self) -> None:
        assert victims(killed(KEEPER, "cat", at=170.0)) == [KEEPER]

    def test_without_a_time_a_pid_proves_nothing(self) -> None:
        record = KernelRecord(killed(COMMAND).text)
        assert victims(record) == []
        assert victims(KernelRecord(summary(COMMAND).text), record) == [COMMAND]


class TestPid:
    """A PID alone is ours if it went when a kill was counted, under its name."""

    before = seen(LEAK, at=149.0)
    after = seen(at=151.0, kills=1, ended=[LEAK])

    def test_that_went_when_a_kill_was_counted_is_ours(self) -> None:
        assert victims(killed(LEAK), membership=lost(self.before, self.after), counted=1) == [LEAK]

    @pytest.mark.parametrize("at", [147.0, 153.0])
    def test_that_was_killed_at_another_time_is_not(self, at: float) -> None:
        assert victims(killed(LEAK, at=at), membership=lost(self.before, self.after), counted=1) == []

    def test_that_is_anothers_by_now_is_not(self) -> None:
        """It ended when no kill was counted, and a process elsewhere has its PID."""
        later = seen(at=151.0, kills=1)
        assert victims(killed(LEAK), membership=lost(self.before, seen(at=149.5, ended=[LEAK]), later), counted=1) == []

    def test_that_is_there_still_is_not(self) -> None:
        assert victims(killed(LEAK), membership=lost(self.before, seen(LEAK, at=151.0, kills=1)), counted=1) == []

    def test_of_another_name_is_not(self) -> None:
        assert victims(killed(LEAK, "theirs"), membership=lost(self.before, self.after), counted=1) == []

    def test_that_was_never_seen_is_not(self) -> None:
        assert victims(killed(7), membership=lost(self.before, self.after), counted=1) == []

    def test_is_not_one_of_more_than_were_counted(self) -> None:
        """Both went, one was killed, and it is not known which: the other may be a namesake elsewhere."""
        both = lost(seen(LEAK, 4301, at=149.0), seen(at=151.0, kills=1, ended=[LEAK, 4301]))
        assert victims(killed(LEAK), killed(4301), membership=both, counted=1) == []
        assert victims(killed(LEAK), killed(4301), membership=both, counted=2) == [LEAK, 4301]

    def test_gives_way_to_one_that_is_named_with_its_cgroup(self) -> None:
        both = lost(seen(LEAK, 4301, at=149.0), seen(at=151.0, kills=1, ended=[LEAK, 4301]))
        assert victims(killed(LEAK), summary(4301), killed(4301), membership=both, counted=1) == [4301]

    def test_of_another_cgroup_is_not(self) -> None:
        records = summary(LEAK, THEIRS), killed(LEAK)
        assert victims(*records, membership=lost(self.before, self.after), counted=1) == []

    @pytest.mark.parametrize(("at", "found"), [(149.5, [LEAK]), (152.0, [])])
    def test_stands_for_a_moment_where_the_counters_went(self, at: float, found: list[int]) -> None:
        gone = lost(seen(at=100.0), self.before, counters=Counters())
        assert victims(killed(LEAK, at=at), membership=gone) == found

    def test_does_not_where_they_say_that_there_was_no_kill(self) -> None:
        assert victims(killed(LEAK, at=149.5), membership=lost(seen(at=100.0), self.before)) == []


def test_what_was_before_the_first_kill_need_not_be_read() -> None:
    assert looks(seen(at=1.0), seen(at=2.0)).first_kill is None
    assert looks(seen(at=1.0), seen(at=2.0), seen(at=3.0, kills=1), seen(at=4.0, kills=2)).first_kill == 2.0


def test_a_name_that_is_no_text_is_readable() -> None:
    (report,) = reports(summary(LEAK, name="\udcff"), killed(LEAK, name="\udcff"))
    assert report.victims[0].name == "\\xff"


def test_it_is_known_where_records_were_overwritten() -> None:
    log = ScopeLog(MEMBERSHIP, cgroup=OURS, page_size=PAGE_SIZE)
    log.take([summary(LEAK)])
    assert not log.has_gaps
    log.take([LOST, killed(LEAK)])
    assert log.has_gaps


# In pieces


def sample() -> list[KernelRecord]:
    """Return a real report on the scope, with others around it."""
    texts = [text.replace(SCOPE_7_2["cgroup"], OURS) for text in SCOPE_7_2["records"]]
    ours = [KernelRecord(text, 150.0) for text in texts]
    return [summary(9, THEIRS), killed(9), *ours, killed(COMMAND), summary(8, THEIRS), killed(8)]


@pytest.mark.parametrize("seed", range(8))
def test_it_says_the_same_in_whatever_pieces_it_comes(seed: int) -> None:
    chance, records = random.Random(seed), sample()  # noqa: S311
    log = ScopeLog(MEMBERSHIP, cgroup=OURS, page_size=PAGE_SIZE)
    rest = records
    while rest:
        size = chance.randrange(1, 20)
        log.take(rest[:size])
        log.reports(None)
        rest = rest[size:]
    assert log.reports(None) == reports(*records)
    assert len(reports(*records)) == 2


def chatter(lines: int) -> list[bytes]:
    """Return the journal of a kernel with much to say: a report now and then, ours the last of them."""
    noise = [
        KernelRecord(f"eth0: link status 0x{line:04x}, 17 packets dropped (pid {line})", 140.0) for line in range(100)
    ]
    theirs = [summary(7, THEIRS), killed(7)]
    records = [record for _ in range(lines // 100) for record in (*noise, *theirs)]
    return [
        json.dumps(
            {
                "_TRANSPORT": "kernel",
                "SYSLOG_FACILITY": "0",
                "MESSAGE": record.text,
                "_SOURCE_MONOTONIC_TIMESTAMP": str(int((record.at or 0) * 1e6)),
            }
        ).encode()
        for record in (*records, *sample())
    ]


def seconds(lines: list[bytes]) -> float:
    """Return the processor's time that it takes to read them in pieces as they come through a pipe."""
    times = []
    for _ in range(3):
        began = time.process_time()
        log = ScopeLog(MEMBERSHIP, cgroup=OURS, page_size=PAGE_SIZE)
        for start in range(0, len(lines), 200):
            pieces = map(journal_record, lines[start : start + 200])
            log.take(record for record in pieces if record is not None)
            log.reports(1)
        times.append(time.process_time() - began)
        assert len(log.reports(None)) == 2
    return min(times)


def test_ten_times_the_records_cost_at_most_twelve_times_the_time() -> None:
    assert seconds(chatter(30_000)) <= 12 * seconds(chatter(3_000))
