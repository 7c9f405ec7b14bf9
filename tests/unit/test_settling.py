"""What the kernel's log says of the process that holds the counters is heard, and told apart from its victims."""

from types import SimpleNamespace
from typing import Any, cast

from scoperun.feed import Feed
from scoperun.kernel_report import KernelRecord
from scoperun.settling import Settling

from .stories import START, counted

KEEPER = 4241


def killed(pid: int, name: str) -> str:
    sizes = "total-vm:2540kB, anon-rss:84kB, file-rss:1172kB, shmem-rss:12kB, UID:1000 pgtables:44kB oom_score_adj:0"
    return f"Memory cgroup out of memory: Killed process {pid} ({name}) {sizes}"


async def test_the_keepers_kill_is_heard_where_the_kernel_names_no_cgroup() -> None:
    """As after ten reports within five seconds."""

    async def read(take: Any, *, within: float, since: float | None) -> bool:
        assert not take([KernelRecord(killed(99, "stranger"), 101.9), KernelRecord(killed(START.pid, "sh"), 101.9)])
        return bool(take([KernelRecord(killed(KEEPER, "cat"), 101.9)]))

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
