"""Parsers for the values of settings: text in, plain Python of a D-Bus type out, or InvalidValue. No I/O.

The manual page of each setting has the grammar; systemd-run(1) parses values in
https://github.com/systemd/systemd/blob/main/src/shared/bus-unit-util.c. Structs are lists, and `ay` is bytes.
"""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Callable, Sequence

from scoperun.errors import InvalidValue
from scoperun.spec.sizes import INFINITY, parse_positive_size, parse_size, parse_time

Value = bool | int | str | bytes | Sequence["Value"]
"""A property's value, as plain Python of the D-Bus type that its signature names."""

BOOLEANS = {
    **dict.fromkeys(["1", "yes", "y", "true", "t", "on"], True),
    **dict.fromkeys(["0", "no", "n", "false", "f", "off"], False),
}

UINT32_MAX = 2**32 - 1
_CPUS_MAX = 8192


def text(value: str) -> str:
    """Return any non-empty text."""
    if not value:
        raise InvalidValue("the value is empty")
    return utf8(value)


def words(value: str) -> list[str]:
    """Split at blanks outside quotation marks; backslashes are kept, because unit names contain them."""
    import shlex  # noqa: PLC0415  few properties consist of words

    lexer = shlex.shlex(utf8(value), posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError:
        raise InvalidValue("a quotation mark is not closed") from None


def whole_list(value: str) -> list[str]:
    """Return a list of the whole text, or an empty list if it is empty."""
    return [utf8(value)] if value else []


def boolean(value: str) -> bool:
    """Parse systemd's words for yes and no, in upper or lower case."""
    try:
        return BOOLEANS[value.lower()]
    except KeyError:
        raise InvalidValue("neither yes nor no") from None


def one_of(*known: str) -> Callable[[str], str]:
    """Return a parser that accepts only these words."""

    def parse(value: str) -> str:
        if value not in known:
            raise InvalidValue("not a word that this property knows", hint="one of " + ", ".join(known))
        return value

    return parse


def condition(kind: str) -> Callable[[str], list[list[Value]]]:
    """Return the parser of a condition. A leading | makes it a triggering one, of which one suffices; ! negates it."""

    def parse(value: str) -> list[list[Value]]:
        trigger, rest = value.startswith("|"), utf8(value.removeprefix("|"))
        return [[kind, trigger, rest.startswith("!"), rest.removeprefix("!")]] if value else []

    return parse


def pressure_watch(value: str) -> str:
    """Parse auto, skip, or a boolean, which becomes on or off."""
    if value in {"auto", "skip"}:
        return value
    try:
        return "on" if boolean(value) else "off"
    except InvalidValue:
        raise InvalidValue("not a word that this property knows", hint="one of auto, on, off, skip") from None


def size(value: str) -> int:
    """Parse a size of 0 bytes or more."""
    return parse_size(value)


def positive_size(value: str) -> int:
    """Parse a size of at least 1 byte."""
    return parse_positive_size(value)


def count(value: str) -> int:
    """Parse a whole number, or infinity."""
    if value == "infinity":
        return INFINITY
    if not re.fullmatch("[0-9]{1,20}", value) or int(value) >= INFINITY:
        raise InvalidValue(f"{value!r} is not a whole number", hint="e.g. 100, or infinity")
    return int(value)


def positive_count(value: str) -> int:
    """Parse a number of tasks, at least 1, or infinity."""
    number = count(value)
    if number == 0:
        raise InvalidValue("no process can run among 0 tasks", hint="at least 1")
    return number


def burst(value: str) -> int:
    """Parse a whole number that fits in 32 bits."""
    if not re.fullmatch("[0-9]{1,10}", value) or int(value) > UINT32_MAX:
        raise InvalidValue(f"{value!r} is not a whole number", hint="e.g. 5")
    return int(value)


def exit_status(value: str) -> int:
    """Parse 0 to 255; empty is the unit's own exit status, -1 on D-Bus."""
    if value and (not re.fullmatch("[0-9]{1,3}", value) or int(value) > 255):
        raise InvalidValue("not an exit status", hint="0 to 255")
    return int(value) if value else -1


def weight(value: str) -> int:
    """Parse a weight, 1 to 10000, relative to the weights of siblings."""
    number = int(value) if re.fullmatch("[0-9]{1,20}", value) else 0
    if not 1 <= number <= 10000:
        raise InvalidValue(f"{value!r} is not a valid weight", hint="from 1 to 10000; the default is 100")
    return number


def cpu_weight(value: str) -> int:
    """Parse a weight, or idle, 0 on D-Bus: only the processor time that nothing else uses."""
    return 0 if value == "idle" else weight(value)


def microseconds(seconds: float) -> int:
    """Return `seconds` in microseconds, as in D-Bus properties named USec; INFINITY for math.inf."""
    return INFINITY if seconds == math.inf else round(seconds * 1e6)


def seconds(usec: int) -> float:
    """Return the seconds of a D-Bus property named USec; math.inf for INFINITY."""
    return math.inf if usec == INFINITY else usec / 1e6


def time(value: str) -> int:
    """Parse a time span, and return microseconds."""
    return microseconds(parse_time(value))


def quota(value: str) -> int:
    """Parse a percentage of one processor, and return microseconds of processor time a second: 100% is 1,000,000."""
    number = value.removesuffix("%")
    if number == value or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number, re.ASCII) or not 0.01 <= float(number) < 1e12:
        raise InvalidValue("not a share of a processor", hint="a percentage, e.g. 50% or 200%")
    return round(float(number) * 10_000)


def scale(value: str) -> int:
    """Parse a percentage, and return it as a share of UINT32_MAX, which is 100% on D-Bus."""
    match = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%", value, re.ASCII)
    permyriad = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else -1
    if not 0 <= permyriad <= 10_000:
        raise InvalidValue("not a percentage", hint="from 0% to 100%, with two decimals at most")
    return (permyriad * UINT32_MAX + 5000) // 10_000


def signal_number(value: str) -> int:
    """Parse a signal's name or number, and return the number."""
    if re.fullmatch("[0-9]{1,3}", value):
        number = int(value)
    elif match := re.fullmatch(r"(?:SIG)?RT(?:MIN\+([0-9]{1,2})|MAX-([0-9]{1,2}))", value):
        real_time = signal.SIGRTMIN + int(match[1]) if match[1] else signal.SIGRTMAX - int(match[2])
        number = real_time if signal.SIGRTMIN <= real_time <= signal.SIGRTMAX else 0
    else:
        word = value if value.startswith("SIG") else f"SIG{value}"
        number = getattr(signal.Signals, word, 0)
    if not 1 <= number < signal.NSIG:
        raise InvalidValue("not a signal", hint="a name or a number, e.g. SIGTERM or 15")
    return number


def signal_name(number: int) -> str:
    """Return the name of signal `number`, e.g. SIGKILL or SIGRTMIN+3, or the number if it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else str(number)


def index_set(value: str) -> bytes:
    """Parse numbers, e.g. 0-3,7, into a bitmap: bit 0 of byte 0 is number 0; padded to words of 8 bytes as in glibc."""
    bits = 0
    for term in value.replace(",", " ").split():
        match = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", term)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < _CPUS_MAX:
            raise InvalidValue(f"{term!r} is neither a number nor a range of numbers", hint="e.g. 0-3,7")
        bits |= (1 << last + 1) - (1 << first)
    return bits.to_bytes((bits.bit_length() + 63) // 64 * 8, "little")


def for_device(parse: Callable[[str], int], example: str) -> Callable[[str], list[list[Value]]]:
    """Return the parser of a device's path, a blank and a value; `parse` parses the value, `example` shows one."""

    def parse_entry(value: str) -> list[list[Value]]:
        if not value:
            return []
        path, _, amount = utf8(value).partition(" ")
        if not path.startswith("/") or not amount:
            raise InvalidValue("not a device and its value", hint=f"e.g. /dev/sda {example}")
        return [[path, parse(amount.strip())]]

    return parse_entry


def rate(value: str) -> int:
    """Parse bytes or operations a second, to the base of 1000, unlike sizes; see systemd.resource-control(5)."""
    if value == "infinity":
        return INFINITY
    match = re.fullmatch(r"([0-9]{1,20})(?:\.([0-9]{1,9}))?([KMGTPE]?)B?", value, re.ASCII)
    if not match or (match[2] and not match[3]):
        raise InvalidValue(
            f"{value!r} is not a valid rate",
            hint="a number with K, M, G or T to the base of 1000, e.g. 10M, or infinity",
        )
    unit = int("1" + "000" * " KMGTPE".index(match[3] or " "))
    fraction = match[2] or "0"
    number = int(match[1]) * unit + int(fraction) * unit // int("1" + "0" * len(fraction))
    if number >= INFINITY:
        raise InvalidValue(f"{value!r} is out of range", hint="infinity means no limit")
    return number


def device_access(value: str) -> list[list[str]]:
    """Parse a device, or a class of devices, and the access to it: r(ead), w(rite), m(ake)."""
    if not value:
        return []
    device, _, access = utf8(value).partition(" ")
    if not re.fullmatch("/.+|(char|block)-.+", device) or not re.fullmatch("[rwm]{0,3}", access):
        raise InvalidValue("not a device and the access to it", hint="e.g. /dev/null rw, or char-pts")
    return [[device, access]]


def bpf_program(value: str) -> list[list[str]]:
    """Parse a hook and its pinned program, e.g. egress:/sys/fs/bpf/program."""
    hook, colon, path = utf8(value).partition(":")
    if value and (not hook or not colon or not path.startswith("/")):
        raise InvalidValue("not a hook and a program", hint="e.g. egress:/sys/fs/bpf/program")
    return [[hook, path]] if value else []


def utf8(value: str) -> str:
    """Return `value` if a D-Bus string can hold it, else raise InvalidValue."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue("not UTF-8, which D-Bus requires") from None
    if "\0" in value:
        raise InvalidValue("it has a NUL byte, which D-Bus cannot carry")
    return value
