"""Which OOM kills `scopectl watch` shows as a notification. No I/O, no clock."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERVAL = 30.0
"""Seconds within which a unit is the subject of at most one notification."""


class Notices:
    """What was shown lately. mute: names and globs of units and applications that are never shown."""

    def __init__(self, mute: Sequence[str] = ()) -> None:
        """Begin with nothing shown."""
        self._mute = [pattern.casefold() for pattern in mute]
        self._shown: dict[str | None, float] = {}

    def is_due(self, unit: str | None, app: str | None, now: float) -> bool:
        """Tell whether kills in a unit are to be shown now, and remember that they are.

        unit: None if it is not known. app: its application's name, None if it is none. now: seconds on any clock.
        """
        self._shown = {each: at for each, at in self._shown.items() if now - at < INTERVAL}
        if unit in self._shown or self.is_muted(unit, app):
            return False
        self._shown[unit] = now
        return True

    def is_muted(self, unit: str | None, app: str | None) -> bool:
        """Tell whether a unit or its application is muted; the unit's name is taken with and without its ending."""
        names = [unit, unit and unit.rpartition(".")[0], app]
        return any(fnmatchcase(name.casefold(), pattern) for name in names if name for pattern in self._mute)
