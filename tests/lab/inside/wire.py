"""The frames that host and guest exchange over a serial line. No I/O."""

import struct
from collections.abc import Iterator
from enum import Enum

HEADER = struct.Struct("!cI")


class Kind(Enum):
    """The kinds of frames, each with its sender and content."""

    READY = b"R"  # guest: the line is raw now; bytes sent before might be changed
    JOB = b"J"  # host: the job, as JSON
    STDIN = b"0"  # host: bytes; none means end of file
    STDOUT = b"1"  # guest: bytes
    STDERR = b"2"  # guest: bytes
    EXIT = b"X"  # guest: the exit status in decimal, after the last output


def frame(kind: Kind, data: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return HEADER.pack(kind.value, len(data)) + data


class Frames:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield the frames that `data` completes."""
        self._pending += data
        while len(self._pending) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._pending)
            end = HEADER.size + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[HEADER.size : end])
            del self._pending[:end]
            yield Kind(kind), body
