"""The report as text, for a person at a terminal or for a log. No I/O."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

from scoperun.evidence.verdict import KERNEL_COUNT, OOMD_COUNT, Verdict
from scoperun.printable import one_line
from scoperun.report.cpu_time_text import cpu_time_use
from scoperun.report.layout import INDENT, LEAST, cells, command_line, continued, fits, quoted, row, shortened, wrapped
from scoperun.report.names import names_in_force, policy_name
from scoperun.report.oom_text import killed, missing_log, needed, others, process_names
from scoperun.report.outcome import ending, is_of_unknown_time, outcome
from scoperun.report.usage_text import disk, duration, memory, noticeable, ratio, time, unenforced, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scoperun.report.names import LimitName
    from scoperun.report.oom_report import Oom
    from scoperun.report.outcome import Outcome, Tone
    from scoperun.report.report import Report

    Paint = Callable[[str, Tone], str]

WIDTH = 80
"""The cells in a line where there is no terminal."""

_LEAST_COMMAND = 12
"""The cells of the command in a line below which that line is broken instead."""

_BEFORE_USAGE = "   "


def unpainted(text: str, _tone: Tone) -> str:
    """Return the text as it is, without a colour."""
    return text


def report_text(
    report: Report,
    *,
    width: int = WIDTH,
    paint: Paint = unpainted,
    names: Mapping[str, LimitName] | None = None,
) -> str:
    """Return the report as lines for stderr, without unprintable characters but those of `paint`.

    It is one line if the command succeeded or just failed and there is nothing else to say, and otherwise a line and
    rows below it.

    width: of the lines, in cells of a terminal.
    paint: returns the words for the outcome in a colour for their tone.
    names: what the caller calls limits, by the fields of Limits, `soft_memory` and `soft_pressure`; by default the text
        has the names of properties, also for a limit that is not in force as it was asked for.
    """
    own_names = names_in_force(names or {}, report.limits)
    how = outcome(report, own_names)
    beginning = f"scoperun: {one_line(how.words)}: "
    measures = _BEFORE_USAGE + usage(report) if how.is_plain else ""
    head = "\n".join(_head(beginning, command_line(report.command), measures, width))
    rows = _rows_of_plain(report, own_names) if how.is_plain else _rows(report, own_names)
    return "\n".join([_painted(head, how, paint), *(row(label, value, width) for label, value in rows if value)])


def report_line(
    report: Report,
    *,
    status: int,
    width: int | None = None,
    paint: Paint = unpainted,
    names: Mapping[str, LimitName] | None = None,
) -> str:
    """Return the report as one line for a log: outcome, status, time, peak of memory and its limit, command.

    status: what scoperun exits with. width: None for a line that is as long as the command. paint, names: as for
    report_text.
    """
    how = outcome(report, names_in_force(names or {}, report.limits))
    facts = f"{one_line(how.words)}, status {status}, {duration(report)}, {ratio(report)}"
    beginning, command = f"scoperun: {facts}: ", command_line(report.command)
    if width is not None:
        command = shortened(command, max(width - cells(beginning), _LEAST_COMMAND))
    return _painted(beginning + command, how, paint)


def kernel_log_text(oom: Oom) -> str:
    """Return the kernel's own records as lines, without the statistics that are 0, or why there are none.

    If systemd-oomd killed, its messages.
    """
    if oom.oomd is not None:
        return "\n".join(map(one_line, oom.oomd.log or [f"scoperun: {oom.oomd.log_reason}"]))
    if oom.kernel_log is None:
        return one_line(f"scoperun: {oom.kernel_log_reason or 'the kernel log was not asked'}")
    lines = (line for report in oom.kernel_log for record in report.records for line in _lines(record))
    return "\n".join(one_line(line) for line in lines if not _is_zero(line))


def _head(beginning: str, command: str, measures: str, width: int) -> Iterator[str]:
    """Yield the lines before the rows: outcome, command, and what the run used, on one line if there is room."""
    room = width - cells(beginning) - cells(measures)
    if room >= _LEAST_COMMAND or fits(command, room):
        yield f"{beginning}{shortened(command, room)}{measures}"
        return
    room = width - cells(beginning)
    if room >= 2 * _LEAST_COMMAND or fits(command, room):
        yield beginning + shortened(command, room)
    else:
        first, *rest = wrapped(beginning.rstrip(), width)
        yield first
        room = max(width - INDENT, LEAST)
        yield from continued([*(wrapped(" ".join(rest), room) if rest else ()), shortened(command, room)])
    if measures:
        yield from continued(wrapped(measures.strip(), width - INDENT))


def _painted(head: str, how: Outcome, paint: Paint) -> str:
    """Return the head with the outcome painted, if that is on its first line."""
    before = "scoperun: "
    words = one_line(how.words)
    if not head.startswith(before + words):
        return head
    return before + paint(words, how.tone) + head.removeprefix(before + words)


def _rows_of_plain(report: Report, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from noticeable(report, names)
    yield from unenforced(report)
    yield from _left_running(report)


def _rows(report: Report, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each row; a row without a value is left out."""
    oom = report.oom
    if oom is not None:
        yield "killed", killed(report, oom, names)
        yield "others", others(report, oom, names)
    yield "ended", _end(report, names)
    yield "cpu", cpu_time_use(report)
    yield from noticeable(report, names)
    yield "missing", _missing(report)
    yield "memory", memory(report)
    if oom is not None:
        yield "needed", needed(oom)
    yield "time", time(report)
    yield "disk", disk(report)
    yield from _left_running(report)
    yield "scope", report.unit


def _end(report: Report, names: Mapping[str, str]) -> str:
    """Return how the command itself ended, if neither the outcome nor the list of an OOM's victims says it."""
    match report.verdict:
        case Verdict.TIMEOUT | Verdict.OOM_KILL if report.timed_out:
            return ending(report)
        case Verdict.OOM_KILL if report.signal is not None and report.oom is not None:
            victims = {victim.pid for victim in report.oom.victims or ()}
            if report.pid in victims:
                return ""
            if report.oom.policy == "stop" and report.signal == SIGTERM:
                return f"{ending(report)}: systemd stopped the rest of the scope ({policy_name('stop', names)})"
            return ending(report)
        case _:
            return ""


def _missing(report: Report) -> str:
    """Return the evidence that is missing, and why as far as that is known."""
    if report.oom is not None:
        return missing_log(report.oom)
    if report.verdict is not Verdict.UNKNOWN or report.left_scope is not None:
        return ""
    if is_of_unknown_time(report):
        return "when it ended (scoperun was stopped then)"
    values = {evidence.source: evidence.value for evidence in report.evidence}
    missing = [_source(source, report) for source, value in values.items() if value is None]
    if report.unread_log is not None and KERNEL_COUNT in values and values[KERNEL_COUNT] is None:
        missing.append(report.unread_log)
    return "; ".join(missing) or "evidence"


def _source(source: str, report: Report) -> str:
    match source:
        case _ if source == KERNEL_COUNT and report.limits.memory_max is None:
            return "memory.events (this scope has no memory controller)"
        case _ if source == KERNEL_COUNT and report.cpu.user is None:
            return "memory.events (the cgroup was gone)"
        case _ if source == KERNEL_COUNT:
            return "memory.events (it could not be read)"
        case _ if source == OOMD_COUNT:
            return "systemd-oomd's mark on the cgroup"
        case "Result":
            return "Result= (systemd did not tell)"
        case "wait status":
            return "how it ended (only its parent learns that)"
        case _:
            return source


def _left_running(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what is still in the scope, and how to stop it, each after its label; nothing if nothing is."""
    if report.left_running:
        yield "running", f"{process_names(report.left_running)}, still in this scope and under its limits"
        yield "to stop", f"systemctl{'' if report.manager == 'system' else ' --user'} stop {quoted(report.unit)}"


def _lines(record: str) -> list[str]:
    """Return the lines of a record that consists of statistics; any other record is one line, whatever is in it.

    Older kernels (6.1) write all statistics as one record, which is cut off at its end. The last number might then lack
    digits. Another record with line feeds has them from the name of a process.
    """
    from scoperun.evidence.kernel_draft import CUT_OFF  # noqa: PLC0415  the kernel's log was read with it

    *whole, last = record.split("\n")
    is_cut_off = len(record) >= CUT_OFF
    if not all(map(_is_statistic, whole)) or not (_is_beginning(last) if is_cut_off else _is_statistic(last)):
        return [record]
    return [*whole, f"{last}..." if is_cut_off else last]


def _is_statistic(line: str) -> bool:
    """Tell whether a line is a statistic, e.g. `zswpin 0`."""
    name, _, value = line.partition(" ")
    return value.isdecimal() and name.isascii() and name.replace("_", "").isalnum() and name[:1].islower()


def _is_beginning(line: str) -> bool:
    """Tell whether more characters can make a line a statistic; an empty line can become one too."""
    return _is_statistic(f"{line}0" if " " in line else f"{line or 'a'} 0")


def _is_zero(line: str) -> bool:
    """Tell whether a line is a statistic whose value is 0."""
    return _is_statistic(line) and line.endswith(" 0")
