"""A run with --record is in the history when its report is out, and the run itself is as without it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.history.database import FILE
from tests.schema import told_by

from .ctl import scopectl
from .program import end, line, scoperun, start, start_command
from .steps import answer

if TYPE_CHECKING:
    from pathlib import Path

    from .fake_systemd import FakeSystemd

BATCH = 12


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path that the history will have."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "scoperun" / FILE


def recorded(file: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT report FROM run ORDER BY id").fetchall()
    connection.close()
    return [json.loads(text) for (text,) in rows]


def is_there(file: Path) -> bool:
    return file.exists()


async def test_the_report_that_is_printed_is_the_one_that_is_recorded(systemd: FakeSystemd, file: Path) -> None:
    ended = await scoperun("--json", "--record", "job", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.left, recorded(file)) == (3, [], [ended.report])
    (row,) = told_by("history", (await scopectl("history", "--json")).out)
    assert (row["name"], row["verdict"], row["exit_code"]) == ("job", "exit-code", 3)


async def test_a_status_tells_of_a_unit_that_is_gone(systemd: FakeSystemd, file: Path) -> None:
    ended = await scoperun("--json", "--record", "job", "--unit", "once", "--", "sh", "-c", "exit 3")
    systemd.at |= {
        "ListUnitsByPatterns": lambda call: answer(call, "a(ssssssouso)", []),
        "Get ControlGroup": lambda call: answer(call, "v", _no_cgroup()),
    }
    status = await scopectl("status", "once", "--json")
    told = told_by("status", status.out)
    assert (status.status, told["unit"], told["load"], told["report"]) == (3, "once.scope", "not-found", ended.report)
    text = await scopectl("status", "once")
    assert text.status == 3
    assert " Recorded: exit-code, ended " in text.out
    assert (await scopectl("status", "twice")).status == 4


def _no_cgroup() -> object:
    from dbus_next.signature import Variant  # noqa: PLC0415

    return Variant("s", "/no/such/manager")


async def test_a_history_that_is_locked_delays_no_report_and_loses_no_run(systemd: FakeSystemd, file: Path) -> None:
    await scoperun("--record", "job", "--", "true")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    process = await start("--report-format", "line", "--record", "job", "--", "sh", "-c", "exit 3")
    assert process.stderr is not None
    assert b"exit 3" in await process.stderr.readline()
    ended = await end(process)
    other.execute("ROLLBACK")
    other.close()
    assert (ended.status, ended.err, len(recorded(file))) == (3, "", 1)
    found = told_by("history", (await scopectl("history", "--json")).out)
    assert [each["exit_code"] for each in found] == [0, 3]
    assert len(recorded(file)) == 2


@pytest.mark.parametrize("quiet", ["-q", "-qq"])
async def test_a_history_that_cannot_be_written_changes_nothing(
    systemd: FakeSystemd, file: Path, quiet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/self/none")
    ended = await scoperun(quiet, "--record", "job", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.err, ended.left) == (3, "", [])
    loud = await scoperun("--report-format", "line", "--record", "job", "--", "sh", "-c", "exit 3")
    first, warning = loud.err.splitlines()
    assert (loud.status, "exit 3" in first) == (3, True)
    assert warning.startswith(
        "scoperun: warning: --record job: the run is not in the history: cannot create /proc/self"
    )


async def test_many_runs_at_once_are_all_recorded(systemd: FakeSystemd, file: Path) -> None:
    words = [("-q", "--record", "job", "--", "sh", "-c", f"read _; exit {number}") for number in range(BATCH)]
    processes = [await start(*each) for each in words]
    ended = await asyncio.gather(*(end(each, "\n") for each in processes))
    assert [each.err for each in ended] == [""] * BATCH
    found = told_by("history", (await scopectl("history", "--json")).out)
    assert sorted(each["exit_code"] for each in found) == sorted(each.status for each in ended)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_it_is_recorded_whatever_is_closed(closed: str, systemd: FakeSystemd, file: Path) -> None:
    ended = await scoperun("--record", "job", "--", "sh", "-c", "exit 3", through=f'exec "$@" {closed}')
    assert (ended.status, [each["exit_code"] for each in recorded(file)]) == (3, [3])


async def test_a_command_that_could_not_be_run_is_not_recorded(systemd: FakeSystemd, file: Path) -> None:
    ended = await scoperun("--record", "job", "--", "/nowhere/command")
    assert (ended.status, is_there(file)) == (127, False)


async def test_a_wrong_name_is_refused_before_anything_is_started(systemd: FakeSystemd, file: Path) -> None:
    ended = await scoperun("--record", "a b", "--", "echo", "it runs")
    assert (ended.status, ended.out) == (125, "")
    assert ended.complaint.startswith("scoperun: Invalid value for '--record': 'a b' is not a valid name for runs (")
    assert systemd.steps == []
    assert os.listdir(file.parents[1]) == []


async def test_the_command_has_ended_before_the_history_is_opened(systemd: FakeSystemd, file: Path) -> None:
    """So that it inherits none of it, and a run that is not recorded never imports SQLite."""
    process = await start_command(
        "echo; grep -c sqlite /proc/$PPID/maps; ls /proc/$PPID/fd -l | grep -c history; read _", "--record", "job"
    )
    assert (await line(process), await line(process)) == ("0", "0")
    assert not is_there(file)
    await end(process, "on\n")
    assert len(recorded(file)) == 1
