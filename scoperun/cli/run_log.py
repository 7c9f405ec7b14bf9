"""The file of --log: a line for each run, also for one whose command could not be started."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from scoperun.console.appending import Appended
from scoperun.console.joblog import HEADER, Entry
from scoperun.console.paths import remedy
from scoperun.errors import ScoperunError
from scoperun.process.streams import occupy_closed_streams
from scoperun.record import replace

if TYPE_CHECKING:
    from scoperun.report.report import Report


class RunLog:
    """The log's file, held open, and what its line says about this run."""

    def __init__(self, path: str, command: tuple[str, ...]) -> None:
        """Open the file, a moment before `command` starts. Raises ScoperunError if lines cannot be added to it."""
        occupy_closed_streams()  # otherwise the file gets the number of one
        try:
            self._file = Appended(path, header=HEADER)
        except OSError as error:
            raise ScoperunError(f"cannot add to the log {path!r}: {error.strerror}", hint=remedy(error)) from None
        self._entry = Entry(pid=os.getpid(), host=os.uname().nodename, started=time.time(), command=command)

    def add(self, report: Report, *, exit_status: int) -> None:
        """Add the line about a run that has ended. exit_status: what scoperun exits with. Raises OSError."""
        from datetime import datetime  # noqa: PLC0415  a run with a report has imported it

        entry = replace(
            self._entry,
            started=datetime.fromisoformat(report.started).timestamp(),
            runtime=report.runtime,
            exit_status=exit_status,
            signal=report.signal or 0,
            verdict=report.verdict,
            memory_peak=report.memory.peak,
            memory_max=report.limits.memory_max,
        )
        self._file.append(entry.line())

    def add_failure(self, *, exit_status: int) -> None:
        """Add the line about a command that could not be run. Raises OSError."""
        self._file.append(replace(self._entry, exit_status=exit_status).line())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
