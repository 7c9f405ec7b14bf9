"""As root: what runs as another user in the system's manager ends with scoperun, too."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from .aftermath import detached, detached_gone, units_gone
from .story import GENEROUS
from .waiting import line_from, process_gone

pytestmark = pytest.mark.guest(user="root")

STUBBORN = "trap '' TERM; sleep 1000 & echo $$; wait; sleep 1000"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = detached()
    yield
    units_gone(("dies.scope", "guard-of-scoperun-*.scope"), system=True)
    detached_gone(before)


@pytest.mark.parametrize("script", ["echo $$; exec sleep 1000", STUBBORN], ids=["mild", "stubborn"])
@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_command_of_another_user_ends_with_scoperun(script: str, is_frozen: bool) -> None:
    words = ["scoperun", "--system", "--uid", "tester", "--die-with-scoperun", "--unit", "dies", "--kill-after", "0.2"]
    run = subprocess.Popen([*words, "--", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    command = int(line_from(run))
    assert os.stat(f"/proc/{command}").st_uid == 1000
    if is_frozen:
        subprocess.run(["systemctl", "freeze", "dies.scope"], check=True)
    run.kill()
    run.communicate(timeout=GENEROUS)
    process_gone(command)


def test_root_can_name_a_process_of_another_user() -> None:
    watched = subprocess.Popen(["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "sleep", "1000"])
    words = ["scoperun", "-qq", "--system", f"--die-with-parent={watched.pid}", "--unit", "dies", "--", "sh", "-c"]
    run = subprocess.Popen([*words, "echo $$; exec sleep 1000"], stdout=subprocess.PIPE)
    line_from(run)
    watched.kill()
    watched.wait()
    assert run.wait(GENEROUS) == 143
    run.communicate()
