"""What systemd-oomd says about its kills in a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import OomdRead
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.evidence.oomd_log import oomd_kills
from scoperun.kernel.oomd import read_messages, why_silent

if TYPE_CHECKING:
    from scoperun.supervision.handles import Handles

_LOGS_WITHIN = 5.0
"""Seconds within which journalctl has what systemd-oomd logs about a kill."""

_LOGS_WITHOUT_COUNT_WITHIN = 1.0
"""The same if nothing has counted the killed processes, as systemd-oomd does: something else wrote the mark."""


async def read_oomd(handles: Handles) -> OomdRead:
    """Return what systemd-oomd says about its kills in the scope, or why that cannot be read."""
    reason, found = why_silent(), list[str]()
    marks = handles.scope.oomd_marks() or ()
    kills = sum(mark.kills or 0 for mark in marks)
    within = _LOGS_WITHIN if any(mark.processes for mark in marks) else _LOGS_WITHOUT_COUNT_WITHIN

    def take(message: str) -> bool:
        if oomd_kills([message], handles.start.cgroup):
            found.append(message)
        return len(found) >= kills > 0

    if reason is None:
        log = handles.kernel_log
        try:
            await read_messages(take, since=log.on_the_wall(log.opened), within=within)
        except KernelLogUnreadable:
            reason = "journalctl cannot read what systemd-oomd logs"
    # systemd-oomd logs after it has counted the processes that it killed, so the marks are read now.
    messages = None if reason else tuple(found)
    reason = reason or (None if found else "systemd-oomd logged nothing about this scope")
    return OomdRead(marks=handles.scope.oomd_marks(), messages=messages, reason=reason)
