"""`scopectl top` reads what the kernel says of real units, and acts on the one whose numbers are on the screen."""

import subprocess
from pathlib import Path

import pytest

from scoperun.kernel.cgroup import cgroup_of
from scoperun.kernel.held_cgroup import HeldCgroup, Room
from tests.schema import told_by

from .life import Life, running
from .story import GENEROUS, Story
from .terminal import Terminal, terminal
from .waiting import cgroup_gone


def rounds(*options: str) -> list[dict[str, dict[str, object]]]:
    """Return the units of each round that is printed, by name."""
    command = ["scopectl", "top", "--json", "--delay", "100ms", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GENEROUS, check=True)
    assert done.stderr == ""
    return [{each["unit"]: each for each in told_by("top", line)["units"]} for line in done.stdout.splitlines()]


def file(life: Life, name: str) -> str:
    return Path(f"/sys/fs/cgroup{life.cgroup}/{name}").read_text(encoding="ascii").strip()


def answer(term: Terminal, key: str, question: str, happens: str) -> None:
    """Press a key, see the question, say yes, and wait for what then happens."""
    term.type(key)
    term.wait_for(f"y: {question}")
    term.type("y")
    term.wait_for(happens)


def test_a_round_has_the_numbers_of_the_cgroup_and_a_second_one_the_processors(story: Story) -> None:
    with running(story, "--mem", "40M", name="a-top") as life:
        first, second = rounds("-n", "2")
        assert set(first) == set(second) == {"a-top.scope"}
        unit = first["a-top.scope"]
        assert (unit["limit"], unit["limited_by"], unit["frozen"]) == (40 << 20, "a-top.scope", False)
        assert (unit["cgroup"], unit["slice"], unit["tasks"]) == (life.cgroup, "app.slice", 2)  # with the keeper
        assert 0 < int(str(unit["memory"])) < 40 << 20
        assert (unit["swap"], unit["cpu_percent"]) == (0, None)
        assert isinstance(second["a-top.scope"]["cpu_percent"], float)
        assert unit["command"] == "sh -c echo $$; read word; exit 3"
        assert "dbus.service" in rounds("--all", "-n", "1")[0]
        life.end()
    assert rounds("-n", "1") == [{}]


def test_the_selected_unit_is_limited_frozen_thawed_and_killed_and_no_other_of_its_name(story: Story) -> None:
    with terminal(story, "scopectl", "top", "--delay", "200ms") as term:
        term.wait_for("0 units")
        raw = term.modes()
        with running(story, "--mem", "40M", name="b-top") as life:
            term.wait_for("b-top.scope")
            term.type("L30M\r")
            term.wait_for("y: Limit the memory of b-top.scope to 30M")
            term.type("y")
            term.wait_for("MemoryMax=30M is in force")
            assert file(life, "memory.max") == str(30 << 20)
            answer(term, "F", "Freeze b-top.scope", "is frozen")
            assert "frozen 1" in file(life, "cgroup.events")
            answer(term, "W", "Let the processes of b-top.scope run", "runs again")
            assert "frozen 0" in file(life, "cgroup.events")
            term.type("K")
            term.wait_for("y: Kill all processes of b-top.scope")
            life.end()
        term.wait_for("0 units")
        with running(story, name="b-top") as another:  # the question that is still open is not about this one
            term.wait_for("b-top.scope  ")
            term.type("y")
            term.wait_for("b-top.scope has ended meanwhile")
            answer(term, "K", "Kill all processes of b-top.scope", "SIGKILL was sent")
            another.scoperun.wait(GENEROUS)
            assert another.report()["signal"] == 9
            cgroup_gone(another.cgroup)
        term.type("q")
        assert term.status() == 0
        assert term.modes() != raw


def test_open_files_are_those_of_the_cgroup_that_was_opened_and_not_of_another_of_its_name(story: Story) -> None:
    room = Room(100)
    with running(story, "--mem", "40M", name="c-top") as life:
        held = HeldCgroup(cgroup_of(life.pid), room)
        before = held.numbers()
        assert before is not None
        assert (before.memory_max, before.tasks, before.is_frozen, held.is_there()) == (40 << 20, 2, False, True)
        life.end()
    with running(story, "--mem", "30M", name="c-top") as another:
        assert another.cgroup == life.cgroup
        assert (held.is_there(), held.numbers()) == (False, None)
        another.end()
    held.close()
    assert room.taken == 0


@pytest.mark.guest(user="root", suite="trixie")
def test_root_sees_the_services_of_the_system(story: Story) -> None:
    units = rounds("--system", "--all", "-n", "1")[0]
    assert {"systemd-journald.service", "init.scope"} <= set(units)
    assert units["systemd-journald.service"]["slice"] == "system.slice"
