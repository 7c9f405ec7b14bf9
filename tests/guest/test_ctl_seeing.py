"""scopectl list, status, tree and wait show what a real systemd and the kernel have."""

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scoperun.ctl.ending import Ending, ending
from scoperun.ctl.session import session
from scoperun.kernel.kill_count import counting
from scoperun.systemd.unit_end import UnitEnd
from tests.schema import told_by

from .life import Life, running
from .story import GENEROUS, Story, systemctl
from .terminal import terminal
from .waiting import line_from

MIB = 1 << 20


def scopectl(*words: str, status: int = 0) -> str:
    """Return what scopectl prints."""
    done = subprocess.run(["scopectl", *words], capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, done.stderr) == (status, ""), done
    return done.stdout


def shown(*words: str, status: int = 0) -> Any:
    """Return what scopectl prints as JSON."""
    return told_by(words[0], scopectl(*words, "--json", status=status))


def row_of(unit: str, *words: str) -> dict[str, Any]:
    (row,) = [each for each in shown("list", *words) if each["unit"] == unit]
    return dict(row)


@contextmanager
def drop_in(unit: str, text: str) -> Iterator[Path]:
    """Put a drop-in of the user's own in force."""
    file = Path.home() / ".config" / "systemd" / "user" / f"{unit}.d" / "50-test.conf"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    systemctl("daemon-reload")
    try:
        yield file
    finally:
        file.unlink()
        file.parent.rmdir()
        systemctl("daemon-reload")


def levels(level: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the way to each unit in a tree."""
    yield (level["unit"],)
    for each in level["units"]:
        yield from ((level["unit"], *way) for way in levels(each))


def test_a_scope_is_listed_and_each_limit_has_its_origin(story: Story) -> None:
    options = ("--mem", "20M", "--slice", "seen-above.slice", "--description", "two words \x1b[2J")
    with (
        drop_in("seen-.scope", "[Scope]\nTasksMax=77\n") as file,
        running(story, *options, name="seen-1") as life,
    ):
        systemctl("set-property", "--runtime", life.scope, "MemoryHigh=15M")
        systemctl("set-property", "--runtime", "seen-above.slice", "CPUQuota=50%")
        row = row_of(life.scope)
        assert (row["state"], row["limit"], row["swap"]) in {("active", 20 * MIB, 0), ("active", 20 * MIB, None)}
        assert row["age"] >= 0
        assert 0 < row["memory"] < 20 * MIB
        assert row["tasks"] == 2  # with the keeper
        assert row["command"] == "two words \x1b[2J"
        assert scopectl("list", "--no-legend", "--columns", "unit,command", "seen-1") == (
            f"{life.scope}\ttwo words \\x1b[2J\n"
        )

        status = shown("status", "seen-1")
        origins = {limit["setting"]: (limit["unit"], limit["how"]) for limit in status["limits"]}
        assert origins["MemoryMax"] == (life.scope, "start")
        assert origins["MemoryHigh"] == (life.scope, "set-property")
        assert origins["TasksMax"] == (life.scope, "file")
        assert status["tasks"] == 1  # without the keeper, as the limit
        assert origins["CPUQuota"] == ("seen-above.slice", "set-property")
        assert str(file) in scopectl("status", life.scope)
        (process,) = [each for each in status["processes"] if each["pid"] == life.pid]
        assert process["name"] == "sh"
        assert process["rss"] > 0
        assert status["events"]["oom_kill"] == status["oom_kills"] == 0
        assert any(life.scope in entry["message"] for entry in status["journal"])

        ways = [way for way in levels(shown("tree")) if way[-1] == life.scope]
        assert [way[1:] for way in ways] == [("seen.slice", "seen-above.slice", life.scope)]
        assert str(life.pid) in scopectl("tree", "seen-above", "--processes")

        systemctl("freeze", life.scope)
        assert row_of(life.scope)["state"] == "frozen"
        systemctl("thaw", life.scope)
        assert row_of(life.scope, "--all")["state"] == "active"
        assert life.end()[0] == 3
    systemctl("revert", "seen-above.slice")
    assert [row for row in shown("list") if row["unit"] == life.scope] == []
    gone = subprocess.run(["scopectl", "status", life.scope], capture_output=True, check=False)
    assert (gone.returncode, gone.stdout) == (4, b"")


LEAK = ("--mem", "20M", "--oom-policy", "continue")
SURVIVES = "./bigleak2; echo survived; read word; exit 3"


def leak(life: Life) -> None:
    """Let the command go on; return when its child has been killed."""
    assert life.scoperun.stdin is not None
    life.scoperun.stdin.write(b"on\n")
    life.scoperun.stdin.flush()
    while line_from(life.scoperun) != "survived":  # bigleak2 prints lines of its own
        pass


async def ended(life: Life, *steps: Callable[[Life], object]) -> Ending:
    """Return how the scope ends in these steps and with its command, while that is waited for."""
    async with session(system=False) as opened:
        (seen,) = [each for each in await opened.units() if each.name == life.scope]
        with counting(seen.cgroup) as count:
            end = UnitEnd(opened.manager, life.scope)
            await end.begin()
            for step in steps:
                await asyncio.to_thread(step, life)
            await asyncio.to_thread(life.end)
            await end.wait()
            return ending(life.scope, end.invocation, await end.properties(), seen=count.kills)


def see_kill(life: Life) -> None:
    """Assert that the status has the kill, and what the kernel's log says about it."""
    status = shown("status", life.scope)
    assert status["events"]["oom_kill"] == status["oom_kills"] == 1
    (report,) = status["kernel_log"]
    assert (report["oom_memcg"], report["limit"]) == (status["cgroup"], 20 * MIB)
    assert [victim["name"] for victim in report["victims"]] == ["bigleak2"]
    assert ": killed at the limit of 20M of this unit, " in scopectl("status", life.scope)


async def test_the_end_of_a_scope_is_waited_for_with_its_oom_kills(story: Story) -> None:
    """The second one is a success for every systemd, and before 259 none counts the kill."""
    with running(story, name="well") as life:
        assert (await ended(life)).words == ("well.scope", "success", "no")
    with running(story, *LEAK, name="leaks", then=SURVIVES) as life:
        found = await ended(life, leak, see_kill)
    assert (found.result, found.oom_killed, found.oom_kills) == ("success", True, 1)
    assert not found.is_success
    with running(story, "--mem", "20M", name="killed", then="exec ./bigleak2") as life:
        assert (await ended(life)).words == ("killed.scope", "oom-kill", "yes")


def test_a_failed_unit_that_is_kept_is_shown_and_not_waited_for() -> None:
    subprocess.run(["systemd-run", "--user", "--unit=fails", "sh", "-c", "exit 3"], check=True, capture_output=True)
    try:
        assert scopectl("wait", "fails.service", status=1).startswith("fails.service\texit-code\t")
        status = shown("status", "fails", status=3)
        assert (status["active"], status["result"], status["memory"]) == ("failed", "exit-code", None)
        assert "failed (failed, Result=exit-code) since " in scopectl("status", "fails", status=3)
        assert row_of("fails.service", "--all")["state"] == "failed"
    finally:
        systemctl("reset-failed", "fails.service")


@pytest.mark.guest(suite="trixie")
def test_a_terminal_of_80_columns_gets_what_fits(story: Story) -> None:
    with terminal(story, "scopectl", "list") as term:
        assert term.status() == 0
        assert term.screen.decode() == "No scope of scoperun runs.\r\n"
    with running(story, "--mem", "20M", name="a-scope-with-a-rather-long-name") as life:
        for words in (["list"], ["list", "--all"], ["tree"], ["status", life.scope]):
            with terminal(story, "scopectl", *words) as term:
                assert term.status() == 0
                lines = re.sub(r"\x1b\[[0-9;]*m", "", term.screen.decode()).split("\r\n")
                assert max(map(len, lines)) <= 80
                assert "a-scope-with-a" in "".join(lines)
        assert life.end()[0] == 3


@pytest.mark.guest(user="plain")
def test_a_user_who_may_read_no_journal_is_told_so(story: Story) -> None:
    with running(story, *LEAK, name="leaks", then=SURVIVES) as life:
        leak(life)
        status = shown("status", life.scope)
        assert status["oom_kills"] == 1
        assert status["kernel_log"] is None
        assert status["kernel_log_reason"].startswith("this user is not allowed to read the kernel log")
        assert status["journal"] is None
        assert "systemd-journal" in status["journal_reason"]
        assert life.end()[0] == 3


@pytest.mark.guest(memory_controller=False)
def test_without_the_memory_controller_no_number_is_made_up(story: Story) -> None:
    with running(story, name="life") as life:
        row = row_of(life.scope)
        assert (row["memory"], row["limit"], row["swap"]) == (None, None, None)
        assert row["tasks"] == 2
        assert "OOM kills: unknown: no memory controller" in scopectl("status", life.scope)
        assert life.end()[0] == 3
