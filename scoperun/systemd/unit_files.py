"""What systemd has written about transient units into its folders: read without a call for each unit. Reads only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun import regular_file
from scoperun.record import dataclass
from scoperun.systemd.bus_address import Surroundings

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

OURS = "man:scoperun(1)"
"""In Documentation= of each scope of scoperun."""

ATTACHED = "man:scopectl(1)"
"""In Documentation= of a scope without a keeper, in which scopectl has put running processes."""

_MOST = 1 << 16
"""Bytes of a unit file that are read."""


@dataclass(frozen=True, slots=True)
class TransientFile:
    """The file of a transient unit.

    written: when systemd wrote it, which it does at the unit's start: seconds since the epoch.
    text: what is in it.
    """

    written: float
    text: str

    @property
    def settings(self) -> Mapping[str, str]:
        """The last value of each setting, by its name, as text."""
        return _settings(self.text)

    @property
    def is_ours(self) -> bool:
        """Whether scoperun asked for the unit, or scopectl for what it attached to one."""
        return OURS in self.text and OURS in self._documentation

    @property
    def has_keeper(self) -> bool:
        """Whether it began with a keeper, which counts as one of its tasks."""
        return self.is_ours and ATTACHED not in self._documentation

    @property
    def _documentation(self) -> list[str]:
        prefix = "Documentation="  # systemd writes a line for each
        values = [line.removeprefix(prefix) for line in self.text.split("\n") if line.startswith(prefix)]
        return " ".join(values).split()


def folder(environment: Mapping[str, str], *, system: bool) -> str:
    """Return the folder in which the manager keeps the files of transient units."""
    if system:
        return "/run/systemd/transient"
    return f"{Surroundings.of(environment).folder}/systemd/transient"


def transient_file(folder: str, unit: str) -> TransientFile | None:
    """Return the file of a transient unit; None if there is none, or if it cannot be read.

    A link, or a file of another user than root and ourselves, was not written by our manager, and is not read.
    """
    return _read(f"{folder}/{unit}", follow=False, owners={0, os.geteuid()})


def unit_file(path: str) -> TransientFile | None:
    """Return any file of systemd's about a unit; None if there is none, or if it cannot be read."""
    return _read(path, follow=True)


def _read(path: str, *, follow: bool, owners: Container[int] | None = None) -> TransientFile | None:
    try:
        fd = regular_file.opened(path, follow=follow)
    except OSError:
        return None
    try:
        facts = os.fstat(fd)
        if owners is not None and facts.st_uid not in owners:
            return None
        text = os.fsdecode(os.read(fd, _MOST))
    except OSError:
        return None
    finally:
        os.close(fd)
    return TransientFile(facts.st_mtime, text)


def _settings(text: str) -> dict[str, str]:
    """Return the last value of each setting."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals and not name.startswith(("#", "[", ";")):
            found[name] = value
    return found
