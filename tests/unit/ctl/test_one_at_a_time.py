"""While one scopectl changes units of a manager, no other one does."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from scoperun.ctl.one_at_a_time import one_at_a_time

if TYPE_CHECKING:
    from pathlib import Path


def is_locked(folder: Path) -> bool:
    """Tell whether another process would have to wait; the lock belongs to the opened file."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True
    finally:
        os.close(fd)


def test_others_wait_until_it_is_done(tmp_path: Path) -> None:
    (tmp_path / "systemd").mkdir()
    with one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
        assert is_locked(tmp_path / "systemd")
    assert not is_locked(tmp_path / "systemd")


def test_an_error_ends_the_lock(tmp_path: Path) -> None:
    (tmp_path / "systemd").mkdir()
    with pytest.raises(LookupError), one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
        raise LookupError
    assert not is_locked(tmp_path / "systemd")


def test_without_a_manager_there_is_no_lock_and_no_error(tmp_path: Path) -> None:
    with one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
        assert list(tmp_path.iterdir()) == []
