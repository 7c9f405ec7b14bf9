"""The parts of dbus-next that are used: its messages, and its unmarshaller, which here reads only what is wanted.

Only this module imports dbus-next; bus.py says what is not used, and why. A signal from systemd has dozens of
properties, of which two matter here. Reading them all takes a quarter of the processor time of a run.
"""

from __future__ import annotations

import struct
import typing
from typing import TYPE_CHECKING, Any

# dbus_next cannot be imported where this is gone (Python 3.15).
if not hasattr(typing, "no_type_check_decorator"):
    typing.no_type_check_decorator = lambda decorator: decorator

import dbus_next.errors  # noqa: F401  first, since it is in an import cycle and the package can be empty (startup.py)
from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant

__all__ = ["Message", "MessageType", "Variant", "body"]

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from dbus_next.signature import SignatureType

    from scoperun.systemd.frames import Frame

    class Unmarshaller:
        """The methods that are used; dbus-next has no types."""

        buf: bytes
        offset: int
        readers: dict[str, Callable[[SignatureType], Any]]
        endian: int

        def __init__(self, stream: None) -> None: ...
        def align(self, n: int) -> None: ...
        def read_byte(self) -> int: ...
        def read_uint32(self, type_: SignatureType | None = None) -> int: ...
        def read_string(self, type_: SignatureType | None = None) -> str: ...
        def read_signature(self) -> str: ...
        def read_array(self, type_: SignatureType) -> Any: ...
        def read_argument(self, type_: SignatureType) -> Any: ...

else:
    from dbus_next._private.unmarshaller import Unmarshaller

_SIZES = {"y": 1, "b": 4, "n": 2, "q": 2, "i": 4, "u": 4, "x": 8, "t": 8, "d": 8, "h": 4}
"""The size in bytes of types of a fixed size; a value is aligned to its size."""

_SIZES_IN_VARIANTS = {token.encode(): size for token, size in _SIZES.items()}

_TEXTS = {b"s", b"o"}

_PROPERTY = "{sv}"

_AT_EIGHT = "xtd{("
_BYTES_AT_EIGHT = _AT_EIGHT.encode()

_NUMBERS = {ord("l"): struct.Struct("<I"), ord("B"): struct.Struct(">I")}


def body(frame: Frame, wanted: Container[str] | None = None) -> list[Any]:
    """Return the values in a message's body, with variants replaced by their contents, and arrays of bytes as bytes.

    wanted: the names of properties (a{sv}) whose values are read; the others are left out. None is all.
    Raise an exception of any class if the body does not match the signature.
    """
    reader = _Reader(frame, wanted)
    return [reader.read_argument(each) for each in _types(frame.signature)]


def _types(signature: str) -> list[SignatureType]:
    return list(SignatureTree._get(signature).types)  # noqa: SLF001


class _Reader(Unmarshaller):
    """Reads a body that is in memory as a whole."""

    def __init__(self, frame: Frame, wanted: Container[str] | None) -> None:
        if frame.raw is None:
            raise ValueError("the message is too long")
        super().__init__(None)
        self.buf = frame.raw
        self.offset = frame.body_at
        self.endian = frame.raw[0]
        self._number = _NUMBERS[self.endian]
        self._wanted = wanted

    def read(self, n: int, prefetch: bool = False) -> int:
        begin = self.offset
        if begin + n > len(self.buf):
            raise EOFError
        if not prefetch:
            self.offset = begin + n
        return begin

    # Most of what is not skipped is texts and lengths. These two do what dbus-next's do, in a third of the time.

    def read_uint32(self, _type: SignatureType | None = None) -> int:
        begin = (self.offset + 3) & ~3
        (number,) = self._number.unpack_from(self.buf, begin)
        self.offset = begin + 4
        return int(number)

    def read_string(self, _type: SignatureType | None = None) -> str:
        begin = ((self.offset + 3) & ~3) + 4
        (length,) = self._number.unpack_from(self.buf, begin - 4)
        self.offset = begin + length + 1
        if self.offset > len(self.buf):
            raise EOFError
        return str(self.buf[begin : begin + length], "utf-8")

    def read_struct(self, type_: SignatureType) -> list[Any]:
        self.offset = (self.offset + 7) & ~7
        return [self.readers[child.token](child) for child in type_.children]

    def read_variant(self, _type: SignatureType | None = None) -> Any:
        (contained,) = _types(self.read_signature())
        return self.read_argument(contained)

    def read_array(self, type_: SignatureType) -> Any:
        child = type_.children[0]
        if self._wanted is None or child.signature != _PROPERTY:
            return super().read_array(type_)
        return self._read_properties(self._wanted, self._begin_array(child))

    def _read_properties(self, wanted: Container[str], end: int) -> dict[str, Any]:
        """Return those of the properties up to offset `end` that are wanted.

        Most of what systemd sends is skipped here: its answer has a hundred properties. So what most of them are,
        numbers, texts and arrays, is skipped without a call.
        """
        found: dict[str, Any] = {}
        raw, unpack, at = self.buf, self._number.unpack_from, self.offset
        while at < end:
            at = (at + 7) & ~7
            (length,) = unpack(raw, at)
            variant = at + 4 + length + 1
            kind_end = variant + 1 + raw[variant]
            kind = raw[variant + 1 : kind_end]
            name = str(raw[at + 4 : variant - 1], "utf-8")
            if name in wanted:
                self.offset = variant
                found[name] = self.read_variant()
                at = self.offset
            elif size := _SIZES_IN_VARIANTS.get(kind):
                at = ((kind_end + size) & -size) + size
            elif kind in _TEXTS:
                at = (kind_end + 4) & ~3
                (length,) = unpack(raw, at)
                at += 4 + length + 1
            elif kind.startswith(b"a"):
                at = (kind_end + 4) & ~3
                (length,) = unpack(raw, at)
                at = ((at + 11) & ~7 if kind[1] in _BYTES_AT_EIGHT else at + 4) + length
            else:
                self.offset = variant
                self._skip_variant()
                at = self.offset
        if at != end or end > len(raw):
            raise EOFError
        self.offset = end
        return found

    def _begin_array(self, child: SignatureType) -> int:
        """Read the array's length, with which it begins, and return where it ends."""
        length = self.read_uint32()
        if child.token in _AT_EIGHT:
            self.align(8)
        return self.offset + length

    def _skip(self, type_: SignatureType) -> None:
        match type_.token:
            case "v":
                self._skip_variant()
            case "s" | "o":
                self.read(self.read_uint32() + 1)
            case "g":
                self.read(self.read_byte() + 1)
            case "a":
                end = self._begin_array(type_.children[0])
                self.read(end - self.offset)
            case "(" | "{":
                self.align(8)
                for child in type_.children:
                    self._skip(child)
            case token:
                self.align(_SIZES[token])
                self.read(_SIZES[token])

    def _skip_variant(self) -> None:
        (contained,) = _types(self.read_signature())
        self._skip(contained)
