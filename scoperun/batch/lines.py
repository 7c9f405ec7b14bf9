r"""The lines of a file of jobs, one after the other, each with its place.

A line ends at \n or \r\n, the last one also at the end of the file. Bytes that are not UTF-8 are kept, as
os.fsdecode() does. Blank lines are left out, and so is a byte order mark at the beginning of the file.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

STANDARD_INPUT = frozenset({"-", "/dev/stdin"})

LONGEST = 16 << 20
"""Bytes of a line at most, so that a file without line ends does not fill the memory. A command is far shorter."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line. place: where it is, for messages: FILE:NUMBER. text: without its end."""

    place: str
    text: str


def lines(path: str, *, longest: int = LONGEST) -> Iterator[Line]:
    """Yield the lines of a file that are not blank; it is read once, and as they are asked for.

    Raises InvalidValue for a file that cannot be read, a NUL byte, and a line that is too long.
    """
    try:
        with _opened(path) as file:
            for number, content in enumerate(_contents(file, path, longest), 1):
                if content.strip(b" \t"):
                    yield Line(f"{path}:{number}", os.fsdecode(content))
    except OSError as error:
        raise InvalidValue(f"cannot read {path}: {error.strerror}") from None
    except ValueError:  # the path has a NUL byte
        raise InvalidValue(f"cannot read {path!r}: it has a NUL byte") from None


def in_place(place: str, error: InvalidValue) -> InvalidValue:
    """Return an error with the place that it is about."""
    return InvalidValue(f"{place}: {error.message}", hint=error.hint)


def _opened(path: str) -> BinaryIO:
    # /dev/stdin would open a file from its beginning, and fail for a socket.
    return open(os.dup(0), "rb") if path in STANDARD_INPUT else open(path, "rb")


def _contents(file: BinaryIO, path: str, longest: int) -> Iterable[bytes]:
    """Yield the lines without their ends, and the first one without a byte order mark."""
    number = 0
    while content := file.readline(longest + 1):
        number += 1
        if b"\0" in content:
            raise InvalidValue(f"{path}:{number}: a NUL byte, which no command can contain")
        if len(content) > longest:
            raise InvalidValue(f"{path}:{number}: the line is longer than {format_size(longest)}")
        if number == 1:
            content = content.removeprefix(BOM_UTF8)
        yield content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
