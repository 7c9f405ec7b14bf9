"""Lines on standard error while the command runs. They never wait for a reader, which would delay signals."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from scoperun.console.lines import Lines
from scoperun.process.streams import duplicate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_STDERR = 2


@asynccontextmanager
async def notice(*texts: str) -> AsyncIterator[None]:
    """Print lines during the context, as soon as standard error takes it; print nothing if no descriptor is free."""
    try:
        ours = duplicate(_STDERR)
    except OSError:
        yield
        return
    with closing(Lines(ours)) as stderr:
        for text in texts:
            stderr.put(text + _return())
        yield


def _return() -> str:
    """Return what standard error needs before a line feed."""
    if not os.isatty(_STDERR):
        return ""
    from scoperun.process.terminal import line_end  # noqa: PLC0415  it imports termios

    return line_end(_STDERR).removesuffix("\n")
