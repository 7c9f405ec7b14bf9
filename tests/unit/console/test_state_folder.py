"""The folder of the history is our user's, and so is everything that decides where it is."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from scoperun.console.state_folder import state_folder, state_path

HOME = pwd.getpwuid(os.geteuid()).pw_dir.rstrip("/")


def opened(base: Path, *, create: bool = True) -> str | None:
    """Return where the descriptor of the folder leads, with this as $XDG_STATE_HOME; None if there is no folder."""
    fd = state_folder({"XDG_STATE_HOME": str(base)}, create=create)
    if fd is None:
        return None
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"XDG_STATE_HOME": "/x/"}, "/x/scoperun"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/scoperun"),
        ({"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/scoperun"),
        ({"XDG_STATE_HOME": "", "HOME": "/h/"}, "/h/.local/state/scoperun"),
        ({"HOME": "h"}, f"{HOME}/.local/state/scoperun"),
        ({}, f"{HOME}/.local/state/scoperun"),
    ],
)
def test_a_path_that_is_not_absolute_is_ignored(environment: dict[str, str], path: str) -> None:
    assert state_path(environment) == path


def test_the_folder_is_created_for_our_user_alone_with_those_above_it(tmp_path: Path) -> None:
    base = tmp_path / "a" / "b"
    assert opened(base, create=False) is None
    assert os.listdir(tmp_path) == []
    before = os.umask(0)
    try:
        assert opened(base) == str(base / "scoperun")
    finally:
        os.umask(before)
    assert [mode(each) for each in (base / "scoperun", base, base.parent)] == [0o700, 0o700, 0o700]
    assert opened(base, create=False) == str(base / "scoperun")


def test_a_folder_that_others_can_read_is_taken_from_them(tmp_path: Path) -> None:
    (tmp_path / "scoperun").mkdir(mode=0o755)
    assert opened(tmp_path) is not None
    assert mode(tmp_path / "scoperun") == 0o700


def test_a_link_of_our_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert opened(tmp_path / "link") == str(tmp_path / "real" / "scoperun")


@pytest.mark.parametrize("which", ["scoperun", "."])
def test_a_path_that_others_can_change_is_refused(tmp_path: Path, which: str) -> None:
    """They could put a link there between two of SQLite's looks."""
    base = tmp_path / "state"
    (base / "scoperun").mkdir(parents=True)
    (base / which).chmod(0o770)
    with pytest.raises(PermissionError) as refused:
        opened(base)
    assert refused.value.strerror == f"{(base / which)} is writable by others"
    assert os.listdir(base / "scoperun") == []


def test_a_sticky_folder_is_as_good_as_our_own(tmp_path: Path) -> None:
    """In /tmp others cannot replace what is ours."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    assert opened(tmp_path / "shared") is not None


def test_a_file_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "scoperun").touch()
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        opened(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"{tmp_path}/file/scoperun: Not a directory"):
        opened(tmp_path / "file")


def test_a_folder_that_cannot_be_created_is_an_error_that_names_it() -> None:
    with pytest.raises(OSError, match="cannot create /proc/self/state"):
        opened(Path("/proc/self/state"))
