"""What a limit is called in the text report: by its property, or as the user has set it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.spec.limits import LimitsInForce

PROPERTIES = {
    "memory_max": "MemoryMax=",
    "memory_high": "MemoryHigh=",
    "memory_swap_max": "MemorySwapMax=",
    "tasks_max": "TasksMax=",
    "cpu_quota": "CPUQuota=",
    "runtime_max": "RuntimeMaxSec=",
    "cpu_time": "cpu_time",
    "timeout_stop": "TimeoutStopSec=",
    "oom_policy": "OOMPolicy=",
}
"""The names of limits in the library's text, by their fields; cpu_time is not a property."""


_ROUNDED = dict.fromkeys(("memory_max", "memory_high", "memory_swap_max"), 65536)
"""How much less than the limit asked for the kernel can enforce: it counts in pages, which have at most 64 KiB."""

_ALMOST = 0.01
"""By how much other limits can differ from those asked for, e.g. processors."""


@dataclass(frozen=True, slots=True)
class LimitName:
    """What a caller calls a limit.

    text: e.g. `--mem 20M`, `profile build` or `-p MemoryMax=`.
    value: what it asks for, in the unit of the field in LimitsInForce; None if that cannot be compared.
    """

    text: str
    value: float | None = None


def names_in_force(names: Mapping[str, LimitName], limits: LimitsInForce) -> dict[str, str]:
    """Return the names of those limits that hold as they were asked for: a drop-in of systemd can override them."""
    return {field: name.text for field, name in names.items() if _holds(field, name.value, limits)}


def _holds(field: str, asked: float | None, limits: LimitsInForce) -> bool:
    held: float | None = getattr(limits, field, None)
    if asked is None or held is None:
        return True
    return -_ALMOST <= asked - held <= _ROUNDED.get(field, _ALMOST)


def limit_of(field: str, size: str, names: Mapping[str, str]) -> str:
    """Return a limit with its value and its name, which follow the words "the limit".

    `` (--mem 20M)``, `` of 20M (-p MemoryMax=)``, `` of 20M (profile build)``.

    size: the value in force, as text. names: by field.
    """
    name = names.get(field, PROPERTIES[field])
    return f" ({name})" if name.endswith(f" {size}") else f" of {size} ({name})"


def setter(field: str, names: Mapping[str, str]) -> str:
    """Return what has set a limit, without the value: `--timeout`, `-p RuntimeMaxSec=`, `profile build`."""
    name = names.get(field, PROPERTIES[field])
    return name.partition(" ")[0] if name.startswith("--") else name


def policy_name(policy: str, names: Mapping[str, str]) -> str:
    """Return an OOMPolicy= with its name: `--oom-policy stop`, `OOMPolicy=stop`, `OOMPolicy=stop, profile build`."""
    name = names.get("oom_policy", PROPERTIES["oom_policy"])
    if name.endswith(f" {policy}"):
        return name
    return f"{name}{policy}" if name.endswith("=") else f"{PROPERTIES['oom_policy']}{policy}, {name}"
