"""The tables of a batch's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

SCHEMA = 1
"""Incremented when an older scoperun could no longer read the tables."""

_TABLES = (
    """CREATE TABLE batch (
        id TEXT NOT NULL,
        created REAL NOT NULL,
        cwd TEXT NOT NULL,
        words TEXT NOT NULL,
        command TEXT NOT NULL,
        total INTEGER NOT NULL,
        slots INTEGER,
        paused INTEGER NOT NULL DEFAULT 0,
        stop INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE job (
        seq INTEGER PRIMARY KEY,
        place INTEGER NOT NULL,
        name TEXT UNIQUE,
        digest TEXT NOT NULL,
        job TEXT NOT NULL,
        memory INTEGER NOT NULL,
        alone INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'waiting'
    )""",
    """CREATE TABLE attempt (
        seq INTEGER NOT NULL,
        number INTEGER NOT NULL,
        unit TEXT NOT NULL,
        boot TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        kept INTEGER,
        attempt TEXT,
        PRIMARY KEY (seq, number)
    ) WITHOUT ROWID""",
    "CREATE INDEX job_waiting ON job (place) WHERE state = 'waiting'",
    "CREATE INDEX job_ended ON job (state, seq) WHERE state NOT IN ('waiting', 'running', 'done')",
    "CREATE INDEX attempt_open ON attempt (seq, number) WHERE ended IS NULL",
)
"""batch: one row. words: the options of the command line; a later runner uses them too. command, total: as in
rows.Header.
slots, paused, stop: what another terminal wants of the runner: how many jobs at once (NULL: as the options say), no
more starts for now, and how often it was told to stop.

job: place: its place in the order of starts. memory, alone: of its next attempt. attempts: how many were begun.
state: `waiting`, `running`, or how it ended. attempt: boot: the machine's boot ID. ended: NULL as long as its end is
not known. kept: 1 if it tells something about the job, 0 if it was interrupted. attempt: an Attempt, as JSON.
"""


def set_up(execute: Callable[[str], object]) -> None:
    """Make the tables, by the function of a transaction. Raises sqlite3.Error."""
    for statement in (*_TABLES, f"PRAGMA user_version = {SCHEMA}"):
        execute(statement)


def is_set_up(connection: sqlite3.Connection) -> bool:
    """Tell whether the tables are there. Raises ScoperunError if a newer scoperun made them."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise ScoperunError(
            f"a newer scoperun made this batch: its schema is {version}, and this scoperun reads up to {SCHEMA}"
        )
    return int(version) > 0
