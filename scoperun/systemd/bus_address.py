"""Where the user's bus is: from the environment to a D-Bus address, and from that to a socket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable
from scoperun.record import dataclass
from scoperun.systemd.bus_socket import own_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/."
_HEXADECIMAL = set("0123456789abcdefABCDEF")

_CHECK = "check: systemctl --user is-system-running"


@dataclass(frozen=True, slots=True)
class Address:
    """One address out of a D-Bus address list.

    https://dbus.freedesktop.org/doc/dbus-specification.html#addresses
    """

    text: str

    def __str__(self) -> str:
        """Return the address as it was given."""
        return self.text

    def socket_name(self) -> bytes:
        """Return the name for connect(2); raise ValueError if the address does not name a Unix socket."""
        transport, _, options = self.text.partition(":")
        values = dict(_option(each) for each in options.split(",") if each)
        path, abstract = values.get("path", b""), values.get("abstract", b"")
        if transport != "unix" or bool(path) == bool(abstract):
            raise ValueError("only unix:path= and unix:abstract= are understood")
        if b"\0" in path + abstract:
            raise ValueError("it has a NUL byte")
        return path or b"\0" + abstract


def addresses(text: str) -> list[Address]:
    """Return the addresses in a D-Bus address list, to be tried in turn; raise BusUnavailable if it is empty."""
    listed = [Address(each) for each in text.split(";") if each]
    if not listed:
        raise BusUnavailable(f"{text!r} is not the address of a bus")
    return listed


def _option(text: str) -> tuple[str, bytes]:
    name, _, value = text.partition("=")
    plain, *escaped = value.split("%")
    return name, os.fsencode(plain) + b"".join(map(_unescaped, escaped))


def _unescaped(text: str) -> bytes:
    """Return the bytes of a text that followed a %: a byte in two hexadecimal digits, and more; raise ValueError."""
    digits, rest = text[:2], text[2:]
    if len(digits) < 2 or not set(digits) <= _HEXADECIMAL:
        raise ValueError(f"%{digits} is not a valid escape")
    return bytes.fromhex(digits) + os.fsencode(rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What helps to find the bus of a user's manager.

    runtime_dir, session_bus: XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS, None if not set.
    uid: this user. usual: the folder that systemd-logind makes for this user, which XDG_RUNTIME_DIR should name.
    """

    runtime_dir: str | None
    session_bus: str | None
    uid: int
    usual: str

    @classmethod
    def of(cls, environment: Mapping[str, str], *, runtime_dirs: str = "/run/user") -> Surroundings:
        """Return those of this process; an empty variable counts as not set."""
        uid = own_credentials().uid
        return cls(
            runtime_dir=environment.get("XDG_RUNTIME_DIR") or None,
            session_bus=environment.get("DBUS_SESSION_BUS_ADDRESS") or None,
            uid=uid,
            usual=f"{runtime_dirs}/{uid}",
        )

    def bus(self) -> str:
        """Return the address of the bus of the user's manager; raise BusUnavailable if it cannot be found.

        The session's bus comes second, because under dbus-run-session and similar programs it is a bus without systemd.
        If neither variable is set, e.g. under cron(8), the bus is in systemd-logind's usual folder.
        """
        if self._folder_of_bus:
            return _address_in(self._folder_of_bus)
        if self.session_bus:
            return self.session_bus
        if _has_bus(self.usual):
            return _address_in(self.usual)
        message = f"neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set, and {self.usual}/bus does not exist"
        raise BusUnavailable(f"no user bus: {message}", hint=self.remedy())

    @property
    def folder(self) -> str:
        """The runtime folder of the manager on that bus, i.e. the usual one unless the bus is in another."""
        return self._folder_of_bus or self.usual

    @property
    def _folder_of_bus(self) -> str | None:
        """XDG_RUNTIME_DIR if the bus in it is the one to connect to."""
        return self.runtime_dir if self.runtime_dir and (not self.session_bus or _has_bus(self.runtime_dir)) else None

    def remedy(self) -> str:
        """Return what to do if the bus was not found, does not work, or is another user's."""
        return "; ".join(filter(None, (self._foreign_folder(), self._way_out(), _CHECK)))

    def _foreign_folder(self) -> str | None:
        """Say that the folder is another user's, e.g. under su(1); return None if it is not."""
        try:
            owner = os.stat(self.runtime_dir or self.usual).st_uid
        except (OSError, ValueError):
            return None
        return None if owner == self.uid else f"XDG_RUNTIME_DIR belongs to {user(owner)}"

    def _way_out(self) -> str | None:
        if _has_bus(self.usual):
            return None if self.runtime_dir == self.usual else f"export XDG_RUNTIME_DIR={self.usual}"
        if self.uid == 0:
            return "`system=True` asks the system's systemd"
        return f"log in through systemd-logind, or loginctl enable-linger and export XDG_RUNTIME_DIR={self.usual}"


def user(uid: int) -> str:
    """Return the user with this number as text for people."""
    import pwd  # noqa: PLC0415  only needed for an error

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except (KeyError, OverflowError):
        return f"user {uid}"


def _has_bus(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "bus"))


def _address_in(folder: str) -> str:
    path = os.fsencode(os.path.join(folder, "bus"))
    return f"unix:path={''.join(chr(byte) if byte in _PLAIN else f'%{byte:02x}' for byte in path)}"
