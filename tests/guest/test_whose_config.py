"""A configuration that another user controls does not affect what root does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.recipe import USERS

from .story import GENEROUS

pytestmark = pytest.mark.guest(user="root")

USER = USERS["plain"]
LIMIT = "MemoryMax=20971520"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Return another user's home, which all users can search."""
    for each in tmp_path, tmp_path.parent, tmp_path.parent.parent:
        each.chmod(0o755)
    home = tmp_path / "theirs"
    (home / ".config" / "scoperun").mkdir(parents=True)
    for each in home, home / ".config", home / ".config" / "scoperun":
        shutil.chown(each, USER, USER)
    return home


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Return root's configuration."""
    file = tmp_path / "config.toml"
    file.write_text('[defaults]\nmem = "20M"\n')
    return file


def scoperun(*words: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["scoperun", "--system", *words, "--dry-run", "--", "true"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [[], ["--no-config"]])
def test_another_users_home_is_refused(theirs: Path, words: list[str]) -> None:
    """Even if scoperun reads no file there: Python itself has read from it by then."""
    status, _, line = scoperun(*words, HOME=str(theirs))
    reason = f"HOME={theirs} belongs to user {USER}, and this is root (use sudo -H, or HOME=/root)"
    assert (status, line) == (125, f"scoperun: refusing to run: {reason}\n")


def test_another_users_link_is_not_followed(theirs: Path, ours: Path) -> None:
    link = theirs / ".config" / "scoperun" / "config.toml"
    link.symlink_to(ours)
    os.lchown(link, USER, USER)
    status, _, line = scoperun(XDG_CONFIG_HOME=str(theirs / ".config"))
    reason = f"{link} is a link that belongs to user {USER}, not to root (check: ls -ld {link})"
    assert (status, line) == (125, f"scoperun: refusing to run: {reason}\n")


def test_a_file_in_another_users_folder_is_not_read(theirs: Path, ours: Path) -> None:
    ours.rename(theirs / ".config" / "scoperun" / "config.toml")
    for words, environment in (
        ([], {"XDG_CONFIG_HOME": str(theirs / ".config")}),
        (
            ["--config", str(theirs / ".config" / "scoperun" / "config.toml")],
            {},
        ),
    ):
        status, _, line = scoperun(*words, **environment)
        reason = f"{theirs} belongs to user {USER}, not to root (check: ls -ld {theirs})"
        assert (status, line) == (125, f"scoperun: refusing to run: {reason}\n")


def test_roots_link_is_followed(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "scoperun").symlink_to("folder")
    (tmp_path / "folder" / "config.toml").symlink_to(ours)
    status, shown, _ = scoperun(XDG_CONFIG_HOME=str(tmp_path))
    assert (status, LIMIT in shown) == (0, True)


def test_another_user_without_a_file_has_no_effect(theirs: Path) -> None:
    status, shown, line = scoperun(XDG_CONFIG_HOME=str(theirs / ".config"))
    assert (status, LIMIT in shown, line) == (0, False, "")
