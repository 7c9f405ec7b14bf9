"""A unit's cgroup is the one that systemd has made for it, whatever other cgroups there are."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scoperun.ctl.ending import ending
from scoperun.ctl.session import COMMANDS, session
from scoperun.kernel.kill_count import counting
from scoperun.spec.scope import units_of
from scoperun.systemd.unit_end import UnitEnd
from tests.schema import told_by

from .life import running
from .story import GENEROUS, Story, systemctl
from .test_ctl_acting import scopectl as scopectl_acts
from .test_ctl_seeing import LEAK, SURVIVES, ended, leak, levels, row_of, scopectl, see_kill, shown
from .test_ctl_top import rounds
from .waiting import cgroup_gone

MIB = 1 << 20
LIMIT = ("-p", "MemoryMax=20M", "-p", "MemorySwapMax=0")


def manager() -> str:
    """Return the name of the manager's own cgroup."""
    return systemctl("show", "-P", "ControlGroup").strip()


@contextmanager
def made(*names: str) -> Iterator[None]:
    """Have cgroups below the manager's own that systemd has not made, as any process of the user can."""
    folders = [Path(f"/sys/fs/cgroup{manager()}/{name}") for name in names]
    for folder in folders:
        folder.mkdir()
    try:
        yield
    finally:
        for folder in reversed(folders):
            folder.rmdir()


def systemd_run(unit: str, *words: str) -> None:
    """Start a service."""
    command = ["systemd-run", "--user", "--quiet", "--unit", unit, *words]
    subprocess.run(command, check=True, capture_output=True, timeout=GENEROUS)


@contextmanager
def afterwards(*units: str) -> Iterator[None]:
    """Remove services at the end."""
    try:
        yield
    finally:
        for word in ("stop", "reset-failed"):  # each fails for a unit that is not loaded any more
            subprocess.run(["systemctl", "--user", word, *units], capture_output=True, check=False)


FORGED = ("aa.slice", "aa.slice/job.scope", "app.slice/_job.scope", "_app.slice", "_app.slice/y.scope")


async def test_another_cgroup_of_its_name_does_not_replace_a_unit(story: Story) -> None:
    with made(*FORGED), running(story, *LEAK, name="job", then=SURVIVES) as life:
        row = row_of(life.scope)
        assert (row["state"], row["tasks"], row["limit"]) == ("active", 2, 20 * MIB)
        assert row["memory"] > 0
        assert shown("status", life.scope)["cgroup"] == life.cgroup
        tree = shown("tree")
        assert [way[1:] for way in levels(tree) if way[-1] == life.scope] == [("app.slice", life.scope)]
        (used,) = rounds("-n", "1")
        assert (used[life.scope]["cgroup"], used[life.scope]["tasks"]) == (life.cgroup, 2)
        done = scopectl_acts("set", "job", "--tasks", "50")
        assert (done.status, done.err) == (0, "")
        found = await ended(life, leak, see_kill)
    assert (found.result, found.oom_killed, found.oom_kills) == ("success", True, 1)


def see_no_cgroup(unit: str, *, status: int) -> None:
    row = shown("status", unit, status=status)
    assert [row[name] for name in ("cgroup", "memory", "processes", "events")] == [None] * 4, row


def test_a_unit_that_has_ended_has_no_cgroup_though_one_has_its_name() -> None:
    units = ("place-failed.service", "place-done.service", "place-left.service")
    with afterwards(*units):
        systemd_run(units[0], "sh", "-c", "exit 3")
        systemd_run(units[1], "-p", "RemainAfterExit=yes", "-p", "Type=oneshot", "true")
        systemd_run(units[2], "-p", "KillMode=process", "sh", "-c", "sleep 1000 & exit 3")
        scopectl("wait", units[0], units[2], status=1)
        for unit in units[:2]:
            cgroup_gone(f"{manager()}/app.slice/{unit}")
        with made("app.slice/place-failed.service", "app.slice/place-done.service"):
            see_no_cgroup(units[0], status=3)
            see_no_cgroup(units[1], status=0)
            assert row_of(units[0], "--all")["memory"] is None
        left = shown("status", units[2], status=3)
        assert left["cgroup"] == f"{manager()}/app.slice/{units[2]}"
        assert [each["name"] for each in left["processes"]] == ["sleep"]
        systemctl("kill", "--kill-whom=all", "-s", "KILL", units[2])


@pytest.mark.parametrize(
    ("above", "unit"),
    [
        *(("app.slice", unit) for unit in ("memory.service", "cgroup.leak.service", "_leak.service", "leak.service")),
        ("io-x.slice", "memory.service"),
    ],
)
def test_kills_in_a_unit_that_has_ended_are_told_whatever_its_name_is(story: Story, above: str, unit: str) -> None:
    with afterwards(unit):
        systemd_run(unit, f"--slice={above}", *LIMIT, f"{story.cwd}/bigleak2")
        scopectl("wait", unit, status=1)
        row = shown("status", unit, status=3)
        (report,) = row["kernel_log"]
        assert (row["cgroup"], row["result"]) == (None, "oom-kill")
        assert units_of(report["oom_memcg"])[-1] == unit


def test_the_root_slice_has_the_managers_own_cgroup() -> None:
    row = told_by("status", scopectl("status", "--json", "--", "-.slice"))
    assert (row["cgroup"], row["oom_kills"]) == (manager(), row["events"]["oom_kill"])
    assert row["memory"] > 0


@pytest.fixture
def never_started() -> Iterator[str]:
    """Have systemd load a service that it has not started."""
    file = Path.home() / ".config" / "systemd" / "user" / "place-never.service"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[Service]\nExecStart=/bin/true\n")
    systemctl("daemon-reload")
    with afterwards("place-other.service"):
        systemd_run("place-other.service", "-p", f"After={file.name}", "sleep", "1000")
        yield file.name
    file.unlink()
    systemctl("daemon-reload")


def test_a_unit_that_has_not_run_has_no_kills(never_started: str) -> None:
    text = scopectl("status", never_started, status=3)
    assert "  OOM kills: none: it has not run since systemd loaded it; OOMPolicy=stop\n" in text
    assert "kernel log" not in text
    assert "    Journal: nothing since the machine was booted" in text


async def test_the_end_of_a_service_that_starts_again_at_once_is_known(tmp_path: Path) -> None:
    """Then systemd has no object for the invocation that has ended."""
    unit, starts = "place-again.service", tmp_path / "starts"
    os.mkfifo(starts)

    def see_start() -> None:
        subprocess.run(["cat", starts], check=True, capture_output=True, timeout=GENEROUS)

    def end_it() -> None:
        systemctl("kill", unit)
        see_start()

    with afterwards(unit):
        command = f"echo > {starts}; exec sleep 1000"
        systemd_run(unit, "-p", "Restart=always", "-p", "RestartSec=0", "sh", "-c", command)
        await asyncio.to_thread(see_start)
        async with session(system=False) as opened:
            (seen,) = [each for each in await opened.units(COMMANDS) if each.name == unit]
            with counting(seen.cgroup) as count:
                end = UnitEnd(opened.manager, unit)
                await end.begin()
                await asyncio.to_thread(end_it)
                await end.wait()
                count.look()
                found = ending(unit, end.invocation, await end.properties(), seen=count.kills)
    assert found.words == (unit, "success", "no")
