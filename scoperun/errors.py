"""What can go wrong: one class for each case that a caller can act on.

A message names what its caller can set by the fields of RunOptions, e.g. `slice` or `context.user=NAME`.

ScoperunError
├── InvalidValue          an option or argument is not valid
├── CommandNotFound       127: the command does not exist
├── CommandNotExecutable  126: the command exists, but cannot be executed
├── BusUnavailable        no connection to systemd
│   └── BusLost           the connection broke, or answers stopped coming
├── ManagerError          systemd refused a call
│   ├── PropertyRefused   because of one property, which it names
│   └── UnitExists        because a unit of that name exists already
├── ScopeFailed           systemd tried to start the scope and could not
├── LimitNotEnforced      the scope started, but the kernel does not hold the limit
└── Interrupted           a signal ended scoperun before the command had started
"""

from __future__ import annotations

from scoperun.printable import one_line

_DOCTOR = "scopectl doctor shows what this machine has"


class ScoperunError(Exception):
    """scoperun itself failed.

    exit_status: what the command line exits with. is_about_machine: `scopectl doctor` can tell more.
    """

    exit_status = 125
    is_about_machine = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Take one line that says what went wrong, and an optional second one that says how to fix it."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return message and hint as one line."""
        return self._line(self.hint)

    @property
    def complaint(self) -> str:
        """The one line that the command line prints: for an error about the machine it says what tells more."""
        return self._line(self.hint, _DOCTOR if self.is_about_machine else None)

    def _line(self, *hints: str | None) -> str:
        said = "; ".join(filter(None, hints))
        return one_line(f"{self.message} ({said})" if said else self.message)


class InvalidValue(ScoperunError):
    """The caller gave a value that cannot be used; nothing was started."""


class CommandNotFound(ScoperunError):
    """The command does not exist."""

    exit_status = 127


class CommandNotExecutable(ScoperunError):
    """The command exists but cannot be executed."""

    exit_status = 126


class BusUnavailable(ScoperunError):
    """systemd cannot be reached over D-Bus."""

    is_about_machine = True


class BusLost(BusUnavailable):
    """The connection to the bus broke, or an answer did not come in time."""

    is_about_machine = False


class ManagerError(ScoperunError):
    """systemd answered a call with an error; `name` is the error's D-Bus name."""

    def __init__(self, message: str, *, name: str, hint: str | None = None) -> None:
        """Take the line to show and the D-Bus error name, e.g. org.freedesktop.DBus.Error.InvalidArgs."""
        super().__init__(message, hint=hint)
        self.name = name


class PropertyRefused(ManagerError):
    """The running systemd cannot set the property `property_name` on a scope."""

    def __init__(self, message: str, *, name: str, property_name: str) -> None:
        """Take the line to show, the D-Bus error name and the property that systemd named."""
        super().__init__(message, name=name)
        self.property_name = property_name


class UnitExists(ManagerError):
    """A unit with the requested name is loaded already."""


class ScopeFailed(ScoperunError):
    """The scope's start job ended with another result than done."""


class LimitNotEnforced(ScoperunError):
    """The kernel does not hold the scope to a limit that was asked for."""

    is_about_machine = True


class Interrupted(ScoperunError):
    """A signal arrived while the scope was being set up; the command did not start."""
