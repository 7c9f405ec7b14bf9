"""Messages that other clients of the bus send to scoperun: they are not read, and delay nothing."""

from __future__ import annotations

import asyncio
import signal
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from scoperun.errors import BusLost
from scoperun.systemd.frames import LARGEST, LARGEST_ANSWER

from .program import end, signal_from_outside, start_command
from .raw_bus import greet, raw_bus
from .steps import PATIENCE
from .test_fences import VERSION, WANTED, connected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dbus_next.aio.message_bus import MessageBus

    from .fake_systemd import FakeSystemd
    from .raw_bus import Peer
    from .wire import Wire

LARGE = 16 << 20


def signal_to(name: str | None, size: int = 0) -> bytes:
    """Return a signal to `name` with an array of so many bytes, from which many small values could be made."""
    message = Message.new_signal("/a", "a.b", "C", "au", [[]])
    message.destination, message.serial = name, 7
    raw = bytes(message._marshall())  # noqa: SLF001
    return raw[:4] + struct.pack("<I", 4 + size) + raw[8:-4] + struct.pack("<I", size) + bytes(size)


def version(serial: int, *, version: str = "257.9-1") -> bytes:
    """Return the answer to a call."""
    message = Message(
        message_type=MessageType.METHOD_RETURN,
        reply_serial=serial,
        serial=8,
        signature="v",
        body=[Variant("s", version)],
    )
    return bytes(message._marshall())  # noqa: SLF001


def after(*words: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Return the script of a bus that sends these bytes, and then answers the client's call."""

    async def script(peer: Peer) -> None:
        await greet(peer)
        await peer.hear(b"Version\0")
        for each in words:
            await peer.say(each)
        await peer.say(version(2))
        await peer.closed()

    return script


def malformed(raw: bytes) -> bytes:
    """Return a message whose body does not match its signature."""
    return raw[:-4] + b"\xff\xff\xff\x7f"


@pytest.mark.parametrize(
    "words",
    [
        signal_to(":1.1", LARGE),
        signal_to(None, LARGE),
        signal_to(":1.1") * 5000,
        malformed(signal_to(":1.1")),
        malformed(signal_to(None)),
        version(777),  # the answer to a call that was never made
        version(0xFFFFFFFF) * 2,
    ],
    ids=["large", "large to all", "many", "malformed", "malformed to all", "answer", "answers"],
)
async def test_the_answer_is_found_among_other_messages(words: bytes, runtime_dir: str) -> None:
    async with raw_bus(f"{runtime_dir}/bus", after(words)), connected(f"{runtime_dir}/bus") as connection:
        assert await connection.call(VERSION, *WANTED) == ["257.9-1"]


async def test_no_value_is_made_from_messages_that_others_send(runtime_dir: str) -> None:
    """A number in a list takes ten times the memory that it takes in a message."""
    bus = raw_bus(f"{runtime_dir}/bus", after(signal_to(":1.1", LARGEST - 1000)))
    async with bus, connected(f"{runtime_dir}/bus") as connection:
        tracemalloc.start()
        await connection.call(VERSION, *WANTED)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * LARGEST


async def test_a_long_answer_is_read(runtime_dir: str) -> None:
    """With thousands of units, or with long descriptions, the list of units is long."""
    bus = raw_bus(f"{runtime_dir}/bus", after(version(2, version="x" * 3 * LARGEST)))
    async with bus, connected(f"{runtime_dir}/bus", timeout=10 * PATIENCE) as connection:
        assert await connection.call(VERSION, *WANTED) == ["x" * 3 * LARGEST]


async def test_an_answer_that_is_too_large_is_an_error_at_once(runtime_dir: str) -> None:
    bus = raw_bus(f"{runtime_dir}/bus", after(version(2, version="x" * LARGEST_ANSWER)))
    async with bus, connected(f"{runtime_dir}/bus", timeout=10 * PATIENCE) as connection:
        with pytest.raises(BusLost, match=r"^Get: the answer is longer than any message of systemd$"):
            await connection.call(VERSION, *WANTED)


CALLS: list[dict[str, Any]] = [
    {"interface": "a.b", "member": "C"},
    {"interface": "org.freedesktop.DBus.Properties", "member": "Get", "signature": "u", "body": [7]},
    {"interface": "org.freedesktop.DBus.Properties", "member": "GetAll"},
    {"interface": "org.freedesktop.DBus.Introspectable", "member": "Introspect"},
    {"interface": "org.freedesktop.DBus.ObjectManager", "member": "GetManagedObjects", "signature": "s", "body": ["x"]},
    {"member": "WithoutAnInterface"},
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["member"])
async def test_a_call_is_refused_and_nothing_is_printed(
    call: dict[str, Any], systemd: FakeSystemd, other_client: MessageBus
) -> None:
    """dbus-next by itself would print a traceback."""
    process = await start_command("echo; read _; exit 3")
    async with asyncio.timeout(PATIENCE):
        reply = await other_client.call(Message(destination=systemd.unit.owner, path="/a/b", **call))
    assert reply is not None
    assert (reply.message_type, reply.error_name) == (MessageType.ERROR, "org.freedesktop.DBus.Error.UnknownMethod")
    assert (await end(process, "\n")).report["verdict"] == "exit-code"


async def test_a_call_that_expects_no_reply_gets_none(
    bus: Wire, systemd: FakeSystemd, other_client: MessageBus
) -> None:
    process = await start_command("echo; read _; exit 3")
    await other_client.send(call_to(systemd.unit.owner, MessageFlag.NO_REPLY_EXPECTED))
    async with asyncio.timeout(PATIENCE):
        await other_client.call(call_to(systemd.unit.owner))
    await end(process, "\n")
    assert bus.replies == 1


def call_to(name: str | None, flags: MessageFlag = MessageFlag.NONE) -> Message:
    return Message(destination=name, path="/a", interface="a.b", member="C", flags=flags)


async def test_a_signal_is_forwarded_while_another_client_sends_large_messages(
    systemd: FakeSystemd, other_client: MessageBus
) -> None:
    """The call that was not answered yet is still on its way to scoperun."""
    process = await start_command("trap 'exit 4' WINCH; echo; read _; exit 3")
    large = signal_to(systemd.unit.owner, LARGE)
    await asyncio.get_running_loop().sock_sendall(other_client._sock, large)  # noqa: SLF001
    signal_from_outside(process, signal.SIGWINCH)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 4
