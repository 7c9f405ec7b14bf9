"""A report to a full disk costs one line: the exit status is the command's, and the disk's content is unchanged."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS

pytestmark = pytest.mark.guest(user="root")


@pytest.fixture(params=["size=64k", "nr_inodes=3"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A separate file system with two files, and no room for another byte or another file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(folder)], check=True)
    try:
        (folder / "report.json").write_text("the report before")
        subprocess.run(["dd", "if=/dev/zero", f"of={folder / 'rest'}", "bs=4k", "count=100"], check=False)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["report.json", "new.json"])
def test_a_full_disk_costs_one_line_and_keeps_the_old_report(disk: Path, name: str) -> None:
    file = disk / name
    words = ["scoperun", "-q", "--system", "--report", str(file), "--", "sh", "-c", "exit 3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert done.returncode == 3
    assert done.stderr == f"scoperun: cannot write the report to '{file}': No space left on device\n"
    assert sorted(each.name for each in disk.iterdir()) == ["report.json", "rest"]
    assert (disk / "report.json").read_text() == "the report before"


@pytest.mark.parametrize("disk", ["size=64k"], indirect=True)
def test_a_full_disk_ends_a_timeline_and_not_the_run(disk: Path) -> None:
    file = disk / "t.jsonl"
    words = ["scoperun", "-qq", "--system", "--timeline", str(file), "--", "sh", "-c", "sleep 0.3; exit 3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert done.returncode == 3
    assert done.stderr == f"scoperun: cannot write the timeline to '{file}': No space left on device\n"
    assert file.read_text() == ""
