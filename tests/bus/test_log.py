"""What --log adds to a file: one line for each run, however many run at the same time."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from scoperun.console.joblog import COLUMNS
from tests.documents import README

from .program import end, scoperun, start, start_command
from .steps import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from .fake_systemd import FakeSystemd

BATCH = 24


def rows(log: Path) -> list[dict[str, str]]:
    header, *lines = log.read_text().splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


def row(log: Path) -> dict[str, str]:
    (only,) = rows(log)
    return only


@pytest.mark.parametrize(
    ("script", "status", "signal", "verdict"),
    [("exit 0", 0, "0", "success"), ("exit 3", 3, "0", "exit-code"), ("kill -TERM $$", 143, "15", "signal")],
)
async def test_a_line_says_how_a_run_ended(
    systemd: FakeSystemd, tmp_path: Path, script: str, status: int, signal: str, verdict: str
) -> None:
    before = time.time()
    process = await start("-q", "--log", str(tmp_path / "log"), "--", "sh", "-c", script)
    assert (await end(process)).status == status
    found = row(tmp_path / "log")
    assert (found["Exitval"], found["Signal"], found["Verdict"]) == (str(status), signal, verdict)
    assert (found["Seq"], found["Host"]) == (str(process.pid), os.uname().nodename)
    assert found["Command"] == f"sh -c '{script}'"
    assert before - 0.001 <= float(found["Starttime"]) <= time.time()
    assert 0 <= float(found["JobRuntime"]) <= time.time() - before


async def test_a_log_that_is_removed_meanwhile_gets_the_line_all_the_same(systemd: FakeSystemd, tmp_path: Path) -> None:
    done = await end(await start("-q", "--log", str(tmp_path / "log"), "--", "rm", str(tmp_path / "log")))
    assert (done.status, done.err, row(tmp_path / "log")["Verdict"]) == (0, "", "success")


async def test_the_line_is_there_when_the_report_is_printed(systemd: FakeSystemd, tmp_path: Path) -> None:
    """Though nothing reads standard error, where the report has to wait."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = os.write(writing, bytes(1 << 20))
    os.set_blocking(writing, True)
    words = (sys.executable, "-m", "scoperun", "--no-require-limits", "--log", str(tmp_path / "log"), "--", "true")
    process = await asyncio.create_subprocess_exec(*words, stderr=writing)
    os.close(writing)
    async with asyncio.timeout(PATIENCE):
        while not (tmp_path / "log").exists() or len((tmp_path / "log").read_text().splitlines()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert process.returncode is None
    os.set_blocking(reading, False)
    while process.returncode is None and filled > 0:
        filled -= len(os.read(reading, filled))
    async with asyncio.timeout(PATIENCE):
        await process.wait()
    os.close(reading)
    assert row(tmp_path / "log")["Verdict"] == "success"


@pytest.mark.parametrize(("command", "status"), [("/nowhere/command", "127"), ("/dev/null", "126")])
async def test_a_command_that_cannot_be_run_has_a_line_too(
    systemd: FakeSystemd, tmp_path: Path, command: str, status: str
) -> None:
    ended = await scoperun("--log", str(tmp_path / "log"), "--", command)
    found = row(tmp_path / "log")
    assert (found["Exitval"], found["Command"]) == (status, command) == (str(ended.status), command)
    assert [name for name, value in found.items() if value == "-"] == [
        *("JobRuntime", "Verdict", "MemoryPeak", "MemoryMax")
    ]


async def test_so_has_a_scope_that_cannot_be_started(systemd: FakeSystemd, tmp_path: Path) -> None:
    systemd.when_started = lambda unit: systemd.job_removed(unit, "failed")
    await scoperun("--log", str(tmp_path / "log"), "--", "true")
    assert (row(tmp_path / "log")["Exitval"], row(tmp_path / "log")["Verdict"]) == ("125", "-")


async def test_many_runs_at_once_have_a_line_each(systemd: FakeSystemd, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    words = [("-q", "--log", log, "--", "sh", "-c", f"exit {number}", "a\tb\nc") for number in range(BATCH)]
    processes = [await start(*each) for each in words]
    ended = [await end(each) for each in processes]
    assert Counter(each["Seq"] for each in rows(tmp_path / "log")) == Counter(str(each.pid) for each in processes)
    by_pid = {each["Seq"]: each for each in rows(tmp_path / "log")}
    for number, (process, each) in enumerate(zip(processes, ended, strict=True)):
        found = by_pid[str(process.pid)]
        assert (found["Exitval"], each.status) == (str(number), number)
        assert found["Command"] == f"sh -c 'exit {number}' $'a\\tb\\nc'"


async def test_a_crash_has_no_line(systemd: FakeSystemd, tmp_path: Path) -> None:
    process = await start_command("echo; read _", "--log", str(tmp_path / "log"))
    process.kill()
    await end(process, "on\n")
    assert rows(tmp_path / "log") == []


@pytest.mark.parametrize("place", ["", "none/log", "/dev/null", "/proc/self/log"])
async def test_a_place_that_takes_no_lines_is_refused_before_the_command_starts(
    systemd: FakeSystemd, tmp_path: Path, place: str
) -> None:
    ended = await scoperun("--log", f"{tmp_path / place}", "--", "echo", "it runs")
    assert (ended.status, ended.out, ended.left) == (125, "", [])
    assert ended.complaint.startswith(f"scoperun: cannot add to the log '{tmp_path / place}': ")
    assert "StartTransientUnit" not in systemd.steps


async def test_a_missing_folder_is_reported_as_for_a_report(systemd: FakeSystemd, tmp_path: Path) -> None:
    place = tmp_path / "none" / "log"
    why = f"'{place}': No such file or directory (its folder has to exist)"
    assert (await scoperun("--log", str(place), "true")).complaint == f"scoperun: cannot add to the log {why}"
    assert (await scoperun("--report", str(place), "true")).complaint == f"scoperun: cannot write the report to {why}"


async def test_a_line_that_cannot_be_written_changes_no_status(systemd: FakeSystemd, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 1024)  # a limit of 1, which is 512 or 1024 bytes, leaves no room
    ended = await scoperun("-q", "--log", str(log), "--", "sh", "-c", "exit 3", through='ulimit -f 1; exec "$@"')
    assert (ended.status, ended.complaint) == (3, f"scoperun: cannot add to the log '{log}': File too large")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_the_line_goes_where_it_should_whatever_is_closed(
    closed: str, systemd: FakeSystemd, tmp_path: Path
) -> None:
    """And the command does not get the file."""
    script = "for each in /proc/$$/fd/*; do case $(readlink $each) in *log) exit 4; esac; done; exit 3"
    words = ("-q", "--log", str(tmp_path / "log"), "--", "sh", "-c", script)
    await scoperun(*words, through=f'exec "$@" {closed}')
    assert row(tmp_path / "log")["Exitval"] == "3"


def makefile() -> str:
    """Return the Makefile that the README shows."""
    (text,) = re.findall(r"^```make\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return str(text)


async def test_the_makefile_of_the_readme_logs_each_of_its_commands(systemd: FakeSystemd, tmp_path: Path) -> None:
    """The limits in it are not held here: the fake systemd cannot."""
    (tmp_path / "Makefile").write_text(makefile())
    (tmp_path / "convert").write_text('#!/bin/sh\nread word <"$1" && echo "$word"\n')
    (tmp_path / "scoperun").write_text(f'#!/bin/sh\nexec {sys.executable} -m scoperun --no-require-limits "$@"\n')
    for program in "convert", "scoperun":
        (tmp_path / program).chmod(0o755)
    for name in "one", "two", "three":
        (tmp_path / f"{name}.in").write_text(f"{name}\n" if name != "two" else "")
    assert await made(tmp_path, "-k", "-j", "3", "one.out", "two.out", "three.out") == 2
    assert Counter((each["Command"], each["Exitval"]) for each in rows(tmp_path / "runs.log")) == Counter(
        {("./convert one.in", "0"): 1, ("./convert two.in", "1"): 1, ("./convert three.in", "0"): 1}
    )
    assert {name for name in os.listdir(tmp_path) if ".out" in name} == {"one.out", "two.out.new", "three.out"}


async def made(folder: Path, *words: str) -> int:
    """Run make in a folder, whose programs it finds; return its exit status."""
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *("make", *words), cwd=folder, env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    async with asyncio.timeout(PATIENCE):
        return await process.wait()
