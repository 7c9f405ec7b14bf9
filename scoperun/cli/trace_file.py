"""The file of --trace: each event of a run, written when it is received."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from scoperun.console.files import write_all
from scoperun.supervision.trace import Begun, Concluded, line
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from scoperun.console.files import Destination
    from scoperun.report.names import LimitName
    from scoperun.supervision.supervision import Supervision


class TraceFile:
    """The trace of one run; the caller closes it.

    failure: why the trace ended early, None if it is complete. An error here ends the trace, never the run.
    """

    def __init__(self, file: Destination, command: tuple[str, ...], names: Mapping[str, LimitName]) -> None:
        """Create the file with its first line; if that raises OSError, what was at the path is still there.

        names: what the text report calls limits.
        """
        self.failure: str | None = None
        self._draft = file.draft()
        try:
            self._write(Begun(scoperun=__version__, command=command, names=names))
            self._draft.appear()
        except BaseException:
            self._draft.close()
            raise

    def take(self, record: object) -> None:
        """Write an event or another record of the trace; sets `failure` instead of raising."""
        if self.failure is not None:
            return
        try:
            self._write(record)
        except OSError as error:
            self.failure = error.strerror or str(error)
        except Exception as error:  # the run goes on
            self.failure = f"{type(error).__name__}: {error}"

    @asynccontextmanager
    async def following(self, supervision: Supervision) -> AsyncIterator[None]:
        """Add at the end of the context that the report was made.

        No event comes between the report and this record, because no await in between lets one in.
        """
        yield
        report = await supervision.report()
        self.take(Concluded(systemd=report.systemd))

    def _write(self, record: object) -> None:
        write_all(self._draft.fd, f"{line(record, at=time.monotonic())}\n")

    def __enter__(self) -> Self:
        """Return the trace; the end of the with statement closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._draft.close()
