"""The drop-ins of caps: where they are, which are as they were written, and writing and removing them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun import regular_file
from scoperun.console.files import Destination
from scoperun.console.folders import make_folder, remove_file
from scoperun.ctl.cap_text import FILE, cap_in, text_of
from scoperun.errors import ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.cap_text import Cap

_SYSTEM = "/etc/systemd/system"
_MOST = 1 << 16
"""Bytes of a drop-in that are read."""


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
        if not os.path.lexists(path):
            return None
        try:
            fd = regular_file.opened(path, follow=False)
        except OSError:
            return CapFile(path, None)
        try:
            text = os.fsdecode(os.read(fd, _MOST))
        except OSError:
            return CapFile(path, None)
        finally:
            os.close(fd)
        return CapFile(path, cap_in(text))

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

    def write(self, names: Names, cap: Cap) -> None:
        """Write the drop-in of a cap. Raises ScoperunError."""
        path = self.file(names)
        try:
            make_folder(os.path.dirname(path), mode=0o755 if self.system else 0o700)
            # What the system's systemd reads is for all users to read, as systemctl cat has it.
            with Destination(path, mode=0o644 if self.system else 0o600) as file:
                file.write(text_of(cap, names.section))
        except OSError as error:
            raise ScoperunError(f"cannot write {path}: {error.strerror}") from None

    def remove(self, file: CapFile) -> None:
        """Remove a drop-in. Raises ScoperunError."""
        try:
            remove_file(file.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ScoperunError(f"cannot remove {file.path}: {error.strerror}") from None
