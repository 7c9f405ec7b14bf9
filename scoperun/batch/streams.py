"""The streams of a job, which runs in a session of its own: it reads nothing, and writes to files."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from collections.abc import Callable

_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP, signal.SIGTERM)
"""What a terminal, or a program that ends, sends to our process group."""


class CannotKeep(ScoperunError):
    """What a job prints cannot be kept, for a reason that is none of the job's, e.g. a full disk."""


class CannotRead(ScoperunError):
    """What a job has printed is not in its files any more, e.g. because these were removed."""


class Streams:
    """Standard output and error of a job that has not started. The caller's own copies are closed once it has them."""

    def __init__(self, output: int, errors: int, *, undo: Callable[[], None] | None = None) -> None:
        """Take two descriptors. undo: undoes in the job's process what we have set in ours."""
        self._fds: tuple[int, ...] = (output, errors)
        self._undo = undo

    def take(self) -> None:
        """In the job's process: leave our session and our terminal, and use these streams.

        What the terminal sent before was for the runner: ignoring a signal discards it.
        """
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _FROM_TERMINAL}
        os.setsid()
        for number, disposition in before.items():
            signal.signal(number, signal.SIG_IGN if disposition is signal.SIG_IGN else signal.SIG_DFL)
        if self._undo is not None:
            self._undo()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, stream in zip((nothing, *self._fds), (0, 1, 2), strict=True):
            os.dup2(fd, stream)

    def close(self) -> None:
        """Close our copies."""
        for fd in self._fds:
            os.close(fd)
        self._fds = ()
