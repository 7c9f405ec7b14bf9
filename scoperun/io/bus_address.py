"""D-Bus addresses: where a bus is."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

from scoperun.dataclass import dataclass
from scoperun.errors import BusUnavailable
from scoperun.request import printable

_HEXADECIMAL = set("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a list.

    https://dbus.freedesktop.org/doc/dbus-specification.html#addresses
    """

    text: str

    def __str__(self) -> str:
        """Return the address for people."""
        return printable(self.text)

    def socket_name(self) -> bytes:
        """Return the name for connect(2); raise ValueError if the address has none."""
        transport, _, options = self.text.partition(":")
        values = dict(_option(each) for each in options.split(",") if each)
        path, abstract = values.get("path", b""), values.get("abstract", b"")
        if transport != "unix" or bool(path) == bool(abstract):
            raise ValueError("only unix:path= and unix:abstract= are understood")
        if b"\0" in path + abstract:
            raise ValueError("there is a NUL byte in it")
        return path or b"\0" + abstract


def addresses(text: str) -> list[Address]:
    """Return the addresses that a D-Bus address lists, to be tried in turn; raise BusUnavailable if it lists none."""
    listed = [Address(each) for each in text.split(";") if each]
    if not listed:
        raise BusUnavailable(f"{printable(text)!r} is not the address of a bus")
    return listed


def _option(text: str) -> tuple[str, bytes]:
    name, _, value = text.partition("=")
    for escape in value.split("%")[1:]:
        if len(escape) < 2 or not set(escape[:2]) <= _HEXADECIMAL:
            raise ValueError(f"%{escape[:2]} is not a valid escape")
    return name, unquote_to_bytes(os.fsencode(value))
