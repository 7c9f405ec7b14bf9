"""A name and a size from before a process's end are reported only if they cannot have changed since."""

from dataclasses import replace
from typing import Any

import pytest

from scoperun.evidence.events import EndedTask, MemorySnapshot, Task
from scoperun.evidence.last_seen import unchanged, victim_in_table

MIB = 1 << 20
SHELL = Task(pid=1, name="sh", rss=2 * MIB, anon=MIB, swap=0, forked=False)
LEAK = Task(pid=2, name="leak", rss=15 * MIB, anon=14 * MIB, swap=0, forked=False)
CHILD = Task(pid=3, name="leak", rss=11 * MIB, anon=10 * MIB, swap=0, forked=True)


def snapshot(*tasks: Task, anon: int | None = None, **more: Any) -> MemorySnapshot:
    """Return a snapshot of a scope that has the memory of its processes, or `anon`."""
    every = sum(task.anon or 0 for task in tasks) if anon is None else anon
    held = {"stat": {"anon": every}, "current": 20 * MIB, "limit": 20 * MIB, "swap_current": 0} | more
    return MemorySnapshot(at=1.0, events={}, ooms={}, tasks=tasks, **held)


AFTER = snapshot()


@pytest.mark.parametrize(("taken", "pids"), [(0, {1, 2}), (MIB, {2}), (14 * MIB - 1, {2}), (14 * MIB, set())])
def test_a_process_is_the_same_if_less_was_taken_than_it_had(taken: int, pids: set[int]) -> None:
    assert unchanged(snapshot(SHELL, LEAK), AFTER, taken) == pids


def test_what_a_forked_process_may_share_is_not_its_own() -> None:
    """Neither its parent nor itself would free it by executing a program."""
    assert unchanged(snapshot(SHELL, LEAK, CHILD), AFTER, 0) == {2}
    assert unchanged(snapshot(SHELL, LEAK, replace(CHILD, anon=14 * MIB)), AFTER, 0) == set()
    assert unchanged(snapshot(SHELL, replace(CHILD, anon=14 * MIB)), AFTER, 12 * MIB) == {3}


def test_a_process_of_which_that_is_not_known_might_be_a_forked_one() -> None:
    assert unchanged(snapshot(SHELL, LEAK, replace(CHILD, anon=14 * MIB, forked=None)), AFTER, 0) == set()


def test_the_only_process_whose_memory_is_not_readable_has_the_rest() -> None:
    widow = replace(LEAK, rss=None, anon=None, swap=None)
    assert unchanged(snapshot(SHELL, widow, anon=20 * MIB), AFTER, 19 * MIB - 1) == {2}
    assert unchanged(snapshot(SHELL, widow, anon=20 * MIB), AFTER, 19 * MIB) == set()
    assert unchanged(snapshot(SHELL, widow, replace(widow, pid=4), anon=20 * MIB), AFTER, 0) == set()


def test_memory_that_another_cgroup_has_is_of_no_use_to_this_one() -> None:
    """E.g. that of an attached process, from before."""
    assert unchanged(snapshot(LEAK, anon=10 * MIB), AFTER, 10 * MIB - 1) == {2}
    assert unchanged(snapshot(LEAK, anon=10 * MIB), AFTER, 10 * MIB) == set()


def test_swap_that_is_freed_can_be_taken_by_others() -> None:
    swapped = replace(LEAK, swap=20 * MIB)
    before = snapshot(swapped, swap_current=20 * MIB)
    assert unchanged(before, AFTER, 14 * MIB - 1) == {2}
    assert unchanged(before, AFTER, 14 * MIB) == set()


def test_memory_above_the_limit_leaves_no_room() -> None:
    """The limit was lowered before."""
    low = {"limit": 15 * MIB}
    assert unchanged(snapshot(LEAK, **low), snapshot(**low), 9 * MIB - 1) == {2}
    assert unchanged(snapshot(LEAK, **low), snapshot(**low), 9 * MIB) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [({"stat": None}, {}), ({"stat": {}}, {}), ({}, {"limit": 10 * MIB}), ({"limit": None}, {"limit": None})],
)
def test_nothing_follows_if_a_value_is_missing_or_the_limit_was_changed(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert unchanged(snapshot(LEAK), AFTER, 0) == {2}
    assert unchanged(snapshot(LEAK, **before), snapshot(**after), 0) == set()


def test_a_process_that_came_since_might_share_the_memory_of_another() -> None:
    """Its parent executes another program, and the memory is not freed."""
    before = snapshot(LEAK)
    assert unchanged(before, snapshot(replace(CHILD, forked=False)), 0) == {2}
    assert unchanged(before, snapshot(CHILD), 0) == set()
    assert unchanged(before, snapshot(ended=(EndedTask(task=Task(pid=3, name=None), status=-9),)), 0) == set()


@pytest.mark.parametrize(
    ("name", "is_same", "expected"),
    [
        (None, True, ("leak", 15 * MIB)),
        (None, False, (None, None)),
        ("leak", False, ("leak", None)),
        ("other", False, ("other", None)),
        ("", False, ("", None)),
        ("renamed", True, ("renamed", 15 * MIB)),
    ],
)
def test_a_victim_has_what_it_had_at_its_end(
    name: str | None, is_same: bool, expected: tuple[str | None, int | None]
) -> None:
    """A process can execute a program of the same name."""
    victim = victim_in_table(LEAK, name=name, is_same=is_same, is_sized=True)
    assert (victim.name, victim.rss) == expected
    assert victim_in_table(LEAK, name=name, is_same=is_same, is_sized=False).rss is None
