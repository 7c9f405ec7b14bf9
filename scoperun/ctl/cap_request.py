"""What `scopectl cap` is asked for, as values. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.ctl import cap_names
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.ctl.cap_names import Names
    from scoperun.spec.properties import Property


@dataclass(frozen=True, slots=True)
class Target:
    """What is capped. of: the ID of an application, --session or --users. system: the system's systemd has it."""

    of: str
    system: bool = False

    @property
    def is_app(self) -> bool:
        """Whether it is an application."""
        return not self.of.startswith("--")

    def names(self, units: Iterable[str]) -> tuple[Names, ...]:
        """Return the names of units that are meant. units: those that run."""
        if self.is_app:
            return cap_names.names_with(self.of, units)
        return cap_names.USERS if self.system else cap_names.SESSION


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. wanted: the limits; none to only show or remove.

    about: the names of those that are warned of if they do not go with the others.
    """

    target: Target
    wanted: tuple[Property, ...]
    remove: bool
    dry_run: bool
    force: bool
    about: frozenset[str] = frozenset()

    @property
    def only_shows(self) -> bool:
        """Whether it changes nothing."""
        return not self.wanted and not self.remove
