"""Where the values of a request come from: which option sets which property, and who said so. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTION_OF = {
    "MemoryMax": "mem",
    "MemoryHigh": "mem-high",
    "MemorySwapMax": "swap",
    "MemoryZSwapMax": "zswap",
    "CPUQuotaPerSecUSec": "cpus",
    "CPUWeight": "cpu-weight",
    "TasksMax": "tasks",
    "RuntimeMaxUSec": "timeout",
    "TimeoutStopUSec": "kill-after",
    "OOMPolicy": "oom-policy",
    "Slice": "slice",
    "Description": "description",
}
"""The long option that sets a property, by the property's D-Bus name."""

PROPERTY_OF = {option: name for name, option in OPTION_OF.items()}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One of a list that options and config files add to, as NAME=VALUE, and where it stands."""

    text: str
    source: str = "-p"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a request's values come from, as --mem, -p or config.toml:12 [profiles.build].

    options: by long name, those that were given. properties: of each of RunRequest.properties.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[str, ...] = ()
