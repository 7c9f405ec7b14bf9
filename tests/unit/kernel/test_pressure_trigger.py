"""A trigger is one write to memory.pressure; its notices wake the event loop, and a cgroup that is gone does not."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.kernel.cgroup import NOWHERE, Cgroup
from scoperun.kernel.pressure_trigger import PressureTrigger, pressure_trigger, why_refused
from scoperun.spec.soft_pressure import SoftPressure

SOFT = SoftPressure(0.3, 2.0)
PATIENCE = 10.0


@pytest.fixture
def sender() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return two ends of a connection: urgent data from the first is EPOLLPRI at the second, like a notice."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        yield ours, theirs


async def test_a_notice_calls_the_listener_each_time(sender: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sender
    trigger, noticed = PressureTrigger(os.dup(theirs.fileno())), asyncio.Event()

    def notice() -> None:
        theirs.recv(1, socket.MSG_OOB)
        noticed.set()

    trigger.listen(notice)
    for _ in range(2):
        noticed.clear()
        ours.send(b"!", socket.MSG_OOB)
        await asyncio.wait_for(noticed.wait(), PATIENCE)
    trigger.stop()
    noticed.clear()
    ours.send(b"!", socket.MSG_OOB)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(noticed.wait(), 0.05)
    trigger.close()


async def test_an_error_ends_the_listening_and_is_not_a_notice() -> None:
    """The kernel reports it for a cgroup that is gone, again and again."""
    reading, writing = os.pipe()
    trigger, notices = PressureTrigger(writing), []
    trigger.listen(lambda: notices.append(1))
    os.close(reading)
    await asyncio.wait_for(trigger.stopped.wait(), PATIENCE)
    assert notices == []
    trigger.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


def test_what_is_not_there_or_no_trigger_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError), pressure_trigger(NOWHERE, SOFT):
        pass
    (tmp_path / "memory.pressure").touch()
    with pytest.raises(PermissionError), pressure_trigger(Cgroup("/job.scope", str(tmp_path)), SOFT):
        pass  # epoll has no regular files
    assert (tmp_path / "memory.pressure").read_bytes() == b"some 600000 2000000\0"
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    (tmp_path / "memory.pressure").symlink_to("theirs")
    with pytest.raises(OSError, match="symbolic links"), pressure_trigger(Cgroup("/job.scope", str(tmp_path)), SOFT):
        pass
    assert (tmp_path / "theirs").read_bytes() == b""


def test_a_time_that_the_kernel_would_read_as_another_is_not_written(tmp_path: Path) -> None:
    """4296.967296 s are 2^32 + 2,000,000 us, which the kernel would take for 2 s."""
    (tmp_path / "memory.pressure").touch()
    too_long = SoftPressure(0.3, 4296.967296)
    with pytest.raises(OSError, match="Invalid argument"), pressure_trigger(Cgroup("/j", str(tmp_path)), too_long):
        pass
    assert (tmp_path / "memory.pressure").read_bytes() == b""


@pytest.mark.parametrize(
    ("number", "reason", "hint"),
    [
        (errno.ENOENT, "the scope has no memory.pressure", "psi=1"),
        (errno.EOPNOTSUPP, "the kernel does not measure pressure", "psi=1"),
        (errno.EINVAL, "the kernel does not accept 2s as the time", "take a multiple of 2s up to 10s, e.g. 30%/2s"),
        (errno.EACCES, "the kernel does not let this user watch the pressure", "root"),
        (errno.EPERM, "the kernel does not let this user watch the pressure", "root"),
        (errno.EBUSY, "memory.pressure cannot be watched: Device or resource busy", None),
    ],
)
def test_the_kernels_refusal_is_explained(number: int, reason: str, hint: str | None) -> None:
    found = why_refused(SOFT, OSError(number, os.strerror(number)))
    assert found[0] == reason
    assert (found[1] is None) if hint is None else (hint in str(found[1]))
