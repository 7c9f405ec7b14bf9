"""What follows a run besides its report: entries in the log, the journal and the history, and a program.

What can be checked before the command starts is checked then.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from scoperun.errors import ScoperunError
from scoperun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.cli.options import Output
    from scoperun.process.patience import Patience
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest


class Afterwards:
    """What the user has asked for. A failure of any of it is a line on standard error and changes no exit status."""

    def __init__(self, output: Output, request: RunRequest, *, say: Callable[[str], None], patience: Patience) -> None:
        """Open and check what is needed. Raises ScoperunError if something could not be done afterwards."""
        self._output = output
        self._command = request.command
        self._say = say
        self._patience = patience
        self._log = self._on_oom = None
        if output.on_oom is not None:
            from scoperun.cli.on_oom import OnOom  # noqa: PLC0415  most runs have no such program

            self._on_oom = OnOom(output.on_oom, request.context)
        if output.log is not None:
            from scoperun.cli.run_log import RunLog  # noqa: PLC0415  most runs have no log

            self._log = RunLog(output.log, request.command)

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Note in the log if the context ends with an error, so that each run of a batch has its line."""
        try:
            yield
        except BaseException as error:  # e.g. MemoryError; the program exits with 125 for any
            status = error.exit_status if isinstance(error, ScoperunError) else ScoperunError.exit_status
            if self._log is not None:
                with self._told_if_it_fails(f"cannot add to the log {self._output.log!r}"):
                    self._log.add_failure(exit_status=status)
            raise

    def note(self, report: Report, *, exit_status: int) -> None:
        """Add the run to the log and to the journal. exit_status: what scoperun exits with."""
        if self._log is not None:
            with self._told_if_it_fails(f"cannot add to the log {self._output.log!r}"):
                self._log.add(report, exit_status=exit_status)
        if self._output.journal:
            from scoperun.console.journal import SOCKET, entry, send  # noqa: PLC0415  most runs are not in the journal

            what = f"warning: --journal: cannot send the verdict to journald at {SOCKET}"
            with self._told_if_it_fails(what), self._patience.waiting():
                send(entry(report, self._command, exit_status=exit_status))

    def record(self, report: Report) -> None:
        """Add the run to the history. A failure is a warning, and with -q no line at all."""
        if self._output.record is None:
            return
        from scoperun.cli.recording import record  # noqa: PLC0415  it imports sqlite3

        failure = record(report, self._output)
        if failure is not None and not self._output.quiet:
            self._say(one_line(f"scoperun: warning: --record {self._output.record}: {failure}"))

    def act(self, report: Report, *, report_file: str | None) -> None:
        """After an OOM kill run the program of --on-oom.

        report_file: the path of the report, None if it is not in a regular file.
        """
        if self._on_oom is None or report.verdict != "oom-kill":
            return
        what = f"warning: --on-oom {self._output.on_oom!r}"
        with self._told_if_it_fails(what):
            with self._patience.waiting():
                failure = self._on_oom.run(report, report_file=report_file)
            if failure is not None:
                self._say(one_line(f"scoperun: {what}: {failure}"))

    @contextmanager
    def _told_if_it_fails(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._say(one_line(f"scoperun: {what}: {error.strerror or error}"))

    def __enter__(self) -> Self:
        """Return this; the end of the with statement closes the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
