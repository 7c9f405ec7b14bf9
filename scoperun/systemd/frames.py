"""D-Bus messages in a stream of bytes: where each one ends, and what its header says. No I/O.

Any process on the bus can send us messages, also large ones. Bodies are not read here, and a message that is larger
than any of systemd's is skipped without ever being in memory as a whole. Only an answer that is waited for can be long.
https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
_NO_REPLY_EXPECTED = 1

LARGEST = 1 << 20
"""Bytes of a message that is not waited for. systemd's announcements have a small part of that."""

LARGEST_ANSWER = 1 << 25
"""Bytes of an answer to a call of ours: a list of all units can have thousands, with long descriptions."""

LARGEST_HEADER = 1 << 14
"""Bytes. An answer's header has a few names of at most 255 bytes each."""

_FIXED = 16  # the part of a header before its fields
_LARGEST_BY_THE_SPECIFICATION = 1 << 27
_ORDERS = {ord("l"): "<", ord("B"): ">"}
_VERSION = 1

_FIELDS = {
    1: ("path", "o"),
    2: ("interface", "s"),
    3: ("member", "s"),
    4: ("error_name", "s"),
    5: ("reply_serial", "u"),
    6: ("destination", "s"),
    7: ("sender", "s"),
    8: ("signature", "g"),
}


class Malformed(Exception):
    """The bytes are not D-Bus messages, so it cannot be known where the next message begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message: the fields of its header, and its bytes.

    kind: METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL, or a kind of a newer specification.
    raw: all of its bytes, None if it is larger than LARGEST, or than LARGEST_ANSWER if it is waited for.
    body_at: the offset of its body in `raw`. signature: the types of the values in the body.
    """

    kind: int
    flags: int
    serial: int
    raw: bytes | None
    body_at: int
    signature: str = ""
    path: str | None = None
    interface: str | None = None
    member: str | None = None
    error_name: str | None = None
    reply_serial: int | None = None
    destination: str | None = None
    sender: str | None = None

    @property
    def expects_reply(self) -> bool:
        """Whether it is a call whose caller waits for an answer."""
        return self.kind == METHOD_CALL and not self.flags & _NO_REPLY_EXPECTED


class Frames:
    """The messages of one connection, cut out of its bytes as they come in."""

    def __init__(self, is_awaited: Callable[[int], bool] = lambda _: False) -> None:
        """Begin at the first byte of a message. is_awaited: whether an answer with this serial is waited for."""
        self._is_awaited = is_awaited
        self._buffer = bytearray()
        self._passed_over = 0

    def take(self, data: bytes) -> list[Frame]:
        """Return the messages that are complete with `data`, or turn out to be too large; raise Malformed.

        A message whose header cannot be read is left out.
        """
        skipped = min(self._passed_over, len(data))
        self._passed_over -= skipped
        self._buffer += memoryview(data)[skipped:]
        frames = []
        while (size := self._complete()) is not None:
            if (frame := self._cut(size)) is not None:
                frames.append(frame)
        return frames

    def _complete(self) -> _Size | None:
        """Return the size of the first message if all bytes of it that are needed are here; None if not."""
        if len(self._buffer) < _FIXED:
            return None
        size = _Size.of(self._buffer)
        if LARGEST < size.total <= LARGEST_ANSWER and len(self._buffer) >= size.needed and self._is_answer(size):
            size = _Size.of(self._buffer, LARGEST_ANSWER)
        return size if len(self._buffer) >= size.needed else None

    def _is_answer(self, size: _Size) -> bool:
        """Tell whether the first message, of which the header is here, is an answer that is waited for."""
        frame = self._header(size)
        return frame is not None and frame.kind == METHOD_RETURN and self._is_awaited(frame.reply_serial or 0)

    def _cut(self, size: _Size) -> Frame | None:
        frame = self._header(size)
        self._passed_over = max(size.total - len(self._buffer), 0)
        del self._buffer[: size.total]
        return frame

    def _header(self, size: _Size) -> Frame | None:
        """Return the first message as far as it is needed; None if its header cannot be read."""
        return None if size.fields > LARGEST_HEADER else _frame(bytes(self._buffer[: size.needed]), size)


@dataclass(frozen=True, slots=True)
class _Size:
    """The size of a message in bytes. fields: its header's fields. header: its whole header. total: with the body.

    order: its byte order, for struct. most: of a larger message only the header is read.
    """

    order: str
    fields: int
    header: int
    total: int
    most: int

    @classmethod
    def of(cls, start: bytearray, most: int = LARGEST) -> _Size:
        order = _ORDERS.get(start[0])
        if order is None or start[3] != _VERSION:
            raise Malformed("it sent something that is not D-Bus")
        body, _, fields = struct.unpack_from(f"{order}III", start, 4)
        header = _FIXED + (fields + 7) // 8 * 8
        if header + body > _LARGEST_BY_THE_SPECIFICATION:
            raise Malformed("it sent something that is not D-Bus")
        return cls(order, fields, header, header + body, most)

    @property
    def needed(self) -> int:
        """The number of bytes that are read of it."""
        if self.fields > LARGEST_HEADER:
            return _FIXED
        return self.header if self.total > self.most else self.total


def _frame(raw: bytes, size: _Size) -> Frame | None:
    kind, flags = raw[1], raw[2]
    (serial,) = struct.unpack_from(f"{size.order}I", raw, 8)
    try:
        fields = _fields(raw, size)
    except (struct.error, IndexError, UnicodeDecodeError, _Unreadable):
        return None
    kept = None if size.total > size.most else raw
    return Frame(kind=kind, flags=flags, serial=serial, raw=kept, body_at=size.header, **fields)


class _Unreadable(Exception):
    """A header has a field of an unexpected type."""


def _fields(raw: bytes, size: _Size) -> dict[str, Any]:
    """Return the fields of a header by name; in the header they are an array of structures: a number and a variant."""
    fields: dict[str, Any] = {}
    at, end = _FIXED, _FIXED + size.fields
    while at < end:
        at = (at + 7) // 8 * 8
        kind = raw[at + 2 : at + 3].decode()
        if raw[at + 1] != 1:  # the length of the variant's signature
            raise _Unreadable
        name, its_kind = _FIELDS.get(raw[at], (None, None))
        value, after = _value(raw, at + 4, kind, size.order)
        if name is not None:
            if kind != its_kind:
                raise _Unreadable
            fields[name] = value
        at = after
    return fields


def _value(raw: bytes, at: int, kind: str, order: str) -> tuple[str | int, int]:
    """Return the value of type `kind` at offset `at`, and the offset of its end; raise if it cannot be read."""
    if kind == "g":
        begin, length = at + 1, raw[at]
    elif kind in {"s", "o", "u"}:
        (length,) = struct.unpack_from(f"{order}I", raw, at)
        begin = at + 4
        if kind == "u":
            return length, begin
    else:
        raise _Unreadable
    if begin + length >= len(raw):
        raise _Unreadable
    return raw[begin : begin + length].decode(), begin + length + 1
