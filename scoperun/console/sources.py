"""Where the values of a request come from. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping


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
