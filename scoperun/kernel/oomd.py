"""What can be learned of systemd-oomd: whether it runs, and what it writes to the system's journal."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import KernelRecord
from scoperun.kernel.journal import follow, is_kept, is_readable, message_in
from scoperun.kernel.wait import readable

if TYPE_CHECKING:
    from collections.abc import Callable

_UNIT = "systemd-oomd.service"

_RUNS = f"/run/systemd/units/invocation:{_UNIT}"
"""A link that systemd keeps as long as the unit is active."""

_WORDS = ("--output-fields=MESSAGE,_SYSTEMD_UNIT", f"_SYSTEMD_UNIT={_UNIT}")


def oomd_runs() -> bool:
    """Tell whether systemd-oomd runs."""
    return os.path.lexists(_RUNS)


def why_silent() -> str | None:
    """Return why the messages of systemd-oomd cannot be read, None if they can."""
    if not oomd_runs():
        return "systemd-oomd is not running"
    if is_readable():
        return None
    if is_kept():
        return "this user is not allowed to read what systemd-oomd logs: join group systemd-journal or adm"
    return "this system keeps no journal, so what systemd-oomd logs is lost"


async def read_messages(take: Callable[[str], bool], *, since: float, within: float, root: str = "") -> None:
    """Hand each message of systemd-oomd to `take` until that has enough, for at most `within` seconds.

    take: returns whether the messages so far are enough. since: seconds since 1970.
    Raise KernelLogUnreadable if there is no journalctl, or if it fails.
    """
    journal = follow(since, _WORDS, message, root)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while (records := journal.take()) is not None:
                    if any(take(record.text) for record in records):
                        return
                    await readable(journal.fd)
    finally:
        journal.close()


def message(line: bytes) -> KernelRecord | None:
    """Return the message in a JSON entry of the journal; None if systemd-oomd did not write it.

    journald itself writes the fields that begin with an underscore.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("_SYSTEMD_UNIT") != _UNIT:
        return None
    text = message_in(entry)
    return None if text is None else KernelRecord(text)
