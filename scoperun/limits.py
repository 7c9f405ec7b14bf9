"""Limits: what a caller asks of a scope, as systemd's properties. No I/O."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.properties import Property, microseconds
from scoperun.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable


class OOMPolicy(enum.StrEnum):
    """What systemd does to the rest of a scope after the kernel killed one of its processes; see systemd.scope(5)."""

    STOP = "stop"
    CONTINUE = "continue"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on a scope; None leaves systemd's default.

    memory_max: bytes (MemoryMax=). The kernel kills when the scope needs more.
    memory_swap_max: bytes of swap (MemorySwapMax=). If None while memory_max is set, 0: a limit on memory alone
        would only push the workload into swap.
    runtime_max: seconds (RuntimeMaxSec=). systemd stops the scope when they are over.
    oom_policy: what happens to the rest of the scope after an OOM kill (OOMPolicy=).
    """

    memory_max: int | None = None
    memory_swap_max: int | None = None
    runtime_max: float | None = None
    oom_policy: OOMPolicy | None = None

    def __post_init__(self) -> None:
        """Refuse what systemd would refuse, in the same terms for every caller."""
        _check_size("memory_max", self.memory_max, least=1)
        _check_size("memory_swap_max", self.memory_swap_max, least=0)
        if self.runtime_max not in {None, math.inf} and not 1e-6 <= self.runtime_max < INFINITY / 1e6:
            raise InvalidValue(f"runtime_max {self.runtime_max!r} is not a time to run", hint="math.inf is no limit")

    def properties(self) -> list[Property]:
        """Return the properties that set these limits, in the order of the fields."""
        properties = []
        if self.memory_max is not None:
            properties.append(Property(name="MemoryMax", signature="t", value=self.memory_max))
        swap_max = self.memory_swap_max
        if swap_max is None and self.memory_max not in {None, INFINITY}:
            swap_max = 0
        if swap_max is not None:
            properties.append(Property(name="MemorySwapMax", signature="t", value=swap_max))
        if self.runtime_max not in {None, math.inf}:
            usec = microseconds(self.runtime_max)
            properties.append(Property(name="RuntimeMaxUSec", signature="t", value=usec))
        if self.oom_policy is not None:
            properties.append(Property(name="OOMPolicy", signature="s", value=str(self.oom_policy)))
        return properties


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsInForce:
    """The limits as the kernel holds them, read back from the scope's cgroup; None where there is no such file.

    Bytes (memory.max, memory.high, memory.swap.max, memory.zswap.max), tasks (pids.max without the keeper),
    processors (cpu.max, 0.5 is half of one); INFINITY is no limit. runtime_max, in seconds, is systemd's to keep:
    it is what was asked for.
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_swap_max: int | None = None
    memory_zswap_max: int | None = None
    tasks_max: int | None = None
    cpu_quota: float | None = None
    runtime_max: float | None = None


KEEPER_TASKS = 1
"""What the keeper takes of TasksMax=."""

_READ_BACK = {
    "MemoryMax": "memory_max",
    "MemoryHigh": "memory_high",
    "MemorySwapMax": "memory_swap_max",
    "MemoryZSwapMax": "memory_zswap_max",
    "TasksMax": "tasks_max",
}


def not_in_force(properties: Iterable[Property], in_force: LimitsInForce, *, page_size: int) -> list[Property]:
    """Return those of `properties` that the kernel does not hold the scope to.

    The kernel keeps memory limits in whole pages of `page_size` bytes and rounds down.
    """
    return [each for each in properties if each.name in _READ_BACK and not _holds(each, in_force, page_size)]


def describe(limit: Property) -> str:
    """Return a limit as its user wrote it, as MemoryMax=20M, without the room for the keeper."""
    if limit.name == "TasksMax" and isinstance(limit.value, int) and limit.value != INFINITY:
        return f"TasksMax={limit.value - KEEPER_TASKS}"
    if limit.name.startswith("Memory") and isinstance(limit.value, int):
        return f"{limit.name}={format_size(limit.value)}"
    return f"{limit.name}={'infinity' if limit.value == INFINITY else limit.value}"


def _holds(limit: Property, in_force: LimitsInForce, page_size: int) -> bool:
    asked, held = limit.value, getattr(in_force, _READ_BACK[limit.name])
    if asked == INFINITY:
        return held in {None, INFINITY}
    if not isinstance(asked, int):
        return False
    return bool(held == (asked - KEEPER_TASKS if limit.name == "TasksMax" else asked // page_size * page_size))


def _check_size(name: str, size: int | None, *, least: int) -> None:
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= INFINITY:
        raise InvalidValue(f"{name} {size!r} is not a size", hint=f"bytes, at least {least}; INFINITY is no limit")
