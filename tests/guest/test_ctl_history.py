"""What scoperun --record keeps is found by scopectl history, advise and status."""

import os
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.schema import told_by

from .life import running
from .story import GENEROUS, Story

MIB = 1 << 20
BATCH = 6
NO_WAL = b"\x01\x01"
"""The versions in the header of a database without a write-ahead log (https://sqlite.org/fileformat2.html)."""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for the history of one test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def told(*words: str, status: int = 0) -> Any:
    """Return what scopectl tells as JSON."""
    done = subprocess.run(["scopectl", *words, "--json"], capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, done.stderr) == (status, ""), done
    return told_by(words[0], done.stdout)


@pytest.mark.guest(suite="trixie")
def test_a_run_out_of_memory_is_recorded_and_found(story: Story, base: Path) -> None:
    timeline = ("--timeline", str(base / "leak.jsonl"), "--timeline-interval", "10ms")
    leak = story.run("-q", "--mem", "20M", "--unit", "leak", "--record", "leak", *timeline, "--", "./bigleak2")
    assert (leak.status, leak.verdict) == (137, "oom-kill")
    fine = [
        subprocess.Popen(["scoperun", "-q", "--record", "fine", "--", "sh", "-c", f"exit {number}"])
        for number in range(BATCH)
    ]
    assert [process.wait(GENEROUS) for process in fine] == list(range(BATCH))

    (row,) = told("history", "--oom", "--since", "7d", "--reports")
    assert row["report"] == leak.report
    assert (row["name"], row["unit"], row["victims"]) == ("leak", "leak.scope", ["bigleak2"])
    assert (row["memory_max"], row["limit_of"]) == (20 * MIB, "scope")
    assert row["runtime"] == leak.report["runtime"] > 0
    assert sorted(each["exit_code"] for each in told("history", "fine")) == list(range(BATCH))
    (folder,) = [each for each in base.iterdir() if each.name == "scoperun"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder / "history.db")] == [0o700, 0o600]

    (advice,) = told("advise", "leak")
    assert (advice["missing"], advice["at_limit"]) == ("too-many-ran-out", 1)
    assert advice["more_than"] >= 20 * MIB
    assert advice["anonymous"] == {"largest": leak.report["timeline"]["largest_anon"], "runs": 1}

    gone = told("status", "leak", status=3)
    assert (gone["unit"], gone["load"], gone["report"]) == ("leak.scope", "not-found", leak.report)
    with running(story, name="leak") as life:
        assert told("status", life.scope)["report"] == leak.report
        text = subprocess.check_output(["scopectl", "status", life.scope], text=True)
        assert " Recorded: oom-kill, ended " in text
        assert "; killed: bigleak2 (scopectl history leak)" in text
    assert len(told("history", "leak", "--delete")) == 1
    assert [row["name"] for row in told("history")] == ["fine"] * BATCH


@pytest.mark.guest(user="root")
def test_root_has_a_history_of_its_own(story: Story, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user's folder holds is not looked at, whether a variable names it or a link leads there."""
    for each in (base, *base.parents[:2]):
        each.chmod(0o755)
    theirs, own = base / "theirs", Path("/root/.local/state/scoperun")
    (theirs / "scoperun").mkdir(parents=True)
    (theirs / "scoperun" / "history.db").symlink_to(base / "secret")
    for each in (theirs, theirs / "scoperun"):
        shutil.chown(each, "plain", "plain")
    assert not own.exists()
    monkeypatch.setenv("XDG_STATE_HOME", str(theirs))
    ending = story.run("-q", "--system", "--record", "job", "--", "true")
    assert (ending.status, ending.stderr) == (0, "")
    assert [row["unit"] for row in told("history", "--system")] == [ending.report["unit"]]
    with monkeypatch.context() as as_with_su:
        as_with_su.delenv("XDG_STATE_HOME")
        as_with_su.setenv("HOME", str(theirs))
        assert len(told("history")) == 1
    assert [(each.stat().st_uid, stat.S_IMODE(each.stat().st_mode)) for each in (own, own / "history.db")] == [
        (0, 0o700),
        (0, 0o600),
    ]
    shutil.rmtree(own)
    assert not (base / "secret").exists()
    assert os.listdir(theirs / "scoperun") == ["history.db"]

    link = base / "link"
    link.symlink_to(theirs)
    os.chown(link, 1000, 1000, follow_symlinks=False)
    (base / "scoperun").symlink_to(theirs / "scoperun")
    monkeypatch.setenv("XDG_STATE_HOME", str(base))
    warned = story.run("--report-format", "line", "--system", "--record", "job", "--", "true")
    assert warned.status == 0
    assert f"the run is not in the history: {theirs} belongs to user " in warned.stderr
    assert os.listdir(theirs / "scoperun") == ["history.db"]


@pytest.mark.guest(user="root")
def test_on_a_file_system_that_is_not_known_to_be_local_there_is_no_write_ahead_log(story: Story, base: Path) -> None:
    """Not even if the history was moved there with one. ramfs stands for all of them."""
    words = ("scoperun", "-q", "--system", "--record", "job", "--", "true")
    subprocess.run(["mount", "-t", "ramfs", "none", str(base)], check=True)
    try:
        base.chmod(0o700)
        for _ in range(2):
            runs = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(BATCH)]
            assert [run.communicate(timeout=GENEROUS) for run in runs] == [(None, "")] * BATCH
        assert len(told("history")) == 2 * BATCH
        file = base / "scoperun" / "history.db"
        assert file.read_bytes()[18:20] == NO_WAL
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        assert file.read_bytes()[18:20] != NO_WAL
        assert len(told("history")) == 2 * BATCH
        assert file.read_bytes()[18:20] == NO_WAL
    finally:
        subprocess.run(["umount", str(base)], check=True)
