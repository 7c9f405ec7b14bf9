"""While one scopectl changes units of a manager, no other one does."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from scoperun.ctl import one_at_a_time as module
from scoperun.ctl.one_at_a_time import one_at_a_time
from scoperun.errors import ScoperunError

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


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    monkeypatch.setattr(module, "_SILENCE", 0.0)


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


@pytest.mark.usefixtures("_impatient")
def test_a_lock_that_is_not_given_up_is_an_error_that_names_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its owner may have been stopped."""
    (tmp_path / "systemd").mkdir()
    here = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with (
        one_at_a_time(here, system=False),
        pytest.raises(ScoperunError) as refused,
        one_at_a_time(here, system=False),
    ):
        pytest.fail("two at a time")
    assert refused.value.message == "other scopectls have been changing units for 0.2 s"
    assert refused.value.hint == f"lslocks shows which process holds {tmp_path}/systemd"
    assert capfd.readouterr().err == "scopectl: waiting for another scopectl that changes units\n"
    with one_at_a_time(here, system=False):
        assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("_impatient")
def test_another_users_lock_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can be given the XDG_RUNTIME_DIR of another user, whose bus is refused later."""
    (tmp_path / "systemd").mkdir()
    me = os.geteuid()
    with one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        with one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
            pass


def test_without_a_manager_there_is_no_lock_and_no_error(tmp_path: Path) -> None:
    with one_at_a_time({"XDG_RUNTIME_DIR": str(tmp_path)}, system=False):
        assert list(tmp_path.iterdir()) == []
