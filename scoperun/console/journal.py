"""The verdict as an entry of the journal, in journald's native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL.

Under the user's manager the entry names the scope as that manager does in its own entries, with USER_UNIT=. Under the
system's it has OBJECT_SYSTEMD_UNIT=, which journalctl believes if root has sent it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

from scoperun.console.shell_words import quoted
from scoperun.printable import one_line
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.report.report import Report

SOCKET = "/run/systemd/journal/socket"

MESSAGE_ID = "d3668764edf4416dac3052863cdcc907"
"""The kind of the entry, for `journalctl MESSAGE_ID=...`; it was made for this and does not change."""

_INFO, _WARNING = "6", "4"  # as in syslog(3)

_PATIENCE = 5.0
"""Seconds to wait for room in journald's queue."""

_TOO_LARGE = {errno.EMSGSIZE, errno.ENOBUFS}
_SHOWN = 200
"""Characters of the command that are shown; SCOPERUN_COMMAND= has all of it."""


def entry(report: Report, command: tuple[str, ...], *, exit_status: int) -> dict[str, str]:
    """Return the entry's fields; what is not known is left out.

    command: the words as the command got them. exit_status: what scoperun exits with.
    """
    oom = report.oom
    victim = oom.victims[0] if oom and oom.victims else None
    words = " ".join(map(quoted, command))
    fields: dict[str, str | None] = {
        "MESSAGE": _message(report, words),
        "MESSAGE_ID": MESSAGE_ID,
        "PRIORITY": _INFO if report.verdict == "success" else _WARNING,
        "SYSLOG_IDENTIFIER": "scoperun",
        **_scope(report),
        "SCOPERUN_VERDICT": report.verdict,
        "SCOPERUN_EXIT_STATUS": f"{exit_status}",
        "SCOPERUN_MEMORY_PEAK": _bytes(report.memory.peak),
        "SCOPERUN_MEMORY_MAX": _bytes(report.limits.memory_max),
        "SCOPERUN_LIMIT_OF": oom.limit_of if oom else None,
        "SCOPERUN_VICTIM_PID": f"{victim.pid}" if victim else None,
        "SCOPERUN_VICTIM_NAME": one_line(victim.name) if victim and victim.name is not None else None,
        "SCOPERUN_COMMAND": words,
    }
    return {name: value for name, value in fields.items() if value is not None}


def send(fields: Mapping[str, str], *, address: str = SOCKET) -> None:
    """Send an entry to journald. Raises OSError if there is none, or if it takes no entries."""
    data = b"".join(_field(name, value) for name, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.settimeout(_PATIENCE)
        ours.connect(address)
        try:
            ours.send(data)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            _send_in_file(ours, data)


def _scope(report: Report) -> dict[str, str | None]:
    if report.manager == "system":
        return {"OBJECT_SYSTEMD_UNIT": report.unit, "OBJECT_SYSTEMD_INVOCATION_ID": report.invocation_id}
    return {"USER_UNIT": report.unit, "USER_INVOCATION_ID": report.invocation_id}


def _message(report: Report, words: str) -> str:
    """Return `job.scope: oom-kill: ./bigleak2; memory peak 20M of 20M`."""
    shown = words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
    peak, limit = report.memory.peak, report.limits.memory_max
    memory = "" if peak is None else f"; memory peak {format_size(peak)}"
    allowed = "" if not memory or limit in {None, INFINITY} else f" of {format_size(limit)}"
    return f"{report.unit}: {report.verdict}: {shown}{memory}{allowed}"


def _bytes(size: int | None) -> str | None:
    return None if size is None else "infinity" if size == INFINITY else f"{size}"


def _field(name: str, value: str) -> bytes:
    """Return a field with the length of its value, which can then have newlines."""
    text = value.encode(errors="backslashreplace")
    return name.encode() + b"\n" + struct.pack("<Q", len(text)) + text + b"\n"


def _send_in_file(ours: socket.socket, data: bytes) -> None:
    """Send an entry that is too large for a datagram: in a file in memory, which nothing can change any more."""
    import fcntl  # noqa: PLC0415  only a command line of over 100 KiB needs it

    fd = os.memfd_create("scoperun-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        ours.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=i", fd))])
