"""A PID alone proves membership if a process with that PID and name disappeared from the scope at a counted kill."""

from dataclasses import replace

import pytest

from scoperun.evidence.events import Counters, EndedTask, Event, MemorySnapshot, Task, WorkloadExited
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.kernel_clock import KernelClock
from scoperun.evidence.kernel_log import parse
from scoperun.evidence.kernel_report import KernelReport
from scoperun.evidence.membership import Membership, membership
from tests.unit.evidence.kernel_records import killed, summary
from tests.unit.stories import START, counted

KEEPER, LEAK, OTHER = 4243, 4300, 4301
EXITED = WorkloadExited(-9, at=160.0)
THEIRS = "/system.slice/other.service"


def seen(*pids: int, at: float, kills: int = 0, ended: dict[int, int | None] | None = None) -> MemorySnapshot:
    """Return a snapshot of processes called leak; ended: the wait statuses of others that ended, by PID."""
    return MemorySnapshot(
        at=at,
        events={"oom_kill": kills},
        ooms={},
        tasks=tuple(Task(pid=pid, name="leak") for pid in pids),
        ended=tuple(EndedTask(task=Task(pid=pid, name="leak"), status=status) for pid, status in (ended or {}).items()),
    )


def known(*events: Event, clock: KernelClock | None = None) -> Membership:
    invocation = Invocation()
    for event in events:
        invocation.feed(event)
    return membership(START, invocation, keeper=KEEPER, clock=clock or KernelClock())


def victims(reports: tuple[KernelReport, ...]) -> list[int]:
    return [victim.pid for report in reports for victim in report.victims]


def report(pid: int, name: str = "leak", *, at: float | None = 150.0) -> KernelReport:
    (found,) = parse([killed(pid, name, at=at)], page_size=4096)
    return found


class TestChildren:
    """Until we have waited for the command and the keeper no other process can have their PIDs."""

    @pytest.mark.parametrize(("at", "found"), [(100.0, [START.pid]), (160.5, [START.pid]), (162.0, [])])
    def test_the_commands_pid_is_its_own_while_it_lives(self, at: float, found: list[int]) -> None:
        """Its name does not matter."""
        assert victims(known(EXITED).certain(report(START.pid, "called otherwise", at=at))) == found

    @pytest.mark.parametrize("status", [0, -15])
    def test_a_command_that_ended_otherwise_was_not_oom_killed(self, status: int) -> None:
        assert known(replace(EXITED, status=status)).certain(report(START.pid)) == ()

    def test_a_command_that_had_left_the_scope_was_killed_elsewhere(self) -> None:
        assert known(replace(EXITED, cgroup=THEIRS)).certain(report(START.pid)) == ()
        assert victims(known(replace(EXITED, cgroup=f"{START.cgroup}/inner")).certain(report(START.pid))) == [START.pid]

    def test_the_keepers_pid_is_its_own_to_the_end(self) -> None:
        assert victims(known(EXITED).certain(report(KEEPER, "cat", at=170.0))) == [KEEPER]

    def test_a_record_without_a_time_proves_nothing(self) -> None:
        assert known(EXITED).certain(report(START.pid, at=None)) == ()
        (with_cgroup,) = parse([summary(START.pid), killed(START.pid, at=None)], page_size=4096)
        assert victims(known(EXITED).certain(with_cgroup)) == [START.pid]


class TestLost:
    """A process that disappeared when a kill was counted is likely the one that the kernel names."""

    before = seen(LEAK, at=149.0)
    after = seen(at=151.0, kills=1, ended={LEAK: None})

    def test_a_process_that_disappeared_at_a_counted_kill_is_ours(self) -> None:
        assert victims(known(self.before, self.after, counted(1)).likely(report(LEAK))) == [LEAK]
        assert known(self.before, self.after, counted(1)).certain(report(LEAK)) == ()

    @pytest.mark.parametrize("at", [147.0, 153.0, None])
    def test_a_kill_at_another_time_is_not_ours(self, at: float | None) -> None:
        assert known(self.before, self.after, counted(1)).likely(report(LEAK, at=at)) == ()

    def test_a_kill_at_another_time_can_be_ours_if_the_clock_is_off(self) -> None:
        slow = known(self.before, self.after, counted(1), clock=KernelClock(behind=10.0))
        assert victims(slow.likely(report(LEAK, at=140.0))) == [LEAK]

    def test_a_reused_pid_is_not_ours(self) -> None:
        """Our process ended when no kill was counted, and a process elsewhere has its PID."""
        ended = seen(at=149.5, ended={LEAK: None})
        assert known(self.before, ended, seen(at=151.0, kills=1), counted(1)).likely(report(LEAK)) == ()

    def test_a_process_that_is_known_to_have_ended_otherwise_is_not_ours(self) -> None:
        exited = seen(at=151.0, kills=1, ended={LEAK: 0})
        assert known(self.before, exited, counted(1)).likely(report(LEAK)) == ()

    def test_a_process_that_lives_is_not_ours(self) -> None:
        assert known(self.before, seen(LEAK, at=151.0, kills=1), counted(1)).likely(report(LEAK)) == ()

    def test_a_process_with_another_name_is_not_ours(self) -> None:
        assert known(self.before, self.after, counted(1)).likely(report(LEAK, "theirs")) == ()

    @pytest.mark.parametrize("name", ["", "theirs"])
    def test_the_name_at_its_end_counts(self, name: str) -> None:
        after = replace(self.after, ended=(EndedTask(task=Task(pid=LEAK, name="leak"), status=None, name=name),))
        known_now = known(self.before, after, counted(1))
        assert victims(known_now.likely(report(LEAK, name))) == [LEAK]
        assert known_now.likely(report(LEAK, "leak")) == ()

    def test_a_process_whose_name_was_not_read_can_be_ours(self) -> None:
        nameless = EndedTask(task=Task(pid=LEAK, name=None), status=None)
        assert victims(known(self.before, replace(self.after, ended=(nameless,)), counted(1)).likely(report(LEAK)))

    def test_a_pid_that_was_never_seen_is_not_ours(self) -> None:
        assert known(self.before, self.after, counted(1)).likely(report(7)) == ()

    def test_a_process_that_the_kernel_names_with_another_cgroup_is_not_ours(self) -> None:
        (theirs,) = parse([summary(LEAK, THEIRS), killed(LEAK)], page_size=4096)
        assert known(self.before, self.after, counted(1)).likely(theirs) == ()

    @pytest.mark.parametrize(("at", "found"), [(149.5, [LEAK]), (152.0, [])])
    def test_without_counters_the_last_snapshot_is_valid_for_a_moment(self, at: float, found: list[int]) -> None:
        assert victims(known(seen(at=100.0), self.before, Counters()).likely(report(LEAK, at=at))) == found

    def test_with_counters_of_no_kill_the_last_snapshot_proves_nothing(self) -> None:
        assert known(seen(at=100.0), self.before, counted(0)).likely(report(LEAK, at=149.5)) == ()
