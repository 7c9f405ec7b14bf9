"""The terminal that a command gets. Like a shell, we restore its modes afterwards."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_OFLAG, _LFLAG = 1, 3
"""The indices of these flags in what tcgetattr returns."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The controlling terminal's modes when the command got it."""

    attributes: list[Any]

    def restore(self) -> None:
        """Set the terminal to these modes again, unless another process group has it now. SIGTTOU must be blocked."""
        import termios  # noqa: PLC0415  only needed with a terminal

        with suppress(OSError, termios.error), _controlling_terminal() as fd:  # it might have been hung up
            if _is_ours_again(fd) and termios.tcgetattr(fd) != self.attributes:
                # Not TCSADRAIN, which would wait for output that was stopped by Ctrl-S.
                termios.tcsetattr(fd, termios.TCSANOW, self.attributes)


def modes() -> Modes | None:
    """Return the modes of the terminal that a command is about to get, if no other program uses the terminal.

    None unless input and output are both our controlling terminal and we are in the foreground: the left side of a pipe
    to a pager ends while the pager continues, and in the background the modes belong to another process group.
    """
    if not (os.isatty(0) and os.isatty(1)):
        return None
    import termios  # noqa: PLC0415  as above

    try:
        if {os.tcgetpgrp(0), os.tcgetpgrp(1)} != {os.getpgrp()}:
            return None
        return Modes(termios.tcgetattr(0))
    except (OSError, termios.error):  # a terminal, but not our session's
        return None


def line_end(fd: int) -> str:
    """Return what ends a line of text on descriptor `fd`: a line feed, after a carriage return if that is needed.

    On a terminal that is left in raw mode, after a line feed alone the next line would begin below the end of this one.
    """
    flags = _flags(fd)
    if flags is None:
        return "\n"
    import termios  # noqa: PLC0415  as above

    translated = termios.OPOST | termios.ONLCR
    return "\n" if flags[_OFLAG] & translated == translated else "\r\n"


def columns(fd: int) -> int | None:
    """Return the width of terminal `fd` in cells, None if it is not a terminal or does not know its size."""
    if not os.isatty(fd):
        return None
    try:
        return os.get_terminal_size(fd).columns or None
    except OSError:  # it was hung up just now
        return None


def takes_keys(fd: int) -> bool:
    """Tell whether a program reads terminal `fd` key by key: then neither its current line nor its screen is empty."""
    flags = _flags(fd)
    if flags is None:
        return False
    import termios  # noqa: PLC0415  as above

    return not flags[_LFLAG] & termios.ICANON


def _flags(fd: int) -> list[Any] | None:
    if not os.isatty(fd):
        return None
    import termios  # noqa: PLC0415  as above

    try:
        return termios.tcgetattr(fd)
    except termios.error:  # it was hung up just now
        return None


@contextmanager
def _controlling_terminal() -> Iterator[int]:
    """Open it for a moment only: while we held it, its other end would not see that the command has closed it."""
    fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _is_ours_again(fd: int) -> bool:
    """Tell whether our process group has the terminal; take it from a group that is gone, e.g. of a killed shell."""
    group = os.tcgetpgrp(fd)
    if group == os.getpgrp():
        return True
    if not _is_gone(group):
        return False
    os.tcsetpgrp(fd, os.getpgrp())
    return True


def _is_gone(group: int) -> bool:
    if group == 0:  # the terminal has no foreground
        return True
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
