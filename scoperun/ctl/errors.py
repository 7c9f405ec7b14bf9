"""What scopectl exits with."""

from __future__ import annotations

import enum

from scoperun.errors import InvalidValue, ScoperunError


class Status(enum.IntEnum):
    """The exit statuses of every subcommand."""

    OK = 0
    FAILED = 1
    WRONG_USAGE = 2
    NOT_ACTIVE = 3
    NO_SUCH_UNIT = 4
    TIMED_OUT = 124


class NotActive(ScoperunError):
    """A unit is there and is not active."""


class NoSuchUnit(ScoperunError):
    """No unit has such a name."""


def status_of(error: ScoperunError) -> Status:
    """Return the exit status for an error."""
    match error:
        case NoSuchUnit():
            return Status.NO_SUCH_UNIT
        case NotActive():
            return Status.NOT_ACTIVE
        case InvalidValue():
            return Status.WRONG_USAGE
    return Status.FAILED
