"""As root: the kernel log's records about other processes, or from another time, do not appear in a run's report."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.report_rows import rows

from .hiding import JOURNALCTL, KMSG, scoperun_without
from .pages import on_disk
from .story import GENEROUS, Ending, Story
from .waiting import line_from

pytestmark = pytest.mark.guest(user="root")

CONTINUE = ("--mem", "20M", "--oom-policy", "continue")
WAITS = "echo $$; read word; "


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    return Story(cwd=examples, report_file=tmp_path / "report.json")


@pytest.fixture(params=["kernel log", "journal"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The source of the log: /dev/kmsg, or the journal for a scoperun that cannot read /dev/kmsg."""
    if request.param == "journal":
        monkeypatch.setenv("PATH", scoperun_without(KMSG, folder=tmp_path))
    return str(request.param)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make scoperun read the journal."""
    monkeypatch.setenv("PATH", scoperun_without(KMSG, folder=tmp_path))


@pytest.fixture
def no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both logs unreadable for scoperun."""
    monkeypatch.setenv("PATH", scoperun_without(KMSG, JOURNALCTL, folder=tmp_path))


class Waiting:
    """A command that waits for a line of input, and then does something."""

    def __init__(self, story: Story, *options: str, then: str, first: str = "") -> None:
        self._story = story
        self._run = story.start("--system", *options, "--", "sh", "-c", first + WAITS + then)
        self.told = line_from(self._run)

    def end(self) -> dict[str, Any]:
        """Send the line, and return the report."""
        return self._ending(b"on\n").report

    def killed(self) -> Ending:
        """Return how the run ended, which nothing but a kill can do: the input stays open until then."""
        self._run.wait(timeout=GENEROUS)
        return self._ending()

    def _ending(self, word: bytes = b"") -> Ending:
        stdout, stderr = self._run.communicate(word, timeout=GENEROUS)
        return Ending(self._run.returncode, stdout, stderr.decode(), self._story.report())


@contextmanager
def stopped_journald() -> Iterator[None]:
    """Stop journald for the test."""
    (pid,) = map(int, subprocess.check_output(["pidof", "systemd-journald"]).split())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def clock_set(seconds: int) -> Iterator[None]:
    """Set the wall clock forward or back for the test."""
    difference = time.time() + seconds - time.monotonic()
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, difference - seconds + time.monotonic())


def have_the_kernel_say_much() -> None:
    """Make the kernel write 16,000 records of its own to its log, two at a time."""
    with open("/proc/sysrq-trigger", "wb", buffering=0) as sysrq:
        for _ in range(8000):
            sysrq.write(b"4")  # "Changing Loglevel", "Loglevel set to 4"
            os.sched_yield()  # to journald: the kernel rate-limits these to a hundred here


def victims(report: dict[str, Any]) -> list[tuple[int, str]]:
    return [(victim["pid"], victim["source"]) for victim in report["oom"]["victims"] or ()]


def leaked(ending: Ending) -> int:
    """Return the PID of a command that was killed itself, and assert that no other is named."""
    pid = int(ending.report["pid"])
    assert [victim for victim, _ in victims(ending.report)] == [pid]
    assert ending.report["oom"]["kills"] == 1
    return pid


def leak(story: Story, *options: str) -> Ending:
    return story.run("--system", "--unit", "same", "--mem", "20M", *options, "--", "./bigleak2")


@pytest.mark.usefixtures("journal")
def test_a_kill_that_journald_reads_late_is_not_reported_for_the_next_run(story: Story) -> None:
    with stopped_journald():
        first = leaked(leak(story))
        run = Waiting(story, "--unit", "same", *CONTINUE, then="./bigleak2; true")
    report = run.end()
    ((pid, source),) = victims(report)
    assert (source, report["oom"]["kills"]) == ("kernel log", 1)
    assert pid != first


@pytest.mark.usefixtures("journal")
def test_a_late_kill_is_not_reported_for_a_next_run_that_lost_its_counters(story: Story) -> None:
    """Without counters the log is read."""
    with stopped_journald():
        leaked(leak(story))
        kill = 'echo 1 > "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.kill"'
        run = Waiting(story, "--unit", "same", *CONTINUE, then=kill)
    report = run.end()
    assert report["verdict"] in {"unknown", "signal"}
    assert report["oom"] is None


@pytest.fixture
def new_journal_afterwards() -> Iterator[None]:
    """Start a new journal at the end, without the previous files.

    While one of those has entries from the future, journalctl --since prints everything that was written after them.
    """
    yield
    for words in ("--rotate",), ("--quiet", "--vacuum-files=1"):
        subprocess.run(["journalctl", *words], check=True)


@pytest.mark.usefixtures("journal", "new_journal_afterwards")
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_the_wall_clock_can_be_set_between_runs_and_during_them(story: Story, seconds: int) -> None:
    pids = {leaked(leak(story))}
    with clock_set(seconds):
        pids.add(leaked(leak(story)))
        run = Waiting(story, "--unit", "same", *CONTINUE, then="./bigleak2; true")
    report = run.end()
    ((pid, source),) = victims(report)
    assert (source, report["oom"]["kills"]) == ("kernel log", 1)
    assert len({*pids, pid}) == 3


@pytest.fixture
def full_slice() -> Iterator[str]:
    """Make a slice with a limit of 30 MiB."""
    limits = ("MemoryMax=30M", "MemorySwapMax=0")
    subprocess.run(["systemctl", "set-property", "--runtime", "full.slice", *limits], check=True)
    yield "full.slice"
    subprocess.run(["systemctl", "revert", "full.slice"], check=True)


@pytest.fixture
def whole_reports(story: Story) -> Iterator[None]:
    """Have the kernel write complete reports, also afterwards: for up to five seconds after ten reports it does not."""
    until_reports_are_whole(story)
    yield
    until_reports_are_whole(story)


def until_reports_are_whole(story: Story) -> None:
    """Kill processes until the kernel names their cgroup; the journal might get that much later."""
    while f",pid={leak(story).report['pid']},uid=" not in subprocess.check_output(["dmesg"], text=True):
        pass


FILL = "block = bytearray(b'1') * (16 << 20); print('full', flush=True); input()"


@pytest.mark.usefixtures("journal", "whole_reports")
def test_a_log_without_the_last_kill_does_not_decide_the_limit(story: Story, full_slice: str) -> None:
    """The first kill is at the scope's limit, the second at the slice's, when journald is already stopped."""
    leak = "echo 1000 >/proc/self/oom_score_adj; ./bigleak2; true"
    run = Waiting(story, "--slice", full_slice, *CONTINUE, first="./bigleak2; ", then=leak)
    words = ["scoperun", "--system", "--slice", full_slice, "-qq", "--", sys.executable, "-c", FILL]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as neighbour:
        assert line_from(neighbour) == "full"
        with stopped_journald():
            report = run.end()
        neighbour.communicate(b"on\n", timeout=GENEROUS)
    assert (report["oom"]["kills"], len(report["oom"]["kernel_log"])) == (2, 1)
    assert report["oom"]["kernel_log"][0]["oom_memcg"] == report["cgroup"]
    assert report["oom"]["limit_of"] in {"slice", "unknown"}


@pytest.fixture
def journald_has_caught_up() -> Iterator[None]:
    """Wait at the end until journald has read the whole kernel log; otherwise it would be late for the next test.

    journalctl --sync does not wait for that.
    """
    yield
    name = f"last-{os.urandom(8).hex()}"
    Path("/dev/kmsg").write_text(f"{name}: word\n", encoding="ascii")
    words = ["journalctl", "--quiet", "--output=cat", "--follow", "--no-tail", f"--identifier={name}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as journalctl:
        assert journalctl.stdout is not None
        assert journalctl.stdout.readline() == b"word\n"
        journalctl.kill()


@pytest.mark.usefixtures("journald_has_caught_up")
@pytest.mark.parametrize("is_before", [True, False])
def test_the_scopes_records_are_found_among_many_others(story: Story, source: str, is_before: bool) -> None:
    if is_before:
        have_the_kernel_say_much()
    run = Waiting(story, *CONTINUE, then="./bigleak2; true")
    if not is_before:
        have_the_kernel_say_much()
    report = run.end()
    assert [source for _, source in victims(report)] == ["kernel log"], source
    assert report["oom"]["limit_of"] == "scope"


def killed_by_sysrq(story: Story) -> tuple[Waiting, Ending]:
    run = Waiting(story, "--mem", "200M", first="echo 1000 >/proc/self/oom_score_adj; ", then="true")
    Path("/proc/sysrq-trigger").write_text("f", encoding="ascii")
    return run, run.killed()


def test_a_kill_requested_by_sysrq_is_not_a_shortage_of_memory(story: Story, source: str) -> None:
    run, ending = killed_by_sysrq(story)
    report = ending.report
    assert victims(report) == [(int(run.told), "kernel log")], source
    assert (report["oom"]["limit_of"], report["oom"]["limit_unit"]) == ("unknown", None)
    assert report["oom"]["kernel_log"][-1]["sysrq"] is True
    killed = rows(ending.stderr)["killed"]
    assert killed.startswith(f"sh[{run.told}], ")
    assert killed.endswith(", by the kernel because SysRq asked for it, though memory was not short")
    assert "OUT OF MEMORY" not in ending.stderr


@pytest.mark.usefixtures("no_log")
def test_a_kill_requested_by_sysrq_is_not_a_shortage_even_without_the_log(story: Story) -> None:
    _, ending = killed_by_sysrq(story)
    assert (ending.verdict, ending.report["oom"]["limit_of"]) == ("oom-kill", "unknown")
    assert "out of memory" not in ending.stderr.lower()


@pytest.fixture
def pages() -> Iterator[str]:
    """Return a file on a disk that is larger than the limit: its pages are charged to the process that reads it."""
    with on_disk(24 << 20) as file:
        yield file


@pytest.mark.usefixtures("whole_reports")
def test_a_reused_pid_is_not_a_victim_of_the_run(story: Story, source: str, pages: str) -> None:
    run = Waiting(story, *CONTINUE, first=f"cat {pages} >/dev/null & echo $!; wait; ", then="./bigleak2; true")
    for _ in range(5):  # a slow machine's kernel can name the cgroup nevertheless
        if is_killed_elsewhere(run.told, story.cwd):
            break
    else:
        pytest.fail("the kernel has left nothing out")
    report = run.end()
    assert report["oom"]["kills"] == 1, source
    assert run.told not in {str(pid) for pid, _ in victims(report)}


def is_killed_elsewhere(pid: str, examples: Path) -> bool:
    """Have a process with this PID killed in another scope, and tell whether the kernel omits the cgroup.

    It does after ten reports within five seconds.
    """
    limits = ("-p", "MemoryMax=4M", "-p", "MemorySwapMax=0", "-p", "OOMPolicy=continue")
    script = f"for turn in 1 2 3 4 5 6 7 8 9 10 11; do ./bigleak2; done; ./reborn {pid} cat"
    words = ["systemd-run", "--scope", "-q", *limits, "sh", "-c", script]
    subprocess.run(words, cwd=examples, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = subprocess.check_output(["dmesg"], text=True)
    return log.count(f"Killed process {pid} (cat)") > log.count(f",pid={pid},")
