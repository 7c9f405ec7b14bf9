"""/proc on processes that live, that are about to end, and that have ended."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from scoperun.kernel.process_facts import process_facts
from scoperun.kernel.process_table import has_ended, name_of, running_name, task, wait_status
from tests.child import in_child

LEADERLESS = """
import ctypes, sys, threading
if sys.argv[1:]:
    ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
def rest():
    print("on", flush=True)
    input()
threading.Thread(target=rest).start()
ctypes.CDLL(None).syscall(60, 0)  # exit(2) of this thread alone
"""


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of the process without reaping it, and return its PID."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


def test_a_living_process_has_a_name_and_memory() -> None:
    with running("cat") as cat:
        found = task(cat.pid)
        assert found is not None
        assert found.name == running_name(cat.pid) == "cat"
        assert found.rss is not None
        assert found.anon is not None
        assert found.rss >= found.anon > 0
        assert found.oom_score_adj is not None
        assert not has_ended(cat.pid)
        assert wait_status(cat.pid) is None


def test_a_process_is_forked_until_it_executes_a_program() -> None:
    pid = os.fork()
    if not pid:
        signal.pause()
    try:
        found = task(pid)
        assert found is not None
        assert found.forked
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with running("cat") as cat:
        found = task(cat.pid)
        assert found is not None
        assert found.forked is False


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", -9), ("kill -TERM $$", -15)]
)
def test_an_ended_process_has_a_wait_status_until_its_parent_reaps_it(script: str, status: int) -> None:
    with running("sh", "-c", script) as shell:
        pid = ended(shell)
        assert has_ended(pid)
        assert task(pid) is None
        assert running_name(pid) is None
        assert name_of(pid) == "sh"
        assert wait_status(pid) == status
        shell.wait()
        assert wait_status(pid) is None
        assert name_of(pid) is None


def test_a_process_that_is_being_killed_counts_as_ended() -> None:
    with running("cat") as cat:
        cat.send_signal(signal.SIGKILL)
        assert has_ended(cat.pid)
        assert wait_status(cat.pid) == -signal.SIGKILL


def states_after(number: int) -> set[int | None]:
    """Return the wait statuses of processes that were sent a signal and have not run since.

    They run only when nothing else wants their processor, and this test keeps it.
    """
    mask, found = os.sched_getaffinity(0), set()
    os.sched_setaffinity(0, {min(mask)})
    try:
        for _ in range(20):
            with running("chrt", "--idle", "0", "cat") as cat:
                assert cat.stdin is not None
                assert cat.stdout is not None
                cat.stdin.write(b"x")
                cat.stdin.flush()
                cat.stdout.read(1)  # the program is cat by now, and waits for more
                cat.send_signal(number)
                found.add(wait_status(cat.pid))
    finally:
        os.sched_setaffinity(0, mask)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_has_not_died_yet_of_a_signal_has_the_status_of_that_signal(number: signal.Signals) -> None:
    """The kernel makes a thread end at a fatal signal by SIGKILL, whatever the signal was."""
    assert states_after(number) == {-number}


def test_the_end_of_a_process_that_another_thread_ends_is_not_a_kill() -> None:
    """exit_group(2) ends the other threads by SIGKILL."""
    exits = "import os, threading, time; threading.Thread(target=lambda: os._exit(3)).start(); time.sleep(1000)"
    with running(sys.executable, "-c", exits) as process:
        while (status := wait_status(process.pid)) is None:
            pass
        assert status == 3


def status_unseen(end: Callable[[int], None]) -> int | None:
    """Return the status of a process that ordinary users may not look into: its exit code is 0 to them."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    ready, writer = os.pipe()
    pid = os.fork()
    if not pid:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
        os.write(writer, b"x")
        end(os.getpid())
        os._exit(3)
    os.read(ready, 1)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return wait_status(pid)


def test_a_process_that_may_not_be_looked_into_has_not_exited_with_0() -> None:
    """Older kernels let its user look once it has ended."""
    assert in_child(partial(status_unseen, lambda pid: os.kill(pid, signal.SIGKILL))) == -signal.SIGKILL
    assert in_child(partial(status_unseen, lambda _: None)) in {3, None}


def test_the_first_thread_that_executes_a_program_for_another_one_has_not_ended() -> None:
    """execve(2) ends the other threads by SIGKILL, the first as well."""
    executes = (
        "import os, threading, time\n"
        "def rest(): time.sleep(1000)\n"
        "for _ in range(200): threading.Thread(target=rest, daemon=True).start()\n"
        "threading.Thread(target=os.execvp, args=('sleep', ['sleep', '1000'])).start(); time.sleep(1000)"
    )
    for _ in range(5):
        with running(sys.executable, "-c", executes) as process:
            while running_name(process.pid) != "sleep":
                assert not has_ended(process.pid)


def test_a_name_and_a_size_are_of_the_same_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files in /proc are read one after another, and a process executes another program at any moment."""
    opened = os.open
    with running("sh", "-c", "read _; exec cat") as process:

        def execute(path: str, flags: int) -> int:
            if path.endswith("status") and running_name(process.pid) == "sh":
                assert process.stdin is not None
                process.stdin.write(b"\n")
                process.stdin.flush()
                while running_name(process.pid) != "cat":
                    pass
            return opened(path, flags)

        monkeypatch.setattr(os, "open", execute)
        found = task(process.pid)
    assert found is not None
    assert (found.name, found.forked) == ("cat", False)


@pytest.mark.parametrize("name", ["a\\\\b", "a\\nb", "\\\\n"])
def test_a_name_with_a_backslash_or_a_line_feed_is_the_same_in_both_files(name: str) -> None:
    rename = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0); print('on', flush=True); input()"
    with running(sys.executable, "-c", rename) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = task(process.pid)
    assert found is not None
    assert found.forked is False


@contextmanager
def leaderless(*name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process whose first thread has ended; name: what that calls itself."""
    with running(sys.executable, "-c", LEADERLESS, *name) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
            while stat.read().rpartition(") ")[2][0] != "Z":  # it exits right after it has started the other thread
                stat.seek(0)
        yield process


@pytest.mark.parametrize("name", ["\vVmRSS:\tx", "\vVmRSS:\t9 kB", "\x1cVmRSS:\t9"])
def test_a_name_is_not_taken_for_another_field(name: str) -> None:
    """The memory of a process whose first thread has ended is not shown, so that nothing overrides a forged one."""
    with leaderless(name) as process:
        found = task(process.pid)
        facts = process_facts(process.pid)
    assert found is not None
    assert facts is not None
    assert (found.name, found.rss, facts.rss) == (name, None, None)


def test_a_process_lives_on_after_its_main_thread() -> None:
    """/proc shows it as a zombie, but it lives."""
    with leaderless() as process:
        facts = process_facts(process.pid)
        assert facts is not None
        assert not facts.is_zombie
        found = task(process.pid)
        assert found is not None
        assert found.rss is None, "what the first thread had is not there any more"
        assert running_name(process.pid) is not None
        assert not has_ended(process.pid)


def test_a_name_can_be_anything() -> None:
    rename = (
        "import ctypes; ctypes.CDLL(None).prctl(15, b'a) Z (b\\nc\\xe9', 0, 0, 0); print('on', flush=True); input()"
    )
    with running(sys.executable, "-c", rename) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = task(process.pid)
        assert found is not None
        assert found.name == "a) Z (b\nc\\xe9"
