"""A stream of bytes is split into messages, whatever their content; a message that is too large is not kept."""

import random
import struct
import tracemalloc
from collections.abc import Iterator

import pytest
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from scoperun.systemd.frames import (
    ERROR,
    LARGEST,
    LARGEST_ANSWER,
    LARGEST_HEADER,
    METHOD_CALL,
    METHOD_RETURN,
    SIGNAL,
    Frame,
    Frames,
    Malformed,
)

BITE = 1 << 16


def signal(signature: str = "", *body: object, destination: str | None = None) -> bytes:
    message = Message.new_signal("/a/b", "a.b.C", "D", signature, list(body))
    message.destination, message.serial = destination, 7
    return bytes(message._marshall())  # noqa: SLF001


def call(flags: MessageFlag = MessageFlag.NONE) -> bytes:
    message = Message(path="/a", interface="a.b", member="C", destination=":1.2", flags=flags, serial=9)
    return bytes(message._marshall())  # noqa: SLF001


def answer(signature: str = "", *body: object) -> bytes:
    message = Message(
        message_type=MessageType.METHOD_RETURN, reply_serial=3, serial=8, signature=signature, body=list(body)
    )
    return bytes(message._marshall())  # noqa: SLF001


def with_body(message: bytes, size: int) -> bytes:
    """Return the message with a body of so many zeros."""
    return message[:4] + struct.pack("<I", size) + message[8:] + bytes(size)


def with_fields(*fields: bytes, order: str = "<", kind: int = SIGNAL) -> bytes:
    """Return a message with these header fields, each aligned to 8 bytes."""
    *others, last = fields
    joined = b"".join(map(padded, others)) + last
    start = struct.pack(f"{order}cBBBIII", b"l" if order == "<" else b"B", kind, 0, 1, 0, 5, len(joined))
    return start + padded(joined)


def padded(raw: bytes) -> bytes:
    return raw.ljust((len(raw) + 7) // 8 * 8, b"\0")


def text_field(code: int, text: str, order: str = "<") -> bytes:
    return bytes([code, 1]) + b"s\0" + struct.pack(f"{order}I", len(text)) + text.encode() + b"\0"


def test_a_header_is_parsed_and_the_message_is_kept_unchanged() -> None:
    raw = signal("su", "text", 5, destination=":1.7")
    (frame,) = Frames().take(raw)
    said = {"path": "/a/b", "interface": "a.b.C", "member": "D", "destination": ":1.7", "signature": "su"}
    assert frame == Frame(kind=SIGNAL, flags=0, serial=7, raw=raw, body_at=len(raw) - 16, **said)


def test_an_answer_has_the_serial_of_its_call() -> None:
    (frame,) = Frames().take(answer("s", "x"))
    assert (frame.kind, frame.reply_serial) == (METHOD_RETURN, 3)


@pytest.mark.parametrize(
    ("raw", "expects"),
    [(call(), True), (call(MessageFlag.NO_REPLY_EXPECTED), False), (signal(), False), (answer(), False)],
)
def test_only_a_call_expects_a_reply_unless_it_says_otherwise(raw: bytes, expects: bool) -> None:
    (frame,) = Frames().take(raw)
    assert frame.expects_reply == expects


def test_the_byte_order_is_the_senders() -> None:
    (frame,) = Frames().take(with_fields(text_field(6, ":1.9", ">"), order=">"))
    assert (frame.serial, frame.destination) == (5, ":1.9")


@pytest.mark.parametrize("bite", [1, 7, 16, 100, 1 << 20])
def test_messages_are_found_wherever_the_stream_is_split(bite: int) -> None:
    messages = [signal("s", "x" * 50), call(), answer("a{sv}", {"a": Variant("t", 1)}), signal()]
    stream = b"".join(messages)
    frames = Frames()
    found = [frame for at in range(0, len(stream), bite) for frame in frames.take(stream[at : at + bite])]
    assert [frame.raw for frame in found] == messages


@pytest.mark.parametrize("size", [LARGEST + 1, 16 << 20])
@pytest.mark.parametrize("message", [signal(destination=":1.7"), answer(), call()])
def test_a_message_that_is_too_large_is_announced_and_skipped(message: bytes, size: int) -> None:
    frames = Frames()
    large = with_body(message, size)
    bites = [large[at : at + BITE] for at in range(0, len(large), BITE)]
    (told,) = frames.take(bites[0])
    (small,) = Frames().take(message)
    assert told.raw is None
    assert (told.kind, told.destination, told.reply_serial) == (small.kind, small.destination, small.reply_serial)
    assert [frame for bite in bites[1:] for frame in frames.take(bite)] == []
    assert [frame.raw for frame in frames.take(signal())] == [signal()]


@pytest.mark.parametrize("size", [LARGEST + 1, LARGEST_ANSWER - 100])
def test_a_long_answer_is_kept_if_it_is_waited_for(size: int) -> None:
    frames = Frames({3}.__contains__)
    large = with_body(answer(), size)
    bites = [large[at : at + BITE] for at in range(0, len(large), BITE)]
    (frame,) = [frame for bite in bites for frame in frames.take(bite)]
    assert (frame.kind, frame.reply_serial, frame.raw) == (METHOD_RETURN, 3, large)
    assert [frame.raw for frame in frames.take(signal())] == [signal()]


@pytest.mark.parametrize(
    ("message", "size", "awaited"),
    [(answer(), LARGEST_ANSWER, {3}), (answer(), LARGEST, {4}), (signal(), LARGEST, {0, 3}), (call(), LARGEST, {0, 9})],
)
def test_another_long_message_is_skipped(message: bytes, size: int, awaited: set[int]) -> None:
    frames = Frames(awaited.__contains__)
    told, after = frames.take(with_body(message, size) + signal())
    assert (told.raw, after.raw) == (None, signal())


def test_a_long_answer_that_is_given_up_is_skipped() -> None:
    awaited = {3}
    frames = Frames(awaited.__contains__)
    large = with_body(answer(), 4 * LARGEST)
    assert frames.take(large[: 2 * LARGEST]) == []
    awaited.clear()
    told, after = frames.take(large[2 * LARGEST :] + signal())
    assert (told.raw, after.raw) == (None, signal())


def test_a_skipped_message_is_never_in_memory() -> None:
    frames, start = Frames(), with_body(signal(), 64 << 20)[:BITE]
    frames.take(start)
    zeros = bytes(BITE)
    tracemalloc.start()
    for _ in range((64 << 20) // BITE - 1):
        frames.take(zeros)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * BITE


def test_a_message_with_a_too_large_header_is_skipped() -> None:
    long = with_fields(*[text_field(3, "x" * 100)] * (LARGEST_HEADER // 100))
    assert [frame.raw for frame in Frames().take(long + signal())] == [signal()]


@pytest.mark.parametrize(
    "fields",
    [
        [b"\x06\x02as\0\0\0\0\0"],  # a destination of a wrong type
        [text_field(6, ":1.7"), b"\x01\x01v\0"],
        [text_field(1, "a path that is a string")],
        [b"\x06\x01s\0\xff\xff\xff\x0f"],  # longer than the message
        [b"\x06\x01s\0\x02\0\0\0\xff\xff\0"],  # not UTF-8
        [b"\x06"],
        [b"\x06\x01s\0"],
    ],
)
def test_a_message_with_an_invalid_header_is_left_out(fields: list[bytes]) -> None:
    assert [frame.raw for frame in Frames().take(with_fields(*fields) + signal())] == [signal()]


@pytest.mark.parametrize("fields", [[text_field(200, "of tomorrow")], [b"\x09\x01u\0\x01\0\0\0"]])
def test_unused_fields_are_skipped(fields: list[bytes]) -> None:
    (frame,) = Frames().take(with_fields(*fields, text_field(6, ":1.7")))
    assert frame.destination == ":1.7"


def test_unknown_types_and_flags_are_not_an_error() -> None:
    raw = bytearray(with_fields(text_field(6, ":1.7"), kind=77))
    raw[2] = 0xF8
    (frame,) = Frames().take(bytes(raw))
    assert (frame.kind, frame.flags) == (77, 0xF8)
    assert frame.kind not in {METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL}


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 64,
        b"l\x04\0\x02" + bytes(12),  # another version of the protocol
        b"l\x04\0\x01" + b"\xff" * 12,  # longer than a message can be
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_a_stream_that_is_not_d_bus_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Frames().take(raw)


def mutations(raw: bytes, number: int) -> Iterator[bytes]:
    chance = random.Random(14)  # noqa: S311
    for _ in range(number):
        mutated = bytearray(raw)
        for _ in range(chance.randint(1, 8)):
            mutated[chance.randrange(len(raw))] = chance.randrange(256)
        yield bytes(mutated)


def test_random_bytes_are_messages_or_malformed() -> None:
    raw = answer("a{sv}", {"Result": Variant("s", "success"), "OOMKills": Variant("t", 3)}) + signal("s", "text")
    for mutated in mutations(raw, 3000):
        try:
            Frames().take(mutated)
        except Malformed:
            continue
