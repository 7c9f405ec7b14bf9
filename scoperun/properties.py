"""The properties that a scope has: systemd's names, D-Bus types and how their values are written. No I/O.

Names and types are those of org.freedesktop.systemd1(5); values are written as in a unit file, as systemd-run -p
takes them: -p MemoryMax=20M -p TasksMax=100 -p KillSignal=SIGINT.
"""

from __future__ import annotations

import difflib
import math
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.sizes import INFINITY, parse_positive_size, parse_size, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

Value = bool | int | str | list[int] | list[str]
"""A property's value, as plain Python of the D-Bus type that its signature names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One name and value of StartTransientUnit.

    `asked` tells whether the caller wants it: a systemd that does not know a property is an error if so,
    and otherwise the property is left out.
    """

    name: str
    signature: str
    value: Value
    asked: bool = True


def parse_property(text: str) -> Property:
    """Return the property that NAME=VALUE stands for; raise InvalidValue if scopes have none such."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidValue(f"{text!r} is not of the form NAME=VALUE", hint="as MemoryHigh=15M")
    try:
        return parse_setting(name, value)
    except InvalidValue as error:
        if name not in _SETTINGS:
            raise
        raise InvalidValue(f"{name}={value}: {error.message}", hint=error.hint) from None


def parse_setting(name: str, value: str) -> Property:
    """Return the property that the setting `name` of a unit file with that value stands for."""
    setting = _SETTINGS.get(name)
    if setting is None:
        raise _unknown(name)
    return Property(name=setting.dbus_name or name, signature=setting.signature, value=setting.parse(value))


@dataclass(frozen=True, slots=True)
class _Setting:
    signature: str
    parse: Callable[[str], Value]
    dbus_name: str | None = None


def _unknown(name: str) -> InvalidValue:
    if name in _OURS:
        return InvalidValue(f"{name}= is set by scoperun itself")
    if _EXEC_SETTING.fullmatch(name):
        return InvalidValue(
            f"{name}= does not exist for scopes: a scope's processes are started by scoperun, not by systemd",
            hint="set it on the command itself, with env, nice, prlimit or a shell",
        )
    near = difflib.get_close_matches(name, _SETTINGS, n=1)
    hint = f"did you mean {near[0]}=?" if near else "see systemd.scope(5) and systemd.resource-control(5)"
    return InvalidValue(f"unknown property {name!r}", hint=hint)


_OURS = frozenset({"PIDs", "PIDFDs", "AddRef", "CollectMode", "Controller"})

_EXEC_SETTING = re.compile(
    r"Limit[A-Z]+|(Pass|Unset)?Environment(File)?|DynamicUser|WorkingDirectory|Root\w+|Nice|OOMScoreAdjust|"
    r"User|Group|SupplementaryGroups|UMask|Private\w+|Protect\w+|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|"
    r"NoNewPrivileges|CapabilityBoundingSet|AmbientCapabilities|SystemCallFilter|Standard(Input|Output|Error)|"
    r"CPUScheduling\w+|CPUAffinity|IOScheduling\w+|Exec\w+|Restart\w*|Type|RemainAfterExit"
)


def _text(value: str) -> str:
    if not value:
        raise InvalidValue("the value is empty")
    return _utf8(value)


def _words(value: str) -> list[str]:
    return _utf8(value).split()


def _utf8(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue("not UTF-8, which D-Bus needs") from None
    return value


def _boolean(value: str) -> bool:
    word = value.lower()
    if word in {"1", "yes", "y", "true", "t", "on"}:
        return True
    if word in {"0", "no", "n", "false", "f", "off"}:
        return False
    raise InvalidValue("neither yes nor no")


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in words:
            raise InvalidValue("not a word of this property", hint="one of " + ", ".join(words))
        return value

    return parse


def _count(value: str) -> int:
    if value == "infinity":
        return INFINITY
    if not re.fullmatch("[0-9]{1,20}", value) or int(value) >= INFINITY:
        raise InvalidValue("not a whole number", hint="a count, as 100, or infinity")
    return int(value)


def _positive_count(value: str) -> int:
    count = _count(value)
    if count == 0:
        raise InvalidValue("no process can run among 0 tasks", hint="at least 1")
    return count


def _weight(value: str) -> int:
    weight = _count(value)
    if not 1 <= weight <= 10000:
        raise InvalidValue("not a weight", hint="from 1 to 10000; 100 is the usual")
    return weight


def microseconds(seconds: float) -> int:
    """Return `seconds` as D-Bus properties in USec write it: INFINITY for no end."""
    return INFINITY if seconds == math.inf else round(seconds * 1e6)


def _time(value: str) -> int:
    return microseconds(parse_time(value))


def _quota(value: str) -> int:
    """100% is one processor all the time, which D-Bus writes as 1 s of processor time for each second."""
    number = value.removesuffix("%")
    if number == value or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number, re.ASCII) or not 0.01 <= float(number) < 1e12:
        raise InvalidValue("not a share of a processor", hint="a percentage, as 50% or 200%")
    return round(float(number) * 10_000)


def _signal(value: str) -> int:
    if re.fullmatch("[0-9]{1,3}", value):
        number = int(value)
    elif match := re.fullmatch(r"(?:SIG)?RTMIN\+([0-9]{1,2})", value):
        number = signal.SIGRTMIN + int(match[1])
    else:
        word = value if value.startswith("SIG") else f"SIG{value}"
        number = getattr(signal.Signals, word, 0)
    if not 1 <= number < signal.NSIG:
        raise InvalidValue("not a signal", hint="a name or number, as SIGTERM or 15")
    return number


_SIZE = _Setting("t", parse_size)
_LIMIT = _Setting("t", parse_positive_size)
_BOOLEAN = _Setting("b", _boolean)
_TEXT = _Setting("s", _text)
_WORDS = _Setting("as", _words)
_SIGNAL = _Setting("i", _signal)
_WEIGHT = _Setting("t", _weight)

_SETTINGS = {
    # systemd.resource-control(5)
    "MemoryAccounting": _BOOLEAN,
    "MemoryMin": _SIZE,
    "MemoryLow": _SIZE,
    "MemoryHigh": _LIMIT,
    "MemoryMax": _LIMIT,
    "MemorySwapMax": _SIZE,
    "MemoryZSwapMax": _SIZE,
    "MemoryZSwapWriteback": _BOOLEAN,
    "CPUWeight": _WEIGHT,
    "CPUQuota": _Setting("t", _quota, "CPUQuotaPerSecUSec"),
    "CPUQuotaPeriodSec": _Setting("t", _time, "CPUQuotaPeriodUSec"),
    "TasksAccounting": _BOOLEAN,
    "TasksMax": _Setting("t", _positive_count),
    "IOAccounting": _BOOLEAN,
    "IOWeight": _WEIGHT,
    "Delegate": _BOOLEAN,
    "ManagedOOMSwap": _Setting("s", _one_of("auto", "kill")),
    "ManagedOOMMemoryPressure": _Setting("s", _one_of("auto", "kill")),
    "ManagedOOMPreference": _Setting("s", _one_of("none", "avoid", "omit")),
    # systemd.scope(5)
    "OOMPolicy": _Setting("s", _one_of("stop", "continue", "kill")),
    "RuntimeMaxSec": _Setting("t", _time, "RuntimeMaxUSec"),
    "RuntimeRandomizedExtraSec": _Setting("t", _time, "RuntimeRandomizedExtraUSec"),
    # systemd.kill(5)
    "KillMode": _Setting("s", _one_of("control-group", "process", "mixed", "none")),
    "KillSignal": _SIGNAL,
    "FinalKillSignal": _SIGNAL,
    "SendSIGKILL": _BOOLEAN,
    "SendSIGHUP": _BOOLEAN,
    "TimeoutStopSec": _Setting("t", _time, "TimeoutStopUSec"),
    # systemd.unit(5)
    "Description": _TEXT,
    "Slice": _TEXT,
    "Documentation": _WORDS,
    "DefaultDependencies": _BOOLEAN,
    "Requires": _WORDS,
    "Wants": _WORDS,
    "BindsTo": _WORDS,
    "PartOf": _WORDS,
    "Conflicts": _WORDS,
    "Before": _WORDS,
    "After": _WORDS,
}
