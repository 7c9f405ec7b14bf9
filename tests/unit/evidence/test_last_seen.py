"""A name and a size from before a process's end are reported only if they cannot have changed since."""

from dataclasses import replace
from typing import Any

import pytest

from scoperun.evidence.events import MemorySnapshot, Task
from scoperun.evidence.last_seen import unchanged, victim_in_table

MIB = 1 << 20
SHELL = Task(pid=1, name="sh", rss=2 * MIB, anon=MIB, swap=0, forked=False)
LEAK = Task(pid=2, name="leak", rss=11 * MIB, anon=10 * MIB, swap=4 * MIB, forked=False)
CHILD = Task(pid=3, name="leak", rss=11 * MIB, anon=10 * MIB, swap=0, forked=True)


def snapshot(*tasks: Task, faulted: int | None = 0, limit: int | None = 20 * MIB, current: int = 20 * MIB) -> Any:
    held = {"faulted": faulted, "limit": limit, "current": current, "stat": {}, "swap_current": 0}
    return MemorySnapshot(at=1.0, events={}, ooms={}, tasks=tasks, **held)


@pytest.mark.parametrize(("taken", "pids"), [(0, {1, 2}), (MIB, {2}), (14 * MIB - 1, {2}), (14 * MIB, set())])
def test_a_process_is_the_same_if_less_was_taken_than_it_had(taken: int, pids: set[int]) -> None:
    assert unchanged(snapshot(SHELL, LEAK), snapshot(faulted=taken)) == pids


def test_what_a_forked_process_may_share_is_not_its_own() -> None:
    """Neither its parent nor itself would free it by executing a program."""
    assert unchanged(snapshot(SHELL, LEAK, CHILD), snapshot()) == {2}
    assert unchanged(snapshot(SHELL, LEAK, replace(CHILD, anon=14 * MIB)), snapshot()) == set()
    assert unchanged(snapshot(SHELL, replace(CHILD, anon=14 * MIB)), snapshot(faulted=12 * MIB)) == {3}


def test_a_process_of_which_that_is_not_known_might_be_a_forked_one() -> None:
    assert unchanged(snapshot(SHELL, LEAK, replace(CHILD, anon=14 * MIB, forked=None)), snapshot()) == set()


def test_the_only_process_whose_memory_is_not_readable_has_the_rest() -> None:
    widow = replace(LEAK, rss=None, anon=None, swap=None)
    assert unchanged(snapshot(SHELL, widow), snapshot(faulted=18 * MIB - 1)) == {2}
    assert unchanged(snapshot(SHELL, widow), snapshot(faulted=18 * MIB)) == set()
    assert unchanged(snapshot(SHELL, widow, replace(widow, pid=4)), snapshot()) == set()


@pytest.mark.parametrize(
    ("before", "after"), [({"faulted": None}, {}), ({}, {"faulted": None}), ({}, {"limit": 10 * MIB})]
)
def test_nothing_follows_if_a_count_is_missing_or_the_limit_was_changed(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert unchanged(snapshot(LEAK), snapshot()) == {2}
    assert unchanged(snapshot(LEAK, **before), snapshot(**after)) == set()


@pytest.mark.parametrize(
    ("task", "name", "is_same", "expected"),
    [
        (LEAK, None, True, ("leak", 11 * MIB)),
        (LEAK, None, False, (None, None)),
        (LEAK, "leak", False, ("leak", 11 * MIB)),
        (LEAK, "other", False, ("other", None)),
        (LEAK, "", False, ("", None)),
        (LEAK, "renamed", True, ("renamed", 11 * MIB)),
        (CHILD, "leak", False, ("leak", None)),
        (replace(LEAK, forked=None), "leak", False, ("leak", None)),
    ],
)
def test_a_victim_has_what_it_had_at_its_end(
    task: Task, name: str | None, is_same: bool, expected: tuple[str | None, int | None]
) -> None:
    victim = victim_in_table(task, name=name, is_same=is_same, is_sized=True)
    assert (victim.name, victim.rss) == expected
    assert victim_in_table(task, name=name, is_same=is_same, is_sized=False).rss is None
