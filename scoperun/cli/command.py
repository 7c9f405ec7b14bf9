"""The program `scoperun`: argv -> a report on stderr and in a file, and the exit status."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.printable import lines, one_line
from scoperun.process.patience import Patience
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager

    from scoperun.cli.afterwards import Afterwards
    from scoperun.cli.options import Output
    from scoperun.cli.trace_file import TraceFile
    from scoperun.console.files import Destination
    from scoperun.console.sources import Sources
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision

_PATIENCE = Patience()
_OPTIONS_FIRST = "scoperun's options come before the command (with -- before the command there is no such note)"


def main() -> int:
    """Run the command in the arguments and return the exit status; the only place that catches all errors."""
    try:
        return _scoperun(sys.argv[1:])
    except ScoperunError as error:
        _say(f"scoperun: {_in_options(str(error))}")
        return error.exit_status
    except KeyboardInterrupt:
        _say("scoperun: interrupted")
        return ScoperunError.exit_status


def _in_options(text: str) -> str:
    """Return a message of the library with options in place of fields."""
    if "`" not in text:  # an import might fail: there can be no free descriptor
        return text
    from scoperun.console.field_names import in_options

    return in_options(text)


def _scoperun(argv: list[str]) -> int:
    from scoperun.cli.options import CheckAsked, parse

    try:
        parsed = parse(argv)
    except CheckAsked as check:
        from scoperun.cli.check import check_machine

        return check_machine(system=check.system, json=check.json)
    return 0 if parsed is None else _run(argv, *parsed)


def _run(argv: list[str], request: RunRequest, output: Output, sources: Sources) -> int:
    from scoperun.cli.options import late_options

    if not output.quiet:
        if late := late_options(argv, request.command):
            _say(f"scoperun: note: the command gets {' '.join(late)}, which is written after it; {_OPTIONS_FIRST}")
        _warn(request)
        if request.context.changes_identity and sources.options.get("report") == "SCOPERUN_REPORT":
            _say("scoperun: warning: SCOPERUN_REPORT is ignored with --uid or --gid; use --report FILE")
    if output.dry_run:
        _print_preview(request, output, sources)
        return 0
    if not output.quiet and request.context.user is not None:
        _warn_of_terminal(request)
    from scoperun.process.streams import inherited_descriptors
    from scoperun.supervision.launch import wrap

    with (
        _destination(output.report, "report") as file,
        _trace_file(output, request.command) as trace,
        _afterwards(output, request) as afterwards,
    ):
        with _kept_from_command(output.report_fd) as report_fd, _failure_noted(afterwards):
            report = wrap(
                request,
                beside=lambda supervision: _beside(supervision, output, report_fd, trace),
                give_up=inherited_descriptors() - {0, 1, 2},
                trace=None if trace is None else trace.take,
            )
        status = _exit_status(report, output)
        if afterwards is not None:
            afterwards.note(report, exit_status=status)
        _deliver(report, output, file)
        if afterwards is not None:
            in_file = file is not None and file.is_written and not file.may_wait
            afterwards.act(report, report_file=output.report if in_file else None)
        if trace is not None and trace.failure is not None:
            _say(one_line(f"scoperun: cannot write the trace to {output.trace!r}: {trace.failure}"))
    if report.signal == signal.SIGINT and not report.timed_out and not _has_own_status(report, output):
        _end_by(signal.SIGINT)
    return status


def _exit_status(report: Report, output: Output) -> int:
    if output.oom_exit_code is not None and _has_own_status(report, output):
        return output.oom_exit_code
    return report.exit_status


def _has_own_status(report: Report, output: Output) -> bool:
    """Tell whether the exit status says that memory ran out."""
    return output.oom_exit_code is not None and report.verdict == "oom-kill"


def _end_by(number: signal.Signals) -> None:
    """End by the signal that ended the command: a shell breaks its loop only if SIGINT killed the program in it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _warn(request: RunRequest) -> None:
    from scoperun.kernel.swap import has_swap
    from scoperun.spec.traps import traps

    asked = replace(request, soft_memory=None)  # its MemoryHigh= is lifted before it throttles
    for trap in traps(asked.scope_properties(), has_swap=has_swap()):
        _say(f"scoperun: warning: {_in_options(trap)}")


def _warn_of_terminal(request: RunRequest) -> None:
    """Warn if a command that runs as another user could type commands into root's shell."""
    from scoperun.process.identity import identity
    from scoperun.process.shared_terminal import can_be_typed_at

    if identity(request.context).uid and can_be_typed_at():
        _say(
            f"scoperun: warning: user {request.context.user} could type commands at this terminal for root's shell "
            "(TIOCSTI): systemd-run --pty gives the command one of its own; the sysctl dev.tty.legacy_tiocsti=0 "
            "forbids it from Linux 6.2 on"
        )


def _print_preview(request: RunRequest, output: Output, sources: Sources) -> None:
    """Print on standard output what a run would ask of systemd. Raises ScoperunError."""
    from scoperun.cli.preview import preview
    from scoperun.kernel.cgroup import cgroup_of

    inherited = cgroup_of(os.getpid()).slice_of_manager(system=request.system) if request.slice_inherit else None
    shown = preview(request, sources, output=output, inherited_slice=inherited)
    try:
        with open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stdout:
            stdout.write(f"{shown.to_json() if output.json else shown.to_text()}\n")
    except OSError as error:
        raise ScoperunError(f"cannot print the preview: {error.strerror}") from None


@contextmanager
def _destination(path: str | None, what: str) -> Iterator[Destination | None]:
    """Yield the file for `what`, opened before the command starts, None for no path. Raises ScoperunError."""
    if path is None:
        yield None
        return
    from scoperun.console.files import Destination
    from scoperun.process.streams import occupy_closed_streams

    occupy_closed_streams()  # otherwise the file gets the number of one
    try:
        file = Destination(path)
    except OSError as error:
        hint = "its folder has to exist" if isinstance(error, FileNotFoundError) else None
        raise ScoperunError(f"cannot write the {what} to {path!r}: {error.strerror}", hint=hint) from None
    with file:
        yield file


@contextmanager
def _trace_file(output: Output, command: tuple[str, ...]) -> Iterator[TraceFile | None]:
    """Yield the trace's file, with its first line written, None without one. Raises ScoperunError."""
    with _destination(output.trace, "trace") as file:
        if file is None:
            yield None
            return
        from scoperun.cli.trace_file import TraceFile

        try:
            trace = TraceFile(file, command, output.names)
        except OSError as error:
            raise ScoperunError(f"cannot write the trace to {output.trace!r}: {error.strerror}") from None
        with trace:
            yield trace


@contextmanager
def _afterwards(output: Output, request: RunRequest) -> Iterator[Afterwards | None]:
    """Yield what follows the run besides its report, None if that is nothing. Raises ScoperunError."""
    if output.log is None and output.on_oom is None and not output.journal:
        yield None
        return
    from scoperun.cli.afterwards import Afterwards

    with Afterwards(output, request, say=_say, patience=_PATIENCE) as afterwards:
        yield afterwards


def _failure_noted(afterwards: Afterwards | None) -> AbstractContextManager[None]:
    return nullcontext() if afterwards is None else afterwards.noting_failure()


@contextmanager
def _kept_from_command(fd: int | None) -> Iterator[int | None]:
    """Yield a duplicate of `fd` that the command does not inherit.

    It is closed when signals are no longer held for the command, and its reader then sees the end of file.
    """
    if fd is None:
        yield None
        return
    from scoperun.process.streams import keep_from_command

    ours = keep_from_command(fd)
    try:
        yield ours
    finally:
        os.close(ours)


@asynccontextmanager
async def _beside(
    supervision: Supervision, output: Output, report_fd: int | None, trace: TraceFile | None
) -> AsyncIterator[None]:
    """Do the work beside the running command: JSON lines on a descriptor, a notice on the terminal, the trace."""
    from contextlib import AsyncExitStack

    _PATIENCE.begin()
    async with AsyncExitStack() as stack:
        if not output.quiet and (warning := _low_ceiling(supervision)) is not None:
            from scoperun.cli.notice import notice

            await stack.enter_async_context(notice(f"scoperun: warning: {one_line(_in_options(warning))}"))
        if report_fd is not None:
            from scoperun.cli.report_lines import report_lines

            failed = f"scoperun: cannot write the report to descriptor {output.report_fd}: "
            lines = report_lines(supervision, report_fd, failed=lambda reason: _say(failed + reason))
            await stack.enter_async_context(lines)
        if os.isatty(2) and not output.quiet:
            from scoperun.cli.kill_notice import kill_notice

            await stack.enter_async_context(kill_notice(supervision))
        if trace is not None:
            await stack.enter_async_context(trace.following(supervision))  # entered last, so that it is left first
        yield


def _low_ceiling(supervision: Supervision) -> str | None:
    """Return a warning if something above the scope allows less memory than the scope's own limit."""
    from scoperun.spec.traps import low_ceiling

    start = supervision.start
    return low_ceiling(start.limits.memory_max, start.ceiling)


def _deliver(report: Report, output: Output, file: Destination | None) -> None:
    """Write the report to its file and print it; a failure of either does not change the exit status."""
    # The file first: the reader of stderr might be slow.
    if file is not None:
        try:
            with _PATIENCE.waiting(for_somebody=file.may_wait):
                file.write(report.to_json() + "\n")
        except OSError as error:
            # The path in the message can have a newline.
            _say(one_line(f"scoperun: cannot write the report to {output.report!r}: {error.strerror}"))
    if _is_silent(report, output):
        return
    if output.json:
        _say(report.to_json(indent=2 if os.isatty(2) else None))
    else:
        _print(_text(report, output))


def _is_silent(report: Report, output: Output) -> bool:
    """Tell whether no report is wanted, or none where the exit status says as much."""
    is_told = report.verdict.told_by_exit_status or _has_own_status(report, output)
    return output.quiet > 1 or (bool(output.quiet) and is_told and not _was_told(report))


def _text(report: Report, output: Output) -> str:
    """Return the report as text that fits the terminal, if standard error is one."""
    from scoperun.console.colours import is_coloured, painted
    from scoperun.process.terminal import columns
    from scoperun.report.text import WIDTH, kernel_log_text, report_line, report_text, unpainted

    width = columns(2)
    paint = painted if is_coloured(os.environ, on_terminal=os.isatty(2)) else unpainted
    if output.report_format == "line":
        return report_line(report, status=_exit_status(report, output), width=width, paint=paint, names=output.names)
    text = report_text(report, width=width or WIDTH, paint=paint, names=output.names)
    return f"{text}\n{kernel_log_text(report.oom)}" if output.oom_log and report.oom else text


def _was_told(report: Report) -> bool:
    """Return whether we sent the command a signal because of its soft limit."""
    return report.soft_memory is not None and bool(report.soft_memory.passed)


def _say(text: str) -> None:
    _print(lines(text))


def _print(text: str) -> None:
    """Write lines that are safe to print to stderr."""
    rest = memoryview(_ended(text).encode())
    with suppress(OSError), _PATIENCE.waiting():  # stderr has no reader
        while rest:
            rest = rest[_written(rest) :]


def _ended(text: str) -> str:
    """Return the text with the line ends that stderr needs, and one at the end."""
    if not os.isatty(2):
        return f"{text}\n"
    from scoperun.process.terminal import line_end

    return f"{text}\n".replace("\n", line_end(2))


def _written(rest: memoryview) -> int:
    """Write to stderr and return how many bytes it took; 0 after waiting for room.

    Another process that shares stderr might have set O_NONBLOCK.
    """
    try:
        return os.write(2, rest)
    except BlockingIOError:
        import select

        select.select([], [2], [])
        return 0
