"""The real systemd-oomd kills: the report says what it killed and why, and quotes it.

The pressure of a slice above the scope is a kind of story in tests/truth/oomd.py.
"""

import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .life import running
from .oomd import MONITORED, monitored_slice, quick_oomd
from .pages import on_disk
from .story import GENEROUS, Ending, Story
from .test_delegate import DIVIDE

pytestmark = pytest.mark.guest(user="root", kernel="stock", swap="512M")

MIB = 1024**2
SLICE = "spared.slice"
CODENAME = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
"""The suite. Each plays another variant of what takes long; all of them have been seen to pass on all suites."""
WATCHED = [word for each in MONITORED for word in ("-p", each)]
TIGHT = ("--mem-high", "20M", "--swap", "infinity")


@pytest.fixture(autouse=True)
def oomd() -> Iterator[None]:
    with quick_oomd():
        yield


@pytest.fixture
def file() -> Iterator[str]:
    with on_disk(48 * MIB) as name:
        yield name


def see_killed(ending: Ending, cgroup: str, **oom: object) -> str:
    """Assert that the report has these facts and systemd-oomd's own message; return that message.

    It can kill the cgroup again before the first kill is over. Then it is not known how many processes it killed.
    """
    report = ending.report
    assert ending.verdict == "oom-kill", ending
    messages = report["oom"]["oomd"]["log"]
    assert messages
    once = oom if len(messages) == 1 else oom | {"kills": None}
    assert report["oom"] | {"limit_of": "systemd-oomd"} | once == report["oom"]
    for message in messages:
        assert {"source": "systemd-oomd's journal", "value": message} in report["evidence"]
    assert report["oom"]["oomd"]["cgroup"] == cgroup
    return str(messages[0])


def rows(ending: Ending) -> str:
    """Return the text on one line."""
    return " ".join(ending.stderr.split())


def test_the_scopes_own_pressure_was_too_high(story: Story, file: str) -> None:
    """Under `continue`, systemd itself does not report such a kill before 259."""
    words = (*WATCHED, *TIGHT, "--oom-policy", "continue")
    ending = story.run(*words, "--", "sh", "-c", f"./thrash {file}; exit 5")
    unit, cgroup = ending.report["unit"], ending.report["cgroup"]
    message = see_killed(ending, cgroup, limit_unit=unit, policy="continue", kills=2)
    assert f"{cgroup} " in message
    assert f"memory pressure for {cgroup} being " in message
    assert "this scope (2 processes), by systemd-oomd because of the memory pressure of this scope (" in rows(ending)
    assert ending.status == 137


def test_a_cgroup_inside_the_scope_was_killed(story: Story, file: str) -> None:
    script = (
        f"{DIVIDE} echo 20M >$here/work/memory.high; (echo 0 >$here/work/cgroup.procs; exec ./thrash {file}); exit 3"
    )
    words = ("-p", "Delegate=yes", *WATCHED, "--oom-policy", "stop")
    ending = story.run(*words, "--", "sh", "-c", script.replace("echo 20M >$here/work/memory.max\n", ""))
    see_killed(ending, f"{ending.report['cgroup']}/work", limit_unit=ending.report["unit"], kills=1)
    assert "work inside this scope (1 process), by systemd-oomd because of the memory pressure of" in rows(ending)
    assert ending.status == 3


def test_the_machines_swap_was_too_full(story: Story) -> None:
    policy = {"bookworm": "stop", "trixie": "continue"}.get(CODENAME, "kill")
    words = ("-p", "ManagedOOMSwap=kill", "--mem", "24M", "--swap", "infinity", "--oom-policy", policy)
    ending = story.run(*words, "--", "./thrash", "96")
    see_killed(ending, ending.report["cgroup"], limit_unit=None, policy=policy, kills=1)
    assert ending.report["oom"]["oomd"]["cause"] == "memory-used"
    assert "because more than 5.00% of the machine's memory and of its swap were in use" in rows(ending)
    assert ending.status == 137


def test_a_scope_that_systemd_oomd_is_to_spare_outlives_its_neighbour(story: Story, file: str, tmp_path: Path) -> None:
    preference = "omit" if CODENAME == "trixie" else "avoid"
    other_story = replace(story, report_file=tmp_path / "other.json")
    words, thrash = ("--slice", SLICE, *TIGHT), f"exec ./thrash {file}"
    with (
        running(story, *words, "-p", f"ManagedOOMPreference={preference}", name="spared", then=thrash) as spared,
        running(other_story, *words, name="killed", then=thrash) as killed,
    ):
        for life in (spared, killed):
            life.go_on()
        with monitored_slice(SLICE):
            assert killed.scoperun.wait(GENEROUS) == 137
        assert Path(f"/sys/fs/cgroup{spared.cgroup}").exists()
        assert spared.scoperun.poll() is None
    oom = killed.report()["oom"]
    assert (oom["limit_of"], oom["limit_unit"]) == ("systemd-oomd", SLICE)
