"""A report to a full disk costs one line and nothing else; a timeline or a trace there is refused before the start."""

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


@pytest.mark.parametrize("what", ["timeline", "trace"])
def test_a_full_disk_is_found_before_the_command_starts(disk: Path, tmp_path: Path, what: str) -> None:
    file, started = disk / "report.json", tmp_path / "started"
    words = ["scoperun", "-qq", "--system", f"--{what}", str(file), "--", "touch", str(started)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert done.returncode == 125
    assert done.stderr == f"scoperun: cannot write the {what} to '{file}': No space left on device\n"
    assert not started.exists()
    assert sorted(each.name for each in disk.iterdir()) == ["report.json", "rest"]
    assert file.read_text() == "the report before"
