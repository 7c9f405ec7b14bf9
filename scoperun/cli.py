"""scoperun's command line: argv -> report on stderr and in a file, exit status."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.options import Output
    from scoperun.report import Report
    from scoperun.request import RunRequest
    from scoperun.sources import Sources


def main() -> int:
    """Run the command that the arguments name and return the exit status; the one place where errors end."""
    try:
        return _scoperun(sys.argv[1:])
    except ScoperunError as error:
        _say(f"scoperun: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        _say("scoperun: interrupted")
        return ScoperunError.exit_status


def _scoperun(argv: list[str]) -> int:
    from scoperun.options import parse

    parsed = parse(argv)
    if parsed is None:
        return 0
    request, output, sources = parsed
    if not output.quiet:
        _warn(request)
    if output.print_properties:
        _print_properties(request, sources, json=output.json)
        return 0
    from scoperun.launch import wrap

    with _report_lines(output.report_fd) as write_report_line:
        report = wrap(request, on_start=lambda start: write_report_line(start.to_json()))
        write_report_line(report.to_json(event="finished"))
    _deliver(report, output)
    if output.oom_exit_code is not None and report.verdict == "oom-kill":
        return output.oom_exit_code
    return report.exit_status


def _warn(request: RunRequest) -> None:
    from scoperun.traps import traps

    for trap in traps(request.scope_properties()):
        _say(f"scoperun: warning: {trap}")


def _print_properties(request: RunRequest, sources: Sources, *, json: bool) -> None:
    """Print what would be asked of systemd on standard output."""
    from scoperun.io.cgroup import cgroup_of
    from scoperun.preview import preview

    shown = preview(request, sources, inherited_slice=cgroup_of(os.getpid()).slice if request.slice_inherit else None)
    try:
        with open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stdout:
            stdout.write(f"{shown.to_json() if json else shown.to_text()}\n")
    except OSError as error:
        raise ScoperunError(f"cannot print the properties: {error.strerror}") from None


@contextmanager
def _report_lines(fd: int | None) -> Iterator[Callable[[str], None]]:
    """Give what writes JSON lines to descriptor `fd`; if that fails once, it is said and left at that."""
    if fd is None:
        yield lambda _: None
        return
    from scoperun.io.files import write_line
    from scoperun.io.streams import keep_from_command

    ours = keep_from_command(fd)
    failures: list[OSError] = []

    def write(line: str) -> None:
        if not failures:
            try:
                write_line(ours, line)
            except OSError as error:
                failures.append(error)
                _say(f"scoperun: cannot write the report to descriptor {fd}: {error.strerror}")

    try:
        yield write
    finally:
        os.close(ours)


def _deliver(report: Report, output: Output) -> None:
    """Print the report and write it; neither changes what the command's status was."""
    # The file first: whoever reads stderr may be slow.
    if output.report is not None:
        from scoperun.io.files import write_atomically

        try:
            write_atomically(output.report, report.to_json() + "\n")
        except OSError as error:
            _say(f"scoperun: cannot write the report to {output.report!r}: {error.strerror}")
    if output.json:
        _say(report.to_json())
    elif not (output.quiet and report.verdict.told_by_exit_status):
        from scoperun.text import report_text

        _say(report_text(report))


def _say(text: str) -> None:
    with suppress(OSError):  # nobody listens
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))
