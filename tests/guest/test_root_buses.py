"""As root: without root's own user manager, and with another user's."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(user="root")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


@pytest.fixture
def testers_folder() -> Iterator[str]:
    """Start tester's user manager, and return tester's XDG_RUNTIME_DIR."""
    subprocess.run(["systemctl", "start", "user@1000"], check=True, timeout=GENEROUS)
    yield "/run/user/1000"
    subprocess.run(["systemctl", "stop", "user@1000"], check=True, timeout=GENEROUS)


def test_root_without_a_user_manager_is_told_to_use_system() -> None:
    script = "mount -t tmpfs none /run/user; unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS; scoperun -- echo ran"
    refused = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (125, "", 1)
    assert refused.stderr.startswith("scoperun: no user bus: ")
    assert "(--system asks the system's systemd; " in refused.stderr


def test_root_does_not_use_another_users_manager(testers_folder: str, story: Story) -> None:
    """With sudo -E it would; but that manager cannot move root's processes."""
    said = story.refused("--", "true", XDG_RUNTIME_DIR=testers_folder)
    assert f"the bus at unix:path={testers_folder}/bus " in said
    assert "(XDG_RUNTIME_DIR belongs to user tester; export XDG_RUNTIME_DIR=/run/user/0; " in said


def test_a_user_with_roots_variables_is_told_so(testers_folder: str) -> None:
    """As after su(1), which keeps them."""
    variables = {"XDG_RUNTIME_DIR": "/run/user/0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/0/bus"}
    os.makedirs("/run/user/0", mode=0o700, exist_ok=True)
    command = ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "scoperun", "--", "echo", "ran"]
    refused = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (125, "", 1)
    assert f"XDG_RUNTIME_DIR belongs to user root; export XDG_RUNTIME_DIR={testers_folder}; " in refused.stderr


def test_without_variables_a_users_own_manager_is_found(testers_folder: str) -> None:
    """As after `su -`, and in cron."""
    command = ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "--reset-env", "scoperun", "-q", "--"]
    done = subprocess.run([*command, "cat", "/proc/self/cgroup"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "/user@1000.service/app.slice/scoperun-cat-" in done.stdout
