"""Limits: what a caller requests for a scope, as systemd's properties. No I/O."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.properties import Property, microseconds
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable


class OOMPolicy(enum.StrEnum):
    """What systemd does with the rest of a scope after the kernel killed one of its processes; see systemd.scope(5)."""

    STOP = "stop"
    CONTINUE = "continue"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on a scope; None leaves systemd's default; INFINITY, or math.inf for seconds, means no limit.

    Raises InvalidValue for a value that systemd would refuse.

    memory_max: bytes (MemoryMax=). The kernel kills when the scope needs more.
    memory_high: bytes (MemoryHigh=). Above it the kernel slows the scope down and reclaims memory.
    memory_swap_max: bytes of swap (MemorySwapMax=). If None while memory_max is set, 0 at the start: a limit on
        memory alone would only push the workload into swap.
    memory_zswap_max: bytes of compressed swap (MemoryZSwapMax=).
    cpu_quota: processors, 0.5 is half of one (CPUQuota=).
    cpu_weight: 1 to 10000, systemd's default is 100 (CPUWeight=).
    tasks_max: processes and threads (TasksMax=).
    runtime_max: seconds (RuntimeMaxSec=), after which systemd stops the scope.
    timeout_stop: seconds from SIGTERM to SIGKILL when the scope is stopped (TimeoutStopSec=).
    oom_policy: what happens to the rest of the scope after an OOM kill (OOMPolicy=).
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_swap_max: int | None = None
    memory_zswap_max: int | None = None
    cpu_quota: float | None = None
    cpu_weight: int | None = None
    tasks_max: int | None = None
    runtime_max: float | None = None
    timeout_stop: float | None = None
    oom_policy: OOMPolicy | None = None

    def __post_init__(self) -> None:
        """Refuse what systemd would refuse, with the same message for every caller."""
        for name in ("memory_max", "memory_high", "tasks_max"):
            _check_whole(name, getattr(self, name), least=1)
        for name in ("memory_swap_max", "memory_zswap_max"):
            _check_whole(name, getattr(self, name), least=0)
        _check_whole("cpu_weight", self.cpu_weight, least=1, most=10000)
        _check_time("runtime_max", self.runtime_max, least=1e-6)
        _check_time("timeout_stop", self.timeout_stop, least=0)
        _check_number("cpu_quota", self.cpu_quota, "a number of processors, e.g. 2 or 0.5")
        if self.cpu_quota is not None and not 1e-4 <= self.cpu_quota < INFINITY / 1e6:
            raise InvalidValue(f"`cpu_quota={self.cpu_quota}` is out of range", hint="e.g. 2 or 0.5")

    def properties(self) -> list[Property]:
        """Return the properties that set these limits, in the order of the fields."""
        values = {
            "MemoryMax": self.memory_max,
            "MemoryHigh": self.memory_high,
            "MemorySwapMax": self.effective_swap_max,
            "MemoryZSwapMax": self.memory_zswap_max,
            "CPUQuotaPerSecUSec": _usec(self.cpu_quota),
            "CPUWeight": self.cpu_weight,
            "TasksMax": self.tasks_max,
            "RuntimeMaxUSec": None if self.runtime_max == math.inf else _usec(self.runtime_max),
            "TimeoutStopUSec": _usec(self.timeout_stop),
        }
        properties = [
            Property(name=name, signature="t", value=value) for name, value in values.items() if value is not None
        ]
        if self.oom_policy is not None:
            properties.append(Property(name="OOMPolicy", signature="s", value=str(self.oom_policy)))
        return properties

    @property
    def effective_swap_max(self) -> int | None:
        """memory_swap_max in bytes, or 0 if memory is limited and memory_swap_max is None."""
        if self.memory_swap_max is None and self.memory_max not in {None, INFINITY}:
            return 0
        return self.memory_swap_max


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsInForce:
    """The limits that the kernel enforces, read back from the scope's cgroup; None if the file does not exist.

    INFINITY means no limit.

    memory_max, memory_high, memory_swap_max, memory_zswap_max: bytes (memory.max, memory.high, memory.swap.max,
        memory.zswap.max).
    tasks_max: tasks without the keeper (pids.max).
    cpu_quota: processors, 0.5 is half of one (cpu.max).
    runtime_max: seconds, by systemd's own account; None if there is no such limit.
    cpu_time: seconds of processor time that all processes may use together; None if there is no such limit. scoperun
        itself keeps this limit, so it is not read back.
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_swap_max: int | None = None
    memory_zswap_max: int | None = None
    tasks_max: int | None = None
    cpu_quota: float | None = None
    runtime_max: float | None = None
    cpu_time: float | None = None

    def changed_from(self, before: LimitsInForce) -> dict[str, float | None]:
        """Return the limits that differ from `before`, by name, with their values in `before`.

        A limit that is None now is left out: units beside the scope can make systemd add or remove a controller, and
        without it there is no limit to read. So is one that was None and is INFINITY now.
        """
        return {
            name: then
            for name in READ_BACK.values()
            if (now := getattr(self, name)) is not None and now != (then := getattr(before, name))
            if then is not None or now != INFINITY
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The least MemoryMax= of a scope and of everything above it, which is what the scope can have at most.

    limit: bytes, INFINITY if there is no limit at all.
    cgroup: the path of the outermost cgroup that has this limit.
    is_known: all limits above the scope could be read. Otherwise there might be a lower one.
    """

    limit: int
    cgroup: str
    is_known: bool


KEEPER_TASKS = 1
"""How many tasks of TasksMax= the keeper takes."""

READ_BACK = {
    "MemoryMax": "memory_max",
    "MemoryHigh": "memory_high",
    "MemorySwapMax": "memory_swap_max",
    "MemoryZSwapMax": "memory_zswap_max",
    "TasksMax": "tasks_max",
    "CPUQuotaPerSecUSec": "cpu_quota",
}


def not_in_force(properties: Iterable[Property], in_force: LimitsInForce, *, page_size: int) -> list[Property]:
    """Return those of `properties` that the kernel does not enforce.

    The kernel rounds memory limits down to whole pages of `page_size` bytes.
    """
    return [each for each in properties if each.name in READ_BACK and not _holds(each, in_force, page_size)]


def describe(limit: Property) -> str:
    """Return a limit as its user wrote it, e.g. MemoryMax=20M, without the room for the keeper."""
    if limit.name == "TasksMax" and isinstance(limit.value, int) and limit.value != INFINITY:
        return f"TasksMax={limit.value - KEEPER_TASKS}"
    if limit.name == "CPUQuotaPerSecUSec" and isinstance(limit.value, int):
        return f"CPUQuota={limit.value / 10_000:g}%"
    if limit.name.startswith("Memory") and isinstance(limit.value, int):
        return f"{limit.name}={format_size(limit.value)}"
    return f"{limit.name}={'infinity' if limit.value == INFINITY else limit.value}"


def _holds(limit: Property, in_force: LimitsInForce, page_size: int) -> bool:
    asked, held = limit.value, getattr(in_force, READ_BACK[limit.name])
    if asked == INFINITY:
        return held in {None, INFINITY}
    if not isinstance(asked, int) or held is None:
        return False
    if limit.name == "CPUQuotaPerSecUSec":  # the kernel keeps whole microseconds a period, at least 1000
        return bool(abs(held - asked / 1e6) <= 0.01)
    return bool(held == (asked - KEEPER_TASKS if limit.name == "TasksMax" else asked // page_size * page_size))


def _check_whole(name: str, number: int | None, *, least: int, most: int = INFINITY) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int):
        wanted = "bytes as an int, e.g. 40 * scoperun.MiB" if name.startswith("memory_") else "an int"
        raise InvalidValue(f"`{name}` has to be {wanted}, not {number!r}")
    if not least <= number <= most:
        hint = f"from {least} to {most}" if most != INFINITY else f"at least {least}; INFINITY means no limit"
        raise InvalidValue(f"`{name}={number}` is out of range", hint=hint)


def _check_number(name: str, number: float | None, wanted: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float | None):
        raise InvalidValue(f"`{name}` has to be {wanted}, not {number!r}")


def _check_time(name: str, seconds: float | None, *, least: float) -> None:
    if seconds is None or seconds == math.inf:
        return
    _check_number(name, seconds, "a number of seconds")
    if not least <= seconds < INFINITY / 1e6:
        raise InvalidValue(f"`{name}={seconds}` is out of range", hint="seconds; math.inf means no limit")


def _usec(seconds: float | None) -> int | None:
    return None if seconds is None else microseconds(seconds)
