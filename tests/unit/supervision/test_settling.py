"""What is asked of the kernel's log once a command has ended."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.supervision.feed import Feed
from scoperun.supervision.handles import Handles
from scoperun.supervision.settling import read_kernel_log
from tests.unit.evidence.kernel_records import killed
from tests.unit.stories import START, counted, exited

KEEPER = 4241


def handles(read: Any, again: Any = None) -> Handles:
    """Return those of a run in whose scope two kills were counted, and the log that `read` reads."""
    feed = Feed()
    feed.put(exited(-9))
    feed.put(counted(2))
    made = SimpleNamespace(
        keeper=SimpleNamespace(pid=KEEPER),
        kernel_log=SimpleNamespace(read=read, read_again=again, is_journal=again is not None),
        start=START,
        invocation=feed.invocation,
    )
    return cast("Handles", made)


async def one_kill(take: Any, *, within: float, since: float | None) -> bool:
    assert not take([killed(START.pid, "sh")])
    return True


async def test_the_keepers_kill_is_recognized_without_its_cgroup() -> None:
    """The kernel names no cgroup after ten reports within five seconds. The kill of the keeper is not a victim's."""

    async def read(take: Any, *, within: float, since: float | None) -> bool:
        assert not take([killed(99, "stranger"), killed(START.pid, "sh")])
        return bool(take([killed(KEEPER, "cat")]))

    log = await read_kernel_log(handles(read), has_killed=True)
    assert (log.victim_count, log.keeper_named, log.is_complete) == (1, True, True)


async def test_a_journal_that_was_late_is_read_again_from_the_beginning() -> None:
    async def again(take: Any, *, since: float | None) -> bool:
        return bool(take([killed(START.pid, "sh"), killed(4242, "child")]))

    log = await read_kernel_log(handles(one_kill, again), has_killed=True)
    assert (log.victim_count, log.is_complete) == (2, True)


@pytest.mark.parametrize(("has_killed", "is_asked"), [(True, True), (None, False)])
async def test_what_was_found_stays_if_the_journal_cannot_be_read_again(
    has_killed: bool | None, is_asked: bool
) -> None:
    asked = False

    async def again(take: Any, *, since: float | None) -> bool:
        nonlocal asked
        asked = True
        raise KernelLogUnreadable("journalctl is gone")

    log = await read_kernel_log(handles(one_kill, again), has_killed=has_killed)
    assert (log.victim_count, log.is_complete, asked) == (1, False, is_asked)
