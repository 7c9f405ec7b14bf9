"""What stands behind an option: text -> value, or InvalidValue. What they need to know of this machine they ask it."""

from __future__ import annotations

import fcntl
import os
from signal import SIGTERM
from typing import TYPE_CHECKING

from scoperun.console.sources import Assignment
from scoperun.errors import InvalidValue
from scoperun.spec.limits import OOMPolicy
from scoperun.spec.properties import Value, in_bytes, parse_property, parse_setting, property_lines
from scoperun.spec.scope import unit_name
from scoperun.spec.sizes import INFINITY, parse_positive_size, parse_size
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.values import signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def setting(name: str) -> Callable[[str], Value]:
    """Return what parses the value of the unit file setting `name`."""
    return lambda text: parse_setting(name, text).value


def size(text: str) -> int:
    """Return bytes; a percentage is of the physical memory."""
    return parse_size(text, whole=_physical_memory())


def memory(text: str) -> int:
    """Return bytes of memory to run in; the kernel counts it in pages, and of less than one it would make none."""
    size, page = parse_positive_size(text, whole=_physical_memory()), os.sysconf("SC_PAGE_SIZE")
    if size < page:
        raise InvalidValue(f"{text!r} is less than a page of memory", hint=f"at least {page}; infinity is no limit")
    return size


def soft_memory(text: str) -> SoftMemory | None:
    """Return what SIZE or SIZE:SIGNAL asks for, None if that is no limit."""
    size, colon, name = text.partition(":")
    limit = memory(size)
    try:
        number = signal_number(name) if colon else SIGTERM
    except InvalidValue as error:
        raise InvalidValue(f"{name!r} is {error.message}", hint="as 15M:USR1") from None
    return None if limit == INFINITY else SoftMemory(limit, number)


def processors(text: str) -> float:
    """Return a number of processors, as 0.5."""
    try:
        return int(parse_setting("CPUQuota", f"{float(text) * 100:g}%").value) / 1e6  # type: ignore[arg-type]
    except (ValueError, InvalidValue):
        raise InvalidValue(f"{text!r} is no number of processors", hint="as 2 or 0.5") from None


def report_file(text: str) -> str:
    """Check the name of the report's file: standard output and the like are the command's."""
    if _is_stream(text):
        raise InvalidValue(f"{text!r} is a stream, not a file", hint="--report-fd N writes to descriptor N")
    return text


def trace_file(text: str) -> str:
    """Check the name of the trace's file, in the same way."""
    if _is_stream(text):
        raise InvalidValue(f"{text!r} is a stream, not a file")
    return text


def _is_stream(name: str) -> bool:
    return name == "-" or name.startswith(("/dev/std", "/dev/fd/", "/proc/self/fd/"))


def descriptor(text: str) -> int:
    """Return a file descriptor that is open here for writing."""
    if not text.isascii() or not text.isdigit():
        raise InvalidValue(f"{text!r} is no file descriptor", hint="a number, as 3 of 3>report.json")
    try:
        flags = fcntl.fcntl(int(text), fcntl.F_GETFL)
    except (OSError, OverflowError):
        raise InvalidValue(f"descriptor {text} is not open", hint="as 3 of 3>report.json") from None
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise InvalidValue(f"descriptor {text} is not open for writing", hint="as 3 of 3>report.json")
    return int(text)


def exit_code(text: str) -> int:
    """Return an exit status."""
    if not (text.isascii() and text.isdigit()) or int(text) > 255:
        raise InvalidValue(f"{text!r} is no exit status", hint="0 to 255")
    return int(text)


def nice(text: str) -> int:
    """Return a nice level."""
    if text.removeprefix("-") not in map(str, range(21)) or text == "20":
        raise InvalidValue(f"{text!r} is no nice level", hint="-20 to 19")
    return int(text)


def variable(text: str) -> str:
    """Return NAME=VALUE, with the value that the variable has here if none is given; NAME alone if it has none."""
    name, equals, _ = text.partition("=")
    if not name or "\0" in text:
        raise InvalidValue(f"{text!r} is no variable", hint="NAME=VALUE, or NAME to keep the value that it has here")
    return text if equals or name not in os.environ else f"{name}={os.environ[name]}"


def slice_unit(name: str) -> str:
    """Return the full name of a slice."""
    return unit_name(name, suffix=".slice")


def check_for_file(text: str, *, is_property: bool) -> None:
    """Refuse what a config file's value cannot be: text with a NUL byte, and a property that names a file to read."""
    if "\0" in text:
        raise InvalidValue(f"{text!r} has a NUL byte")
    if is_property and text.startswith("@"):
        raise InvalidValue(f"{text!r} names a file", hint="@FILE is for the command line")


def property_name(text: str) -> str:
    """Return the D-Bus name of the property that NAME=VALUE sets, be it a number or a share."""
    return parse_property(assignment(text)).sets


def oom_policy(text: str) -> OOMPolicy:
    """Return a policy by its name in unit files."""
    try:
        return OOMPolicy(text)
    except ValueError:
        names = ", ".join(repr(policy.value) for policy in OOMPolicy)
        raise InvalidValue(f"{text!r} is not one of {names}.") from None


def assignments(text: str) -> tuple[Assignment, ...]:
    """Return what -p stands for: one property, or those of a file's lines for @FILE."""
    return tuple(_assignments_in(text[1:])) if text.startswith("@") else (Assignment(assignment(text)),)


def assignment(text: str) -> str:
    """Return NAME=VALUE, with a percentage of the physical memory in bytes."""
    return in_bytes(text, physical_memory=_physical_memory())


def _assignments_in(file: str) -> Iterator[Assignment]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            lines = opened.read().split("\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has a NUL byte"
        raise InvalidValue(f"cannot read {file!r}: {reason}", hint="@FILE has one NAME=VALUE a line") from None
    for number, line in enumerate(lines, 1):
        for text in property_lines(line):
            try:
                yield Assignment(assignment(text), f"{file}:{number}")
            except InvalidValue as error:
                raise InvalidValue(f"{file}:{number}: {error.message}", hint=error.hint) from None


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
