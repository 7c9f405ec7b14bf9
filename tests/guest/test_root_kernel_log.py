"""As root: the kernel's report of a kill from /dev/kmsg, records that are not the kernel's, and read permission."""

import subprocess
from pathlib import Path

import pytest

from scoperun.evidence.kernel_report import LOST
from scoperun.kernel.log import KernelLog

from .records import read_all, read_report, read_until, reports_of
from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(user="root")

FORGED = (
    "Memory cgroup out of memory: Killed process 1 (forged) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, "
    "UID:0 pgtables:1kB oom_score_adj:0"
)

READ = """
import asyncio
from scoperun.kernel.log import KernelLog
from scoperun.evidence.kernel_report import KernelLogUnreadable
def take(records):
    print(*records, sep="\\n")
async def main():
    with KernelLog.open() as log:
        print("open", flush=True)
        input()
        try:
            await log.read(take, within=1)
        except KernelLogUnreadable as error:
            print("unreadable:", error)
asyncio.run(main())
"""


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    return Story(cwd=examples, report_file=tmp_path / "report.json")


def write_to_the_log(*lines: str) -> None:
    """Write a record to the kernel log as any program of root can."""
    with open("/dev/kmsg", "wb", buffering=0) as kmsg:
        kmsg.writelines(line.encode() for line in lines)


def read_as(user: str, *forged: str) -> str:
    """Return what `user` reads of the records that are written meanwhile."""
    reader = subprocess.Popen(
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "python3", "-c", READ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "open\n"
    write_to_the_log(*forged)
    return reader.communicate("\n", timeout=GENEROUS)[0]


async def test_the_kill_is_reported_at_once(story: Story) -> None:
    with KernelLog.open() as log:
        ending = story.run("--system", "--mem", "20M", "--", "./bigleak2")
        report = await read_report(log, ending.report["cgroup"])
    assert [victim.name for victim in report.victims] == ["bigleak2"]
    assert (report.limit, report.oom_memcg) == (20 * 2**20, ending.report["cgroup"])
    assert report.records[0].startswith("bigleak2 invoked oom-killer: ")
    assert report.records[-1].startswith("Memory cgroup out of memory: Killed process ")


async def test_older_records_are_not_read(story: Story) -> None:
    ending = story.run("--system", "--mem", "20M", "--", "./bigleak2")
    assert ending.verdict == "oom-kill"
    with KernelLog.open() as log:
        assert reports_of(ending.report["cgroup"], await read_all(log, within=0.1)) == ()


async def test_a_programs_records_in_dev_kmsg_are_not_the_kernels() -> None:
    with KernelLog.open() as log:
        write_to_the_log(FORGED, f"<0>{FORGED}", f"<2048>{FORGED}")
        assert FORGED not in {record.text for record in await read_all(log, within=0.1)}


def test_a_programs_records_in_the_journal_are_not_the_kernels() -> None:
    assert "forged" not in read_as("tester", FORGED, f"<0>{FORGED}")


async def test_an_overwritten_log_is_read_from_its_oldest_record(story: Story) -> None:
    with KernelLog.open() as log:
        write_to_the_log(*["x" * 900] * 1200)  # 1 MiB
        ending = story.run("--system", "--mem", "20M", "--", "./bigleak2")
        cgroup = ending.report["cgroup"]
        records = await read_until(log, lambda records: any(each.victims for each in reports_of(cgroup, records)))
    assert LOST in records
    (report,) = reports_of(cgroup, records)
    assert [victim.name for victim in report.victims] == ["bigleak2"]


def test_a_user_without_permission_is_told_the_remedy() -> None:
    assert read_as("plain") == (
        "unreadable: this user is not allowed to read the kernel log: "
        "join group systemd-journal or adm, or set the sysctl kernel.dmesg_restrict=0\n"
    )


def test_in_a_time_namespace_the_log_is_on_the_machines_clock(story: Story) -> None:
    unshare = ("unshare", "--time", "--monotonic", "50000", "--boottime", "70000", "--fork")
    words = ("scoperun", "--system", "--mem", "20M", "--report", str(story.report_file), "--", "./bigleak2")
    subprocess.run([*unshare, *words], cwd=story.cwd, check=False, timeout=GENEROUS, stdout=subprocess.DEVNULL)
    oom = story.report()["oom"]
    assert [victim["source"] for victim in oom["victims"]] == ["kernel log"]
    assert oom["kernel_log"]
