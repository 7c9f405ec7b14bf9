"""A config file that cannot be read is an error; in a folder that cannot be searched there is none."""

import os
from pathlib import Path

import pytest

from tests.systemd.story import Story

pytestmark = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    file.write_text('[defaults]\nmem = "20M"\n')
    return file


def test_a_file_that_may_not_be_read_starts_nothing(story: Story, config: Path) -> None:
    config.chmod(0)
    assert story.refused("--", "true") == f"scoperun: cannot read {config}: Permission denied\n"


def test_a_folder_that_may_not_be_searched_has_no_file_for_this_user(story: Story, config: Path) -> None:
    config.parent.chmod(0)
    ending = story.run("--", "true")
    assert (ending.status, ending.report["limits"]["memory_max"]) == (0, "infinity")
    assert "there is no profile 'p'" in story.refused("-P", "p", "--", "true")
    config.parent.chmod(0o755)
