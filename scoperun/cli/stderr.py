"""What scoperun prints on standard error, which it shares with the command."""

from __future__ import annotations

import os
from contextlib import suppress

from scoperun.printable import lines
from scoperun.process.patience import Patience

PATIENCE = Patience()
"""Ends the waits for whatever takes the output when a signal asks the program to end."""


def say(text: str) -> None:
    """Print a message; its line breaks stay, and other unprintable characters are escaped."""
    print_text(lines(text))


def print_text(text: str) -> None:
    """Write lines that are safe to print to stderr."""
    rest = memoryview(_ended(text).encode())
    with suppress(OSError), PATIENCE.waiting():  # stderr has no reader
        while rest:
            rest = rest[_written(rest) :]


def in_options(text: str) -> str:
    """Return a message of the library with options in place of fields."""
    if "`" not in text:  # an import might fail: there can be no free descriptor
        return text
    from scoperun.console.field_names import in_options

    return in_options(text)


def _ended(text: str) -> str:
    """Return the text with the line ends that stderr needs, and one at the end."""
    if not os.isatty(2):
        return f"{text}\n"
    from scoperun.process.terminal import line_end

    return f"{text}\n".replace("\n", line_end(2))


def _written(rest: memoryview) -> int:
    """Write to stderr and return how many bytes it took; 0 after waiting for room.

    Another process that shares stderr might have set O_NONBLOCK.
    """
    try:
        return os.write(2, rest)
    except BlockingIOError:
        import select

        select.select([], [2], [])
        return 0
