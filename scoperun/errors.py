"""What can go wrong: one class for each thing that a caller can act on.

A message names what its caller can set as `slice` or `context.user=NAME`, after the fields of RunOptions.

ScoperunError
├── InvalidValue          an option or argument that nothing can be made of
├── CommandNotFound       127: there is no such command
├── CommandNotExecutable  126: there is one, but it cannot be executed
├── BusUnavailable        no connection to systemd
│   └── BusLost           there was one, and it broke or fell silent
├── ManagerError          systemd refused a call
│   ├── PropertyRefused   because of one property, which it names
│   └── UnitExists        because a unit of that name is there already
├── ScopeFailed           systemd tried to start the scope and could not
├── LimitNotEnforced      the scope started, but the kernel does not hold the limit
└── Interrupted           a signal ended scoperun before the command had started
"""

from __future__ import annotations

from scoperun.printable import one_line


class ScoperunError(Exception):
    """scoperun itself failed; `exit_status` is what the command line exits with."""

    exit_status = 125

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Take one line that says what went wrong and, if there is one, another that says how to mend it."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the one line that the command line prints."""
        text = f"{self.message} ({self.hint})" if self.hint else self.message
        return one_line(text)


class InvalidValue(ScoperunError):
    """A value of the caller's cannot be used; nothing was started."""


class CommandNotFound(ScoperunError):
    """There is no such command."""

    exit_status = 127


class CommandNotExecutable(ScoperunError):
    """The command is there but cannot be executed."""

    exit_status = 126


class BusUnavailable(ScoperunError):
    """systemd cannot be reached over D-Bus."""


class BusLost(BusUnavailable):
    """The connection to the bus broke, or an answer did not come in time."""


class ManagerError(ScoperunError):
    """systemd answered a call with an error; `name` is the error's D-Bus name."""

    def __init__(self, message: str, *, name: str, hint: str | None = None) -> None:
        """Take the line to show and the D-Bus error name, such as org.freedesktop.DBus.Error.InvalidArgs."""
        super().__init__(message, hint=hint)
        self.name = name


class PropertyRefused(ManagerError):
    """The running systemd cannot set the property `property_name` on a scope."""

    def __init__(self, message: str, *, name: str, property_name: str) -> None:
        """Take the line to show, the D-Bus error name and the property that systemd named."""
        super().__init__(message, name=name)
        self.property_name = property_name


class UnitExists(ManagerError):
    """A unit of the wanted name is loaded already."""


class ScopeFailed(ScoperunError):
    """The scope's start job did not end as done."""


class LimitNotEnforced(ScoperunError):
    """The kernel does not hold the scope to a limit that was asked for."""


class Interrupted(ScoperunError):
    """A signal came while the scope was being set up."""
