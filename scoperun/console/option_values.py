"""The parsers of option values: text -> value, or InvalidValue. Some read facts of this machine, e.g. its RAM."""

from __future__ import annotations

import fcntl
import math
import os
import re
from signal import SIGTERM
from typing import TYPE_CHECKING

from scoperun.console.sources import Assignment
from scoperun.environment import given_environment
from scoperun.errors import InvalidValue
from scoperun.spec.limits import OOMPolicy
from scoperun.spec.properties import Value, in_bytes, parse_property, parse_setting, property_lines
from scoperun.spec.request import LONGEST_INTERVAL, SHORTEST_INTERVAL
from scoperun.spec.scope import unit_name
from scoperun.spec.sizes import INFINITY, format_time, parse_positive_size, parse_positive_time, parse_size
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.values import signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.spec.soft_pressure import SoftPressure

_LONGEST_NAME = 64
_LONGEST_COUNT = 18
_LONGEST_PID = 9
"""In characters; the second are digits of a number that SQLite can take, the third those of one for pidfd_open(2)."""

_NUMBER = r"[0-9]+(\.[0-9]+)?|\.[0-9]+"
"""float() would take more, e.g. 1_0 and digits of other scripts."""


def setting(name: str) -> Callable[[str], Value]:
    """Return a parser for the value of the unit file setting `name`."""
    return lambda text: parse_setting(name, text).value


def size(text: str) -> int:
    """Return a size in bytes; a percentage is of the physical memory. Raises InvalidValue."""
    return parse_size(text, whole=_physical_memory())


def memory(text: str) -> int:
    """Return a memory limit in bytes, at least one page: the kernel counts pages and would round less down to 0.

    Raises InvalidValue.
    """
    size, page = parse_positive_size(text, whole=_physical_memory()), os.sysconf("SC_PAGE_SIZE")
    if size < page:
        hint = (
            f"did you mean {text}M? at least {page}" if text.isdigit() else f"at least {page}; infinity means no limit"
        )
        raise InvalidValue(f"{text!r} is less than a page of memory", hint=hint)
    return size


def soft_memory(text: str) -> SoftMemory | None:
    """Parse SIZE, SIZE:SIGNAL or SIZE:none; None if SIZE is infinity. Raises InvalidValue."""
    size, colon, name = text.partition(":")
    limit = memory(size)
    number = _soft_signal(name, "15M:USR1") if colon else SIGTERM
    return None if limit == INFINITY else SoftMemory(limit, number)


def soft_pressure(text: str) -> SoftPressure | None:
    """Parse SHARE/TIME, SHARE/TIME:SIGNAL or SHARE/TIME:none; None for infinity instead. Raises InvalidValue."""
    from scoperun.spec.soft_pressure import SoftPressure, parse_pressure  # noqa: PLC0415  most runs have none

    limit, colon, name = text.partition(":")
    pressure = None if limit == "infinity" else parse_pressure(limit)
    number = _soft_signal(name, "30%/2s:USR1") if colon else SIGTERM
    return None if pressure is None else SoftPressure(*pressure, number)


def _soft_signal(name: str, example: str) -> int | None:
    if name == "none":
        return None
    try:
        return signal_number(name)
    except InvalidValue as error:
        raise InvalidValue(f"{name!r} is {error.message}", hint=f"e.g. {example}") from None


def processors(text: str) -> float:
    """Return a number of processors, e.g. 0.5. Raises InvalidValue."""
    if not re.fullmatch(_NUMBER, text):
        raise _not_processors(text)
    try:
        return int(parse_setting("CPUQuota", f"{float(text) * 100:f}%").value) / 1e6  # type: ignore[arg-type]
    except InvalidValue:
        raise _not_processors(text) from None


def _not_processors(text: str) -> InvalidValue:
    percent = text.removesuffix("%")
    is_share = percent != text and re.fullmatch("[0-9]{1,6}", percent) and int(percent)
    hint = f"write {int(percent) / 100:g}" if is_share else None
    if re.fullmatch("[0-9]{1,3},[0-9]{1,2}", text):
        hint = f"write {text.replace(',', '.')}"
    return InvalidValue(f"{text!r} is not a number of processors", hint=hint or "e.g. 2 or 0.5")


def report_file(text: str) -> str:
    """Return the name of the report's file; raise InvalidValue for a standard stream, which belongs to the command."""
    if _is_stream(text):
        raise InvalidValue(f"{text!r} is a stream, not a file", hint="--report-fd N writes to descriptor N")
    return text


def trace_file(text: str) -> str:
    """Return the name of the trace's file; raise InvalidValue for a stream."""
    if _is_stream(text):
        raise InvalidValue(f"{text!r} is a stream, not a file")
    return text


def log_file(text: str) -> str:
    """Return the name of the log's file; raise InvalidValue for a stream."""
    return trace_file(text)


def record_name(text: str) -> str:
    """Return a name for runs in the history, which is also a word of `scopectl history`. Raises InvalidValue.

    A word with a slash or with .json at its end names a file there, and one with `*`, `?` or `[` several names.
    """
    is_word = text.isprintable() and not set(text) & set(" /*?[")
    if not is_word or not text or len(text) > _LONGEST_NAME or text.startswith("-") or text.endswith(".json"):
        hint = f"1 to {_LONGEST_NAME} printable characters except blanks and / * ? [, no - before it, no .json after it"
        raise InvalidValue(f"{text!r} is not a valid name for runs", hint=hint)
    return text


def kept_runs(text: str) -> int | None:
    """Return a number of runs, at least 1; None for infinity. Raises InvalidValue."""
    if text == "infinity":
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_COUNT or int(text) == 0:
        raise InvalidValue(f"{text!r} is not a valid number of runs", hint="at least 1, or infinity")
    return int(text)


def kept_time(text: str) -> float | None:
    """Return for how many seconds runs are kept; None for infinity. Raises InvalidValue."""
    seconds = parse_positive_time(text)
    return None if seconds == math.inf else seconds


def timeline_file(text: str) -> str:
    """Return the name of the timeline's file; raise InvalidValue for a stream."""
    return trace_file(text)


def timeline_interval(text: str) -> float:
    """Return the seconds between two samples. Raises InvalidValue."""
    seconds = parse_positive_time(text)
    if not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        limits = f"from {format_time(SHORTEST_INTERVAL)} to {format_time(LONGEST_INTERVAL)}"
        raise InvalidValue(f"{text!r} is not a time between two samples", hint=limits)
    return seconds


def _is_stream(name: str) -> bool:
    return name == "-" or name.startswith(("/dev/std", "/dev/fd/", "/proc/self/fd/"))


def descriptor(text: str) -> int:
    """Return the number of a file descriptor that this process has open for writing. Raises InvalidValue."""
    if not text.isascii() or not text.isdigit():
        raise InvalidValue(f"{text!r} is not a file descriptor", hint="a number, e.g. 3 with 3>report.json")
    try:
        flags = fcntl.fcntl(int(text), fcntl.F_GETFL)
    except (OSError, OverflowError, ValueError):  # int() refuses thousands of digits
        raise InvalidValue(f"descriptor {text} is not open", hint="e.g. 3 with 3>report.json") from None
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise InvalidValue(f"descriptor {text} is not open for writing", hint="e.g. 3 with 3>report.json")
    return int(text)


def process_id(text: str) -> int:
    """Return a PID. Raises InvalidValue."""
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_PID or int(text) == 0:
        raise InvalidValue(f"{text!r} is not a PID", hint="a number, e.g. $$ in a shell")
    return int(text)


def exit_code(text: str) -> int:
    """Return an exit status, 0 to 255. Raises InvalidValue."""
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 255:
        raise InvalidValue(f"{text!r} is not a valid exit status", hint="0 to 255")
    return int(text)


def nice(text: str) -> int:
    """Return a nice level, -20 to 19. Raises InvalidValue."""
    if text.removeprefix("-") not in map(str, range(21)) or text == "20":
        raise InvalidValue(f"{text!r} is not a valid nice level", hint="-20 to 19")
    return int(text)


def oom_score_adj(text: str) -> int:
    """Return an OOM score adjustment, -1000 to 1000. Raises InvalidValue."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 4 or int(digits) > 1000:
        raise InvalidValue(f"{text!r} is not a valid OOM score adjustment", hint="-1000 to 1000")
    return int(text)


def variable(text: str) -> str:
    """Return NAME=VALUE; for NAME alone add the value that we were started with, or return NAME if it was not set.

    Raises InvalidValue for an empty name or a NUL byte.
    """
    name, equals, _ = text.partition("=")
    if not name or "\0" in text:
        hint = "NAME=VALUE, or NAME alone to keep the value that it has here"
        raise InvalidValue(f"{text!r} is not a valid variable", hint=hint)
    value = None if equals else given_environment().get(name)
    return text if value is None else f"{name}={value}"


def slice_unit(name: str) -> str:
    """Return the full name of a slice, with `.slice`. Raises InvalidValue."""
    return unit_name(name, suffix=".slice")


def check_for_file(text: str, *, is_property: bool) -> None:
    """Raise InvalidValue for text that a config file must not have: a NUL byte, or @FILE as a property."""
    if "\0" in text:
        raise InvalidValue(f"{text!r} has a NUL byte")
    if is_property and text.startswith("@"):
        raise InvalidValue(f"{text!r} names a file", hint="@FILE is allowed on the command line only")


def property_name(text: str) -> str:
    """Return the D-Bus name of the property that NAME=VALUE sets, whether VALUE is a number or a percentage."""
    return parse_property(assignment(text)).sets


def oom_policy(text: str) -> OOMPolicy:
    """Return the policy that unit files call `text`. Raises InvalidValue."""
    try:
        return OOMPolicy(text)
    except ValueError:
        names = ", ".join(repr(policy.value) for policy in OOMPolicy)
        raise InvalidValue(f"{text!r} is not one of {names}") from None


def report_format(text: str) -> str:
    """Return `block` or `line`, the formats of the printed report. Raises InvalidValue."""
    if text not in {"block", "line"}:
        raise InvalidValue(f"{text!r} is not one of 'block', 'line'")
    return text


def assignments(text: str) -> tuple[Assignment, ...]:
    """Return what a value of -p assigns: one property, or for @FILE those in its lines. Raises InvalidValue."""
    return tuple(_assignments_in(text[1:])) if text.startswith("@") else (Assignment(assignment(text)),)


def assignment(text: str) -> str:
    """Return NAME=VALUE, with a percentage of the physical memory replaced by bytes. Raises InvalidValue."""
    return in_bytes(text, physical_memory=_physical_memory())


def _assignments_in(file: str) -> Iterator[Assignment]:
    try:
        with open(file, encoding="utf-8-sig", errors="surrogateescape") as opened:  # a byte order mark is left out
            lines = opened.read().split("\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has a NUL byte"
        raise InvalidValue(f"cannot read {file!r}: {reason}", hint="@FILE has one NAME=VALUE per line") from None
    for number, line in enumerate(lines, 1):
        for text in property_lines(line):
            try:
                yield Assignment(assignment(text), f"{file}:{number}")
            except InvalidValue as error:
                raise InvalidValue(f"{file}:{number}: {error.message}", hint=error.hint) from None


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
