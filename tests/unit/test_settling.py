"""What the kernel's log says of the process that holds the counters is heard, and told apart from its victims."""

from types import SimpleNamespace
from typing import Any, cast

from scoperun.feed import Feed
from scoperun.settling import Settling

from .stories import START, counted

KEEPER = 4241


def killed(pid: int, name: str) -> str:
    sizes = "total-vm:2540kB, anon-rss:84kB, file-rss:1172kB, shmem-rss:12kB, UID:1000 pgtables:44kB oom_score_adj:0"
    return f"Memory cgroup out of memory: Killed process {pid} ({name}) {sizes}"


async def test_the_keepers_kill_is_heard_where_the_kernel_names_no_cgroup() -> None:
    """As after ten reports within five seconds."""

    async def read(is_enough: Any, *, within: float) -> list[str]:
        records = [killed(START.pid, "sh"), killed(KEEPER, "cat"), killed(99, "stranger")]
        assert [is_enough(records[:count]) for count in (1, 2)] == [False, True]
        return records

    feed = Feed()
    feed.take(counted(2))
    sources = SimpleNamespace(
        scope=None,
        keeper=SimpleNamespace(pid=KEEPER),
        memory=None,
        kernel_log=SimpleNamespace(read=read),
        systemd=None,
    )
    settling = Settling(cast("Any", None), cast("Any", None), cast("Any", sources), feed, START)
    log = await settling.read_kernel_log(1.0)
    assert (log.victims, log.keeper_named, log.is_complete) == (1, True, True)
