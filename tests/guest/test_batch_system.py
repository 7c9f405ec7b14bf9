"""root's batches in the system's manager."""

import subprocess
from pathlib import Path

import pytest

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
