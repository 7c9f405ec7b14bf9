"""The file of a timeline: its columns, and its rows as lines of JSON or CSV. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scoperun.printable import utf8
from scoperun.spec.sizes import in_words
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.start import Start

    Cell = int | float | str | None

SCHEMA = 1
"""Incremented when a column changes its meaning."""

KINDS = ("anon", "file", "kernel", "shmem", "sock", "zswap")
"""The kinds of memory of memory.stat that are columns. shmem and zswap are parts of others."""

EVENTS = ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")
"""The counts of memory.events that are columns."""

COLUMNS = ("time", "memory", "memory_max", *KINDS, "swap", "cpu", "tasks", *EVENTS, "tasks_refused", "mark", "value")
"""The keys of a line, and the columns of CSV.

time: seconds since the command began. memory, those of KINDS, swap: bytes in use. memory_max: the limit in bytes.
cpu: seconds of processor time so far. tasks: processes and threads. EVENTS and tasks_refused: counts so far.
mark: what happened at that time, None in the line of a sample. value: a number that belongs to the mark.
"""

TEXTS = ("mark",)
"""The columns that have text."""


def is_csv(path: str) -> bool:
    """Tell whether a timeline at this path is CSV, which the name decides; else it is lines of JSON."""
    return path.lower().endswith(".csv")


def first_line(start: Start, command: Sequence[str], *, as_csv: bool) -> str:
    """Return what a timeline begins with: the names of the columns, or an object that says of which run it is."""
    if as_csv:
        return ",".join(COLUMNS)
    known = {
        "timeline": SCHEMA,
        "scoperun": __version__,
        "unit": start.unit,
        "command": [utf8(word) for word in command],
        "started": start.started.isoformat(timespec="milliseconds"),
        "interval": start.timeline_interval,
    }
    return json.dumps(known)


def line(row: Mapping[str, Cell], *, as_csv: bool) -> str:
    """Return a row as a line without its end. A column that is missing, or None, is null in JSON and empty in CSV."""
    cells = {column: in_words(row.get(column)) for column in COLUMNS}
    if not as_csv:
        return json.dumps(cells)
    return ",".join("" if cell is None else str(cell) for cell in cells.values())  # nothing in them needs quotes
