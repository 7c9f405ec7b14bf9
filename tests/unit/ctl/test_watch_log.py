"""A report in the kernel's log is used once, even if it was first read before its end."""

from collections.abc import Callable, Sequence
from typing import Any

from scoperun.ctl.watch_log import NewReports
from scoperun.evidence.kernel_report import KernelRecord
from scoperun.evidence.session_kills import Session

MANAGER = "/user.slice/user-1.slice/user@1.service"
SESSION = Session(top="/user.slice/user-1.slice", manager=MANAGER)


def records(cgroup: str, *pids: int) -> list[KernelRecord]:
    """Return the kernel's records of the kill of the first process, and of the others with it, as the log has them."""
    chosen = (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={cgroup},"
        f"task_memcg={cgroup},task=leak,pid={pids[0]},uid=1"
    )
    sizes = "total-vm:10kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:1 pgtables:4kB oom_score_adj:0"
    killed = [f"Memory cgroup out of memory: Killed process {pid} (leak) {sizes}" for pid in pids]
    return [KernelRecord(text, 5.0 + number) for number, text in enumerate([chosen, *killed])]


class Log:
    """A log that hands out records, one by one, until there is enough."""

    def __init__(self, *records: KernelRecord) -> None:
        self.records = list(records)

    async def read(self, take: Callable[[Sequence[KernelRecord]], bool], **_: Any) -> bool:
        return any(take([record]) for record in self.records)


async def read(reports: NewReports, *found: KernelRecord) -> list[int | None]:
    """Return the processes that were chosen in the reports that are new."""
    log: Any = Log(*found)
    return [each.chosen for each in await reports.read(log, since=0.0)]


async def test_it_reads_until_there_are_enough() -> None:
    log = [*records(f"{MANAGER}/app.slice/a.scope", 7), *records(f"{MANAGER}/app.slice/b.scope", 8)]
    assert await read(NewReports(SESSION, lambda: 1), *log) == [7]
    assert await read(NewReports(SESSION, lambda: 2), *log) == [7, 8]


async def test_each_report_is_new_once() -> None:
    reports = NewReports(SESSION, lambda: 9)
    group = records(f"{MANAGER}/app.slice/a.scope", 7, 17)
    assert await read(reports, *group[:-1]) == [7]
    assert await read(reports, *group) == []
    assert await read(reports, *group, *records(f"{MANAGER}/app.slice/a.scope", 9)) == [9]


async def test_kills_elsewhere_do_not_count() -> None:
    assert await read(NewReports(SESSION, lambda: 1), *records("/system.slice/a.service", 7)) == []


async def test_a_report_that_comes_after_its_kill_was_told_is_not_new() -> None:
    reports = NewReports(SESSION, lambda: 9)
    cgroup = f"{MANAGER}/app.slice/a.scope"
    reports.miss("a.scope", 1)
    reports.miss("b.scope", None)
    late = [*records(cgroup, 7), *records(f"{MANAGER}/app.slice/b.scope", 17)]
    assert await read(reports, *late) == []
    assert await read(reports, *late, *records(cgroup, 8)) == [8]
