"""The report of a run: to its file, and to standard error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.cli.stderr import PATIENCE, print_text, say
from scoperun.printable import one_line

if TYPE_CHECKING:
    from scoperun.cli.options import CommandLine, Output
    from scoperun.console.files import Destination
    from scoperun.report.report import Report


def deliver(report: Report, asked: CommandLine, file: Destination | None) -> None:
    """Write the report to its file and print it; a failure of either does not change the exit status."""
    output = asked.output
    # The file first: the reader of stderr might be slow.
    if file is not None:
        try:
            with PATIENCE.waiting(for_somebody=file.may_wait):
                file.write(report.to_json() + "\n")
        except OSError as error:
            # The path in the message can have a newline.
            say(one_line(f"scoperun: cannot write the report to {output.report!r}: {error.strerror}"))
    if _is_silent(report, output):
        return
    if output.json:
        say(report.to_json(indent=2 if os.isatty(2) else None))
    else:
        print_text(_text(report, asked))


def exit_status(report: Report, output: Output) -> int:
    """Return the exit status of the program."""
    if output.oom_exit_code is not None and has_own_status(report, output):
        return output.oom_exit_code
    return report.exit_status


def has_own_status(report: Report, output: Output) -> bool:
    """Tell whether the exit status says that memory ran out."""
    return output.oom_exit_code is not None and report.verdict == "oom-kill"


def _is_silent(report: Report, output: Output) -> bool:
    """Tell whether no report is wanted, or none where the exit status says as much."""
    is_told = report.verdict.told_by_exit_status or has_own_status(report, output)
    return output.quiet > 1 or (bool(output.quiet) and is_told and not _was_told(report))


def _text(report: Report, asked: CommandLine) -> str:
    """Return the report as text that fits the terminal, if standard error is one."""
    from scoperun.console.colours import is_coloured, painted
    from scoperun.process.terminal import columns
    from scoperun.report.text import WIDTH, kernel_log_text, report_line, report_text, unpainted

    output, width = asked.output, columns(2)
    paint = painted if is_coloured(os.environ, on_terminal=os.isatty(2)) else unpainted
    if output.report_format == "line":
        return report_line(report, status=exit_status(report, output), width=width, paint=paint, names=asked.names())
    text = report_text(report, width=width or WIDTH, paint=paint, names=asked.names())
    return f"{text}\n{kernel_log_text(report.oom)}" if output.oom_log and report.oom else text


def _was_told(report: Report) -> bool:
    """Return whether a soft limit was passed, so that we sent the command a signal or have to report it."""
    return any(soft is not None and soft.passed for soft in (report.soft_memory, report.soft_pressure))
