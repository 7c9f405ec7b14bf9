"""The files and descriptors of a run's output, opened before the command starts and kept from it."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from scoperun.cli.stderr import PATIENCE, say
from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from scoperun.cli.afterwards import Afterwards
    from scoperun.cli.options import CommandLine, Output
    from scoperun.cli.timeline_file import TimelineFile
    from scoperun.cli.trace_file import TraceFile
    from scoperun.console.files import Destination
    from scoperun.spec.request import RunRequest


@contextmanager
def destination(path: str | None, what: str) -> Iterator[Destination | None]:
    """Yield the file for `what`, opened before the command starts, None for no path. Raises ScoperunError."""
    if path is None:
        yield None
        return
    from scoperun.console.files import Destination
    from scoperun.console.paths import remedy
    from scoperun.process.streams import occupy_closed_streams

    occupy_closed_streams()  # otherwise the file gets the number of one
    try:
        file = Destination(path)
    except OSError as error:
        raise ScoperunError(f"cannot write the {what} to {path!r}: {error.strerror}", hint=remedy(error)) from None
    with file:
        yield file


@contextmanager
def opened_trace(asked: CommandLine) -> Iterator[TraceFile | None]:
    """Yield the trace's file, with its first line written, None without one. Raises ScoperunError."""
    path = asked.output.trace
    with destination(path, "trace") as file:
        if file is None:
            yield None
            return
        from scoperun.cli.trace_file import TraceFile

        try:
            trace = TraceFile(file, asked.request.command, asked.names())
        except OSError as error:
            raise ScoperunError(f"cannot write the trace to {path!r}: {error.strerror}") from None
        with trace:
            yield trace


@contextmanager
def opened_timeline(path: str | None) -> Iterator[TimelineFile | None]:
    """Yield the timeline's file, None without one. Raises ScoperunError."""
    with destination(path, "timeline") as file:
        if file is None or path is None:
            yield None
            return
        from scoperun.cli.timeline_file import TimelineFile

        try:
            timeline = TimelineFile(file, path)
        except OSError as error:
            raise ScoperunError(f"cannot write the timeline to {path!r}: {error.strerror}") from None
        with timeline:
            yield timeline


@contextmanager
def what_follows(output: Output, request: RunRequest) -> Iterator[Afterwards | None]:
    """Yield what follows the run besides its report, None if that is nothing. Raises ScoperunError."""
    if output.log is None and output.on_oom is None and output.record is None and not output.journal:
        yield None
        return
    from scoperun.cli.afterwards import Afterwards

    with Afterwards(output, request, say=say, patience=PATIENCE) as afterwards:
        yield afterwards


def failure_noted(afterwards: Afterwards | None) -> AbstractContextManager[None]:
    """Return a context whose failure gets a line in the log, if there is one."""
    return nullcontext() if afterwards is None else afterwards.noting_failure()


@contextmanager
def kept_from_command(fd: int | None) -> Iterator[int | None]:
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
