"""What the program exits with if something unexpected happens."""

import json
from pathlib import Path

import pytest

from scoperun.batch.folder import opened
from scoperun.batch.rows import Header
from scoperun.batch.state import State
from scoperun.ctl.command import main
from tests.unit.batch.jobs import job


def test_an_unexpected_error_in_a_batch_is_not_taken_for_jobs_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A batch exits with 1 if jobs fail."""
    with opened(f"{tmp_path}/state", create=True) as folder, folder.database(create=True) as connection:
        State(connection).make(Header(id="b", created=1.0, cwd=f"{tmp_path}"), [job(1)])
        connection.execute("UPDATE job SET memory = 'lots'")
    words = ["batch", "--resume", "--state", f"{tmp_path}/state", "--mem-total", "1G"]
    monkeypatch.setattr("sys.argv", ["scopectl", *words])
    monkeypatch.chdir(tmp_path)
    assert main() == 125
    assert "scopectl: internal error: TypeError" in capfd.readouterr().err


def test_a_batch_in_a_folder_that_was_removed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/home")
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    words = ["batch", "--mem", "1M", "--mem-total", "1G", "--", "true", ":::", "1"]
    monkeypatch.setattr("sys.argv", ["scopectl", *words])
    assert main() == 125
    assert capfd.readouterr().err == "scopectl: the working directory was removed (cd to another one)\n"
    assert not [*(tmp_path / "home").rglob("batch.db")]


def test_the_folder_of_a_batch_says_which_one_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without that, the only batch that runs would be stopped."""
    with opened(f"{tmp_path}/state", create=True) as folder, folder.database(create=True) as connection:
        State(connection).make(Header(id="b", created=1.0, cwd=f"{tmp_path}"), [job(1)])
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["scopectl", "batch", "status", "--json", "--state", "state"])
    assert main() == 0
    assert json.loads(capfd.readouterr().out)["id"] == "b"
    monkeypatch.setattr("sys.argv", ["scopectl", "batch", "stop", "--state", "state"])
    assert main() == 125
    assert "batch b does not run" in capfd.readouterr().err
