"""The trace of a run that --trace writes: all events as they happened, and never a reason for the run to fail."""

from __future__ import annotations

import json
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.supervision.replay import replay

from .program import end, scoperun, start_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .fake_systemd import FakeSystemd

UNTIL_TOLD = "echo; read _; exit 3"

COMMANDS = {
    "true": ("true",),
    "exits with 3": ("sh", "-c", "exit 3"),
    "is killed": ("sh", "-c", "kill -KILL $$"),
    "is not UTF-8": ("sh", "-c", ":", "\udcff"),
    "leaves a process": ("sh", "-c", "sleep 60 >/dev/null 2>&1 & exit 0"),
}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in file.read_text().splitlines()]


def replayed(file: Path) -> dict[str, Any]:
    """Return the report that a trace leads to, in JSON's types."""
    with file.open(newline="\n") as trace:
        report, is_whole, _ = replay(trace)
    assert is_whole
    read: dict[str, Any] = json.loads(report.to_json())
    return read


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_a_trace_leads_to_the_same_report(systemd: FakeSystemd, tmp_path: Path, command: tuple[str, ...]) -> None:
    trace = tmp_path / "trace"
    ended = await scoperun("--json", "--trace", str(trace), "--", *command)
    assert replayed(trace) == ended.report


async def test_a_trace_of_a_lost_bus_leads_to_the_same_report(
    systemd: FakeSystemd, killing_bus: Callable[[], None], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    process = await start_command(UNTIL_TOLD, "--trace", str(trace))
    killing_bus()
    ended = await end(process, "on\n")
    assert replayed(trace) == ended.report
    assert "ConnectionLost" in {each["class"] for each in lines(trace)}


async def test_a_trace_begins_before_the_command_runs_and_ends_with_the_report(
    systemd: FakeSystemd, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    await scoperun("--json", "--trace", str(trace), "--", "true", "a b")
    classes = [each["class"] for each in lines(trace)]
    assert (classes[0], classes[-1]) == ("Begun", "Concluded")
    assert classes.index("JobRemoved") < classes.index("Start") < classes.index("WorkloadExited")
    assert lines(trace)[0]["command"] == ["true", "a b"]
    times = [each["time"] for each in lines(trace)]
    assert times == sorted(times)


async def test_how_the_run_began_is_written_before_the_command_runs(systemd: FakeSystemd, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    ended = await scoperun("--trace", str(trace), "--", "cat", str(trace))
    assert "Start" in [json.loads(each)["class"] for each in ended.out.splitlines()]


async def test_only_its_owner_can_read_a_trace(systemd: FakeSystemd, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    await scoperun("--trace", str(trace), "--", "true")
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


async def test_a_crash_leaves_the_events_so_far(systemd: FakeSystemd, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    process = await start_command(UNTIL_TOLD, "--trace", str(trace))
    process.send_signal(signal.SIGKILL)
    await end(process, "on\n")
    classes = {each["class"] for each in lines(trace)}
    assert {"Begun", "JobRemoved", "StateChanged"} <= classes
    assert not classes & {"WorkloadExited", "Concluded"}


async def test_a_trace_contains_the_error_of_a_failed_start(systemd: FakeSystemd, tmp_path: Path) -> None:
    systemd.when_started = lambda unit: systemd.job_removed(unit, "failed")
    trace = tmp_path / "trace"
    ended = await scoperun("--trace", str(trace), "--", "true")
    assert (ended.status, ended.left) == (125, [])
    assert [each["result"] for each in lines(trace) if each["class"] == "JobRemoved"] == ["failed"]


async def test_a_trace_that_cannot_be_written_does_not_change_the_run(systemd: FakeSystemd, tmp_path: Path) -> None:
    """The limit is 512 bytes: the first line fits, and of the rest only a part can have been written."""
    trace = tmp_path / "trace"
    ended = await scoperun(
        *("--json", "--trace", str(trace), "--", "sh", "-c", "exit 3"), through='ulimit -f 1; exec "$@"'
    )
    report, said = ended.err.splitlines()
    assert (ended.status, json.loads(report)["verdict"]) == (3, "exit-code")
    assert said == f"scoperun: cannot write the trace to '{trace}': File too large"
    assert trace.stat().st_size in {512, 1024}  # the unit of sh's limit


@pytest.mark.parametrize("place", ["", "none/trace", "/dev/null", "/proc/self/trace"])
async def test_an_unwritable_trace_file_is_refused_before_the_command_starts(
    systemd: FakeSystemd, tmp_path: Path, place: str
) -> None:
    ended = await scoperun("--trace", f"{tmp_path / place}", "--", "echo", "it runs")
    assert (ended.status, ended.out, ended.left) == (125, "", [])
    assert ended.complaint.startswith("scoperun: cannot write the trace to ")
    assert "StartTransientUnit" not in systemd.steps


async def test_the_command_does_not_inherit_the_file(systemd: FakeSystemd, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    ended = await scoperun("--json", "--trace", str(trace), "--", "ls", "-l", "/proc/self/fd")
    assert "trace" not in ended.out
