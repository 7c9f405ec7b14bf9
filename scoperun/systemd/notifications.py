"""Notifications on the desktop: https://specifications.freedesktop.org/notification-spec/latest/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable
from scoperun.systemd import bus

if TYPE_CHECKING:
    from scoperun.systemd.bus import Connection

_NAME = "org.freedesktop.Notifications"
_NOTIFY = bus.Method(_NAME, "/org/freedesktop/Notifications", _NAME, "Notify", "susssasa{sv}i", "u")
_ICON = "dialog-warning"
_NORMAL = 1
_AS_THE_SERVER_LIKES = -1


async def notify(connection: Connection, *, summary: str, body: str) -> bool:
    """Show a notification; tell whether a server took it. Without a desktop there is none, and that is no error.

    summary: plain text. body: text in which the server can see markup.
    """
    hints = {"urgency": bus.variant("y", _NORMAL)}
    try:
        await connection.call(_NOTIFY, "scoperun", 0, _ICON, summary, body, list[str](), hints, _AS_THE_SERVER_LIKES)
    except (bus.ErrorReply, BusUnavailable):
        return False
    return True
