"""Whether a command could put input into the terminal that it shares with us: our shell would run that input.

See TIOCSTI in ioctl_tty(2). Since Linux 6.2 a sysctl can restrict it to root.
"""

from __future__ import annotations

import os

_SYSCTL = "/proc/sys/dev/tty/legacy_tiocsti"


def can_be_typed_at(sysctl: str = _SYSCTL) -> bool:
    """Tell whether there is a terminal, and a process without privileges may put input into it."""
    return _typing_is_allowed(sysctl) and (_has_controlling_terminal() or any(map(os.isatty, range(3))))


def _typing_is_allowed(sysctl: str) -> bool:
    try:
        with open(sysctl, encoding="utf-8") as file:
            return file.read().strip() != "0"
    except OSError:  # before 6.2
        return True


def _has_controlling_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True
