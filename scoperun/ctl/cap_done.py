"""What `scopectl cap` has done, as text and as JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.console.output import on_terminal
from scoperun.ctl.errors import Status
from scoperun.printable import one_line
from scoperun.record import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.capping import Bound


_MOST_FILES = 3
"""How many files are named one by one on a terminal."""


@dataclass(slots=True)
class Done:
    """What was done. names: globs. files: a path and what became of it. units: those that run.

    warnings: what the user probably did not mean.
    """

    names: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    units: list[Bound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    found_none: bool = False

    @property
    def status(self) -> int:
        """The exit status."""
        if self.found_none:
            return Status.NO_SUCH_UNIT
        return Status.FAILED if self.complaints or any(not each.is_bound for each in self.units) else Status.OK

    def text(self) -> str:
        """Return it for people: a line for each name, file and unit, and notes on a terminal."""
        units = [(each.unit, "; ".join(each.texts)) for each in self.units]
        lines = [
            *_in_columns([*((each, "would be bound") for each in self.names), *self._files()]),
            *_in_columns(units),
        ]
        return "\n".join([*lines, *(self.notes if on_terminal() else [])])

    def _files(self) -> list[tuple[str, str]]:
        """Return the files, as one row on a terminal if many were changed in the same way."""
        rows = self.files
        for state in ("written", "unchanged", "removed"):
            several = [path for path, each in self.files if each == state]
            if on_terminal() and len(several) > _MOST_FILES:
                glob = f"{os.path.commonpath(several)}/*/{os.path.basename(several[0])} ({len(several)} files)"
                rows = [(glob, state), *(row for row in rows if row[1] != state)]
        return rows

    def json(self, of: str) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "cap": of,
            "names": self.names,
            "files": [{"path": path, "state": state} for path, state in self.files],
            "units": [
                {"unit": each.unit, "is_bound": each.is_bound, "text": "; ".join(each.texts), "limits": each.limits}
                for each in self.units
            ],
            "notes": self.notes,
            "warnings": self.warnings,
        }


def _in_columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return a line for each row: with a tab, or on a terminal with the second, short one first if names are long."""
    if not on_terminal():
        return [f"{one_line(name)}\t{one_line(text)}" for name, text in rows]
    if any(name.startswith("/") for name, _ in rows):
        rows = [(text, _from_home(name)) for name, text in rows]
    width = max((len(one_line(name)) for name, _ in rows), default=0)
    return [f"{one_line(name).ljust(width)}  {one_line(text)}" for name, text in rows]


def _from_home(path: str) -> str:
    home = os.environ.get("HOME", "").rstrip("/")
    return f"~{path.removeprefix(home)}" if home and path.startswith(f"{home}/") else path
