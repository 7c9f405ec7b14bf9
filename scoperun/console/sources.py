"""Where the values of a request come from. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Assignment:
    """One property from -p or a config file.

    text: NAME=VALUE. source: where it comes from.
    """

    text: str
    source: str = "-p"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a request's values come from, e.g. --mem, -p or config.toml:12 [profiles.build].

    options: the sources of the options that were given, by long name. properties: the source of each of
    RunRequest.properties, in the same order. environment: the same for ExecContext.environment.
    texts: the values of options as the command line has them, by long name.
    ignored: the variables of the environment that give no value, because the command runs as another user.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
