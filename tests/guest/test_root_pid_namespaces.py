"""PID namespaces as root: with the system's bus from outside, and with their own systemd as containers have it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(user="root")

NAMESPACES = ("unshare", "--mount", "--pid", "--fork")


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    shutil.copy(examples / "bigleak2", tmp_path)
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


@pytest.mark.parametrize("mounting", [("--mount-proc",), ()])
def test_nothing_is_asked_of_the_systems_manager_from_inside(mounting: tuple[str, ...]) -> None:
    command = ("scoperun", "--system", "--unit", "within", "--mem", "20M", "--", "echo", "ran")
    refused = subprocess.run([*NAMESPACES, *mounting, *command], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (125, "", 1)
    assert refused.stderr.startswith("scoperun: this bus is in another PID namespace")
    shown = subprocess.run(["systemctl", "show", "-P", "LoadState", "within.scope"], capture_output=True, check=True)
    assert shown.stdout == b"not-found\n"


@pytest.fixture
def box() -> Iterator[Path]:
    """Make a cgroup with the controllers, and in it one for a container's manager and one for everything else."""
    box = Path("/sys/fs/cgroup/box")
    for name in ("manager", "rest"):
        (box / name).mkdir(parents=True)
    (box / "cgroup.subtree_control").write_text("+memory +pids +cpu")
    yield box
    for folder, *_ in os.walk(box, topdown=False):
        os.rmdir(folder)


def in_a_container(box: Path, story: Story, *command: str) -> subprocess.CompletedProcess[str]:
    into_the_box = ("sh", "-c", 'echo 0 >"$0" && exec "$@"', str(box / "rest" / "cgroup.procs"))
    container = (sys.executable, "-m", "tests.guest.container", str(box / "manager"))
    return subprocess.run(
        [*into_the_box, *NAMESPACES, "--mount-proc", f"--wd={story.cwd}", *container, *command],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


def test_a_container_with_its_own_systemd_works_as_usual(box: Path, story: Story) -> None:
    command = ("scoperun", "--report", str(story.report_file), "--mem", "20M", "--", "./bigleak2")
    ended = in_a_container(box, story, *command)
    assert ended.returncode == 137, ended.stderr
    report = story.report()
    assert (report["verdict"], report["memory"]["peak"]) == ("oom-kill", 20 << 20)
    assert report["cgroup"].startswith("/box/manager/app.slice/")


def test_a_proc_from_outside_is_detected_with_a_bus_inside(box: Path, story: Story) -> None:
    without_own_proc = ("sh", "-c", "umount -l /proc; exec scoperun --mem 20M -- echo ran")
    refused = in_a_container(box, story, *without_own_proc)
    assert (refused.returncode, refused.stdout) == (125, ""), refused.stderr
    assert refused.stderr.startswith("scoperun: /proc belongs to another PID namespace")
