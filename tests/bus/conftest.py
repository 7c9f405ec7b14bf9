"""A private bus with a fake systemd on it, and the environment in which scoperun finds it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from dbus_next.aio.message_bus import MessageBus

from .fake_systemd import fake_systemd
from .program import BUS, adopt_orphans, bury_children, children
from .steps import PATIENCE
from .wire import wire

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from .fake_systemd import FakeSystemd
    from .wire import Wire

_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Adopt orphans, so that a test can see them, and end those that a test has left."""
    before = set(children())
    adopt_orphans(True)
    yield
    bury_children(except_for=before)
    adopt_orphans(False)


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make an empty $XDG_RUNTIME_DIR. pytest's own directories are too long for the path of a socket."""
    path = tempfile.mkdtemp(prefix="a bus ")
    monkeypatch.setenv("XDG_RUNTIME_DIR", path)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("SYSTEMD_BUS_TIMEOUT", raising=False)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def impatient(runtime_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make scoperun give up on an answer soon, but not sooner than a busy machine answers."""
    monkeypatch.setenv("SYSTEMD_BUS_TIMEOUT", "2s")


async def _started_daemon(runtime_dir: str) -> Process:
    configuration = f"{runtime_dir}/daemon.conf"
    with open(configuration, "w", encoding="utf-8") as file:  # noqa: ASYNC230  it is small
        file.write(_CONFIGURATION.format(path=f"{runtime_dir}/daemon".replace(" ", "%20")))
    process = await asyncio.create_subprocess_exec(
        BUS,
        f"--config-file={configuration}",
        "--nofork",
        "--nopidfile",
        "--print-address",
        stdout=PIPE,
        stderr=DEVNULL,  # it cannot raise its limit of descriptors, and says so
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.readline()  # its address: it listens
    return process


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@pytest.fixture
async def daemon(runtime_dir: str) -> AsyncIterator[Process]:
    """Start a dbus-daemon that listens at $XDG_RUNTIME_DIR/daemon and nowhere else."""
    process = await _started_daemon(runtime_dir)
    yield process
    await _end(process)


@pytest.fixture
async def bus(daemon: Process, runtime_dir: str) -> AsyncIterator[Wire]:
    """Put the bus where scoperun finds it."""
    async with wire(f"{runtime_dir}/bus", f"{runtime_dir}/daemon") as tapped:
        yield tapped


@pytest.fixture
async def systemd(bus: Wire, runtime_dir: str) -> AsyncIterator[FakeSystemd]:
    """Put the fake systemd on that bus."""
    address = f"unix:path={runtime_dir}/daemon".replace(" ", "%20")
    async with fake_systemd(address) as fake:
        yield fake


@pytest.fixture
async def other_client(systemd: FakeSystemd, runtime_dir: str) -> AsyncIterator[MessageBus]:
    """Connect another client to the bus."""
    bus = await MessageBus(f"unix:path={runtime_dir}/daemon".replace(" ", "%20")).connect()
    yield bus
    bus.disconnect()
    await bus.wait_for_disconnect()
    bus._stream.close()  # noqa: SLF001  the library leaves both to the garbage collector
    bus._sock.close()  # noqa: SLF001


@pytest.fixture
async def another_bus(
    daemon: Process, systemd: FakeSystemd, runtime_dir: str
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Return the action of starting another dbus-daemon in place of the first, on which systemd is."""
    started: list[Process] = []

    async def restart() -> None:
        await _end(daemon)
        os.unlink(f"{runtime_dir}/daemon")
        started.append(await _started_daemon(runtime_dir))
        systemd.forget_clients()
        await systemd.join()

    yield restart
    for each in started:
        await _end(each)


@pytest.fixture
def killing_bus(daemon: Process) -> object:
    """Return the action of killing the dbus-daemon."""

    def kill(_: object = None) -> None:
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, 9)

    return kill


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """Open a database in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened
