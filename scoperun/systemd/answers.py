"""What systemd says over D-Bus, as our values. No I/O.

Only this module checks that a variant has the type that it should have. One that has another type counts as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from scoperun.errors import BusLost
from scoperun.evidence.events import Event, JobRemoved, LeftActive, ResultChanged, ScopeProperties, StateChanged
from scoperun.spec.sizes import INFINITY
from scoperun.spec.values import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = "org.freedesktop.systemd1.Unit"
SCOPE = "org.freedesktop.systemd1.Scope"
LEFT_ACTIVE = "ActiveExitTimestampMonotonic"

WANTED = {
    "Result", "ActiveState", "InvocationID", LEFT_ACTIVE, "OOMPolicy", "KillMode", "SendSIGKILL", "OOMKills",
    "ManagedOOMKills", "MemoryPeak", "MemorySwapPeak", "RuntimeMaxUSec",
}  # fmt: skip
"""The properties that are read here; systemd sends all properties of an interface."""

_LONGEST_WORD = 255
_ID = 16  # bytes


def events(member: str | None, body: list[Any], *, ahead: float = 0.0) -> list[Event]:
    """Return what a signal says about its scope, nothing if that is of no interest; `ahead` as in `left_active`."""
    match member, body:
        case "JobRemoved", [_, _, _, result] if _is_word(result):
            return [JobRemoved(result)]
        case "PropertiesChanged", [str(interface), {"Result": result}, _] if interface == SCOPE and _is_word(result):
            return [ResultChanged(result)]
        case "PropertiesChanged", [str(interface), {"ActiveState": state}, _] if interface == UNIT and _is_word(state):
            return [*left_active(body[1].get(LEFT_ACTIVE), ahead=ahead), StateChanged(state)]
        case _:
            return []


def job_of(member: str | None, body: list[Any]) -> str | None:
    """Return the unit whose job is over, None if the signal is not JobRemoved."""
    match member, body:
        case "JobRemoved", [_, _, str(unit), _]:
            return unit
    return None


def removed(member: str | None, body: list[Any]) -> str | None:
    """Return the unit that systemd has unloaded, None if the signal is not UnitRemoved."""
    match member, body:
        case "UnitRemoved", [str(unit), _]:
            return unit
    return None


def kind(unit: str) -> str:
    """Return the D-Bus interface of a unit's kind, without its prefix: Scope, Service, Slice."""
    return unit.rpartition(".")[2].capitalize()


def job(value: object) -> int:
    """Return the number of a unit's queued job from property Job, 0 if there is none."""
    match value:
        case [int(number), _]:
            return number
    return 0


def invocation(member: str | None, body: list[Any]) -> str | None:
    """Return the invocation ID of a unit that is announced as active, in hexadecimal; None if the signal has none."""
    match member, body:
        case "PropertiesChanged", [str(interface), {"ActiveState": "active", "InvocationID": bytes(value)}, _]:
            return value.hex() if interface == UNIT and len(value) == _ID else None
    return None


def left_active(usec: object, *, ahead: float = 0.0) -> list[LeftActive]:
    """Return when a unit began to end, as an event in a list; an empty list if it has not begun; as in `moment`."""
    at = moment(usec, ahead=ahead)
    return [] if at is None else [LeftActive(at)]


def moment(usec: object, *, ahead: float = 0.0) -> float | None:
    """Return a time of systemd's in seconds on our monotonic clock, None if it was not yet.

    usec: microseconds on systemd's monotonic clock. ahead: seconds by which our monotonic clock is ahead of systemd's.
    """
    return usec / 1e6 + ahead if _is_number(usec) and usec else None


def scope_properties(properties: Mapping[str, Any]) -> ScopeProperties:
    """Return the properties of the interface Scope; raise BusLost if Result= is not among them."""
    policy, kill_mode, kills = (properties.get(name) for name in ("OOMPolicy", "KillMode", "SendSIGKILL"))
    return ScopeProperties(
        result=word("Result", properties.get("Result")),
        oom_policy=policy if _is_word(policy) else None,
        oom_kills=_known(properties.get("OOMKills")),
        managed_oom_kills=_known(properties.get("ManagedOOMKills")),
        memory_peak=_known(properties.get("MemoryPeak")),
        memory_swap_peak=_known(properties.get("MemorySwapPeak")),
        kill_mode=kill_mode if _is_word(kill_mode) else None,
        send_sigkill=kills if isinstance(kills, bool) else None,
        runtime_max=seconds(limit) if _is_number(limit := properties.get("RuntimeMaxUSec")) else None,
    )


def word(name: str, value: object) -> str:
    """Return the value of property `name`; raise BusLost if it is not a word."""
    if not _is_word(value):
        raise _nonsense(name)
    return str(value)


def time(name: str, value: object) -> float:
    """Return the value of property `name` in seconds, math.inf for infinity; raise BusLost if it is not a time."""
    if not _is_number(value):
        raise _nonsense(name)
    return seconds(value)


def identifier(name: str, value: object) -> str:
    """Return the value of property `name` in hexadecimal; raise BusLost if it is not 16 or 0 bytes."""
    if not isinstance(value, bytes) or len(value) not in {0, _ID}:
        raise _nonsense(name)
    return value.hex()


def _known(value: object) -> int | None:
    """Return a number, None if there is none: systemd sends UINT64_MAX for a value that it could not read."""
    return value if _is_number(value) and value != INFINITY else None


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_WORD and value.isprintable()


def _is_number(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= INFINITY


def _nonsense(name: str) -> BusLost:
    return BusLost(f"systemd's answer for {name}= is not valid")
