"""The journal's last entries about one unit: what its processes printed there, and what systemd said about it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from scoperun.kernel.journal import JOURNALCTL, folders_of_journals, is_kept, message_in
from scoperun.printable import utf8
from scoperun.record import dataclass

_PATIENCE = 30.0
"""Seconds after which journalctl is given up."""

_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,_COMM,_PID"


class JournalUnreadable(Exception):
    """The journal cannot be read; the text says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. at: seconds since the epoch. source: what calls itself its author; pid: that process's."""

    at: float
    source: str | None
    pid: int | None
    message: str


def entries_of(unit: str, *, system: bool, count: int, since: float | None = None, root: str = "") -> list[Entry]:
    """Return the last entries about a unit, the oldest first; at most `count`. Raises JournalUnreadable.

    since: seconds on the machine's monotonic clock, None for all since the machine was booted. The wall clock can have
    been set meanwhile. root: the folder with the system's files.
    """
    import subprocess  # noqa: PLC0415  asyncio has it already

    _see_readable(root)
    program = next((root + each for each in JOURNALCTL if os.path.exists(root + each)), None)
    if program is None:
        raise JournalUnreadable("there is no journalctl to read the journal with")
    which = f"--unit={unit}" if system else f"--user-unit={unit}"
    # Without --all a message of more than 4096 bytes is null.
    words = ["--no-pager", "--boot", "--all", "--output=json", f"--output-fields={_FIELDS}", f"--lines={count}"]
    try:
        done = subprocess.run(
            [program, *words, which],
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JournalUnreadable(f"journalctl failed: {error}") from None
    if done.returncode != 0:
        raise JournalUnreadable(f"journalctl failed with exit status {done.returncode}")
    return [entry for line in done.stdout.split(b"\n") if (entry := entry_in(line, since=since)) is not None]


def entry_in(line: bytes, *, since: float | None = None) -> Entry | None:
    """Return the entry in a line of JSON, None if there is none, or if journald has received it before `since`."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or (message := message_in(fields)) is None:
        return None
    with suppress(KeyError, TypeError, ValueError):
        pid = fields.get("_PID")
        if since is not None and int(fields["__MONOTONIC_TIMESTAMP"]) / 1e6 < since:
            return None
        return Entry(
            at=int(fields["__REALTIME_TIMESTAMP"]) / 1e6,
            source=_source(fields),
            pid=int(pid) if isinstance(pid, str) and pid.isascii() and pid.isdigit() else None,
            message=utf8(message),
        )
    return None


def _source(fields: dict[str, Any]) -> str | None:
    names = (fields.get(name) for name in ("SYSLOG_IDENTIFIER", "_COMM"))
    return next((utf8(name) for name in names if isinstance(name, str)), None)


def _see_readable(root: str) -> None:
    """Raise JournalUnreadable if this user may not read any journal: journalctl then just prints nothing."""
    files = []
    for folder in folders_of_journals(root):
        with suppress(OSError):
            files += [f"{folder}/{name}" for name in os.listdir(folder)]
    if any(os.access(file, os.R_OK) for file in files):
        return
    if files or is_kept(root):
        raise JournalUnreadable("this user is not allowed to read the journal: join group systemd-journal or adm")
    raise JournalUnreadable("this system keeps no journal")
