"""scopectl attach: what it sends, and that it does not believe a systemd that has moved nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from .ctl import Units, scopectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbus_next import Message

    from .fake_systemd import FakeSystemd, Unit

ALL = ("--no-require-limits", "--mem", "20M", "--tasks", "5")


@pytest.fixture
def sleeper() -> Iterator[int]:
    """Run a process until the end of the test, and return its PID."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def ended() -> Iterator[int]:
    """Return the PID of a process that has ended, and that nothing has waited for."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


@pytest.fixture
def gone() -> int:
    """Return the PID of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def units(systemd: FakeSystemd, runtime_dir: str, monkeypatch: pytest.MonkeyPatch) -> Units:
    """Return the fake's units, none yet; past the wire between scopectl and the bus, which loses descriptors."""
    os.unlink(f"{runtime_dir}/bus")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={runtime_dir}/daemon".replace(" ", "%20"))
    return Units(systemd, runtime_dir)


@pytest.mark.usefixtures("units")
async def test_a_systemd_that_says_done_and_moves_nothing_is_not_believed(sleeper: int) -> None:
    refused = await scopectl("attach", *ALL, "--unit", "x", str(sleeper))
    assert (refused.status, refused.out) == (1, "")
    assert refused.complaint.startswith("scopectl: Failed to start scope 'x.scope': the processes are still in /")


async def test_a_scope_without_a_keeper_gets_as_many_tasks_as_were_asked_for(
    sleeper: int, systemd: FakeSystemd, units: Units
) -> None:
    started: list[Unit] = []
    systemd.when_started = started.append
    running = asyncio.create_task(scopectl("attach", *ALL, "--description", "a b", str(sleeper)))
    await systemd.called("StartTransientUnit")
    while not started:  # noqa: ASYNC110
        await asyncio.sleep(0)
    systemd.announce_start(started[0])
    await running
    asked = {name: each.value for name, each in started[0].properties.items()}
    assert units.acts == []
    assert asked["PIDs"] == [sleeper]
    assert (asked["TasksMax"], asked["MemoryMax"], asked["MemorySwapMax"]) == (5, 20 << 20, 0)
    assert asked["Documentation"] == ["man:scoperun(1)", "man:scopectl(1)"]
    assert (asked["Description"], asked["AddRef"], asked["CollectMode"]) == ("a b", True, "inactive-or-failed")


@pytest.fixture
def nameless() -> Iterator[int]:
    """Run a process whose first word is empty, and return its PID."""
    process = subprocess.Popen(["", "1000"], executable="sleep")
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.usefixtures("units")
async def test_a_process_with_an_empty_first_word_can_be_attached(nameless: int) -> None:
    refused = await scopectl("attach", *ALL, "--unit", "x", str(nameless))
    assert "the processes are still in /" in refused.complaint, "systemd was asked"


@pytest.fixture
async def descriptors(systemd: FakeSystemd) -> None:
    """Have systemd take descriptors."""
    systemd.takes_descriptors = True
    systemd.bus.disconnect()
    await systemd.left()
    await systemd.join()


@pytest.mark.usefixtures("units", "descriptors")
async def test_descriptors_are_sent_again_to_a_systemd_that_left_before_it_read_them(
    sleeper: int, systemd: FakeSystemd
) -> None:
    """daemon-reexec."""

    def reexecute(call: Message) -> None:
        del systemd.at["StartTransientUnit"]
        systemd.reexecute(call)

    systemd.at["StartTransientUnit"] = reexecute
    systemd.when_started = lambda unit: systemd.job_removed(unit, "failed")
    refused = await scopectl("attach", *ALL, "--unit", "x", str(sleeper))
    assert "its job ended as 'failed'" in refused.complaint
    calls = [each for each in systemd.calls if each.member == "StartTransientUnit"]
    assert [len(each.unix_fds) for each in calls] == [1, 1]
    for call in calls:
        os.close(*call.unix_fds)


@pytest.mark.usefixtures("units", "descriptors")
async def test_processes_are_sent_as_descriptors_if_systemd_takes_them(sleeper: int, systemd: FakeSystemd) -> None:
    sent: list[str] = []

    def start(unit: Unit) -> None:
        (call,) = [each for each in systemd.calls if each.member == "StartTransientUnit"]
        for fd in call.unix_fds:
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
                sent.append(info.read())
            os.close(fd)
        systemd.job_removed(unit, "failed")

    systemd.when_started = start
    refused = await scopectl("attach", *ALL, "--unit", "x", str(sleeper))
    assert refused.status == 1
    assert "its job ended as 'failed'" in refused.complaint
    (info,) = sent
    assert f"\nPid:\t{sleeper}\n" in info


@pytest.mark.usefixtures("units")
async def test_nothing_is_asked_of_systemd_if_one_process_cannot_be_moved(
    sleeper: int, ended: int, systemd: FakeSystemd
) -> None:
    refused = await scopectl("attach", *ALL, str(sleeper), str(ended), "1")
    assert (refused.status, refused.out) == (1, "")
    assert "StartTransientUnit" not in systemd.steps
    lines = refused.err.splitlines()
    assert lines[0].startswith(f"scopectl: process {ended} (true): it has ended, and its parent, process {os.getpid()}")
    assert lines[1].startswith("scopectl: process 1 (")
    assert lines[-1] == "scopectl: nothing was attached"


@pytest.mark.usefixtures("units")
async def test_processes_that_are_all_gone_are_not_active(gone: int) -> None:
    refused = await scopectl("attach", *ALL, str(gone))
    assert (refused.status, refused.complaint) == (3, "scopectl: none of these processes is there any more")
