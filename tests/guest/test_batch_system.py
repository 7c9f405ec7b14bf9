"""root's batches in the system's manager."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

import scoperun
from tests.lab.recipe import USERS

from .batches import UNITS, batch, jobs_in
from .story import GENEROUS

pytestmark = pytest.mark.guest(user="root")


def test_jobs_in_the_systems_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "jobs").write_text(
        "cut -d: -f3 /proc/self/cgroup; id -u\npython3 -c 'print(len(b\"x\" * (90 << 20)))'\n"
    )
    options = ["--system", "--mem", "30M", "--mem-total", "200M", "-k", "--state", f"{tmp_path}/state"]
    done = batch(*options, "--retries", "2", str(tmp_path / "jobs"))
    assert done.status == 0, done
    cgroup, user, size = done.stdout.split()
    assert cgroup.startswith("/system.slice/system-scoperun_batch_")
    assert (user, size) == ("0", str(90 << 20))
    assert jobs_in(tmp_path / "state", "done") == {1, 2}
    listing = ["systemctl", "list-units", "--all", "--plain", "--no-legend", *UNITS]
    assert subprocess.run(listing, check=True, capture_output=True, timeout=GENEROUS).stdout == b""


def test_another_users_link_does_not_decide_what_a_program_of_root_writes(tmp_path: Path) -> None:
    """Nor does a second name of a file that has to stay as it is."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    os.chown(theirs, USERS["plain"], USERS["plain"])
    ours.write_text("stays\n")
    (theirs / "link").symlink_to(ours)
    os.lchown(theirs / "link", USERS["plain"], USERS["plain"])
    (theirs / "name").hardlink_to(ours)

    async def work() -> dict[str, scoperun.BatchResult]:
        async with scoperun.Batch(slots=1, memory_total=64 << 20, system=True) as many:
            names = {
                many.submit(["echo", name], memory=20 << 20, stdout=f"{theirs}/{name}"): name
                for name in ("link", "name")
            }
            return {names[result.seq]: result async for result in many.results()}

    results = asyncio.run(work())
    assert (results["link"].ending, results["name"].ending) == ("not-executed", "done")
    assert f"belongs to user {USERS['plain']}, not to root" in f"{results['link'].error}"
    assert (ours.read_text(), (theirs / "name").read_text()) == ("stays\n", "name\n")
