"""Writes the drop-ins of a cap, all or none: the places of all are open and checked before anything is changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from scoperun.console import own_files
from scoperun.console.folders import remove_empty_folder
from scoperun.console.own_files import State
from scoperun.ctl.cap_text import file_text
from scoperun.errors import ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.console.files import Destination
    from scoperun.ctl.cap_files import CapFolder
    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.cap_text import Cap


@dataclass(frozen=True, slots=True)
class _Draft:
    """A drop-in that will be written. old: the text that is there, None if there is no file."""

    path: str
    section: str
    destination: Destination
    old: str | None

    def take_back(self) -> bool:
        """Put back what was there; tell whether that worked."""
        try:
            if self.old is None:
                return own_files.remove(self.path)
            self.destination.write(self.old)
        except OSError:
            return False
        return True


class Drafts:
    """The drop-ins of a cap that will be written; the caller closes them."""

    def __init__(self, folder: CapFolder, names: Sequence[Names]) -> None:
        """Make the folders, and open and check the places. Raises ScoperunError if a file could not be written."""
        self._drafts: list[_Draft] = []
        self._made: list[str] = []
        try:
            for each in names:
                self._open(folder, each)
        except BaseException:
            self.close()
            raise

    def write(self, cap: Cap) -> None:
        """Write the files. Raises ScoperunError; then those of before are there, or the message says which are not."""
        written: list[_Draft] = []
        try:
            for each in self._drafts:
                path = each.path
                each.destination.write(own_files.signed(file_text(cap, each.section)))
                written.append(each)
        except OSError as error:
            stay = [each.path for each in written if not each.take_back()]
            left = f"; written already, and still there: {', '.join(stay)}" if stay else ""
            raise ScoperunError(f"cannot write {path}: {error.strerror}{left}") from None

    def close(self) -> None:
        """Close the places, and remove the folders that were made and in which nothing was written."""
        for each in self._drafts:
            each.destination.close()
        for folder in self._made:
            remove_empty_folder(folder)

    def __enter__(self) -> Self:
        """Return the drafts; the end of the with statement closes them."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def _open(self, folder: CapFolder, names: Names) -> None:
        path = folder.file(names)
        if not os.path.lexists(os.path.dirname(path)):
            self._made.append(os.path.dirname(path))
        # What the system's systemd reads is for all users to read, as systemctl cat has it.
        mode, folder_mode = (0o644, 0o755) if folder.system else (0o600, 0o700)
        try:
            state, text = own_files.content_of(path)
            destination = own_files.opened(path, mode=mode, folder_mode=folder_mode)
        except OSError as error:
            raise ScoperunError(f"cannot write {path}: {error.strerror}") from None
        self._drafts.append(_Draft(path, names.section, destination, text if state is State.OURS else None))
