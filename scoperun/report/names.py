"""What a limit is called in the text report: by its property, or as the user has set it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPERTIES = {
    "memory_max": "MemoryMax=",
    "memory_high": "MemoryHigh=",
    "memory_swap_max": "MemorySwapMax=",
    "tasks_max": "TasksMax=",
    "cpu_quota": "CPUQuota=",
    "runtime_max": "RuntimeMaxSec=",
    "timeout_stop": "TimeoutStopSec=",
    "oom_policy": "OOMPolicy=",
}
"""The names of limits in the library's text, by their fields."""


def limit_of(field: str, size: str, names: Mapping[str, str]) -> str:
    """Return a limit with its value and its name, which follow the words "the limit".

    `` (--mem 20M)``, `` of 20M (-p MemoryMax=)``, `` of 20M (profile build)``.

    size: the value in force, as text. names: by field, as `report_text` takes them.
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
