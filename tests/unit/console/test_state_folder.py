"""The folder of the history is our user's, and so is everything that decides where it is."""

import grp
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
    (base / which).chmod(0o707)
    with pytest.raises(PermissionError) as refused:
        opened(base)
    assert refused.value.strerror == f"{(base / which)} is writable by others (chmod o-w {base / which})"
    assert os.listdir(base / "scoperun") == []


def test_nothing_is_made_in_a_folder_that_others_can_change(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError, match=f"{tmp_path}/open is writable by others"):
        opened(tmp_path / "open" / "a" / "b")
    assert os.listdir(tmp_path / "open") == []
    assert opened(tmp_path / "open" / "a" / "b", create=False) is None


ME, GROUP = os.geteuid(), os.getegid()
OURS = pwd.struct_passwd(("me", "x", ME, GROUP, "", "/", ""))


def users(monkeypatch: pytest.MonkeyPatch, *others: pwd.struct_passwd, me: pwd.struct_passwd = OURS) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda _: me)
    monkeypatch.setattr("pwd.getpwall", lambda: [me, *others])


def members(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr("grp.getgrgid", lambda _: grp.struct_group(("us", "x", GROUP, list(names))))


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that its group can write to, as with the umask 002."""
    base = tmp_path / "a b"
    base.mkdir()
    os.chown(base, -1, GROUP)
    base.chmod(0o775)
    return base


@pytest.mark.parametrize("names", [(), ("me",)])
def test_a_group_with_our_user_alone_can_write(
    shared: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    users(monkeypatch, pwd.struct_passwd(("you", "x", ME + 1, GROUP + 1, "", "/", "")))
    members(monkeypatch, *names)
    assert opened(shared) == str(shared / "scoperun")
    shared.chmod(0o777)
    with pytest.raises(PermissionError, match=r" is writable by others \(chmod go-w '.*a b'\)"):
        opened(shared)


@pytest.mark.parametrize("case", ["member", "primary", "other group", "list", "unknown user", "unknown group"])
def test_a_group_that_has_others_in_it_or_is_not_known_cannot(
    shared: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    def missing(_: int) -> None:
        raise KeyError

    other = pwd.struct_passwd(("you", "x", ME + 1, GROUP + (case != "primary"), "", "/", ""))
    own = GROUP + (case == "other group")
    users(monkeypatch, other, me=pwd.struct_passwd(("me", "x", ME, own, "", "/", "")))
    members(monkeypatch, *(["me", "you"] if case == "member" else []))
    if case == "list":
        monkeypatch.setattr("os.getxattr", lambda *_, **__: b"")
    if case.startswith("unknown"):
        monkeypatch.setattr("pwd.getpwuid" if "user" in case else "grp.getgrgid", missing)
    with pytest.raises(PermissionError, match=r" is writable by others \(chmod g-w '.*a b'\)"):
        opened(shared)


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
