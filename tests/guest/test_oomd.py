"""The real systemd-oomd kills: the report says what it killed, for whose pressure, and quotes it.

Each kill takes some seconds of pressure, and systemd-oomd waits 15 seconds after one, so it is started anew each time.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import on_disk
from .story import Ending, Story, systemctl
from .test_delegate import DIVIDE

pytestmark = pytest.mark.guest(user="root", kernel="stock", swap="512M")

SETTINGS = Path("/etc/systemd/oomd.conf.d/test.conf")
MIB = 1024**2
MONITORED = ("-p", "ManagedOOMMemoryPressure=kill", "-p", "ManagedOOMMemoryPressureLimit=1%")
TIGHT = ("--mem-high", "20M", "--swap", "infinity")


@pytest.fixture(autouse=True)
def oomd() -> Iterator[None]:
    """Have a systemd-oomd that is quick and has not killed yet."""
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text("[OOM]\nDefaultMemoryPressureDurationSec=1s\nSwapUsedLimit=5%\n", encoding="ascii")
    subprocess.run(["systemctl", "restart", "systemd-oomd"], check=True)
    yield
    subprocess.run(["systemctl", "--quiet", "stop", "systemd-oomd"], check=True)
    SETTINGS.unlink()


@pytest.fixture
def file() -> Iterator[str]:
    with on_disk(48 * MIB) as name:
        yield name


def see_killed(ending: Ending, cgroup: str, **oom: object) -> str:
    """Assert that the report has these facts and systemd-oomd's own message; return that message."""
    report = ending.report
    assert ending.verdict == "oom-kill", ending
    assert report["oom"] | {"limit_of": "systemd-oomd"} | oom == report["oom"]
    (message,) = report["oom"]["oomd"]["log"]
    assert {"source": "systemd-oomd's journal", "value": message} in report["evidence"]
    assert report["oom"]["oomd"]["cgroup"] == cgroup
    return str(message)


def rows(ending: Ending) -> str:
    """Return the text on one line."""
    return " ".join(ending.stderr.split())


def test_the_scopes_own_pressure_was_too_high(story: Story, file: str) -> None:
    """Under `continue`, systemd itself does not report such a kill before 259."""
    words = (*MONITORED, *TIGHT, "--oom-policy", "continue")
    ending = story.run(*words, "--", "sh", "-c", f"./thrash {file}; exit 5")
    unit, cgroup = ending.report["unit"], ending.report["cgroup"]
    message = see_killed(ending, cgroup, limit_unit=unit, policy="continue", kills=2)
    assert f"{cgroup} " in message
    assert f"memory pressure for {cgroup} being " in message
    assert "this scope (2 processes), by systemd-oomd because of the memory pressure of this scope (" in rows(ending)
    assert ending.status == 137


def test_the_pressure_of_a_slice_above_was_too_high(story: Story, file: str) -> None:
    """Under `kill`, systemd removes the scope's cgroup at once."""
    systemctl("set-property", "--runtime", "pressed.slice", *[word for word in MONITORED if word != "-p"])
    try:
        words = ("--slice", "pressed.slice", *TIGHT, "--oom-policy", "kill")
        ending = story.run(*words, "--", "./thrash", file)
    finally:
        systemctl("revert", "pressed.slice")
    see_killed(ending, ending.report["cgroup"], limit_unit="pressed.slice", policy="kill", kills=1)
    assert "because of the memory pressure of pressed.slice, which this scope is in (" in rows(ending)
    assert ending.status == 137


def test_a_cgroup_inside_the_scope_was_killed(story: Story, file: str) -> None:
    script = (
        f"{DIVIDE} echo 20M >$here/work/memory.high; (echo 0 >$here/work/cgroup.procs; exec ./thrash {file}); exit 3"
    )
    words = ("-p", "Delegate=yes", *MONITORED, "--oom-policy", "stop")
    ending = story.run(*words, "--", "sh", "-c", script.replace("echo 20M >$here/work/memory.max\n", ""))
    see_killed(ending, f"{ending.report['cgroup']}/work", limit_unit=ending.report["unit"], kills=1)
    assert "work inside this scope (1 process), by systemd-oomd because of the memory pressure of" in rows(ending)
    assert ending.status == 3


def test_the_machines_swap_was_too_full(story: Story) -> None:
    words = ("-p", "ManagedOOMSwap=kill", "--mem", "24M", "--swap", "infinity", "--oom-policy", "stop")
    ending = story.run(*words, "--", "./thrash", "96")
    see_killed(ending, ending.report["cgroup"], limit_unit=None, policy="stop", kills=1)
    assert ending.report["oom"]["oomd"]["cause"] == "memory-used"
    assert "because more than 5.00% of the machine's memory and of its swap were in use" in rows(ending)
    assert ending.status == 137
