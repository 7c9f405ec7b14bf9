"""scoperun's command line: argv -> report on stderr and in a file, exit status."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.dataclass import replace
from scoperun.errors import ScoperunError
from scoperun.printable import lines

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
    except OSError as error:  # no descriptor is left to import with
        if error.errno not in {errno.EMFILE, errno.ENFILE}:
            raise
        _say(f"scoperun: {error.strerror}")
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
        report = wrap(request, on_start=lambda start: write_report_line(start.to_json))
        write_report_line(lambda: report.to_json(event="finished"))
    _deliver(report, output)
    if output.oom_exit_code is not None and report.verdict == "oom-kill":
        return output.oom_exit_code
    if report.signal == signal.SIGINT and not report.timed_out:
        _end_by(signal.SIGINT)
    return report.exit_status


def _end_by(number: signal.Signals) -> None:
    """End as the command did: a shell gives up its loop only if Ctrl-C has ended what ran in it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _warn(request: RunRequest) -> None:
    from scoperun.io.swap import has_swap
    from scoperun.traps import traps

    asked = replace(request, soft_memory=None)  # its MemoryHigh= is lifted before it does harm
    for trap in traps(asked.scope_properties(), has_swap=has_swap()):
        _say(f"scoperun: warning: {trap}")


def _print_properties(request: RunRequest, sources: Sources, *, json: bool) -> None:
    """Print what would be asked of systemd on standard output."""
    from scoperun.io.cgroup import cgroup_of
    from scoperun.preview import preview

    inherited = cgroup_of(os.getpid()).slice_of_manager(system=request.system) if request.slice_inherit else None
    shown = preview(request, sources, inherited_slice=inherited)
    try:
        with open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stdout:
            stdout.write(f"{shown.to_json() if json else shown.to_text()}\n")
    except OSError as error:
        raise ScoperunError(f"cannot print the properties: {error.strerror}") from None


@contextmanager
def _report_lines(fd: int | None) -> Iterator[Callable[[Callable[[], str]], None]]:
    """Give what has JSON lines made and writes them to descriptor `fd`; a failure is said once and left at that."""
    if fd is None:
        yield lambda _: None
        return
    from scoperun.io.files import write_line
    from scoperun.io.streams import keep_from_command

    ours = keep_from_command(fd)
    failures: list[OSError] = []

    def write(line: Callable[[], str]) -> None:
        if not failures:
            try:
                write_line(ours, line())
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
        except KeyboardInterrupt:  # nobody reads a FIFO, or the disk is slow
            _say(f"scoperun: cannot write the report to {output.report!r}: interrupted")
    if output.quiet and report.verdict.told_by_exit_status and not _was_told(report):
        return
    if output.json:
        _say(report.to_json())
    else:
        from scoperun.text import kernel_log_text, report_text

        _say(report_text(report))
        if output.oom_log and report.oom:
            _say(kernel_log_text(report.oom))


def _was_told(report: Report) -> bool:
    """Tell whether it was our signal that the command got, for its soft limit."""
    return report.soft_memory is not None and bool(report.soft_memory.passed)


def _say(text: str) -> None:
    rest = memoryview(f"{lines(text)}\n".encode())
    with suppress(OSError):  # nobody listens
        while rest:
            rest = rest[_written(rest) :]


def _written(rest: memoryview) -> int:
    """Write to stderr and return how much it took; whoever shares it may have set it not to block, even if full."""
    try:
        return os.write(2, rest)
    except BlockingIOError:
        import select

        select.select([], [2], [])
        return 0
