"""systemd's sizes and times as text, to and from bytes and seconds. No I/O.

The grammar is that of systemd.syntax(7) and systemd.time(7): suffixes K M G T P E to the base of 1024,
several terms in a row, e.g. `5min 20s`, and the word infinity.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Container

INFINITY = 2**64 - 1
"""No limit on bytes, tasks or processors, and on D-Bus no limit on anything (UINT64_MAX); for seconds: math.inf."""

PAGE = 4096
"""Bytes: the kernel counts a limit on memory in pages, of which this is the smallest."""

_BYTES = {"": 1, "B": 1} | {suffix: 1024**power for power, suffix in enumerate("KMGTPE", start=1)}

_SECONDS = {
    **dict.fromkeys(["us", "usec", "µs", "μs"], 1e-6),
    **dict.fromkeys(["ms", "msec"], 1e-3),
    **dict.fromkeys(["", "s", "sec", "second", "seconds"], 1.0),
    **dict.fromkeys(["m", "min", "minute", "minutes"], 60.0),
    **dict.fromkeys(["h", "hr", "hour", "hours"], 3600.0),
    **dict.fromkeys(["d", "day", "days"], 86400.0),
    **dict.fromkeys(["w", "week", "weeks"], 604800.0),
    **dict.fromkeys(["M", "month", "months"], 2629800.0),
    **dict.fromkeys(["y", "year", "years"], 31557600.0),
}

# Compiled at first use: many runs have no size and no time to parse.
_TERM = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![.0-9])\s*([A-Za-zµμ]*)"
_PERCENTAGE = r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%"

_LOOSE_SIZE = r"([0-9]+(?:[.,][0-9]+)?)\s*([KMGTPE])I?B?(YTES?)?"
"""A size as people write it elsewhere, in upper case: 20m, 20MB, 20 MiB, 1,5G."""
_NO_LIMIT = frozenset({"inf", "infinite", "infinity", "max", "none", "unlimited", "unlim"})

_SIZE_EXAMPLE = "a number with K, M, G or T to the base of 1024, e.g. 20M or 1.5G, or infinity"
_TIME_EXAMPLE = "seconds, e.g. 90, or terms like 5min 20s, or infinity"


def parse_size(text: str, *, whole: int | None = None) -> int:
    """Return the bytes that `text` stands for, INFINITY for `infinity`; raise InvalidValue otherwise.

    whole: the bytes of which `text` can be a percentage, None if percentages are not allowed.
    """
    if text.strip() == "infinity":
        return INFINITY
    if whole is not None and (share := re.fullmatch(_PERCENTAGE, text.strip())):
        if float(share[1]) > 100:
            raise InvalidValue(f"{text!r} is more than all of it", hint="at most 100%")
        return int(whole * float(share[1])) // 100
    terms = _terms(text, _BYTES)
    if terms is None:
        raise InvalidValue(f"{text!r} is not a valid size", hint=_size_meant(text) or _SIZE_EXAMPLE)
    units = [_BYTES[unit] for _, unit in terms]
    if units != sorted(set(units), reverse=True):
        raise InvalidValue(f"{text!r} is not a valid size", hint="each unit once, the largest first")
    size = sum(_whole(number, _BYTES[unit], text) for number, unit in terms)
    if size >= INFINITY:
        raise InvalidValue(f"size {text!r} is out of range", hint="less than 16E; infinity means no limit")
    return size


def parse_time(text: str) -> float:
    """Return the seconds that `text` stands for, math.inf for `infinity`; raise InvalidValue otherwise."""
    if text.strip() == "infinity":
        return math.inf
    terms = _terms(text, _SECONDS)
    if terms is None:
        raise InvalidValue(f"{text!r} is not a valid time", hint=_time_meant(text) or _TIME_EXAMPLE)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in terms)
    if seconds >= INFINITY / 1e6:
        raise InvalidValue(f"time {text!r} is out of range", hint="infinity means no limit")
    return seconds


def parse_positive_size(text: str, *, whole: int | None = None) -> int:
    """Parse like parse_size, but refuse 0 too."""
    size = parse_size(text, whole=whole)
    if size == 0:
        raise InvalidValue(f"{text!r}: no process can run in 0 bytes", hint="infinity means no limit")
    return size


def parse_positive_time(text: str) -> float:
    """Parse like parse_time, but refuse less than 1 us too."""
    seconds = parse_time(text)
    if seconds < 1e-6:
        raise InvalidValue(f"{text!r} is not a time above 0", hint="infinity means no limit")
    return seconds


def in_words(number: float | str | None) -> float | str | None:
    """Return a number as JSON has it: "infinity" for no limit, because JSON has no such number; the rest unchanged."""
    return "infinity" if number in (INFINITY, math.inf) else number


def format_size(size: int) -> str:
    """Return `size` bytes as systemd prints them: 20M, 1.6M, 512B, infinity."""
    if size == INFINITY:
        return "infinity"
    for suffix in "EPTGMK":
        unit = _BYTES[suffix]
        if size >= unit:
            tenths = size * 10 // unit
            return f"{tenths // 10}{suffix}" if tenths % 10 == 0 else f"{tenths / 10:.1f}{suffix}"
    return f"{size}B"


def exact_size(size: int) -> str:
    """Return a size as parse_size() reads it, without rounding: 1920M, 2G."""
    return next((f"{size // _BYTES[each]}{each}" for each in "TGMK" if size and size % _BYTES[each] == 0), f"{size}")


def format_time(seconds: float) -> str:
    """Return `seconds` as systemd prints a span: 212ms, 1.250s, 5min 20s, infinity."""
    if seconds == math.inf:
        return "infinity"
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3f}s".replace(".000", "")
    whole = round(seconds)
    terms = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, whole = divmod(whole, length)
        if count:
            terms.append(f"{count}{unit}")
    return " ".join(terms)


def _terms(text: str, units: Container[str]) -> list[tuple[str, str]] | None:
    """Split `text` into numbers and units, None if that is not possible."""
    terms = []
    rest = text.strip()
    while match := re.match(_TERM, rest):
        number, unit = match.groups()
        if unit not in units:
            break
        terms.append((number, unit))
        rest = rest[match.end() :].strip()
    return None if rest else terms or None


def _size_meant(text: str) -> str | None:
    """Return what to write for a size as people write it elsewhere, None if it is not one."""
    if text.strip().lower() in _NO_LIMIT:
        return "write infinity"
    meant = re.fullmatch(_LOOSE_SIZE, text.strip(), re.IGNORECASE | re.ASCII)
    return f"write {meant[1].replace(',', '.')}{meant[2].upper()}" if meant else None


def _time_meant(text: str) -> str | None:
    """Return what to write for a time with a unit in capitals, or for no limit, None if it is neither."""
    lower = text.strip().lower()
    if lower in _NO_LIMIT:
        return "write infinity"
    return f"write {lower}" if _terms(lower, _SECONDS) else None


def _whole(number: str, unit: int, text: str) -> int:
    """Return `number` times `unit`, exactly: a float has too few digits for sizes near 2^64."""
    integer, _, fraction = number.partition(".")
    if len(number) > 40:
        raise InvalidValue(f"size {text!r} is out of range", hint=_SIZE_EXAMPLE)
    size = int(integer or "0") * unit
    if fraction:
        if unit == 1:
            raise InvalidValue(f"size {text!r} has a fraction of a byte", hint=_SIZE_EXAMPLE)
        size += int(fraction) * unit // 10 ** len(fraction)
    return size
