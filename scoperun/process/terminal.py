"""The terminal that a command is given, which is left as a shell leaves it: in the modes that it had."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_OFLAG, _LFLAG = 1, 3
"""Where tcgetattr has these flags in what it returns."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The controlling terminal's modes when the command got it."""

    attributes: list[Any]

    def restore(self) -> None:
        """Give the terminal these modes again, unless others have it now; hold SIGTTOU back meanwhile."""
        import termios  # noqa: PLC0415  for a terminal alone

        with suppress(OSError, termios.error), _controlling_terminal() as fd:  # it may have been hung up
            if _is_ours_again(fd) and termios.tcgetattr(fd) != self.attributes:
                # Not TCSADRAIN: output that was stopped by Ctrl-S would be waited for.
                termios.tcsetattr(fd, termios.TCSANOW, self.attributes)


def modes() -> Modes | None:
    """Return the modes of the terminal that a command is about to get, if it has it to itself.

    None unless its input and its output are both our controlling terminal and we are in the foreground: the left side
    of a pipe to a pager ends while the pager goes on, and in the background the modes are those of something else.
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
    """Return what ends a line of text on descriptor `fd`.

    On a terminal that is left raw a line feed alone would have the next line begin below the end of this one.
    """
    flags = _flags(fd)
    if flags is None:
        return "\n"
    import termios  # noqa: PLC0415  as above

    translated = termios.OPOST | termios.ONLCR
    return "\n" if flags[_OFLAG] & translated == translated else "\r\n"


def takes_keys(fd: int) -> bool:
    """Tell whether a program takes keys one by one from terminal `fd`: its line is not empty then, nor its screen."""
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
    """Open it for this once: as long as we held it, its other end would not see that the command has closed it."""
    fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _is_ours_again(fd: int) -> bool:
    """Tell whether our process group has the terminal; take it back from one that is gone, e.g. of a killed shell."""
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
