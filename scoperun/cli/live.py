"""The line of --live: what the command uses now, redrawn on the terminal at each sample.

It is drawn only if neither the command's output nor its errors go to a terminal, where it would be mixed with them. The
terminal is then our controlling one, /dev/tty. As long as we held that open, its other end would not see that the
command has closed it, so it is opened for each time that the line is drawn.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.printable import one_line
from scoperun.process.terminal import columns
from scoperun.report.live_text import LiveText

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision

_TERMINAL = "/dev/tty"
_UNKNOWN_WIDTH = 80


def see_terminal(request: RunRequest) -> None:
    """Raise InvalidValue if the line would be drawn into what the command prints, or if there is no terminal."""
    if os.isatty(1) or os.isatty(2):
        named = "" if request.unit is None else f" shows {one_line(request.unit)}"
        raise InvalidValue(
            "--live would draw into the command's output, which goes to the terminal",
            hint=f"redirect it and its errors, e.g. >log 2>&1; or scopectl top{named} in another terminal",
        )
    try:
        os.close(_opened())
    except OSError as error:
        raise InvalidValue(f"--live: there is no terminal: {_TERMINAL}: {error.strerror}") from None


@asynccontextmanager
async def live_line(supervision: Supervision) -> AsyncIterator[None]:
    """Draw the line during the context, and remove it at the end."""
    line = _Line()
    drawing = asyncio.create_task(_draw(supervision, line))
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
        line.remove()


async def _draw(supervision: Supervision, line: _Line) -> None:
    text = LiveText(supervision.start)
    async for sample in supervision.samples():
        line.draw(text.of(sample))


class _Line:
    """What is drawn."""

    def __init__(self) -> None:
        self._length = 0

    def draw(self, text: str) -> None:
        """Draw a text in place of the one before; do not if that would stop us or keep us waiting."""
        with suppress(OSError):  # the terminal is gone, or full: it was stopped by Ctrl-S
            fd = _opened()
            try:
                if os.tcgetpgrp(fd) != os.getpgrp():  # in the background: another program has the terminal
                    return
                # Not in the last column, where some terminals begin a new line.
                shown = text[: (columns(fd) or _UNKNOWN_WIDTH) - 1]
                os.write(fd, f"\r{shown.ljust(self._length)}\r".encode())
                self._length = len(shown)
            finally:
                os.close(fd)

    def remove(self) -> None:
        """Remove the text, so that the next thing on the terminal begins where it did."""
        if self._length:
            self.draw("")


def _opened() -> int:
    return os.open(_TERMINAL, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
