"""The program `scoperun`: argv -> a report on stderr and in a file, and the exit status."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from scoperun.cli.stderr import PATIENCE, in_options, say
from scoperun.errors import ScoperunError
from scoperun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from scoperun.cli.options import CommandLine, Output
    from scoperun.cli.timeline_file import TimelineFile
    from scoperun.cli.trace_file import TraceFile
    from scoperun.console.sources import Sources
    from scoperun.process.parent import Parent
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision


def main() -> int:
    """Run the command in the arguments and return the exit status; the only place that catches all errors."""
    try:
        return _scoperun(sys.argv[1:])
    except ScoperunError as error:
        say(f"scoperun: {in_options(error.complaint)}")
        return error.exit_status
    except KeyboardInterrupt:
        say("scoperun: interrupted")
        return ScoperunError.exit_status


def _scoperun(argv: list[str]) -> int:
    from scoperun.cli.options import CheckAsked, parse

    try:
        parsed = parse(argv)
    except CheckAsked as check:
        from scoperun.cli.check import check_machine

        return check_machine(system=check.system, json=check.json)
    return 0 if parsed is None else _run(argv, parsed)


def _run(argv: list[str], asked: CommandLine) -> int:
    request, output, sources = asked.request, asked.output, asked.sources
    if not output.quiet:
        from scoperun.cli.warnings import warn

        warn(argv, request, sources, is_run=not output.dry_run)
    if output.dry_run:
        _print_preview(request, output, sources)
        return 0
    report = _run_and_deliver(asked)
    from scoperun.cli.delivery import exit_status, has_own_status

    if report.signal == signal.SIGINT and not report.timed_out and not has_own_status(report, output):
        _end_by(signal.SIGINT)
    return exit_status(report, output)


def _run_and_deliver(asked: CommandLine) -> Report:
    """Run the command and return the report, which has been delivered by then."""
    request, output = asked.request, asked.output
    told: list[str] = []
    from scoperun.cli.delivery import deliver, exit_status
    from scoperun.cli.outputs import (
        destination,
        failure_noted,
        kept_from_command,
        opened_timeline,
        opened_trace,
        what_follows,
    )
    from scoperun.process.streams import inherited_descriptors
    from scoperun.supervision.launch import wrap

    if output.live:
        from scoperun.cli.live import see_terminal

        see_terminal(request)
    with (
        _parent(output) as parent,
        destination(output.report, "report") as file,
        opened_timeline(output.timeline) as timeline,
        opened_trace(asked) as trace,
        what_follows(output, request) as afterwards,
    ):
        with failure_noted(afterwards), kept_from_command(output.report_fd) as report_fd:
            report = wrap(
                request,
                beside=lambda supervision: _beside(supervision, output, report_fd, (timeline, trace), told.append),
                give_up=inherited_descriptors() - {0, 1, 2},
                trace=_taken_by(timeline, trace),
                parent=parent,
            )
        if afterwards is not None:
            afterwards.note(report, exit_status=exit_status(report, output))
        for each in told:
            say(each)
        deliver(report, asked, file)
        if afterwards is not None:
            afterwards.record(report)
            in_file = file is not None and file.is_written and not file.may_wait
            afterwards.act(report, report_file=output.report if in_file else None)
        _tell_failures(output, timeline, trace)
    return report


def _tell_failures(output: Output, timeline: TimelineFile | None, trace: TraceFile | None) -> None:
    if timeline is not None and timeline.failure is not None:
        say(one_line(f"scoperun: cannot write the timeline to {output.timeline!r}: {timeline.failure}"))
    if trace is not None and trace.failure is not None:
        say(one_line(f"scoperun: cannot write the trace to {output.trace!r}: {trace.failure}"))


def _parent(output: Output) -> AbstractContextManager[Parent | None]:
    if output.die_with_parent is False:
        return nullcontext()
    from scoperun.cli.parent import held_parent

    return held_parent(output.die_with_parent)


def _taken_by(timeline: TimelineFile | None, trace: TraceFile | None) -> Callable[[object], None] | None:
    """Return what takes every event of the run, None if nothing does."""
    if timeline is None or trace is None:
        one = timeline or trace
        return None if one is None else one.take

    def take(event: object) -> None:
        trace.take(event)
        timeline.take(event)

    return take


def _end_by(number: signal.Signals) -> None:
    """End by the signal that ended the command: a shell breaks its loop only if SIGINT killed the program in it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


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


@asynccontextmanager
async def _beside(
    supervision: Supervision,
    output: Output,
    report_fd: int | None,
    files: tuple[TimelineFile | None, TraceFile | None],
    tell: Callable[[str], None],
) -> AsyncIterator[None]:
    """Do the work beside the running command: JSON lines on a descriptor, lines on the terminal, timeline and trace.

    tell: called with a line to print before the report.
    """
    from contextlib import AsyncExitStack

    PATIENCE.begin()
    async with AsyncExitStack() as stack:
        if not output.quiet:
            from scoperun.cli.warnings import warning_of_limits

            await stack.enter_async_context(warning_of_limits(supervision))
        if report_fd is not None:
            from scoperun.cli.report_lines import report_lines

            failed = f"scoperun: cannot write the report to descriptor {output.report_fd}: "
            lines = report_lines(supervision, report_fd, failed=lambda reason: say(failed + reason))
            await stack.enter_async_context(lines)
        if os.isatty(2) and not output.quiet:
            from scoperun.cli.kill_notice import kill_notice

            await stack.enter_async_context(kill_notice(supervision))
        if supervision.guard is not None and not output.quiet and not output.json:
            from scoperun.cli.end_notice import end_notice

            await stack.enter_async_context(end_notice(supervision, tell))
        if output.live:
            from scoperun.cli.live import live_line

            await stack.enter_async_context(live_line(supervision))
        for file in files:  # the trace is entered last, so that it is left first
            if file is not None:
                await stack.enter_async_context(file.following(supervision))
        yield
