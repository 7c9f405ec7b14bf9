"""A kill of the keeper in the kernel's log is noticed, and is not counted as a victim."""

from types import SimpleNamespace
from typing import Any, cast

from scoperun.supervision.feed import Feed
from scoperun.supervision.settling import read_kernel_log
from tests.unit.evidence.kernel_records import killed
from tests.unit.stories import START, counted, exited

KEEPER = 4241


async def test_the_keepers_kill_is_recognized_without_its_cgroup() -> None:
    """The kernel names no cgroup after ten reports within five seconds."""

    async def read(take: Any, *, within: float, since: float | None) -> bool:
        assert not take([killed(99, "stranger"), killed(START.pid, "sh")])
        return bool(take([killed(KEEPER, "cat")]))

    feed = Feed()
    feed.put(exited(-9))
    feed.put(counted(2))
    handles = SimpleNamespace(
        keeper=SimpleNamespace(pid=KEEPER),
        kernel_log=SimpleNamespace(read=read),
        start=START,
        invocation=feed.invocation,
    )
    log = await read_kernel_log(cast("Any", handles), 1.0)
    assert (log.victim_count, log.keeper_named, log.is_complete) == (1, True, True)
