"""Make the report of a run again from its trace; no other file is read.

python3 -m scoperun.supervision.replay [--json] FILE
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from scoperun.errors import ScoperunError
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.start import Start
from scoperun.printable import lines, one_line
from scoperun.record import replace
from scoperun.report.conclusion import conclude
from scoperun.supervision.trace import Begun, Concluded, record
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scoperun.report.names import LimitName
    from scoperun.report.report import Report

_USAGE = "usage: python3 -m scoperun.supervision.replay [--json] FILE"


class BadTrace(ScoperunError):
    """A trace from which no report can be made."""


class Replay(NamedTuple):
    """A run that was replayed.

    report: what the trace leads to. is_whole: the trace goes on to the run's own report. names: of the limits.
    """

    report: Report
    is_whole: bool
    names: Mapping[str, LimitName]


def replay(trace: Iterable[str]) -> Replay:
    """Return the report that the lines of a trace lead to. Raise BadTrace if there is none; it names a bad line."""
    invocation = Invocation()
    begun: Begun | None = None
    start: Start | None = None
    concluded: Concluded | None = None
    for number, line in enumerate(trace, 1):
        if concluded is not None:
            break  # later events are not in the report
        if not line.endswith("\n"):
            break  # the line was not written to its end
        match _record(line, number, begun):
            case Begun() as begun:
                pass
            case Start() as start:
                pass
            case Concluded() as concluded:
                pass
            case event:
                invocation.feed(event)
    if begun is None:
        raise BadTrace("it is empty")
    if start is None:
        raise BadTrace("it ends before the scope had started")
    if not invocation.exited:
        raise BadTrace("it ends before the command had ended")
    start = replace(start, systemd=concluded.systemd if concluded else None)
    return Replay(conclude(begun.command, start, invocation), concluded is not None, begun.names)


def _record(line: str, number: int, begun: Begun | None) -> Any:
    try:
        found = record(line)
        if isinstance(found, Begun) is not (begun is None):
            raise ValueError("the first line of a trace has to be Begun, and no other line")
    except (ValueError, ScoperunError) as error:
        written = f" (scoperun {begun.scoperun} wrote it, and this is {__version__})" if begun is not None else ""
        raise BadTrace(f"line {number}: {error}{written}") from None
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the report of the trace that `arguments` name; return the exit status, 0 or, without a report, 125."""
    paths = [each for each in arguments if each != "--json"]
    if len(paths) != 1 or paths[0].startswith("-"):
        return _failed(_USAGE)
    try:
        with open(paths[0], encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            report, is_whole, names = replay(file)
        text = report.to_json() if "--json" in arguments else _text(report, names)
    except OSError as error:
        return _failed(f"cannot read {paths[0]!r}: {error.strerror}")
    except ScoperunError as error:
        return _failed(f"{paths[0]!r}: {error}")
    except Exception as error:  # a value does not have the type of its field, e.g. a text in place of a number
        if sys.flags.dev_mode:
            raise
        return _failed(f"{paths[0]!r} is not valid: {type(error).__name__}: {error} (python3 -X dev shows where)")
    if not is_whole:
        _say(2, "scoperun: the trace is incomplete: the report might say less than the one of the run")
    _say(1, text)
    return 0


def _text(report: Report, names: Mapping[str, LimitName]) -> str:
    from scoperun.report.text import report_text  # noqa: PLC0415  not needed with --json

    return report_text(report, names=names)


def _failed(reason: str) -> int:
    _say(2, one_line(f"scoperun: {reason}"))
    return ScoperunError.exit_status


def _say(fd: int, text: str) -> None:
    with open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as stream:
        stream.write(f"{lines(text)}\n")


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
