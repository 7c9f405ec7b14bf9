"""Protections that dbus-next does not have by itself; see scoperun/systemd/bus.py."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from scoperun.errors import BusLost, BusUnavailable
from scoperun.systemd import bus as scoperun_bus
from scoperun.systemd import connecting
from scoperun.systemd.bus import Connection, ErrorReply, Method

from . import raw_bus as raw
from .program import end, scoperun, start_command
from .raw_bus import full_backlog, raw_bus
from .steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .fake_systemd import FakeSystemd
    from .raw_bus import Peer
    from .wire import Wire

VERSION = Method("org.freedesktop.systemd1", "/", "org.freedesktop.DBus.Properties", "Get", "ss", "v")
WANTED = ("org.freedesktop.systemd1.Manager", "Version")


@asynccontextmanager
async def connected(path: str, *, timeout: float = 10 * PATIENCE) -> AsyncIterator[Connection]:
    """Connect to the bus at `path` for the context; it fails instead of hanging if it takes too long."""
    address = f"unix:path={quote(path)}"
    async with (
        asyncio.timeout(PATIENCE),
        scoperun_bus.connect(address, timeout=timeout) as connection,
    ):
        yield connection


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.fixture
async def complaints() -> list[str]:
    """Collect what asyncio says about exceptions that were never retrieved."""
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
    return heard


def test_the_library_can_be_imported_without_typing_no_type_check_decorator() -> None:
    """Python 3.15 has removed it."""
    code = "import typing; vars(typing).pop('no_type_check_decorator', None); import scoperun.systemd.bus"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (raw.gone_in_authentication, "end of stream"),
        (raw.rejecting, "REJECTED"),
        (raw.babbling, "refused the connection"),
        (raw.refusing_hello, "too many connections"),
        (raw.refusing_hello_without_a_word, "refused the connection"),
        (raw.gone_at_hello, "end of stream"),
        (raw.garbage, "refused the connection"),
    ],
)
async def test_a_faulty_bus_is_refused_in_one_line(
    script: Callable[[Peer], object], reason: str, runtime_dir: str
) -> None:
    """Runs as a program with a time limit: at the end of the stream dbus-next spins, and no timeout of ours fires."""
    async with raw_bus(f"{runtime_dir}/bus", script):
        ended = await scoperun("--", "touch", f"{runtime_dir}/ran")
    assert (ended.status, ended.left, os.listdir(runtime_dir)) == (125, [], ["bus"])
    assert "the bus at" in ended.complaint
    assert reason in ended.complaint


@pytest.mark.parametrize("script", [raw.silent, raw.silent_to_hello])
@pytest.mark.usefixtures("impatient")
async def test_a_silent_bus_is_given_up(script: Callable[[Peer], object], runtime_dir: str) -> None:
    async with raw_bus(f"{runtime_dir}/bus", script):
        ended = await scoperun("--", "touch", f"{runtime_dir}/ran")
    assert (ended.status, ended.left, os.listdir(runtime_dir)) == (125, [], ["bus"])
    assert "did not answer within 2 s" in ended.complaint


async def test_a_bus_that_does_not_accept_does_not_block(runtime_dir: str) -> None:
    """Runs as a program: a blocking connect() would block this test too."""
    with full_backlog(f"{runtime_dir}/bus"):
        ended = await scoperun("--", "touch", f"{runtime_dir}/ran")
    assert (ended.status, ended.left, os.listdir(runtime_dir)) == (125, [], ["bus"])
    assert "cannot connect to the bus" in ended.complaint


async def test_a_call_after_the_bus_was_lost_raises_at_once(bus: Wire, systemd: FakeSystemd, runtime_dir: str) -> None:
    async with connected(f"{runtime_dir}/bus") as connection:
        assert await connection.call(VERSION, *WANTED)
        bus.cut()
        await connection.lost()
        with pytest.raises(BusLost, match="the connection to the bus was lost"):
            await connection.call(VERSION, *WANTED)


async def test_a_pending_call_raises_when_the_bus_is_lost(bus: Wire, systemd: FakeSystemd, runtime_dir: str) -> None:
    systemd.at["Get Version"] = bus.cut
    async with connected(f"{runtime_dir}/bus") as connection:
        with pytest.raises(BusLost, match=r"Get: the connection to the bus broke: end of stream"):
            await connection.call(VERSION, *WANTED)


async def test_a_call_without_an_answer_raises_after_the_time_limit(systemd: FakeSystemd, runtime_dir: str) -> None:
    systemd.at["Get Version"] = stall
    async with connected(f"{runtime_dir}/bus", timeout=0.3) as connection:
        with pytest.raises(BusLost, match=r"Get: no answer within 0\.3 s"):
            await connection.call(VERSION, *WANTED)


@pytest.mark.parametrize("text", [("what went wrong",), ()])
async def test_an_error_answer_raises_with_its_name_and_text(
    text: tuple[str, ...], systemd: FakeSystemd, runtime_dir: str
) -> None:
    systemd.at["Get Version"] = refusal("a.b.Error", *text)
    async with connected(f"{runtime_dir}/bus") as connection:
        with pytest.raises(ErrorReply) as caught:
            await connection.call(VERSION, *WANTED)
    assert (caught.value.name, caught.value.text) == ("a.b.Error", "".join(text))


async def test_a_refused_match_rule_raises(bus: Wire, runtime_dir: str) -> None:
    async with connected(f"{runtime_dir}/bus") as connection:
        with pytest.raises(ErrorReply, match="MatchRuleInvalid"):
            await connection.match("type='nonsense'")


async def test_the_loss_of_the_bus_is_noticed(
    killing_bus: Callable[[], None], systemd: FakeSystemd, runtime_dir: str
) -> None:
    async with connected(f"{runtime_dir}/bus") as connection:
        lost = asyncio.create_task(connection.lost())
        await connection.call(VERSION, *WANTED)
        assert not lost.done()
        killing_bus()
        assert await lost == "end of stream"


async def test_every_descriptor_is_closed(systemd: FakeSystemd, bus: Wire, runtime_dir: str) -> None:
    """They are closed at once, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        before = open_files()
        for _ in range(5):
            async with connected(f"{runtime_dir}/bus") as connection:
                await connection.call(VERSION, *WANTED)
        await bus.idle()
        assert open_files() == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "script", [raw.gone_in_authentication, raw.rejecting, raw.refusing_hello, raw.silent, raw.garbage]
)
async def test_every_descriptor_is_closed_after_a_refusal_too(
    script: Callable[[Peer], object], runtime_dir: str
) -> None:
    before = open_files()
    async with raw_bus(f"{runtime_dir}/bus", script):
        with pytest.raises(BusUnavailable):
            async with connected(f"{runtime_dir}/bus", timeout=0.3):
                pass
    assert open_files() == before


async def test_a_message_that_cannot_be_sent_causes_no_complaint(runtime_dir: str, complaints: list[str]) -> None:
    async with raw_bus(f"{runtime_dir}/bus", raw.half_a_bus), connected(f"{runtime_dir}/bus") as connection:
        with pytest.raises(BusLost, match="Broken pipe"):
            await connection.call(VERSION, *WANTED)
        assert await connection.lost() == "Broken pipe"
    del connection
    gc.collect()
    assert complaints == []


async def test_nothing_is_logged_when_the_bus_is_lost(
    systemd: FakeSystemd, killing_bus: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the report is on stderr, even with all of Python's warnings enabled."""
    monkeypatch.setenv("PYTHONWARNINGS", "always")  # not PYTHONDEVMODE, in which asyncio complains about a slow machine
    process = await start_command("echo; read _; exit 3")
    killing_bus()
    ended = await end(process)
    assert (ended.status, ended.report["verdict"]) == (3, "exit-code")


async def test_the_bus_is_found_through_xdg_runtime_dir(
    systemd: FakeSystemd, runtime_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is preferred to the session bus, which can be one without systemd. Here the directory's name has spaces."""
    assert " " in runtime_dir
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    assert (await scoperun("--", "true")).status == 0


async def test_the_session_bus_is_used_second(
    systemd: FakeSystemd, runtime_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{runtime_dir}/nothing")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={quote(runtime_dir)}/bus,guid=0123")
    assert (await scoperun("--", "true")).status == 0


@pytest.mark.parametrize("useless", ["unix:path=/nowhere", "tcp:host=localhost,port=1", "unix:path=%zz", "nonsense"])
async def test_of_several_addresses_the_first_that_works_is_used(
    useless: str, systemd: FakeSystemd, runtime_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"{useless};unix:path={quote(runtime_dir)}/bus;unix:path=/never")
    assert (await scoperun("--", "true")).status == 0


async def test_if_no_address_works_each_is_named(runtime_dir: str) -> None:
    with pytest.raises(BusUnavailable) as caught:
        async with connecting.connect({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere;tcp:host=a"}):
            pass
    assert str(caught.value).startswith(
        "cannot connect to the bus at unix:path=/nowhere: No such file or directory; "
        "cannot connect to the bus at tcp:host=a: only unix:path= and unix:abstract= are understood ("
    )


async def test_a_runtime_dir_without_a_bus_is_one_line(runtime_dir: str) -> None:
    ended = await scoperun("--", "true")
    assert (ended.status, ended.left) == (125, [])
    assert "No such file or directory" in ended.complaint


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "unix:",
        "unix:path=",
        "unix:runtime=yes",
        "unix:path=/with space",
        "unix:path=/" + "long" * 40,
        "unix:path=/a\nb",
        "unix:path=%zz",
        "unix:path=/nul%00byte",
        "unix:abstract=",
        "unix:abstract=scoperun-nobody-listens",
        "tcp:host=localhost,port=1",
        "autolaunch:",
        "unixexec:path=/bin/true",
        "=",
        ";",
    ],
)
async def test_an_unusable_address_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(BusUnavailable) as caught:
        async with connecting.connect({"DBUS_SESSION_BUS_ADDRESS": address}):
            pass
    assert len(str(caught.value).splitlines()) == 1
