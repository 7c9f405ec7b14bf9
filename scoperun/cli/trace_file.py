"""The file of --trace: each event of a run, written when it is taken in."""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from scoperun.console.files import write_all
from scoperun.supervision.trace import Begun, Concluded, line
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.console.files import Destination
    from scoperun.supervision.supervision import Supervision


class TraceFile:
    """The trace of one run; close it.

    failure: why there is no more of it, None if it is whole: what goes wrong here ends the trace, and never the run.
    """

    def __init__(self, file: Destination, command: tuple[str, ...]) -> None:
        """Put the file in its place, with its first line; raise OSError."""
        self._fd = file.begin()
        self.failure: str | None = None
        self.take(Begun(scoperun=__version__, command=command))

    def take(self, record: object) -> None:
        """Write an event, or what else is a record of a trace."""
        if self.failure is not None:
            return
        try:
            write_all(self._fd, f"{line(record, at=time.monotonic())}\n")
        except OSError as error:
            self.failure = error.strerror or str(error)
        except Exception as error:  # of no run is this a reason to fail
            self.failure = f"{type(error).__name__}: {error}"

    @asynccontextmanager
    async def following(self, supervision: Supervision) -> AsyncIterator[None]:
        """Add how the run began, and at the end of the context that its report was made.

        It was made just before: no event comes between, as nothing is waited for.
        """
        self.take(supervision.start)
        yield
        report = await supervision.report()
        self.take(Concluded(systemd=report.systemd))

    def __enter__(self) -> Self:
        """Keep it open for the length of a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._fd)
