"""A report that root writes goes where root meant it to go."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.systemd.lab_only import lab_only
from tests.systemd.story import GENEROUS

pytestmark = lab_only

STRANGER = 12345


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """Return a folder as /tmp is: everybody's."""
    folder = tmp_path / "common"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_link_that_a_stranger_planted_is_not_followed(common: Path, tmp_path: Path, leads_somewhere: bool) -> None:
    """Nor does the kernel let root's shell write through it."""
    target, link = tmp_path / "target", common / "report.json"
    if leads_somewhere:
        target.write_text("before")
    link.symlink_to(target)
    os.lchown(link, STRANGER, STRANGER)
    words = ["scoperun", "-q", "--system", "--report", str(link), "--", "sh", "-c", "exit 3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, done.stderr) == (
        3,
        f"scoperun: cannot write the report to '{link}': Permission denied\n",
    )
    assert (target.read_text() if target.exists() else None) == ("before" if leads_somewhere else None)
