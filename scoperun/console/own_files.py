"""Files that a program has written and takes back later, unless a person has changed them since.

Their first line has a hash of the rest. They are written as files.py does, below folders that are made if needed.
"""

from __future__ import annotations

import enum
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from scoperun.console.files import Destination
from scoperun.console.folders import make_folder
from scoperun.console.paths import Trusted, walk

if TYPE_CHECKING:
    from scoperun.console.paths import Place

_MOST = 1 << 16
"""Bytes of a file that are read; ours are shorter."""


class State(enum.Enum):
    """What is at a path. OURS: a file that is as it was written. FOREIGN: anything else."""

    MISSING = "missing"
    OURS = "ours"
    FOREIGN = "foreign"


def signed(text: str) -> str:
    """Return the text with the line by which it is recognized while nothing in it is changed."""
    return f"{_first_line(text)}\n{text}"


def content_of(path: str) -> tuple[State, str]:
    """Return what is at a path, and the text of a file that is as it was written, with its first line.

    Raises OSError if that cannot be found out.
    """
    try:
        place = walk(path, Trusted.here(), follow_last=False)
    except FileNotFoundError:
        return State.MISSING, ""
    with place:
        return _content(place)


def write(path: str, text: str, *, mode: int = 0o600, folder_mode: int = 0o700) -> None:
    """Write a signed text to a file as `opened` has it. Raises OSError."""
    with opened(path, mode=mode, folder_mode=folder_mode) as destination:
        destination.write(text)


def opened(path: str, *, mode: int = 0o600, folder_mode: int = 0o700) -> Destination:
    """Return the place of a file; the folders above it are made if needed. Raises OSError.

    mode, folder_mode: of a new file, and of new folders. The XDG base directory specification asks for 0700.
    """
    make_folder(os.path.dirname(path), mode=folder_mode)
    return Destination(path, mode=mode)


def remove(path: str) -> bool:
    """Remove a file if it is as it was written; tell whether it was. Raises OSError."""
    try:
        place = walk(path, Trusted.here(), follow_last=False)
    except FileNotFoundError:
        return False
    with place:
        state, _ = _content(place)
        if state is State.OURS:
            os.unlink(place.name, dir_fd=place.folder)
        return state is State.OURS


def _first_line(text: str) -> str:
    return f"# Written by scopectl, which removes it only unchanged: sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def _content(place: Place) -> tuple[State, str]:
    if place.status is None:
        return State.MISSING, ""
    if not stat.S_ISREG(place.status.st_mode) or place.status.st_uid != os.geteuid():
        return State.FOREIGN, ""
    fd = os.open(f"/proc/self/fd/{place.entry}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.fsdecode(os.read(fd, _MOST))
    finally:
        os.close(fd)
    first, _, rest = text.partition("\n")
    is_ours = not _has_strange_bytes(rest) and first == _first_line(rest)
    return (State.OURS, text) if is_ours else (State.FOREIGN, "")


def _has_strange_bytes(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)
