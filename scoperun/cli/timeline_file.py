"""The file of --timeline: a line for each sample, and for each thing that happened in between."""

from __future__ import annotations

import errno
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from scoperun.console.files import write_all
from scoperun.report.timeline import first_line, is_csv, line
from scoperun.report.timeline_rows import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.console.files import Destination
    from scoperun.supervision.supervision import Supervision

_PAGE = 4096


class TimelineFile:
    """The timeline of one run; the caller closes it.

    failure: why it ended early, None if it is complete. An error here ends the timeline, never the run.
    """

    def __init__(self, file: Destination, path: str) -> None:
        """Create the file, which appears at its path when the run begins.

        Raises OSError if it cannot be created, or if the disk is full already.
        """
        self.failure: str | None = None
        self._draft = file.draft()
        try:
            _see_room(self._draft.fd)
        except BaseException:
            self._draft.close()
            raise
        self._is_csv = is_csv(path)
        self._rows: Rows | None = None
        self._early: list[tuple[object, float]] = []

    def take(self, event: object) -> None:
        """Write the lines for an event; sets `failure` instead of raising."""
        if self._rows is None:  # it is not known yet how the run began
            self._early.append((event, time.monotonic()))
        else:
            self._take(event, time.monotonic(), self._rows)

    @asynccontextmanager
    async def following(self, supervision: Supervision) -> AsyncIterator[None]:
        """Write the first line, have the file appear, and write what was taken before."""
        try:
            _write_whole(self._draft.fd, first_line(supervision.start, supervision.command, as_csv=self._is_csv))
            self._draft.appear()
        except OSError as error:
            self.failure = error.strerror or str(error)
        self._rows = Rows(supervision.start)
        for event, at in self._early:
            self._take(event, at, self._rows)
        self._early.clear()
        yield

    def _take(self, event: object, at: float, rows: Rows) -> None:
        try:
            for row in rows.of(event, at):
                self._write(line(row, as_csv=self._is_csv))
        except Exception as error:  # the run goes on
            self.failure = self.failure or f"{type(error).__name__}: {error}"

    def _write(self, text: str) -> None:
        if self.failure is not None:
            return
        try:
            _write_whole(self._draft.fd, text)
        except OSError as error:
            self.failure = error.strerror or str(error)

    def __enter__(self) -> Self:
        """Return the timeline; the end of the with statement closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._draft.close()


def _see_room(fd: int) -> None:
    """Raise OSError if the disk has no room: what the first line says is known only when the command runs."""
    write_all(fd, b"\n" * _PAGE)
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)


def _write_whole(fd: int, text: str) -> None:
    """Write a line to a file that has no other writer; on a disk without room for all of it, write nothing."""
    data = f"{text}\n".encode()
    written = os.write(fd, data)
    if written < len(data):
        end = os.lseek(fd, 0, os.SEEK_CUR) - written
        os.ftruncate(fd, end)
        os.lseek(fd, end, os.SEEK_SET)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
