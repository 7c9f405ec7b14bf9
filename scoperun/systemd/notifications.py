"""Notifications on the desktop: https://specifications.freedesktop.org/notification-spec/latest/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable
from scoperun.systemd import bus
from scoperun.systemd.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "org.freedesktop.Notifications"
_NOTIFY = bus.Method(_NAME, "/org/freedesktop/Notifications", _NAME, "Notify", "susssasa{sv}i", "u")
_ICON = "dialog-warning"
_NORMAL = 1
_AS_THE_SERVER_LIKES = -1


async def notify(environment: Mapping[str, str], *, summary: str, body: str) -> bool:
    """Show a notification; tell whether a server took it. Without a desktop there is none, and that is no error.

    summary: plain text. body: text in which the server can see markup. It has a connection of its own: on one on which
    a server keeps silent, no further call would be made.
    """
    hints = {"urgency": bus.variant("y", _NORMAL)}
    try:
        async with connect(environment) as manager:
            await manager.connection.call(
                _NOTIFY, "scoperun", 0, _ICON, summary, body, list[str](), hints, _AS_THE_SERVER_LIKES
            )
    except (bus.ErrorReply, BusUnavailable):
        return False
    return True
