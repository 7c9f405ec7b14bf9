"""Victims and the limit are named if they follow from the evidence, and not otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from scoperun.evidence.events import (
    Counters,
    EndedTask,
    Event,
    KernelLogRead,
    LeftActive,
    LeftoversAwaited,
    MemorySnapshot,
    OomdMark,
    ResultChanged,
    StateChanged,
    Task,
    WorkloadExited,
)
from scoperun.evidence.kernel_report import KernelReport, KernelTask, KernelVictim
from scoperun.evidence.oom_limit import Limit, LimitOf, limit_reached
from scoperun.report.oom_report import Oom
from scoperun.report.text import report_text
from scoperun.spec.sizes import INFINITY
from tests.report_rows import head, rows
from tests.unit.stories import MIB, START, counted, exited, read, told

SCOPE = str(START.cgroup)
APP = SCOPE.rpartition("/")[0]
USER = "/user.slice"
NO_OOMS: dict[str, int | None] = {SCOPE: 0, APP: 0, USER: 0}

SHELL = Task(pid=START.pid, name="sh", rss=2 * MIB, anon=MIB, swap=0, oom_score=666, oom_score_adj=0, forked=False)
LEAK = Task(pid=4300, name="leak", rss=21 * MIB, anon=19 * MIB, swap=0, oom_score=680, oom_score_adj=0, forked=False)
OTHER = Task(pid=4301, name="other", rss=3 * MIB, anon=MIB, swap=0, oom_score=667, oom_score_adj=0, forked=False)
STAT = {"anon": 20 * MIB - 4096, "file": 4096, "shmem": 0}

FIRST = MemorySnapshot(at=100.0, events={}, ooms=NO_OOMS, groups=NO_OOMS, stalls=7)


def seen(*tasks: Task, oom_kill: int = 0, ooms: dict[str, int] | None = None, **more: Any) -> MemorySnapshot:
    """Return a snapshot just before the end; `ooms` defaults to as many of the scope's own as kills."""
    own = {SCOPE: oom_kill} if ooms is None else ooms
    groups = more.pop("groups", 0)
    events = {"max": 30, "oom": own.get(SCOPE, 0), "oom_kill": oom_kill, "oom_group_kill": groups}
    held = {
        "limit": 20 * MIB,
        "stat": STAT,
        "current": 20 * MIB,
        "taken": 20 * MIB,
        "stalls": 9,
        "groups": {**NO_OOMS, SCOPE: groups},
    } | more
    return MemorySnapshot(at=101.9, events=events, ooms={**NO_OOMS, **own}, tasks=tasks, **held)


def ended(task: Task, status: int | None = None, name: str | None = None) -> EndedTask:
    return EndedTask(task=task, status=status, name=name)


def oom(*events: Event, status: int = 0, kills: int = 1, final: Counters | None = None) -> Oom:
    """Return a run whose scope had so many kills at the end."""
    policy, last = "continue", WorkloadExited(status, at=102.0, name="sh")
    report = told([FIRST, *events, last, final or counted(kills), StateChanged("inactive"), read("success", policy)])
    assert report.oom is not None
    return report.oom


def named(found: Oom) -> list[tuple[str | None, int | None]]:
    """Return the victims' names and sizes."""
    return [(victim.name, victim.rss) for victim in found.victims or ()]


def victims(found: Oom) -> list[tuple[str | None, str]]:
    return [(victim.name, victim.source) for victim in found.victims or ()]


class TestVictims:
    """A victim is a process that is missing after the kill, if no other process can be meant."""

    def test_the_missing_process_was_killed(self) -> None:
        found = oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),)))
        assert victims(found) == [("leak", "process table")]
        assert found.victims is not None
        assert (found.victims[0].pid, found.victims[0].rss, found.victims[0].anon) == (4300, 21 * MIB, 19 * MIB)

    def test_of_two_missing_processes_none_is_named(self) -> None:
        found = oom(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=1, ended=(ended(LEAK), ended(OTHER))))
        assert found.victims is None
        assert found.kills == 1

    @pytest.mark.parametrize("status", [0, 1, -15])
    def test_a_process_that_is_known_to_have_ended_otherwise_is_not_named(self, status: int) -> None:
        after = seen(SHELL, oom_kill=1, ended=(ended(LEAK, -9), ended(OTHER, status)))
        assert victims(oom(seen(SHELL, LEAK, OTHER), after)) == [("leak", "process table")]

    def test_the_commands_own_end_is_known_exactly(self) -> None:
        """It is missing too, but exited by itself."""
        after = seen(oom_kill=1, ended=(ended(LEAK), ended(SHELL)))
        assert victims(oom(seen(SHELL, LEAK), after, status=3)) == [("leak", "process table")]

    def test_two_kills_at_once_are_two_victims(self) -> None:
        after = seen(SHELL, oom_kill=2, ended=(ended(LEAK), ended(OTHER)))
        assert len(victims(oom(seen(SHELL, LEAK, OTHER), after, kills=2))) == 2

    def test_several_kills_in_one_run_are_distinguished(self) -> None:
        grown = replace(OTHER, anon=19 * MIB)
        first = seen(SHELL, grown, oom_kill=1, ended=(ended(LEAK),))
        second = seen(SHELL, oom_kill=2, ended=(ended(grown),))
        found = oom(seen(SHELL, LEAK, OTHER), first, second, kills=2)
        assert [name for name, _ in victims(found)] == ["leak", "other"]

    def test_a_command_that_was_always_alone_is_the_victim(self) -> None:
        alone = replace(counted(1), tasks_peak=1)
        assert victims(oom(status=-9, final=alone)) == [("sh", "wait status")]

    def test_a_killed_command_with_other_processes_is_not_necessarily_the_victim(self) -> None:
        """A child can have been the victim, and the command's SIGKILL a plain one."""
        assert oom(status=-9).victims is None

    @pytest.mark.parametrize("status", [0, 1, -15])
    def test_a_command_that_was_not_killed_is_not_a_victim(self, status: int) -> None:
        assert oom(status=status).victims is None

    def test_a_command_that_survived_the_kill_is_not_its_victim(self) -> None:
        """A plain kill came later; the victim was gone before the next snapshot."""
        assert oom(seen(SHELL, oom_kill=1), status=-9).victims is None

    def test_a_command_is_not_named_for_another_missing_process(self) -> None:
        after = seen(oom_kill=1, ended=(ended(LEAK), ended(SHELL)))
        assert oom(seen(SHELL, LEAK), after, status=-9).victims is None

    def whole(self, *, end: float, ooms: int = 1) -> Oom:
        """Return a run that was killed as a whole, its counters with it, and was last seen at 101.9 s."""
        last = WorkloadExited(-9, at=end, name="sh")
        failed = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        report = told([FIRST, seen(SHELL, LEAK, ooms={SCOPE: ooms}), last, Counters(), *failed])
        assert report.oom is not None
        return report.oom

    def test_a_scope_that_was_killed_as_a_whole_lost_all_its_processes(self) -> None:
        found = self.whole(end=102.0)
        assert [(victim.pid, victim.name) for victim in found.victims or ()] == [(4242, "sh"), (4300, None)]
        assert found.kills is None, "nobody has counted them to the end"

    def test_processes_seen_long_before_the_end_are_not_named(self) -> None:
        assert [victim.name for victim in self.whole(end=110.0).victims or ()] == ["sh"]

    def test_processes_seen_before_the_limit_was_reached_are_not_named(self) -> None:
        assert [victim.name for victim in self.whole(end=102.0, ooms=0).victims or ()] == ["sh"]

    @pytest.mark.parametrize(
        ("events", "cgroup"),
        [([LeftActive(104.0)], SCOPE), ([LeftoversAwaited()], SCOPE), ([], f"{APP}/away.scope")],
    )
    def test_a_command_that_ended_before_the_whole_scope_or_elsewhere_is_not_named(
        self, events: list[Event], cgroup: str
    ) -> None:
        """Another process had killed it, and the processes that it left ran out of memory."""
        last = WorkloadExited(-9, at=102.0, name="sh", cgroup=cgroup)
        failed = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        report = told([FIRST, last, *events, Counters(), *failed])
        assert report.oom is not None
        assert report.oom.victims is None

    def test_processes_that_a_whole_scopes_kill_has_not_reached_yet_are_named(self) -> None:
        last = WorkloadExited(-9, at=102.0, name="sh")
        half = seen(SHELL, oom_kill=1, groups=1, ended=(ended(LEAK, -9), ended(OTHER, 0)))
        failed = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        report = told([FIRST, seen(SHELL, LEAK, OTHER), half, last, Counters(), *failed])
        assert report.oom is not None
        assert [victim.name for victim in report.oom.victims or ()] == ["sh", "leak"]

    def test_a_group_that_the_kernel_counts_little_by_little_is_named_once(self) -> None:
        """A process is listed until it is dead, so two snapshots can have its end; the kernel goes on counting."""
        last = WorkloadExited(-9, at=102.0, name="sh")
        nameless = Task(pid=LEAK.pid, name="leak")
        failed = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        steps = (
            seen(SHELL, LEAK),
            seen(SHELL, oom_kill=2, groups=1, ended=(ended(LEAK),)),
            seen(oom_kill=3, groups=1, ended=(ended(SHELL), ended(nameless))),
            seen(oom_kill=4, groups=1, ended=(ended(nameless),)),
        )
        report = told([FIRST, *steps, last, Counters(), *failed])
        assert report.oom is not None
        assert sorted(victim.name for victim in report.oom.victims or ()) == ["leak", "sh"]

    @pytest.mark.parametrize("status", [None, -9])
    @pytest.mark.parametrize("seconds", [0.5, 20.0])
    def test_members_of_a_group_kill_are_named_if_they_cannot_have_ended_before(
        self, status: int | None, seconds: float
    ) -> None:
        """The wait status of another process's child is not readable before Linux 6.15."""
        before, after = (
            seen(SHELL, LEAK, OTHER, stat=STAT | {"anon": 21 * MIB}),
            seen(oom_kill=3, groups=1, ended=(ended(LEAK, -9), ended(OTHER, status))),
        )
        found = oom(before, replace(after, at=before.at + seconds), status=-9, kills=3)
        is_sure = status == -9 or seconds < 1
        assert [victim.name for victim in found.victims or ()] == (["leak", "other"] if is_sure else [])

    @pytest.mark.parametrize("taken", [18 * MIB, 19 * MIB, None])
    def test_a_process_whose_memory_another_could_have_taken_is_not_named(self, taken: int | None) -> None:
        """The other process came and went unseen, but the pages that it took are counted."""
        before, after = seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK, -9),))
        so_far = None if taken is None or before.taken is None else before.taken + taken
        is_sure = taken == 18 * MIB
        assert victims(oom(before, replace(after, taken=so_far))) == [("leak", "process table")] * is_sure

    @pytest.mark.parametrize("seconds", [0.9, 1.1])
    def test_a_process_that_was_seen_long_before_is_not_named(self, seconds: float) -> None:
        """E.g. scoperun was stopped, and a process came and was killed unseen meanwhile."""
        before = seen(SHELL, LEAK)
        after = replace(seen(SHELL, oom_kill=1, ended=(ended(LEAK, -9),)), at=before.at + seconds)
        assert victims(oom(before, after)) == ([("leak", "process table")] if seconds < 1 else [])

    @pytest.mark.parametrize(("current", "anon"), [(20 * MIB, 19 * MIB), (17 * MIB, None)])
    def test_a_victims_memory_while_there_was_room_is_not_its_size(self, current: int, anon: int | None) -> None:
        before = seen(SHELL, LEAK, current=current, stat={"anon": current, "file": 0})
        found = oom(before, seen(SHELL, oom_kill=1, ended=(ended(LEAK),)))
        assert [victim.anon for victim in found.victims or ()] == [anon]

    @pytest.mark.parametrize(("taken", "size"), [(MIB, 21 * MIB), (3 * MIB, None)])
    def test_a_victim_can_have_given_memory_to_others_before_it_was_killed(self, taken: int, size: int | None) -> None:
        after = seen(SHELL, oom_kill=1, taken=20 * MIB + taken, ended=(ended(LEAK, -9),))
        assert named(oom(seen(SHELL, LEAK), after)) == [("leak", size)]

    def test_unused_swap_counts_as_room(self) -> None:
        before, after = seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),))
        found = oom(before, after, final=replace(counted(1), memory_swap_peak=10 * MIB))
        assert [victim.anon for victim in found.victims or ()] == [None]

    def test_the_size_of_two_victims_is_unknown(self) -> None:
        after = seen(SHELL, oom_kill=2, ended=(ended(LEAK), ended(OTHER)))
        found = oom(seen(SHELL, LEAK, OTHER), after, kills=2)
        assert [victim.anon for victim in found.victims or ()] == [None, None]

    def test_without_a_known_limit_the_size_is_unknown(self) -> None:
        unlimited = replace(START.limits, memory_max=INFINITY)
        before = seen(SHELL, LEAK, limit=INFINITY)
        after = seen(SHELL, oom_kill=1, limit=INFINITY, ended=(ended(LEAK),))
        last, final = WorkloadExited(0, at=102.0, name="sh"), replace(counted(1), memory_peak=None)
        properties = replace(read("success", "continue"), memory_peak=None)
        report = told([FIRST, before, after, last, final, StateChanged("inactive"), properties], unlimited)
        assert report.oom is not None
        assert [victim.anon for victim in report.oom.victims or ()] == [None]

    def test_the_processes_before_the_kill_are_listed(self) -> None:
        found = oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),)))
        assert found.tasks == (SHELL, LEAK)
        keys = ["pid", "name", "rss", "anon", "swap", "oom_score", "oom_score_adj"]
        report = told([FIRST, seen(SHELL, LEAK), WorkloadExited(0, at=102.0), counted(1), read("success", "continue")])
        assert [list(task) for task in report.to_dict()["oom"]["tasks"]] == [keys, keys]

    def test_a_victim_whose_name_was_not_read_has_none(self) -> None:
        nameless = Task(pid=4300, name=None)
        found = oom(seen(SHELL), seen(SHELL, oom_kill=1, ended=(ended(nameless, -9),)))
        assert [(victim.pid, victim.name) for victim in found.victims or ()] == [(4300, None)]

    def test_a_member_of_a_group_has_no_name_if_it_might_have_executed_another_program(self) -> None:
        """It was last seen between fork(2) and execve(2), with its parent's name and memory."""
        child = replace(SHELL, pid=4301, forked=True)
        before = seen(SHELL, child, LEAK)
        after = seen(oom_kill=3, groups=1, ended=(ended(SHELL, -9), ended(child, -9), ended(LEAK, -9)))
        found = oom(before, replace(after, taken=21 * MIB), status=-9)
        assert named(found) == [("sh", None), (None, None), ("leak", 21 * MIB)]

    def test_a_member_of_a_group_has_the_name_that_it_had_at_its_end(self) -> None:
        """It was another one before, and so might the size have been."""
        child = replace(SHELL, pid=4301, forked=True)
        before = seen(SHELL, child, LEAK)
        after = seen(SHELL, oom_kill=3, groups=1, ended=(ended(child, -9, "work"), ended(LEAK, -9)))
        found = oom(before, replace(after, taken=21 * MIB), status=-9)
        assert named(found) == [("work", None), ("leak", 21 * MIB)]

    def test_a_group_that_was_killed_for_another_cgroups_limit_can_have_executed_other_programs(self) -> None:
        """The memory that they freed was of no use to a slice that others filled."""
        after = seen(oom_kill=2, groups=1, ooms={APP: 1}, ended=(ended(SHELL, -9), ended(LEAK, -9)))
        found = oom(seen(SHELL, LEAK), after, status=-9)
        assert named(found) == [("sh", None), (None, None)]

    @pytest.mark.parametrize("reached", [{APP: 1}, {}, {SCOPE: 1, APP: 1}])
    @pytest.mark.parametrize(("status", "expected"), [(-9, [(None, None)]), (None, [])])
    def test_memory_that_a_process_freed_is_of_use_to_others_at_another_limit(
        self, reached: dict[str, int], status: int | None, expected: list[tuple[str | None, int | None]]
    ) -> None:
        """It can have ended or executed another program, and less is then enough to run out."""
        after = seen(SHELL, oom_kill=1, ooms=reached, ended=(ended(LEAK, status),))
        assert named(oom(seen(SHELL, LEAK), after)) == expected

    def test_a_limit_can_be_reached_before_the_snapshot_and_the_kill_come_after_it(self) -> None:
        before, after = seen(SHELL, LEAK, ooms={SCOPE: 1}), seen(SHELL, oom_kill=1, ended=(ended(LEAK),))
        assert named(oom(before, after)) == [("leak", 21 * MIB)]

    @pytest.mark.parametrize("groups", [0, 1])
    @pytest.mark.parametrize(("status", "name"), [(None, None), (None, "brief"), (-9, None)])
    def test_a_process_of_which_only_the_pid_was_seen_makes_the_victims_unknown(
        self, groups: int, status: int | None, name: str | None
    ) -> None:
        """It was listed, and gone before anything else was read."""
        stranger = ended(Task(pid=77, name=None), status, name)
        before = seen(SHELL, stat=STAT | {"anon": 20 * MIB})
        found = oom(before, seen(SHELL, oom_kill=1, groups=groups, ended=(stranger,)))
        assert [victim.pid for victim in found.victims or ()] == ([] if (status, name) == (None, None) else [77])

    def test_such_a_process_makes_the_victims_of_a_whole_scope_unknown_too(self) -> None:
        last, failed = WorkloadExited(-9, at=102.0, name="sh"), (ResultChanged("oom-kill"), StateChanged("failed"))
        for name, pids in (("brief", [4242, 77]), (None, [4242])):
            half = seen(SHELL, oom_kill=1, groups=1, ended=(ended(Task(pid=77, name=None), name=name),))
            report = told([FIRST, seen(SHELL), half, last, Counters(), *failed, read("oom-kill", "kill")])
            assert report.oom is not None
            assert [victim.pid for victim in report.oom.victims or ()] == pids

    def test_page_faults_that_are_not_counted_yet_can_have_taken_memory(self) -> None:
        after = seen(SHELL, oom_kill=1, taken=38 * MIB, ended=(ended(LEAK, -9),))
        assert oom(seen(SHELL, LEAK), after).victims is not None
        assert oom(seen(SHELL, LEAK), replace(after, uncounted=2 * MIB)).victims is None

    @pytest.mark.parametrize(("tasks", "size"), [((SHELL,), 2 * MIB), ((SHELL, LEAK), None)])
    def test_a_command_that_was_killed_alone_with_its_whole_scope_has_its_size(
        self, tasks: tuple[Task, ...], size: int | None
    ) -> None:
        last, failed = WorkloadExited(-9, at=102.0, name="sh"), (ResultChanged("oom-kill"), StateChanged("failed"))
        for current, expected in ((20 * MIB, size), (5 * MIB, None)):
            full = seen(*tasks, ooms={SCOPE: 1}, current=current)
            report = told([FIRST, full, last, Counters(memory_peak=20 * MIB), *failed, read("oom-kill", "kill")])
            assert report.oom is not None
            assert named(report.oom)[0] == ("sh", expected)

    def test_the_text_says_as_what_a_victim_without_a_name_was_last_seen(self) -> None:
        child = replace(SHELL, pid=4301, forked=True)
        after = seen(oom_kill=2, groups=1, ended=(ended(SHELL, -9), ended(child, -9)))
        events = (FIRST, seen(SHELL, child), after, WorkloadExited(-9, at=102.0, name="sh"), counted(2))
        report = told([*events, StateChanged("inactive"), read("success", "continue")])
        killed = rows(report_text(report))["killed"]
        assert killed.startswith("sh[4242] and a process[4301] (last seen as sh), by the kernel")

    def test_an_empty_name_is_a_name(self) -> None:
        """prctl(2), PR_SET_NAME, accepts one."""
        before, after = (
            seen(SHELL, replace(LEAK, name="")),
            seen(SHELL, oom_kill=1, ended=(ended(replace(LEAK, name="")),)),
        )
        assert victims(oom(before, after)) == [("", "process table")]

    def test_after_a_rest_no_process_is_named(self) -> None:
        """The victim can have come and gone unseen, and something else can have killed the missing process."""
        after = seen(SHELL, oom_kill=1, rested=True, ended=(ended(LEAK, -9),))
        assert oom(seen(SHELL, LEAK), after).victims is None

    def test_after_a_rest_that_its_end_cut_short_the_largest_process_is_named(self) -> None:
        """No process with more memory can have come meanwhile: it lived until just now."""
        after = seen(SHELL, oom_kill=1, rested=True, prompted=True, ended=(ended(LEAK, -9),))
        assert victims(oom(seen(SHELL, LEAK), after)) == [("leak", "process table")]

    def test_swapped_memory_counts_for_the_size(self) -> None:
        """Most of its memory was in swap."""
        leak = replace(LEAK, anon=2 * MIB, swap=30 * MIB)
        before = seen(SHELL, leak, swap_current=30 * MIB)
        after = seen(SHELL, oom_kill=1, rested=True, prompted=True, ended=(ended(leak, -9),))
        assert victims(oom(before, after)) == [("leak", "process table")]

    def test_after_a_rest_a_small_process_is_not_named(self) -> None:
        """The process that took the rest can have come and been killed unseen."""
        after = seen(SHELL, oom_kill=1, rested=True, prompted=True, ended=(ended(LEAK, 0), ended(OTHER, -9)))
        assert oom(seen(SHELL, LEAK, OTHER), after).victims is None

    def test_a_process_that_was_seen_while_page_cache_filled_the_scope_is_not_named(self) -> None:
        """Another process can have taken the memory and been killed unseen; something else killed the missing one."""
        idle = replace(seen(SHELL), stat={"anon": MIB, "file": 19 * MIB, "inactive_file": 19 * MIB})
        assert oom(idle, seen(oom_kill=1, ended=(ended(SHELL),)), status=-9).victims is None

    def test_the_memory_of_an_exited_process_can_have_been_taken_by_an_unseen_one(self) -> None:
        """The process that took it was killed unseen, and something else killed the small missing one."""
        after = seen(oom_kill=1, ended=(ended(SHELL), ended(LEAK, 0)))
        assert oom(seen(SHELL, LEAK), after, status=-9).victims is None

    def test_a_small_process_is_named_if_the_living_ones_have_the_rest(self) -> None:
        """No process with more memory can have come."""
        other, *others = (replace(OTHER, pid=pid, anon=2 * MIB) for pid in range(5000, 5010))
        before = seen(*others, other)
        after = seen(*others, oom_kill=1, ended=(ended(other),))
        assert victims(oom(before, after)) == [("other", "process table")]

    def test_the_only_process_whose_memory_is_unreadable_had_the_rest(self) -> None:
        """Its main thread has ended, and the kernel no longer shows the process's memory."""
        widow = replace(LEAK, rss=None, anon=None, swap=None)
        found = oom(seen(SHELL, widow), seen(SHELL, oom_kill=1, ended=(ended(widow, -9),)))
        assert victims(found) == [("leak", "process table")]

    def test_of_two_kills_one_can_have_been_the_keepers(self) -> None:
        """The kernel chooses it if the command's processes are as small; systemd kills it if they are slow to stop."""
        found = oom(
            seen(SHELL, LEAK),
            seen(SHELL, oom_kill=2, ended=(ended(LEAK),)),
            final=replace(counted(2), keeper_killed=True),
        )
        assert found.kills is None
        assert victims(found) == [("leak", "process table")]

    @pytest.mark.parametrize(("named", "keeper_named", "kills"), [(2, False, 2), (1, True, 1), (1, False, None)])
    def test_the_kernel_log_tells_whether_the_keepers_kill_was_counted(
        self, named: int, keeper_named: bool, kills: int | None
    ) -> None:
        both = ((4300, "leak"), (4301, "other"))
        log = logged(*both[:named])
        log = replace(log, of_keeper=log.reports or ()) if keeper_named else log
        assert oom(log, final=replace(counted(2), keeper_killed=True)).kills == kills

    @pytest.mark.parametrize(
        ("in_log", "is_whole", "kills"), [(1, True, None), (2, True, 2), (3, True, 3), (2, False, None)]
    )
    def test_without_counters_the_log_counts_if_it_has_all_victims_that_were_seen(
        self, in_log: int, is_whole: bool, kills: int | None
    ) -> None:
        log = replace(logged(*((4300 + number, "leak") for number in range(in_log))), is_whole=is_whole)
        gone = Counters(keeper_killed=True)
        found = oom(seen(SHELL, LEAK), seen(oom_kill=2, ended=(ended(LEAK),)), log, status=-9, final=gone)
        assert found.kills == kills

    def test_a_count_from_before_the_counters_were_lost_is_not_the_final_number(self) -> None:
        last = WorkloadExited(-9, at=102.0, name="sh")
        end = StateChanged("inactive"), read("success", "continue")
        report = told([FIRST, seen(SHELL), seen(oom_kill=2, ended=(ended(SHELL),)), last, Counters(), *end])
        assert report.oom is not None
        assert report.oom.kills is None

    def test_if_the_counted_kill_was_the_keepers_the_command_is_not_the_victim(self) -> None:
        """Something else killed the command too."""
        last = WorkloadExited(-9, at=102.0, name="sh")
        final = replace(counted(1), keeper_killed=True, tasks_peak=1)
        report = told([FIRST, last, final, StateChanged("inactive"), read("success", "continue")])
        assert report.oom is None or report.oom.victims is None

    def test_the_only_kill_can_have_been_the_keepers(self) -> None:
        assert oom(final=replace(counted(1), keeper_killed=True)).kills is None

    def test_a_kill_that_was_seen_counts_although_the_counters_are_lost(self) -> None:
        """The keeper was killed for its size, and nothing was left to read."""
        last = WorkloadExited(-9, at=102.0, name="sh")
        kill = seen(oom_kill=1, ended=(ended(SHELL),))
        report = told(
            [FIRST, seen(SHELL), kill, last, Counters(), StateChanged("inactive"), read("success", "continue")]
        )
        assert report.verdict == "oom-kill"


class TestNeeded:
    """What was not enough is the scope's limit plus the swap in use when the kernel could swap out no more."""

    def needed(self, *events: Event, seconds: float = 0.5, **more: Any) -> int | None:
        before = seen(SHELL, LEAK, swap_current=10 * MIB)
        after = replace(seen(SHELL, oom_kill=1, ended=(ended(LEAK),), **more), at=before.at + seconds)
        return oom(before, after, *events).needed

    def test_more_than_the_limit_was_needed(self) -> None:
        assert oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),))).needed == 20 * MIB

    def test_swap_just_before_the_kill_is_added(self) -> None:
        assert self.needed() == 30 * MIB

    def test_swap_long_before_the_kill_is_not_added(self) -> None:
        assert self.needed(seconds=2.0) == 20 * MIB

    @pytest.mark.parametrize(("swap", "needed"), [(4 * MIB, 24 * MIB), (None, 20 * MIB)])
    def test_swap_in_the_kernels_log_is_added(self, swap: int | None, needed: int) -> None:
        log = logged((LEAK.pid, "leak"))
        (report,) = log.reports or ()
        assert self.needed(replace(log, reports=(replace(report, swap_usage=swap),))) == needed

    def test_it_is_unknown_for_a_limit_that_is_not_the_scopes(self) -> None:
        assert self.needed(ooms={APP: 1}) is None


class TestOwnLimit:
    """The scope's limit at the kill, if it changes while the command runs."""

    def limit(self, before: int, after: int, *, peak: int | None, seconds: float = 0.5, **more: Any) -> int | None:
        known = seen(SHELL, LEAK, limit=before)
        found = replace(seen(SHELL, limit=after, **{"oom_kill": 1} | more), at=known.at + seconds)
        last = oom(known, found, final=replace(counted(found.oom_kill), memory_peak=peak))
        assert last.needed == last.limit, "what the scope had later was not at the kill"
        return last.limit

    def test_it_is_what_was_read_just_after_the_kill(self) -> None:
        assert self.limit(50 * MIB, 10 * MIB, peak=41 * MIB) == 10 * MIB

    def test_it_is_unknown_if_it_was_read_late(self) -> None:
        """The limit was raised, reached, and lowered."""
        assert self.limit(20 * MIB, 12 * MIB, peak=30 * MIB, rested=True) is None
        assert self.limit(20 * MIB, 12 * MIB, peak=30 * MIB, oom_kill=2, seconds=4.0) is None
        assert self.limit(20 * MIB, 20 * MIB, peak=30 * MIB, rested=True, seconds=4.0) is None
        assert self.limit(20 * MIB, INFINITY, peak=60 * MIB) is None

    def test_it_is_the_one_that_the_peak_reached(self) -> None:
        assert self.limit(20 * MIB, 12 * MIB, peak=20 * MIB) == 20 * MIB
        assert self.limit(20 * MIB, INFINITY, peak=20 * MIB, rested=True) == 20 * MIB
        assert self.limit(200 * MIB, 20 * MIB, peak=20 * MIB, rested=True, seconds=4.0) == 20 * MIB

    def test_it_is_the_same_before_and_after_the_kill(self) -> None:
        assert self.limit(20 * MIB, 20 * MIB, peak=30 * MIB, rested=True) == 20 * MIB
        assert self.limit(20 * MIB, 20 * MIB, peak=None, rested=True) == 20 * MIB


class TestLimit:
    """The limit is that of the only cgroup that reached its own."""

    def limit(self, ooms: dict[str, int], **more: Any) -> tuple[str, str | None]:
        found = oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms=ooms, **more))
        return str(found.limit_of), found.limit_unit

    def test_the_scope_reached_its_limit(self) -> None:
        assert self.limit({SCOPE: 1}) == ("scope", "job.scope")

    def test_a_slice_reached_its_limit(self) -> None:
        assert self.limit({APP: 1}) == ("slice", "app.slice")
        assert self.limit({USER: 2}) == ("slice", "user.slice")

    def test_no_cgroup_reached_its_limit_so_the_host_was_full(self) -> None:
        assert self.limit({}) == ("host", None)

    @pytest.mark.parametrize("stalls", [7, None])
    def test_it_is_not_the_hosts_if_that_had_enough_memory(self, stalls: int | None) -> None:
        """A kill requested by SysRq, for example, happens at no limit."""
        assert self.limit({}, stalls=stalls) == ("unknown", None)

    def test_it_is_unknown_if_two_reached_theirs(self) -> None:
        assert self.limit({SCOPE: 1, APP: 1}) == ("unknown", None)

    def test_it_is_unknown_if_a_counter_was_unreadable(self) -> None:
        unread = replace(seen(SHELL, oom_kill=1), ooms={**NO_OOMS, APP: None})
        assert str(oom(seen(SHELL, LEAK), unread).limit_of) == "unknown"

    def test_a_cgroup_inside_the_scope_reached_its_limit(self) -> None:
        inside = replace(seen(SHELL, oom_kill=1, ooms={}), events={"oom": 1, "oom_kill": 1})
        assert str(oom(seen(SHELL, LEAK), inside).limit_of) == "scope"

    def test_kills_in_a_slice_before_the_command_started_do_not_count(self) -> None:
        before = replace(FIRST, ooms={**NO_OOMS, APP: 7})
        found = oom(before, seen(SHELL, oom_kill=1, ooms={SCOPE: 1, APP: 7}))
        # Only increases since the very first snapshot count.
        assert str(found.limit_of) == "unknown"
        report = told(
            [before, seen(SHELL, oom_kill=1, ooms={SCOPE: 1, APP: 7}), exited(0), counted(1), StateChanged("inactive"),
             read("success", "continue")]
        )  # fmt: skip
        assert report.oom is not None
        assert str(report.oom.limit_of) == "scope"

    @pytest.mark.parametrize(
        ("rose_at", "limit"), [(198.0, ("slice", "app.slice")), (150.0, ("unknown", None)), (101.0, ("unknown", None))]
    )
    def test_a_limit_that_was_reached_long_before_the_kill_does_not_count(
        self, rose_at: float, limit: tuple[str, str | None]
    ) -> None:
        """That was a neighbour's kill in the slice; at ours the whole machine can have been full."""
        rose = replace(seen(SHELL, LEAK, ooms={APP: 1}), at=rose_at)
        kill = replace(seen(SHELL, oom_kill=1, ooms={APP: 1}, ended=(ended(LEAK),)), at=200.0)
        found = oom(rose, replace(rose, at=199.5), kill)
        assert (found.limit_of, found.limit_unit) == limit

    def test_counts_that_another_processor_changed_while_they_were_read_hide_no_limit(self) -> None:
        """A file's `oom` is read before its `oom_kill`, and both can rise in between; the own count is read later."""
        first = replace(seen(SHELL, oom_kill=1, ended=(ended(LEAK),)), at=199.0)
        second = replace(seen(SHELL, oom_kill=2, ended=(ended(OTHER),)), at=200.0)
        torn = replace(second, events={**second.events, "oom": 1}, rested=True)
        assert torn.ooms[SCOPE] == 2
        found = oom(seen(SHELL, LEAK, OTHER), first, torn, kills=2)
        assert (found.limit_of, found.limit_unit) == ("scope", "job.scope")

    def test_it_is_that_of_the_last_of_several_kills(self) -> None:
        """The first was at the scope's own limit, the second at the slice's, which was reached later."""
        first = seen(SHELL, oom_kill=1, ended=(ended(LEAK),))
        second = replace(seen(SHELL, oom_kill=2, ooms={SCOPE: 1, APP: 1}, ended=(ended(OTHER),)), at=200.0)
        found = oom(seen(SHELL, LEAK), first, replace(second, at=190.0, events=first.events, ooms=first.ooms), second)
        assert (found.limit_of, found.limit_unit) == ("slice", "app.slice")

    @pytest.mark.parametrize(
        ("ooms_then", "ooms", "stalls", "limit"),
        [
            ({SCOPE: 1}, {SCOPE: 1}, 9, "host"),
            ({SCOPE: 1}, {SCOPE: 1}, 7, "unknown"),
            ({SCOPE: 1}, {SCOPE: 1, APP: 1}, 9, "slice"),
            ({SCOPE: 1}, {SCOPE: 2}, 9, "scope"),
            ({SCOPE: 2}, {SCOPE: 2}, 7, "scope"),
            ({SCOPE: 2}, {SCOPE: 2}, 9, "unknown"),
            ({SCOPE: 2}, {SCOPE: 2, APP: 1}, 7, "unknown"),
            ({APP: 1}, {APP: 1, SCOPE: 1}, 7, "scope"),
        ],
    )
    def test_it_is_that_of_the_second_of_two_kills_in_a_row(
        self, ooms_then: dict[str, int], ooms: dict[str, int], stalls: int, limit: str
    ) -> None:
        """If limits were reached more often than kills were counted, the next kill can be for an earlier one."""
        before = seen(SHELL, LEAK, OTHER, stalls=7)
        first = seen(SHELL, OTHER, oom_kill=1, ooms=ooms_then, stalls=7, ended=(ended(LEAK),))
        second = seen(SHELL, oom_kill=2, ooms=ooms, stalls=stalls, ended=(ended(OTHER),))
        found = oom(before, replace(first, at=102.1), replace(second, at=102.5), kills=2)
        assert str(found.limit_of) == limit

    @pytest.mark.parametrize("groups", [(0, 1), (1, 1)])
    def test_a_group_kill_that_was_seen_halfway_has_one_limit(self, groups: tuple[int, int]) -> None:
        first = seen(SHELL, OTHER, oom_kill=1, ooms={APP: 1}, groups=groups[0], ended=(ended(LEAK),))
        second = seen(oom_kill=4, ooms={APP: 1}, groups=groups[1], ended=(ended(OTHER), ended(SHELL)))
        found = oom(seen(SHELL, LEAK, OTHER), replace(first, at=102.1), replace(second, at=102.2), kills=4, status=-9)
        assert (str(found.limit_of), found.limit_unit) == ("slice", "app.slice")

    @pytest.mark.parametrize(("times", "limit"), [(1, "unknown"), (2, "scope")])
    def test_two_kills_that_were_counted_together_need_a_limit_that_was_reached_twice(
        self, times: int, limit: str
    ) -> None:
        both = seen(SHELL, oom_kill=2, ooms={SCOPE: times}, ended=(ended(LEAK), ended(OTHER)))
        assert str(oom(seen(SHELL, LEAK, OTHER), both, kills=2).limit_of) == limit

    def test_a_containers_root_cgroup_has_no_unit(self) -> None:
        """In a container the visible root has a limit, and its name outside is not known."""
        assert limit_reached({SCOPE: 0, APP: 0, "/": 1}, 0) == Limit(of=LimitOf.SLICE, unit="/")

    def test_in_a_container_a_limit_above_it_looks_like_a_full_machine(self) -> None:
        assert limit_reached({SCOPE: 0, APP: 0, "/": 0}, 0) == Limit(of=LimitOf.UNKNOWN)
        assert limit_reached({SCOPE: 0, APP: 0, "/": 0}, 1) == Limit(of=LimitOf.SCOPE)

    def test_it_is_not_the_hosts_if_no_kill_was_counted(self) -> None:
        report = told([FIRST, exited(-9), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")])
        assert report.oom is not None
        assert str(report.oom.limit_of) == "unknown"

    @pytest.mark.parametrize(("ooms", "limit"), [({}, "unknown"), ({APP: 1}, "unknown"), ({SCOPE: 1}, "scope")])
    def test_a_limit_that_was_reached_before_an_uncounted_kill_does_not_always_count(
        self, ooms: dict[str, int], limit: str
    ) -> None:
        """A neighbour can have reached the slice's limit, which says nothing about our own kill."""
        end = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        report = told([FIRST, seen(SHELL, ooms=ooms), exited(-9), Counters(), *end])
        assert report.oom is not None
        assert str(report.oom.limit_of) == limit
        told_of = {each.source: each.value for each in report.evidence if each.source.endswith("oom")}
        assert told_of["job.scope memory.events.local oom"] == ooms.get(SCOPE)

    def test_systemd_oomd_killed(self) -> None:
        report = told(
            [FIRST, exited(-9), counted(0, oomd_marks=(OomdMark(1),)), StateChanged("failed"), read("oom-kill")]
        )
        assert report.oom is not None
        assert str(report.oom.limit_of) == "systemd-oomd"


def logged(*named: tuple[int, str], memcg: str | None = SCOPE, constraint: str = "CONSTRAINT_MEMCG") -> KernelLogRead:
    killed = tuple(
        KernelVictim(pid=pid, name=name, total_vm=60 * MIB, anon_rss=19 * MIB, file_rss=MIB, record=f"Killed {pid}")
        for pid, name in named
    )
    report = KernelReport(
        constraint=constraint, oom_memcg=memcg, task_memcg=SCOPE, limit=20 * MIB, victims=killed, records=("Killed",)
    )
    return KernelLogRead(reports=(report,))


class TestKernelLog:
    """The kernel's own records outweigh snapshots."""

    def test_it_names_the_victims(self) -> None:
        found = oom(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=1), logged((4300, "leak")))
        assert victims(found) == [("leak", "kernel log")]
        assert found.victims is not None
        assert found.victims[0].rss == 20 * MIB

    def test_it_shows_which_victim_of_a_group_the_kernel_counts_twice(self) -> None:
        """The command had set memory.oom.group itself, and the counters went with the scope: systemd counted three."""
        (report,) = logged((START.pid, "sh"), (4300, "leak")).reports or ()
        twice = (replace(report.victims[0], kills=2), *report.victims[1:])
        log = KernelLogRead(reports=(replace(report, oom_group=SCOPE, victims=twice),), is_complete=True)
        last, end = WorkloadExited(-9, at=102.0, name="sh"), replace(read("success", "continue"), oom_kills=3)
        found = told([FIRST, seen(SHELL, LEAK), last, Counters(), StateChanged("inactive"), end, log]).oom
        assert found is not None
        assert (found.kills, len(found.victims or ())) == (2, 2)

    def test_it_names_the_limit(self) -> None:
        assert oom(seen(SHELL, oom_kill=1, ooms={SCOPE: 1, APP: 1}), logged((4300, "leak"))).limit_of == "scope"
        found = oom(logged((4300, "leak"), memcg=APP))
        assert (found.limit_of, found.limit_unit) == ("slice", "app.slice")
        found = oom(logged((4300, "leak"), memcg=f"{SCOPE}/inner"))
        assert (found.limit_of, found.limit_unit) == ("scope", "inner")
        assert oom(logged((4300, "leak"), memcg=None, constraint="CONSTRAINT_NONE")).limit_of == "host"
        assert oom(logged((4300, "leak"), memcg=None, constraint="CONSTRAINT_CPUSET")).limit_of == "unknown"

    @pytest.mark.parametrize(("ooms", "limit"), [({SCOPE: 1, APP: 1}, "unknown"), ({SCOPE: 2}, "scope")])
    def test_if_it_omits_the_last_kills_limit_it_does_not_name_another(self, ooms: dict[str, int], limit: str) -> None:
        """The kernel names only the victim when reports follow too fast."""
        first, last = logged((4300, "leak")), logged((4301, "other"), memcg=None)
        log = KernelLogRead(reports=(first.reports or ()) + (last.reports or ()))
        assert oom(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=2, ooms=ooms), log, kills=2).limit_of == limit

    @pytest.mark.parametrize(
        ("ooms", "memcg", "limit"),
        [
            ({SCOPE: 1, APP: 1}, SCOPE, ("unknown", None)),
            ({APP: 2}, SCOPE, ("slice", "app.slice")),
            ({SCOPE: 2}, SCOPE, ("scope", "job.scope")),
            ({SCOPE: 2}, f"{SCOPE}/inner", ("scope", "inner")),
        ],
    )
    def test_if_it_lacks_the_last_kill_it_does_not_decide_the_limit(
        self, ooms: dict[str, int], memcg: str, limit: tuple[str, str | None]
    ) -> None:
        """E.g. journald hangs: then the counters decide, and the log counts only if it does not contradict them."""
        log = logged((4300, "leak"), memcg=memcg)
        found = oom(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=2, ooms=ooms), log, kills=2)
        assert (found.limit_of, found.limit_unit) == limit

    @pytest.mark.parametrize(("is_keepers", "limit"), [(True, "scope"), (False, "unknown")])
    def test_a_report_about_the_keeper_decides_the_limit_too(self, is_keepers: bool, limit: str) -> None:
        """The kernel chooses it if no other process in the scope has memory of its own, e.g. when a tmpfs is full."""
        log = replace(logged(), is_whole=True)
        log = replace(log, of_keeper=log.reports or ()) if is_keepers else log
        end = StateChanged("failed"), read("oom-kill", "stop")
        report = told([FIRST, seen(SHELL), exited(-15), Counters(keeper_killed=True), *end, log])
        assert report.oom is not None
        assert (report.oom.limit_of, report.oom.victims) == (limit, None)

    def test_for_a_whole_scope_one_report_decides_the_limit(self) -> None:
        """Systemd kills under that policy too, and the kernel log does not name what systemd killed first."""
        end = ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill", "kill")
        report = told([FIRST, seen(SHELL, LEAK), exited(-9), Counters(), *end, logged((4300, "leak"))])
        assert report.oom is not None
        assert (report.oom.limit_of, report.oom.limit_unit) == ("scope", "job.scope")

    def test_it_tells_if_sysrq_requested_the_kill(self) -> None:
        (report,) = logged((4300, "leak"), memcg=None, constraint="CONSTRAINT_NONE").reports or ()
        log = KernelLogRead(reports=(replace(report, sysrq=True),))
        assert oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms={}), log).limit_of == "unknown"
        assert oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms={SCOPE: 1}), log).limit_of == "unknown"

    def test_snapshots_add_to_it(self) -> None:
        """The kernel log can have lost a part."""
        first = seen(SHELL, OTHER, oom_kill=1, ended=(ended(LEAK),))
        second = seen(SHELL, oom_kill=2, ended=(ended(OTHER),))
        found = oom(seen(SHELL, LEAK, OTHER), first, second, logged((4301, "other")), kills=2)
        assert victims(found) == [("other", "kernel log"), ("leak", "process table")]

    def test_it_alone_proves_an_oom_kill(self) -> None:
        report = told([exited(-9), Counters(), StateChanged("failed"), logged((4242, "sh"))])
        assert report.verdict == "oom-kill"

    def test_it_has_the_processes_if_there_was_no_snapshot(self) -> None:
        task = KernelTask(pid=4242, name="sh", rss=2 * MIB, rss_anon=MIB, swap=0, oom_score_adj=100)
        (report,) = logged((4300, "leak")).reports or ()
        listed = replace(report, tasks=(task,), stat={"anon": 19 * MIB, "file": 0})
        shell = Task(pid=4242, name="sh", rss=2 * MIB, anon=MIB, swap=0, oom_score_adj=100)
        assert oom(KernelLogRead(reports=(listed,))).tasks == (shell,)
        assert oom(KernelLogRead(reports=(replace(listed, oom_memcg=APP),))).tasks is None
        assert oom(seen(SHELL, LEAK), seen(SHELL, oom_kill=1), KernelLogRead(reports=(listed,))).tasks == (SHELL, LEAK)

    @pytest.mark.parametrize("is_complete", [True, False])
    def test_it_counts_the_victims_of_a_group_kill_if_it_names_all(self, is_complete: bool) -> None:
        events = {"oom": 1, "oom_kill": 4, "oom_group_kill": 1}
        log = replace(logged((4242, "sh"), (4300, "leak")), is_complete=is_complete)
        found = oom(log, status=-9, final=replace(counted(1), memory_events=events))
        assert found.kills == (2 if is_complete else None)

    def test_if_it_is_unreadable_the_reason_is_reported(self) -> None:
        found = oom(KernelLogRead(reports=None, reason="it is closed"))
        assert (found.kernel_log, found.kernel_log_reason) == (None, "it is closed")


class TestSharedMemory:
    """A process that shares a victim's memory dies with it: the kernel counts one kill, and names one."""

    twin = replace(LEAK, pid=4302, name="twin")
    row = KernelTask(
        pid=4300,
        name="leak",
        total_vm=60 * MIB,
        rss=21 * MIB,
        rss_anon=19 * MIB,
        rss_file=2 * MIB,
        pgtables=81920,
        swap=0,
    )

    def log(self, *rows: KernelTask, anon: int = 20 * MIB) -> KernelLogRead:
        (report,) = logged((4300, "leak")).reports or ()
        return KernelLogRead(reports=(replace(report, tasks=(self.row, *rows), stat={"anon": anon}),))

    def test_processes_of_the_same_size_share_their_memory_if_there_is_no_room_for_both(self) -> None:
        both = ended(LEAK, name="leak"), ended(self.twin, -9, "twin")
        found = oom(seen(SHELL, LEAK, self.twin), seen(SHELL, oom_kill=1, ended=both))
        assert victims(found) == [("leak", "process table"), ("twin", "process table")]
        assert found.kills == 2

    def test_a_child_that_was_seen_just_after_its_fork_does_not_share_what_it_takes_later(self) -> None:
        """It was as big as its parent, which something else has killed."""
        child = replace(SHELL, pid=4301, forked=True)
        before = seen(SHELL, child, stat={"anon": MIB, "file": 0}, current=20 * MIB)
        after = seen(oom_kill=1, taken=40 * MIB, ended=(ended(SHELL, -9, "sh"), ended(child, -9)))
        found = oom(before, after, logged((4301, "leak")), status=-9)
        assert victims(found) == [("leak", "kernel log")]
        assert found.kills == 1

    @pytest.mark.parametrize("status", [None, -9])
    def test_a_forked_process_might_have_executed_another_program_in_time(self, status: int | None) -> None:
        """After vfork(2), it has its parent's memory until then, and can have ended well."""
        child = replace(self.twin, forked=True)
        both = ended(LEAK, -9, name="leak"), ended(child, status)
        found = oom(seen(SHELL, LEAK, child), seen(SHELL, oom_kill=1, ended=both))
        assert [victim.pid for victim in found.victims or ()] == ([4300] if status is None else [4300, 4302])
        assert found.kills == (1 if status is None else 2)

    def test_the_process_that_the_log_names_is_joined_by_the_one_that_shares_its_memory(self) -> None:
        both = ended(LEAK, name="leak"), ended(self.twin, -9, "twin")
        before, after = seen(SHELL, LEAK, self.twin), seen(SHELL, oom_kill=1, ended=both)
        found = oom(before, after, logged((4302, "twin")))
        assert victims(found) == [("twin", "kernel log"), ("leak", "process table")]
        assert found.kills == 2

    def test_the_log_lists_processes_that_share_their_memory(self) -> None:
        found = oom(self.log(replace(self.row, pid=4302, name="twin")))
        assert victims(found) == [("leak", "kernel log"), ("twin", "kernel log")]
        assert found.kills == 2

    @pytest.mark.parametrize(
        "row",
        [
            replace(row, pid=4302, rss_file=MIB),
            replace(row, pid=4302, pgtables=77824),
            replace(row, pid=4302, rss_anon=19 * MIB - 4096),
        ],
    )
    def test_processes_of_another_size_do_not_share(self, row: KernelTask) -> None:
        found = oom(self.log(row))
        assert (len(found.victims or ()), found.kills) == (1, 1)

    def test_if_there_is_room_for_both_they_do_not_necessarily_share(self) -> None:
        """E.g. equal workers, of which the kernel kills one and their parent the others."""
        assert oom(self.log(replace(self.row, pid=4302), anon=38 * MIB)).kills == 1
        small, other = replace(LEAK, anon=9 * MIB), replace(self.twin, anon=9 * MIB)
        found = oom(seen(SHELL, small, other), seen(SHELL, oom_kill=1, ended=(ended(small), ended(other))))
        assert (found.victims, found.kills) == (None, 1)

    def test_siblings_with_memory_from_their_parent_do_not_share(self) -> None:
        """The parent is listed too, with more file pages."""
        parent = replace(self.row, pid=4303, rss_file=3 * MIB)
        assert oom(self.log(replace(self.row, pid=4302), parent)).kills == 1

    def test_a_process_that_the_kernel_names_itself_was_counted(self) -> None:
        (report,) = self.log(replace(self.row, pid=4302)).reports or ()
        (other,) = logged((4302, "twin")).reports or ()
        found = oom(KernelLogRead(reports=(report, other)), kills=2)
        assert (len(found.victims or ()), found.kills) == (2, 2)

    def test_a_process_that_lives_or_ended_otherwise_does_not_count(self) -> None:
        log, before = self.log(replace(self.row, pid=4302)), seen(SHELL, LEAK, self.twin)
        assert oom(before, seen(SHELL, self.twin, oom_kill=1, ended=(ended(LEAK),)), log).kills == 1
        after = seen(SHELL, oom_kill=1, ended=(ended(LEAK), ended(self.twin, 0)))
        assert oom(before, after, log).kills == 1
        assert oom(self.log(replace(self.row, pid=START.pid))).kills == 1  # the command exited

    def test_for_a_slices_limit_only_processes_that_were_seen_in_the_scope_are_ours(self) -> None:
        (report,) = self.log(replace(self.row, pid=4302), replace(self.row, pid=4303)).reports or ()
        log = KernelLogRead(reports=(replace(report, oom_memcg=APP),))
        found = oom(seen(SHELL, LEAK, self.twin), seen(SHELL, oom_kill=1, ended=(ended(LEAK), ended(self.twin))), log)
        assert [victim.pid for victim in found.victims or ()] == [4300, 4302]


class TestWords:
    """The report states the limit, the victims and the sources in plain words."""

    def rows(
        self, *events: Event, status: int = 3, policy: str = "continue", final: Counters | None = None
    ) -> dict[str, str]:
        last, end = WorkloadExited(status, at=102.0, name="sh"), StateChanged("inactive")
        report = told([FIRST, *events, last, final or counted(1), end, read("success", policy)])
        shown = report_text(report)
        return {"": head(shown)} | rows(shown)

    def test_the_limit_is_the_one_at_the_kill(self) -> None:
        """It was lowered after the start, and lifted before the end."""
        rows = self.rows(
            seen(SHELL, LEAK, limit=10 * MIB), seen(SHELL, oom_kill=1, limit=10 * MIB, ended=(ended(LEAK),))
        )
        assert rows["killed"].endswith("by the kernel at this scope's limit of 10M (MemoryMax=)")

    def test_the_scopes_own_limit(self) -> None:
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ended=(ended(LEAK),)))
        assert rows[""] == "scoperun: exit 3, but a child RAN OUT OF MEMORY: ./work"
        assert rows["killed"] == "leak[4300], 19M, by the kernel at this scope's limit of 20M (MemoryMax=)"
        assert rows["needed"] == "more than 20M (how much more is unknown)"
        assert rows["others"] == "sh[4242] 1M; went on (OOMPolicy=continue)"

    def test_the_limit_of_a_slice(self) -> None:
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms={APP: 1}, ended=(ended(LEAK),)))
        assert rows["killed"].endswith("by the kernel at the limit of app.slice, which this scope is in")
        assert "needed" not in rows

    def test_the_last_kills_limit_is_not_stated_for_the_others(self) -> None:
        """The first kill was at the scope's limit."""
        first = seen(SHELL, LEAK, oom_kill=1, ended=(ended(OTHER),))
        second = seen(SHELL, oom_kill=2, ooms={SCOPE: 1, APP: 1}, ended=(ended(LEAK, -9, "leak"),))
        both = replace(counted(2), memory_events=second.events)
        rows = self.rows(seen(SHELL, LEAK, OTHER), first, second, final=both)
        assert rows["killed"].endswith(
            "leak[4300], by the kernel; the last of them at the limit of app.slice, which this scope is in"
        )

    def test_a_process_that_might_be_an_unidentified_victim_did_not_go_on(self) -> None:
        after = seen(SHELL, oom_kill=2, ended=(ended(LEAK, -9, "leak"),))
        rows = self.rows(seen(SHELL, LEAK, OTHER), seen(SHELL, OTHER, oom_kill=1, ended=after.ended), final=counted(2))
        assert rows["killed"].startswith("leak[4300] 19M and an unidentified other, by the kernel")
        assert rows["others"] == "sh[4242] 1M, other[4301] 1M"

    def test_the_common_limit_is_stated_for_all_kills(self) -> None:
        rows = self.rows(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=2), final=counted(2))
        assert rows["killed"] == "2 unidentified processes, by the kernel at this scope's limit of 20M (MemoryMax=)"
        assert rows[""] == "scoperun: exit 3, but children RAN OUT OF MEMORY: ./work"

    def test_a_kill_requested_by_sysrq_does_not_get_the_next_ones_limit(self) -> None:
        (asked,) = logged((4301, "other"), memcg=None, constraint="CONSTRAINT_NONE").reports or ()
        (own,) = logged((4300, "leak")).reports or ()
        asked, before = replace(asked, sysrq=True), seen(SHELL, LEAK, OTHER)
        after = seen(SHELL, oom_kill=2, ooms={SCOPE: 1}, ended=(ended(OTHER), ended(LEAK)))
        log = KernelLogRead(reports=(asked, own), is_complete=True)
        killed = self.rows(before, after, log, final=counted(2))["killed"]
        last = "by the kernel; the last of them"
        assert killed.endswith(f" and leak[4300] 19M, {last} at this scope's limit of 20M (MemoryMax=)")
        log = replace(log, reports=(own, asked))
        killed = self.rows(before, after, log, final=counted(2))["killed"]
        assert killed.endswith(f" and other[4301] 19M, {last} because SysRq asked for it, though memory was not short")

    def test_no_limit_was_reached(self) -> None:
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms={}, ended=(ended(LEAK),)))
        assert rows["killed"].endswith(
            "by the kernel because the machine ran out of memory; this scope was within its limits"
        )

    def test_no_limit_was_reached_because_sysrq_requested_the_kill(self) -> None:
        (report,) = logged((4300, "leak"), memcg=None, constraint="CONSTRAINT_NONE").reports or ()
        log = KernelLogRead(reports=(replace(report, sysrq=True),))
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=1, ooms={}, ended=(ended(LEAK),)), log)
        assert rows[""] == "scoperun: exit 3, but an OOM KILLER killed a child: ./work"
        assert rows["killed"] == (
            "leak[4300], 19M, by the kernel because SysRq asked for it, though memory was not short"
        )
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=2, ooms={}, stalls=7), log)
        assert "SysRq" not in rows["killed"]

    def test_a_limit_that_the_log_does_not_name_has_no_size(self) -> None:
        log = logged((4300, "leak"))  # the log lacks the last kill, at the slice's limit
        rows = self.rows(seen(SHELL, LEAK), seen(SHELL, oom_kill=2, ooms={APP: 2}, ended=(ended(LEAK),)), log)
        assert "at the limit of app.slice, which this scope is in" in rows["killed"]

    def test_the_logs_memory_at_an_earlier_kill_is_not_stated_for_the_last(self) -> None:
        (own,) = logged((4301, "other")).reports or ()
        (inner,) = logged((4300, "leak"), memcg=f"{SCOPE}/inner").reports or ()
        log = KernelLogRead(reports=(replace(own, stat={"anon": 19 * MIB, "file": 0}), inner), is_complete=True)
        before = seen(SHELL, LEAK, stat={"anon": 6 * MIB, "file": 5 * MIB})
        rows = self.rows(before, seen(SHELL, oom_kill=2, ended=(ended(LEAK),)), log, final=counted(2))
        assert rows["memory"] == "peak 20M of 20M, no swap allowed, of it 5M page cache when last seen, 2 OOM kills"

    def test_systemd_oomd_killed_a_part_of_the_scope(self) -> None:
        marked = counted(0, oomd_marks=(OomdMark(1),))
        assert self.rows(final=marked, status=0)["killed"] == "a cgroup in this scope, by systemd-oomd"
        assert self.rows(final=marked, status=-9)["killed"] == "this scope, by systemd-oomd"

    def test_memory_that_was_seen_long_before_is_called_old(self) -> None:
        """It grew fast, and no later snapshot was taken."""
        before = seen(SHELL, LEAK, stat={"anon": 6 * MIB, "file": 3 * MIB, "shmem": MIB})
        rows = self.rows(before, seen(SHELL, oom_kill=1, ended=(ended(LEAK),)))
        assert rows["memory"].endswith(", of it 2M page cache and 1M tmpfs and shared memory when last seen")

    def test_an_incomplete_log_is_mentioned(self) -> None:
        log = replace(logged((4300, "leak")), reason="it goes on and on")
        assert self.rows(seen(SHELL, LEAK, OTHER), seen(SHELL, oom_kill=2), log)["missing"] == "it goes on and on"

    def test_the_commands_own_end_is_not_repeated(self) -> None:
        command = replace(SHELL, anon=19 * MIB)
        rows = self.rows(seen(command), seen(oom_kill=1, ended=(ended(command),)), status=-9)
        assert rows[""] == "scoperun: OUT OF MEMORY: ./work"
        assert "ended" not in rows

    def test_unknown_victims_come_with_the_reason(self) -> None:
        unread = KernelLogRead(reports=None, reason="it is closed: open it")
        rows = self.rows(seen(SHELL, LEAK, OTHER), seen(oom_kill=1, ended=(ended(LEAK), ended(OTHER))), unread)
        assert rows["killed"].startswith("an unidentified process, by the kernel at this scope's limit")
        assert rows["missing"] == "it is closed: open it"

    def test_a_name_does_not_move_the_cursor(self) -> None:
        evil = replace(LEAK, name="a\nb\x1b[2J")
        rows = self.rows(seen(SHELL, evil), seen(SHELL, oom_kill=1, ended=(ended(evil),)))
        assert r"'a\nb\x1b[2J'[4300], 19M" in rows["killed"]
