"""The guard's process: it lives as long as its pipe, and kills what is frozen then. The cgroups are folders here."""

import asyncio
import fcntl
import os
import select
import signal
import termios
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scoperun.kernel.wait import has_ended, readable
from scoperun.process.guard import GuardProcess, spawn

PATIENCE = 20.0


@pytest.fixture
def guard() -> Iterator[GuardProcess]:
    started = spawn()
    yield started
    started.close()


def cgroup(folder: Path, *, frozen: bool) -> Path:
    folder.mkdir()
    (folder / "cgroup.events").write_text(f"populated 1\nfrozen {frozen:d}\n")
    return folder


def status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


async def drained(guard: GuardProcess) -> None:
    """Return once everything is in the pipe."""
    async with asyncio.timeout(PATIENCE):
        while guard._untold:  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0)


def end_of_pipe(guard: GuardProcess) -> None:
    """Do what the end of this process would do, and wait for that of the guard."""
    os.dup2(os.open(os.devnull, os.O_RDWR), guard._pipe)  # noqa: SLF001
    poll = select.poll()
    poll.register(guard._pidfd, select.POLLIN)  # noqa: SLF001
    assert poll.poll(PATIENCE * 1000), "the guard lives on"


async def test_at_the_end_it_kills_the_frozen_cgroups_that_it_was_told(guard: GuardProcess, tmp_path: Path) -> None:
    thawed, gone = cgroup(tmp_path / "thawed", frozen=False), tmp_path / "gone"
    earlier, frozen = (cgroup(tmp_path / name, frozen=True) for name in ("earlier", r"frozen\x2d 1"))
    with ExitStack() as stack:
        for folder in (thawed, gone, frozen):
            stack.enter_context(guard.told(str(folder)))
        with guard.told(str(earlier)):
            pass
        end_of_pipe(guard)
    assert (frozen / "cgroup.kill").read_text() == "1\n"
    assert [folder for folder in (thawed, earlier) if (folder / "cgroup.kill").exists()] == []


async def test_ended_by_us_it_kills_nothing(guard: GuardProcess, tmp_path: Path) -> None:
    frozen = cgroup(tmp_path / "frozen", frozen=True)
    with guard.told(str(frozen)):
        assert not guard.was_lost
        guard.close()
    assert not (frozen / "cgroup.kill").exists()
    assert not guard.was_lost
    assert str(guard.pid) not in os.listdir("/proc")


def has_read_all(guard: GuardProcess) -> None:
    """Return when it has read what it was told: then its program runs, without what is closed by the exec.

    posix_spawn(3) returns a moment earlier.
    """
    unread = array("i", [1])
    while fcntl.ioctl(guard._pipe, termios.FIONREAD, unread) or unread[0]:  # noqa: SLF001
        pass


async def test_it_inherits_nothing_and_heeds_no_signal(guard: GuardProcess, tmp_path: Path) -> None:
    with guard.told(str(tmp_path)):
        has_read_all(guard)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guard.pid, number)
    assert int(status(guard.pid)["SigBlk"], 16) >> signal.SIGTERM - 1 & 1
    assert os.getsid(guard.pid) == guard.pid
    assert sorted(os.listdir(f"/proc/{guard.pid}/fd")) == ["0", "1", "2"]
    assert not guard.was_lost


async def test_it_is_lost_once_it_is_killed(guard: GuardProcess, tmp_path: Path) -> None:
    os.kill(guard.pid, signal.SIGKILL)
    await asyncio.wait_for(readable(guard._pidfd), PATIENCE)  # noqa: SLF001
    assert guard.was_lost
    with guard.told(str(tmp_path)):  # the pipe has no reader
        pass


async def test_its_memory_does_not_grow_with_the_number_of_scopes(guard: GuardProcess) -> None:
    async def tell(scopes: int) -> int:
        for number in range(scopes):
            with guard.told(f"/sys/fs/cgroup/user.slice/user-1000.slice/app.slice/scoperun-job-{number}.scope"):
                await drained(guard)
        return int(status(guard.pid)["VmRSS"].split()[0])

    before = await tell(500)
    assert await tell(10_000) <= before + 64  # KiB; remembering them would take 800


async def test_a_stopped_guard_holds_nothing_up_and_is_told_the_rest_later(guard: GuardProcess, tmp_path: Path) -> None:
    os.kill(guard.pid, signal.SIGSTOP)
    frozen = cgroup(tmp_path / "frozen", frozen=True)
    for number in range(5_000):
        with guard.told(f"/sys/fs/cgroup/a-name-that-is-not-short-{number}.scope"):
            pass
    with ExitStack() as stack:
        for number in range(3_000):
            stack.enter_context(guard.told(f"/sys/fs/cgroup/a-name-that-is-not-short-{number}.scope"))
        stack.enter_context(guard.told(str(frozen)))
        assert guard._untold  # noqa: SLF001  the pipe is full
        os.kill(guard.pid, signal.SIGCONT)
        await drained(guard)
        end_of_pipe(guard)
    assert (frozen / "cgroup.kill").read_text() == "1\n"


async def test_a_fork_without_exec_does_not_keep_it_alive(guard: GuardProcess, tmp_path: Path) -> None:
    """Programs with multiprocessing do that."""
    hold, release = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(release)
        os.read(hold, 1)
        os._exit(0)
    try:
        with guard.told(str(tmp_path)):
            end_of_pipe(guard)
    finally:
        os.close(release)
        os.close(hold)
        os.waitpid(child, 0)  # noqa: ASYNC222  it ends at once
    assert has_ended(guard._pidfd)  # noqa: SLF001


async def test_a_guard_that_was_told_of_nothing_lives_on_until_systemd_has_moved_it(guard: GuardProcess) -> None:
    """It becomes sleep(1)."""
    os.dup2(os.open(os.devnull, os.O_RDWR), guard._pipe)  # noqa: SLF001
    async with asyncio.timeout(PATIENCE):
        while status(guard.pid)["Name"] != "sleep":  # noqa: ASYNC110  the exec announces nothing to others
            await asyncio.sleep(0)
        await readable(guard._pidfd)  # noqa: SLF001
