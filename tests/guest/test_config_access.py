"""An unreadable config file is an error; a file in a folder that the user cannot search counts as missing."""

import os
import subprocess
from pathlib import Path

import pytest

from .story import Story

pytestmark = [
    pytest.mark.guest(suite="trixie"),
    pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything"),
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    file.write_text('[defaults]\nmem = "20M"\n')
    return file


def test_an_unreadable_file_is_an_error(story: Story, config: Path) -> None:
    config.chmod(0)
    assert story.refused("--", "true") == f"scoperun: cannot read {config}: Permission denied\n"


def test_a_file_in_a_folder_that_cannot_be_searched_counts_as_missing(story: Story, config: Path) -> None:
    config.parent.chmod(0)
    ending = story.run("--", "true")
    assert (ending.status, ending.report["limits"]["memory_max"]) == (0, "infinity")
    assert "there is no profile 'p'" in story.refused("-P", "p", "--", "true")
    config.parent.chmod(0o755)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_can_write_to_is_an_error(story: Story, config: Path, mode: int) -> None:
    config.parents[1].chmod(mode)
    line = story.refused("--", "true")
    folder = config.parents[1]
    assert line == f"scoperun: refusing to run: {folder} is writable by others (check: ls -ld {folder})\n"
    assert story.run("--no-config", "--", "true").report["limits"]["memory_max"] == "infinity"


def test_a_named_file_replaces_the_usual_ones(story: Story, config: Path, tmp_path: Path) -> None:
    config.write_text("[broken")
    (tmp_path / "named.toml").write_text('[defaults]\nmem = "30M"\n')
    ending = story.run("--config", str(tmp_path / "named.toml"), "--", "true")
    assert ending.report["limits"]["memory_max"] == 30 << 20


LIMIT = "MemoryMax=20971520"


def test_in_a_user_namespace_the_users_own_file_is_trusted(config: Path) -> None:
    """There root's folders have an unmapped owner, and the user appears as root."""
    words = ["unshare", "--user", "--map-root-user", "scoperun", "--dry-run", "--", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert LIMIT in done.stdout


def test_in_a_user_namespace_a_report_is_written(config: Path, tmp_path: Path) -> None:
    script = f"""
from scoperun.console.files import Destination
for path in "/dev/null", "{tmp_path}/report.json", "/proc/self/cwd/report.json":
    with Destination(path) as file:
        file.write("written")
print(open("{tmp_path}/report.json").read())
"""
    words = ["unshare", "--user", "--map-root-user", "python3", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "written\n"


def test_fakeroot_does_not_make_the_user_root(config: Path, tmp_path: Path) -> None:
    """The kernel's answer counts, and it says that the home belongs to the caller."""
    (tmp_path / "toy.c").write_text("int geteuid(void) { return 0; }\nint getuid(void) { return 0; }\n")
    toy = tmp_path / "toy.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(toy), str(tmp_path / "toy.c")], check=True)
    words = ["scoperun", "--dry-run", "--", "true"]
    done = subprocess.run(words, env=os.environ | {"LD_PRELOAD": str(toy)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert LIMIT in done.stdout
