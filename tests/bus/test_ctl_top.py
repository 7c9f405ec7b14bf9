"""`scopectl top` on a terminal leaves it as it was, however it ends; and its rounds in a pipe."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.signature import Variant

from tests.schema import told_by

from .steps import PATIENCE, answer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from .fake_systemd import FakeSystemd

TOP = (sys.executable, "-m", "scoperun.ctl", "top")
ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


class Terminal:
    """A pseudo-terminal whose screen is kept. modes: as they were before the program."""

    def __init__(self) -> None:
        self.fd, self.inner = pty.openpty()
        os.set_blocking(self.fd, False)
        self.resize(24, 80)
        self.modes = termios.tcgetattr(self.inner)
        self.screen = b""
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    def _read(self) -> None:
        with suppress(OSError):
            self.screen += os.read(self.fd, 1 << 16)
        self._news.set()

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    async def shows(self, text: bytes) -> None:
        """Wait until the program has written this."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.screen:
                self._news.clear()
                await self._news.wait()

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def is_as_before(self) -> bool:
        """Whether modes, screen and cursor are those of before."""
        self._read()
        closed, _, after = self.screen.rpartition(LEAVE)
        left = after + closed[closed.rfind(b"\x1b[?25l") :]
        return bool(closed) and SHOW_CURSOR in left and termios.tcgetattr(self.inner) == self.modes

    def close(self) -> None:
        if self.fd >= 0:
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            self.fd = -1


@pytest.fixture(autouse=True)
def manager(systemd: FakeSystemd) -> FakeSystemd:
    """Let the fake answer which cgroup is the manager's: one without units."""
    systemd.at["Get ControlGroup"] = lambda call: answer(call, "v", Variant("s", "/no/such/manager"))
    return systemd


@asynccontextmanager
async def top(*options: str) -> AsyncIterator[tuple[Terminal, Process]]:
    """Run it on a terminal that it controls, and wait until the table is there."""
    terminal = Terminal()
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.inner)
    environment = os.environ | {"TERM": "xterm-256color", "TEXTUAL_PRESS": "q", "TEXTUAL_LOG": "/nowhere/log"}
    # setsid(1) does not fork, because asyncio starts it without a session of its own.
    process = await asyncio.create_subprocess_exec("setsid", "--ctty", *TOP, *options, **streams, env=environment)
    try:
        await terminal.shows(b"0 units")
        yield terminal, process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        terminal.close()
        os.close(terminal.inner)


async def ended(process: Process) -> int:
    async with asyncio.timeout(PATIENCE):
        return await process.wait()


@pytest.mark.parametrize("keys", [b"q", b"\x03"])
async def test_a_key_ends_it(keys: bytes) -> None:
    async with top() as (terminal, process):
        assert not terminal.is_as_before()
        terminal.type(keys)
        assert await ended(process) == 0
        assert terminal.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_ends_it_after_the_terminal_is_restored(number: signal.Signals) -> None:
    async with top() as (terminal, process):
        process.send_signal(number)
        assert await ended(process) == -number
        assert terminal.is_as_before()


async def test_a_terminal_that_hangs_up_ends_it() -> None:
    async with top("--delay", "100ms") as (terminal, process):
        terminal.close()
        assert await ended(process) < 0


async def test_a_stop_restores_the_terminal_until_it_goes_on() -> None:
    async with top() as (terminal, process):
        terminal.type(b"\x1a")
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert terminal.is_as_before()
        terminal.screen = b""
        process.send_signal(signal.SIGCONT)
        await terminal.shows(b"sorted by memory")
        terminal.type(b"q")
        assert await ended(process) == 0
        assert terminal.is_as_before()


async def test_it_fills_a_terminal_that_has_grown() -> None:
    async with top() as (terminal, process):
        terminal.screen = b""
        terminal.resize(60, 200)
        await terminal.shows(b"\x1b[60;")
        terminal.type(b"q")
        assert await ended(process) == 0


async def printed(*options: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(*TOP, *options, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    return out.decode().splitlines()


async def test_rounds_are_printed_as_text_and_as_json() -> None:
    heading = "UNIT\tMEMORY\tLIMIT\tSWAP\tCPU%\tTASKS\tCOMMAND"
    assert await printed("-b", "-n", "2", "-d", "100ms") == [heading, "", heading, ""]
    rounds = [told_by("top", line) for line in await printed("--json", "-n", "3", "-d", "100ms")]
    assert [(each["units"], each["slices"]) for each in rounds] == [([], [])] * 3
    assert sorted({each["time"] for each in rounds}) == [each["time"] for each in rounds]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "the table needs a terminal as standard input, output and error (scopectl top --batch prints rounds"),
        (("-n", "2"), "--iterations counts rounds that are printed (together with --batch or --json)"),
        (("-b", "-n", "0"), "--iterations 0 is out of range (at least 1)"),
        (("-b", "-d", "1ms"), "--delay 1ms is out of range (from 100ms to 1d)"),
        (("-b", "-d", "soon"), "--delay: 'soon' is not a valid time"),
    ],
)
async def test_wrong_usage_is_one_line(options: tuple[str, ...], complaint: str) -> None:
    process = await asyncio.create_subprocess_exec(*TOP, *options, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert (process.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert err.decode().startswith(f"scopectl: {complaint}")
