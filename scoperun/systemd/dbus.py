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

_AT_EIGHT = "xtd{("

_NUMBERS = {ord("l"): struct.Struct("<I"), ord("B"): struct.Struct(">I")}


def body(frame: Frame, wanted: Container[str] | None = None) -> list[Any]:
    """Return the values in a message's body, with variants replaced by their contents, and arrays of bytes as bytes.

    wanted: the keys of dictionaries whose values are read; the others are left out. None is all.
    Raise an exception of any class if the body does not match the signature.
    """
    reader = _Reader(frame, wanted)
    return [reader.read_argument(each) for each in _types(frame.signature)]


def _has_names(child: SignatureType) -> bool:
    """Tell whether an array of such elements is a dictionary whose keys are strings."""
    return child.signature.startswith("{s")


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

    # Most of what is read is names and their lengths. These two do what dbus-next's do, in a third of the time.

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
        if self._wanted is None or not _has_names(child):
            return super().read_array(type_)
        key, value = child.children
        end = self._begin_array(child)
        found: dict[str, Any] = {}
        while self.offset < end:
            self.offset = (self.offset + 7) & ~7
            name = self.read_string(key)
            if name in self._wanted:
                found[name] = self.read_argument(value)
            else:
                self._skip(value)
        return found

    def _begin_array(self, child: SignatureType) -> int:
        """Read the array's length, with which it begins, and return where it ends."""
        length = self.read_uint32()
        if child.token in _AT_EIGHT:
            self.align(8)
        return self.offset + length

    def _skip(self, type_: SignatureType) -> None:
        match type_.token:
            case "v":  # by far the most
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
                self._skip_fixed(_SIZES[token])

    def _skip_variant(self) -> None:
        """Skip a variant. Most of what is skipped is a property's number: for these, nothing is looked up."""
        begin = self.read(1) + 1
        self.offset = begin + self.buf[begin - 1] + 1
        signature = self.buf[begin : self.offset - 1]
        if size := _SIZES_IN_VARIANTS.get(signature):
            self._skip_fixed(size)
        else:
            (contained,) = _types(signature.decode())
            self._skip(contained)

    def _skip_fixed(self, size: int) -> None:
        self.offset = (self.offset + size - 1) & -size
        self.read(size)
