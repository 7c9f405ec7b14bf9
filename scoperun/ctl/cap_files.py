"""The drop-ins of caps: where they are, which are as they were written, and removing them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.console import own_files
from scoperun.console.folders import remove_empty_folder
from scoperun.console.own_files import State
from scoperun.ctl.cap_names import Names
from scoperun.ctl.cap_text import FILE, cap_in
from scoperun.errors import ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_text import Cap

_SYSTEM = "/etc/systemd/system"


@dataclass(frozen=True, slots=True)
class CapFile:
    """A drop-in that is there. cap: None if a person has changed it, or if it cannot be read."""

    path: str
    cap: Cap | None


@dataclass(frozen=True, slots=True)
class CapFolder:
    """The folder with the unit files of one user, or of the system. system: it is the system's."""

    path: str
    system: bool

    @classmethod
    def among(cls, searched: Sequence[str], *, system: bool) -> CapFolder:
        """Return the one of this user, or of the administrator, among the folders that systemd searches.

        It is the one beside which systemd keeps what `systemctl set-property` sets. Our own XDG_CONFIG_HOME can differ
        from that of the manager. Raises ScoperunError if none is there.
        """
        for each in searched:
            path = each.removesuffix(".control")
            if path != each and path.endswith("/systemd/user") and not system and not path.startswith("/run/"):
                return cls(path, system)
        if system and _SYSTEM in searched:
            return cls(_SYSTEM, system)
        raise ScoperunError("systemd searches no folder of yours for unit files: systemctl --user show -P UnitPath")

    def file(self, names: Names) -> str:
        """Return the path of the drop-in for these names."""
        return f"{self.path}/{names.folder}/{FILE}"

    def read(self, path: str) -> CapFile | None:
        """Return the drop-in at a path, None if none is there."""
        try:
            state, text = own_files.content_of(path)
        except OSError:
            return CapFile(path, None)
        if state is State.MISSING:
            return None
        return CapFile(path, cap_in(text) if state is State.OURS else None)

    def all(self) -> list[CapFile]:
        """Return the drop-ins of all caps, by their paths."""
        try:
            folders = sorted(entry.name for entry in os.scandir(self.path) if entry.name.endswith(".d"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ScoperunError(f"cannot read {self.path}: {error.strerror}") from None
        found = (self.read(f"{self.path}/{folder}/{FILE}") for folder in folders)
        return [each for each in found if each is not None]

    def names_of(self, of: str) -> list[Names]:
        """Return the names that the files of a cap bind, e.g. of launchers of which nothing runs now. of: as in Cap."""
        folders = [
            os.path.basename(os.path.dirname(each.path)) for each in self.all() if each.cap and each.cap.of == of
        ]
        return [names for each in folders if (names := Names.of_folder(each)) is not None]

    def remove(self, file: CapFile) -> None:
        """Remove a drop-in that is as it was written, and its folder if it is empty then. Raises ScoperunError."""
        try:
            own_files.remove(file.path)
            remove_empty_folder(os.path.dirname(file.path))
        except OSError as error:
            raise ScoperunError(f"cannot remove {file.path}: {error.strerror}") from None
