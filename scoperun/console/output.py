"""What scopectl prints: text and JSON on standard output, messages on standard error."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.console import locales
from scoperun.environment import given_environment
from scoperun.errors import ScoperunError
from scoperun.printable import lines

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def say(text: str) -> None:
    """Print a message on standard error; unprintable characters but line ends are escaped."""
    with suppress(OSError):  # it has no reader
        _write(2, f"{lines(text)}\n")


def print_error(text: str) -> None:
    """Print text that is safe to print on standard error."""
    with suppress(OSError):  # as above
        _write(2, f"{text}\n")


class _Lossy(io.FileIO):
    """A file that drops what it cannot write."""

    def write(self, data: ReadableBuffer) -> int:
        """Write, or raise nothing."""
        size = memoryview(data).nbytes
        with suppress(OSError):  # as above
            return super().write(data) or size  # None: another process has set O_NONBLOCK, and it is full
        return size


def standard_error() -> io.TextIOWrapper:
    """Return standard error as a file for rich: as with `say`, what has no reader is lost, and nothing is raised."""
    encoding = "utf-8" if takes_utf8() else "ascii"
    return io.TextIOWrapper(io.BufferedWriter(_Lossy(2, "w", closefd=False)), encoding, "backslashreplace")


def columns() -> int:
    """Return how wide the terminal is that standard error is."""
    return os.get_terminal_size(2).columns or 80


def print_text(text: str) -> None:
    """Print text that is safe to print on standard output. Raises BrokenPipeError, ScoperunError if it cannot."""
    try:
        _write(1, f"{text}\n" if text else "")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ScoperunError(f"cannot print: {error.strerror}") from None


def on_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return os.isatty(1)


def takes_utf8() -> bool:
    """Tell whether the locale's character set is UTF-8, so that lines and bars can be drawn."""
    return locales.takes_utf8(given_environment())


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output, indented for a terminal."""
    print_text(json.dumps(value, indent=2 if os.isatty(1) else None))


def print_json_line(value: Any) -> None:
    """Print a value as one line of JSON on standard output, one of several."""
    print_text(json.dumps(value))


def _write(fd: int, text: str) -> None:
    rest = memoryview(text.encode(errors="backslashreplace"))
    while rest:
        rest = rest[os.write(fd, rest) :]
