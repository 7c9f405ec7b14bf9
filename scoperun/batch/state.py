"""What is known about a batch and its jobs, in a database that survives its runner.

That an attempt begins is committed before systemd is asked for its scope, and how it ended before its place is free for
another: a runner that is killed at any moment has lost no job, and the next one knows which scopes to look for.
"""

from __future__ import annotations

import sqlite3
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scoperun.batch.kept import HEADER, as_text, attempt_of, header_as_row, header_of, job_of
from scoperun.batch.rows import Begun, Place, Wanted
from scoperun.batch.tables import is_set_up, set_up
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.history.database import transaction
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scoperun.batch.attempt import Attempt
    from scoperun.batch.job import Job
    from scoperun.batch.rows import Ended, Header

_DURABLE = "FULL"
_FAST = "NORMAL"
"""PRAGMA synchronous: a beginning has to survive the runner, an end the machine too."""


class State:
    """The database of a batch. Its methods raise sqlite3.Error, which `Folder.database` turns into ScoperunError."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, in which each statement is a transaction of its own."""
        self._connection = connection

    @property
    def is_made(self) -> bool:
        """Whether there is a batch in it. Raises ScoperunError if a newer scoperun made it."""
        return is_set_up(self._connection)

    def make(self, header: Header, jobs: Iterable[Job]) -> int:
        """Keep a batch with its jobs, all of them or none, and return how many these are.

        Raises InvalidValue for a name that two jobs have, and what `jobs` raises.
        """
        row = header_as_row(header)
        with transaction(self._connection) as execute:
            set_up(execute)
            execute(
                f"INSERT INTO batch ({HEADER}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608  constants
                row,
            )
            count = 0
            for job in jobs:
                _add(execute, job)
                count += 1
        return count

    def add(self, job: Job) -> None:
        """Keep another job. Raises InvalidValue for a name that another has."""
        with transaction(self._connection) as execute:
            _add(execute, job)

    def shuffle(self, places: Iterable[int]) -> None:
        """Start the jobs in another order: `places` has the new place of each, by its number."""
        with transaction(self._connection):
            self._connection.executemany(
                "UPDATE job SET place = ? WHERE seq = ?", ((place, seq) for seq, place in enumerate(places, 1))
            )

    def header(self) -> Header:
        """Return what belongs to the batch as a whole. Raises ScoperunError if it is damaged."""
        row = self._connection.execute(f"SELECT {HEADER} FROM batch").fetchone()  # noqa: S608  a constant
        return header_of(row)

    def wanted(self) -> Wanted:
        """Return what another terminal wants of the runner."""
        slots, paused, stop = self._connection.execute("SELECT slots, paused, stop FROM batch").fetchone()
        return Wanted(slots=slots, is_paused=bool(paused), stops=stop)

    def want(self, wanted: Wanted) -> None:
        """Keep what is wanted of the runner, which has to be woken then."""
        self._connection.execute(
            "UPDATE batch SET slots = ?, paused = ?, stop = ?", (wanted.slots, int(wanted.is_paused), wanted.stops)
        )

    def see_same(self, jobs: Iterable[Job]) -> None:
        """Raise InvalidValue if these jobs are not those of the batch, by what each executes."""
        kept = self._connection.execute("SELECT seq, digest FROM job ORDER BY seq")
        for job in jobs:
            row = kept.fetchone()
            if row is None:
                raise InvalidValue(f"job {job.seq} is new: {job.text!r}", hint="a batch keeps its jobs; begin another")
            if row != (job.seq, job.digest):
                raise InvalidValue(
                    f"job {job.seq} is not what it was: {job.text!r}", hint="without a file the old ones are resumed"
                )
        if (row := kept.fetchone()) is not None:
            raise InvalidValue(f"job {row[0]} is missing now", hint="without a file the old ones are resumed")

    @property
    def has_begun(self) -> bool:
        """Whether any attempt of a job was begun."""
        return self._connection.execute("SELECT 1 FROM attempt LIMIT 1").fetchone() is not None

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        return dict(self._connection.execute("SELECT state, count(*) FROM job GROUP BY state"))

    def waiting(self, *, after: int, most: int) -> list[Place]:
        """Return the first jobs that wait and have a place after this one."""
        rows = self._connection.execute(
            "SELECT place, seq, memory, alone FROM job WHERE state = 'waiting' AND place > ? ORDER BY place LIMIT ?",
            (after, most),
        )
        return [Place(place, seq, memory, bool(alone)) for place, seq, memory, alone in rows]

    def give_memory(self, memory: int) -> None:
        """Let the next attempt of every job that has not ended have so many bytes."""
        with self._transaction(_DURABLE) as execute:
            execute("UPDATE job SET memory = ? WHERE state IN ('waiting', 'running')", (memory,))

    def largest(self, further: Sequence[str] = ()) -> tuple[int, int] | None:
        """Return the number and the bytes of the job that asks for the most of those that have not ended, None if none.

        further: states of others that count as well.
        """
        states = ("waiting", "running", *further)
        marks = ", ".join("?" * len(states))
        query = f"SELECT seq, memory FROM job WHERE state IN ({marks}) ORDER BY memory DESC LIMIT 1"  # noqa: S608
        row: tuple[int, int] | None = self._connection.execute(query, states).fetchone()
        return row

    def left(self, further: Sequence[str] = ()) -> Iterator[Job]:
        """Yield the jobs that have not ended, in order, each with the memory of its next attempt.

        further: states of others that count as well.
        """
        states = ("waiting", "running", *further)
        marks = ", ".join("?" * len(states))
        query = f"SELECT job, memory FROM job WHERE state IN ({marks}) ORDER BY seq"  # noqa: S608  as above
        for text, memory in self._connection.execute(query, states):
            yield replace(job_of(text), memory=memory)

    def unfinished(self) -> array[int]:
        """Return the numbers of the jobs that have not ended, in order."""
        rows = self._connection.execute("SELECT seq FROM job WHERE state IN ('waiting', 'running') ORDER BY seq")
        return array("q", (seq for (seq,) in rows))

    def job(self, seq: int) -> Job:
        """Return a job."""
        (text,) = self._connection.execute("SELECT job FROM job WHERE seq = ?", (seq,)).fetchone()
        return job_of(text)

    def has_ended(self, seq: int, number: int) -> bool:
        """Tell whether a job has ended for good with this attempt."""
        query = "SELECT state NOT IN ('waiting', 'running') AND attempts = ? FROM job WHERE seq = ?"
        row = self._connection.execute(query, (number, seq)).fetchone()
        return bool(row and row[0])

    def memory(self, seq: int) -> int:
        """Return the bytes of a job's present attempt, or of its next one."""
        (memory,) = self._connection.execute("SELECT memory FROM job WHERE seq = ?", (seq,)).fetchone()
        return int(memory)

    def attempts(self, seq: int) -> list[Attempt]:
        """Return the attempts of a job that tell something about it."""
        rows = self._connection.execute(
            "SELECT attempt FROM attempt WHERE seq = ? AND kept = 1 ORDER BY number", (seq,)
        )
        return [attempt_of(text) for (text,) in rows]

    def begun(self, seq: int) -> int:
        """Return how many attempts of a job were begun."""
        (number,) = self._connection.execute("SELECT attempts FROM job WHERE seq = ?", (seq,)).fetchone()
        return int(number)

    def begin(self, begun: Begun) -> None:
        """Keep that an attempt begins."""
        with self._transaction(_FAST) as execute:
            execute(
                "INSERT INTO attempt (seq, number, unit, boot, started) VALUES (?, ?, ?, ?, ?)",
                (begun.seq, begun.number, begun.unit, begun.boot, begun.started),
            )
            execute("UPDATE job SET state = 'running', attempts = ? WHERE seq = ?", (begun.number, begun.seq))

    def end(self, *ends: Ended) -> None:
        """Keep how attempts ended, so that a loss of power does not lose it."""
        with self._transaction(_DURABLE) as execute:
            for each in ends:
                attempt = each.attempt
                execute(
                    "UPDATE attempt SET ended = ?, kept = ?, attempt = ? WHERE seq = ? AND number = ?",
                    (attempt.ended, int(each.counts), as_text(attempt), attempt.seq, attempt.number),
                )
                execute(
                    "UPDATE job SET state = ?, memory = ?, alone = ? WHERE seq = ?",
                    (each.state, each.memory, int(each.alone), attempt.seq),
                )

    def open_attempts(self) -> list[Begun]:
        """Return the attempts whose end is not known."""
        rows = self._connection.execute(
            "SELECT seq, number, unit, boot, started FROM attempt WHERE ended IS NULL ORDER BY seq, number"
        )
        return [Begun(*row) for row in rows]

    def interrupt(self, attempts: Iterable[Begun], *, now: float) -> None:
        """Note that attempts were interrupted; their jobs wait again."""
        with self._transaction(_DURABLE) as execute:
            for each in attempts:
                execute(
                    "UPDATE attempt SET ended = ?, kept = 0 WHERE seq = ? AND number = ?", (now, each.seq, each.number)
                )
                execute("UPDATE job SET state = 'waiting' WHERE seq = ?", (each.seq,))

    def retry(self, states: Sequence[str]) -> None:
        """Let the jobs wait again that ended so. What they did before no longer counts."""
        marks = ", ".join("?" * len(states))
        with self._transaction(_DURABLE) as execute:
            chosen = f"SELECT seq FROM job WHERE state IN ({marks})"  # noqa: S608  the values are not in it
            execute(f"UPDATE attempt SET kept = 0 WHERE seq IN ({chosen})", states)  # noqa: S608
            execute(f"UPDATE job SET state = 'waiting', alone = 0 WHERE state IN ({marks})", states)  # noqa: S608

    def failures(self, states: Sequence[str], *, most: int) -> Iterator[tuple[Job, str, list[Attempt]]]:
        """Yield the first jobs that ended in one of these states, with the state and their attempts."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT seq, state FROM job WHERE state IN ({marks}) ORDER BY seq LIMIT ?"  # noqa: S608
        for seq, state in self._connection.execute(query, (*states, most)).fetchall():
            yield self.job(seq), state, self.attempts(seq)

    def kept_attempts(self) -> Iterator[Attempt]:
        """Yield every attempt that tells something about its job, in the order of jobs."""
        for (text,) in self._connection.execute("SELECT attempt FROM attempt WHERE kept = 1 ORDER BY seq, number"):
            yield attempt_of(text)

    def interrupted_attempts(self) -> Iterator[Attempt | None]:
        """Yield every other attempt that ran and has ended; None if nothing is known but that."""
        for (text,) in self._connection.execute("SELECT attempt FROM attempt WHERE kept = 0"):
            found = None if text is None else attempt_of(text)
            if found is None or found.error is None:
                yield found

    @contextmanager
    def _transaction(self, synchronous: str) -> Iterator[Any]:
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        with transaction(self._connection) as execute:
            yield execute


def id_is_taken(job: Job) -> InvalidValue:
    """Return the error for a job whose id is another's."""
    return InvalidValue(f"job {job.seq}: another job has the id {job.name!r}")


def _add(execute: Any, job: Job) -> None:
    try:
        execute(
            "INSERT INTO job (seq, place, name, digest, job, memory) VALUES (?, ?, ?, ?, ?, ?)",
            (job.seq, job.seq, job.name, job.digest, as_text(job), job.memory),
        )
    except sqlite3.IntegrityError:
        raise id_is_taken(job) from None
    except OverflowError:
        raise ScoperunError(f"job {job.seq}: its memory is too large to be kept: {job.memory} bytes") from None
