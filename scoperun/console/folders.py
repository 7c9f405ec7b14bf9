"""Folders in a place that no other user decides: made and removed by a walk along the path."""

from __future__ import annotations

import os
from contextlib import suppress

from scoperun.console.paths import Trusted, walk


def make_folder(path: str, *, mode: int) -> None:
    """Make a folder, and those above it that are missing; it can be there. Raises OSError."""
    try:
        _make(path, mode)
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above in {"", path}:
            raise
        make_folder(above, mode=mode)
        _make(path, mode)


def remove_empty_folder(path: str) -> None:
    """Remove a folder if nothing is in it."""
    with suppress(OSError), walk(path, Trusted.here(), follow_last=False) as place:
        os.rmdir(place.name, dir_fd=place.folder)


def _make(path: str, mode: int) -> None:
    with walk(path, Trusted.here()) as place:
        if place.status is None:
            with suppress(FileExistsError):  # another process was faster
                os.mkdir(place.name, mode, dir_fd=place.folder)
