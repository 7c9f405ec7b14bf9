"""The log has the verdict and the memory of each run, also of many that run at the same time."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(suite="trixie")

MIB = 1024 * 1024
BATCH = 12


def rows(log: Path) -> list[dict[str, str]]:
    header, *lines = [line.split("\t") for line in log.read_text().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_a_run_out_of_memory_is_in_the_log(story: Story, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ending = story.run("-q", "--mem", "20M", "--oom-exit-code", "99", "--log", str(log), "--", "./bigleak2")
    (row,) = rows(log)
    assert (
        (row["Exitval"], row["Signal"], row["Verdict"])
        == ("99", "9", "oom-kill")
        == (
            str(ending.status),
            str(ending.report["signal"]),
            ending.verdict,
        )
    )
    memory = ending.report["memory"]
    assert (row["MemoryPeak"], row["MemoryMax"]) == (str(memory["peak"]), str(20 * MIB))


def test_many_at_once_have_a_line_each(story: Story, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ("scoperun", "-q", "--mem", "30M", "--log", str(log), "--", "sh", "-c")
    starts = [(*words, "./bigleak2 >/dev/null" if number % 3 == 0 else f"exit {number}") for number in range(BATCH)]
    processes = [subprocess.Popen(each, cwd=story.cwd, stderr=subprocess.DEVNULL) for each in starts]
    statuses = [process.wait(GENEROUS) for process in processes]
    by_pid = {row["Seq"]: row for row in rows(log)}
    assert len(rows(log)) == len(by_pid) == BATCH
    for number, (process, status) in enumerate(zip(processes, statuses, strict=True)):
        row = by_pid[str(process.pid)]
        assert (row["Exitval"], row["Verdict"]) == (str(status), "oom-kill" if number % 3 == 0 else "exit-code")


@pytest.mark.guest(user="root")
class TestRoot:
    """A log that root writes goes where root meant it to go."""

    STRANGER = "plain"

    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Path:
        """Return a folder of another user's."""
        for each in (tmp_path, *tmp_path.parents[:2]):
            each.chmod(0o755)
        folder = tmp_path / "theirs"
        folder.mkdir()
        shutil.chown(folder, self.STRANGER, self.STRANGER)
        return folder

    def as_stranger(self, script: str, *words: str) -> None:
        identity = [f"--reuid={self.STRANGER}", f"--regid={self.STRANGER}", "--init-groups", "--reset-env"]
        command = ["setpriv", *identity, "sh", "-ec", script, "sh", *words]
        subprocess.run(command, check=True, timeout=GENEROUS)

    @pytest.mark.parametrize("target", ["secret", "missing"])
    def test_a_link_of_another_user_is_not_followed(self, story: Story, theirs: Path, target: str) -> None:
        (theirs.parent / "secret").write_text("not to be touched\n")
        self.as_stranger('ln -s "$1" "$2"', str(theirs.parent / target), str(theirs / "log"))
        line = story.refused("--system", "--log", str(theirs / "log"), "--", "touch", str(theirs / "started"))
        assert f"{theirs}/log is a link that belongs to user " in line
        assert (theirs.parent / "secret").read_text() == "not to be touched\n"
        assert {each.name for each in theirs.iterdir()} == {"log"}

    def test_a_file_of_another_user_gets_no_line(self, story: Story, theirs: Path) -> None:
        self.as_stranger('umask 0; echo before >"$1"', str(theirs / "log"))
        line = story.refused("--system", "--log", str(theirs / "log"), "--", "touch", str(theirs / "started"))
        assert "it belongs to user " in line
        assert (theirs / "log").read_text() == "before\n"

    def test_a_job_that_puts_a_link_in_its_place_changes_nothing(self, story: Story, theirs: Path) -> None:
        (theirs.parent / "secret").write_text("not to be touched\n")
        script = 'mv "$1/log" "$1/moved"; ln -s "$2" "$1/log"'
        words = ("--uid", self.STRANGER, "--log", str(theirs / "log"), "--", "sh", "-ec", script, "sh", str(theirs))
        assert story.run("--system", *words, str(theirs.parent / "secret")).status == 0
        (row,) = rows(theirs / "moved")
        assert (row["Verdict"], (theirs / "moved").stat().st_uid) == ("success", 0)
        assert (theirs.parent / "secret").read_text() == "not to be touched\n"
