"""What a signal does once the command has ended: it ends a wait of ours, and never loses the command's status."""

from __future__ import annotations

import errno
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_FOR_THE_COMMAND = {
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGXCPU,
    signal.SIGSTKFLT,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
}
"""The other signals that end a process by default, except those that the kernel raises for a fault."""


class Patience:
    """How long we wait for whatever takes the report: until a signal comes that asks a program to end."""

    def __init__(self) -> None:
        """Leave signals as they are, until `begin`."""
        self._is_waiting = False
        self._is_over = False

    def begin(self) -> None:
        """Let no signal kill us from now on; ignored signals stay ignored.

        Call this while signals are held (signals.HeldSignals), so that none can come before, and after the command was
        started, so that it does not inherit this.
        """
        from scoperun.process.signals import ENDING  # noqa: PLC0415  already imported to hold the signals

        for number in ENDING | _FOR_THE_COMMAND:
            if signal.getsignal(number) is not signal.SIG_IGN:
                # SIG_IGN would discard the pending ones, which are for the command.
                signal.signal(number, self._end if number in ENDING else _pass)

    @contextmanager
    def waiting(self, *, for_somebody: bool = False) -> Iterator[None]:
        """Let a signal break off the body of this context, by raising InterruptedError.

        for_somebody: the body waits for another program and might never end by itself. So it is not begun if a signal
            came before.
        """
        if for_somebody and self._is_over:
            raise _interrupted()
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._is_over = True
        if self._is_waiting:
            self._is_waiting = False  # the next signal must not break off the cleanup
            raise _interrupted()


def _interrupted() -> InterruptedError:
    return InterruptedError(errno.EINTR, "interrupted")


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal was for the command."""
