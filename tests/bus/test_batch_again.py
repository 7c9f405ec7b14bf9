"""What a batch leaves behind, and what a later runner makes of it, as a program on the fake systemd."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.batch.batches import meant, seen
from scoperun.batch.rows import Wanted
from scoperun.kernel.wait import readable

from .fake_systemd import refusal
from .program import end
from .steps import PATIENCE
from .test_batch_command import LITTLE, batch, folder, home, interrupted_unread, started

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from .fake_systemd import FakeSystemd
    from .wire import Wire

__all__ = ["home"]

HALTING = ("-j", "1", "--halt", "soon,fail=1")
DENIED = refusal("org.freedesktop.DBus.Error.PropertyReadOnly", "Cannot set property TasksMax, or unknown property.")


@pytest.mark.parametrize("name", ["output", "batch.db", "lock"])
async def test_files_that_are_there_are_never_taken_for_a_batchs_own(name: str, home: Path) -> None:
    """A batch that is refused removes what it has made, by name."""
    own = home / "run"
    own.mkdir(0o700)
    if name == "output":
        (own / name).mkdir()
        (own / name / "precious").touch()
    elif name == "batch.db":
        connection = sqlite3.connect(own / name)
        connection.execute("CREATE TABLE mine (a)")
        connection.close()
    else:
        (own / name).write_text("mine")
    before = {each.name: each.stat().st_mtime_ns for each in own.rglob("*")}
    done = await batch("--state", f"{own}", *LITTLE, f"{home}/missing")
    assert (done.status, done.out) == (125, "")
    assert f"other files in it, e.g. '{name}'" in done.err
    assert {each.name: each.stat().st_mtime_ns for each in own.rglob("*")} == before


async def test_a_batch_that_is_there_is_not_begun_again(systemd: FakeSystemd, home: Path) -> None:
    own = f"{home}/run"
    assert (await batch("--state", own, *LITTLE, "--", "false", ":::", "a")).status == 1
    done = await batch("--state", own, *LITTLE, "--", "true", ":::", "a")
    assert (done.status, done.out) == (125, "")
    assert done.complaint.startswith(f"scopectl: {own}: there is a batch in it (--resume goes on with it; ")
    assert systemd.units == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_batch_whose_jobs_are_still_read_leaves_nothing(
    number: signal.Signals, systemd: FakeSystemd, home: Path
) -> None:
    os.mkfifo(home / "jobs")
    process = await started(*LITTLE, f"{home}/jobs")
    os.close(await asyncio.to_thread(os.open, home / "jobs", os.O_WRONLY))  # returns when it is opened for reading
    process.send_signal(number)
    assert (await end(process)).status == -signal.SIGINT
    assert [folder for folder, _, files in os.walk(home / "scoperun") if files] == []
    assert "StartTransientUnit" not in systemd.steps
    assert json.loads((await batch("status", "--json")).out) == []


def noted(systemd: FakeSystemd) -> list[dict[str, Any]]:
    """Return a list that gets the properties of each scope for a job that is asked for."""
    asked: list[dict[str, Any]] = []

    def start(call: Any) -> Any:
        if ".scope" in call.body[0] and "guard" not in call.body[0]:
            asked.append({name: value.value for name, value in call.body[2]})
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = start
    return asked


async def test_rules_of_config_files_hold_for_jobs_that_run_later(systemd: FakeSystemd, home: Path) -> None:
    asked = noted(systemd)
    config = home / "c.toml"
    config.write_text('[profiles.big]\ntasks = 77\n[rules]\n"sh" = "big"\n')
    words = ("--config", f"{config}", *HALTING, *LITTLE, "--", "sh", "-c", "exit {}", ":::", "1", "0")
    assert (await batch(*words)).status == 1
    assert (await batch("--resume")).status == 1
    limits = [each["TasksMax"] for each in asked if "TasksMax" in each]
    assert len(limits) == 2
    assert len(set(limits)) == 1


async def test_what_was_not_printed_is_printed_when_it_is_resumed_with_results(
    systemd: FakeSystemd, home: Path
) -> None:
    full = await batch("-j", "1", *LITTLE, "--", "echo", "hello", ":::", "a", through='"$@" >/dev/full')
    assert full.status == 125
    again = await batch("--resume", "--state", folder(full.err), "--results", f"{home}/results")
    assert (again.status, again.out, systemd.units) == (0, "hello a\n", {})


async def test_output_and_log_that_are_removed_meanwhile_are_told(systemd: FakeSystemd, home: Path) -> None:
    """The second job does that. What it prints is lost, its line in the log is not."""
    (home / "jobs").write_text(f"echo one\nrm -r {home}/results {home}/log; echo two\necho three\n")
    files = ("--results", f"{home}/results", "--joblog", f"{home}/log")
    done = await batch("-j", "1", *LITTLE, *files, f"{home}/jobs")
    assert (done.status, done.out, systemd.units) == (125, "one\nthree\n", {})
    assert done.err.splitlines()[-2:] == [
        "scopectl: not all that jobs print was printed: that of job 2: No such file or directory",
        "scopectl: --results: not all was written: 2/report.json: No such file or directory",
    ]
    header, *lines = (home / "log").read_text().splitlines()
    assert header.startswith("Seq\t")
    assert [line.partition("\t")[0] for line in lines] == ["2", "3"]


@pytest.mark.parametrize("order", [(), ("-k",)])
async def test_output_that_is_removed_from_the_state_is_told(
    systemd: FakeSystemd, home: Path, order: tuple[str, ...]
) -> None:
    """Only jobs have it open, and they have ended when it is printed."""
    words = (*order, *LITTLE, "--state", f"{home}/state", "--", "sh", "-c", f"rm {home}/state/output/*; echo {{}}")
    done = await batch(*words, ":::", "a")
    assert (done.status, done.out, systemd.units) == (125, "", {})
    assert "printed: that of job 1: No such file or directory\n" in done.err
    again = await batch("--resume", "--state", f"{home}/state")
    assert (again.status, again.out) == (0, "")


async def test_what_a_job_adds_to_its_results_by_their_path_stays(systemd: FakeSystemd, home: Path) -> None:
    line = "echo 1; echo 2 >>/dev/stdout; echo 3"
    done = await batch(*LITTLE, "--results", f"{home}/results", "--", "sh", "-c", line, "{}", ":::", "a")
    assert (done.status, done.out, systemd.units) == (0, "1\n2\n3\n", {})


async def test_a_terminal_that_takes_nothing_keeps_no_signal_from_being_handled(
    bus: Wire, systemd: FakeSystemd
) -> None:
    """Nothing reads the other side of it."""
    ours, theirs = pty.openpty()
    words = (*LITTLE, "--", "head", "-c", "900000", ":::", "/dev/zero")
    argv = (sys.executable, "-m", "scoperun.ctl", "batch", *words)
    process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=theirs, stderr=PIPE)
    os.close(theirs)
    await interrupted_unread(process, bus, systemd)
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 130
    os.close(ours)


TELLING = pytest.mark.parametrize("environment", [{"PYTHONUNBUFFERED": "1"}, {"FORCE_COLOR": "1"}], ids=str)
"""Variables with which Python and rich also write to a terminal that is gone."""


async def without_terminal(environment: dict[str, str], *words: str) -> Process:
    """Start a batch with the bar on a terminal that is gone once two jobs run."""
    ours, theirs = pty.openpty()
    argv = (sys.executable, "-m", "scoperun.ctl", "batch", *LITTLE[:-2], "--progress", "bar", "-j", "2", *words)
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=DEVNULL, stdout=PIPE, stderr=theirs, env={**os.environ, **environment}, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    async with asyncio.timeout(PATIENCE):
        while b"2 running" not in shown:
            await readable(ours)
            shown += os.read(ours, 4096)
    os.close(ours)
    return process


async def ended(process: Process) -> tuple[int | None, bytes]:
    """Return the exit status of a program without a standard error of ours, and what it has printed."""
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return process.returncode, out


@TELLING
async def test_a_signal_counts_although_the_terminal_is_gone(systemd: FakeSystemd, environment: dict[str, str]) -> None:
    process = await without_terminal(environment, "--", "sleep", "{}", ":::", "1000", "1001", "1002")
    process.send_signal(signal.SIGHUP)
    assert await ended(process) == (130, b"")
    (seen,) = json.loads((await batch("status", "--json")).out)
    assert (seen["waiting"], systemd.units) == (3, {})


@TELLING
async def test_jobs_run_on_although_the_terminal_is_gone(
    systemd: FakeSystemd, home: Path, environment: dict[str, str]
) -> None:
    """A failure is told there, and then the bar is drawn again."""
    lines = [f"read line < {home}/fail; exit 3", f"read line < {home}/end; echo done"]
    (home / "jobs").write_text("".join(f"{line}\n" for line in lines))
    for name in ("fail", "end"):
        os.mkfifo(home / name)
    fail, finish = (os.open(home / name, os.O_RDWR) for name in ("fail", "end"))
    process = await without_terminal(environment, f"{home}/jobs")
    os.write(fail, b"\n")
    await systemd.called("UnrefUnit")
    os.write(finish, b"\n")
    assert await ended(process) == (1, b"done\n")
    os.close(fail)
    os.close(finish)
    assert systemd.units == {}


@pytest.mark.parametrize("slots", ["1", "2"])
async def test_a_property_that_systemd_lacks_fails_the_job_that_asks_for_it(
    systemd: FakeSystemd, home: Path, slots: str
) -> None:
    def start(call: Any) -> Any:
        return DENIED(call) if "TasksMax" in [name for name, _ in call.body[2]] else systemd.honest(call)

    systemd.at["StartTransientUnit"] = start
    jobs = [{"command": "true", "tasks": 7}, *[{"command": "true"}] * 9]
    (home / "jobs.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in jobs))
    done = await batch("-j", slots, *LITTLE, "--json", f"{home}/jobs.jsonl")
    *lines, last = map(json.loads, done.out.splitlines())
    assert (done.status, last["jobs"]["done"], last["jobs"]["not-executed"]) == (1, 9, 1)
    (error,) = [each["error"] for each in lines if each["seq"] == 1]
    assert error.endswith(": this systemd has no TasksMax= for scopes")


async def test_a_property_of_all_jobs_that_systemd_lacks_ends_the_batch(systemd: FakeSystemd) -> None:
    def start(call: Any) -> Any:
        return DENIED(call) if "TasksMax" in [name for name, _ in call.body[2]] else systemd.honest(call)

    systemd.at["StartTransientUnit"] = start
    done = await batch(*LITTLE, "--tasks", "7", "--", "true", ":::", *"abcdef")
    assert done.status == 125
    assert ": this systemd has no TasksMax= for scopes" in done.err


async def test_failures_of_earlier_runners_do_not_halt(systemd: FakeSystemd) -> None:
    words = (*HALTING, *LITTLE, "--", "sh", "-c", "echo {}; test {} != a", ":::", *"abcde")
    first = await batch(*words)
    assert (first.status, first.out) == (1, "a\n")
    again = await batch("--resume")
    assert (again.status, again.out, systemd.units) == (1, "b\nc\nd\ne\n", {})


async def test_a_working_directory_can_have_any_name(
    systemd: FakeSystemd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = os.fsencode(home) + b"/caf\xe9"
    os.mkdir(place)
    monkeypatch.chdir(os.fsdecode(place))
    first = await batch(*HALTING, *LITTLE, "--", "sh", "-c", "stat -c %i .; test {} = b", ":::", *"ab")
    monkeypatch.chdir(home)
    again = await batch("--resume")
    assert (first.status, again.status, first.out, systemd.units) == (1, 1, again.out, {})
    assert first.out == f"{os.stat(place).st_ino}\n"


async def test_a_file_of_jobs_can_have_the_name_of_a_verb(
    systemd: FakeSystemd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (home / "stop").write_text("a\nb\n")
    assert (await batch(*HALTING, *LITTLE, "stop", "--", "sh", "-c", "echo {}; exit 1")).out == "a\n"
    assert (await batch("--resume")).out == "b\n"
    assert systemd.units == {}


async def test_a_batch_that_is_not_resumed_is_as_it_was(systemd: FakeSystemd, home: Path) -> None:
    await batch(*HALTING, *LITTLE, "--", "false", ":::", *"abc")
    before = (await batch("status", "--json")).out
    refused = await batch("--resume", "--mem", "900T")
    assert (refused.status, "asks for 900T" in refused.err) == (125, True)
    refused = await batch("--retry-failed", "--mem-total", "1K")
    assert (refused.status, (await batch("status", "--json")).out) == (125, before)
    again = await batch("--retry-failed")
    assert (again.status, systemd.units) == (1, {})
    assert home


@pytest.mark.parametrize("way", ["--resume", "--retry-failed"])
async def test_what_a_job_could_not_be_asked_for_is_refused_before_anything_is_kept(
    systemd: FakeSystemd, home: Path, way: str
) -> None:
    soft = {"command": "echo soft", "soft-mem": "8M"}
    jobs = [{"command": "false"}, {"command": "echo one"}, soft, {"command": "echo four", "mem": "9M"}]
    (home / "jobs.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in jobs))
    words = ("--mem", "10M", *LITTLE[2:], *HALTING, f"{home}/jobs.jsonl")
    assert (await batch(*words)).status == 1
    before = (await batch("status", "--json")).out
    for given, most in (("--mem=4M", "4M"), ("--mem=8M", "8M")):
        done = await batch(way, given, "-j", "3")
        assert (done.status, done.out) == (125, "")
        assert done.complaint == (
            f"scopectl: job 3: --soft-mem 8M is not below --mem {most}: 'echo soft' "
            "(the kernel kills there; take less, so that the command is warned before)"
        )
    done = await batch(way, "--soft-mem", "9M")
    assert done.complaint.startswith("scopectl: job 4: --soft-mem 9M is not below --mem 9M: 'echo four'")
    assert (await batch("status", "--json")).out == before
    again = await batch(way, "-k", "--halt", "soon,fail=2")
    assert (again.out, systemd.units) == ("one\nsoft\nfour\n", {})


async def test_files_that_are_named_when_it_is_resumed_are_where_that_is_typed(
    systemd: FakeSystemd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "a").mkdir()
    (home / "b").mkdir()
    monkeypatch.chdir(home / "a")
    await batch(*HALTING, *LITTLE, "--", "false", ":::", *"ab")
    monkeypatch.chdir(home / "b")
    (home / "b" / "c.toml").write_text("[defaults]\nnice = 5\n")
    again = await batch("--resume", "--joblog", "log", "--results", "results", "--config", "c.toml")
    assert again.status == 1
    assert (sorted(os.listdir(home / "a")), sorted(os.listdir(home / "b"))) == ([], ["c.toml", "log", "results"])
    assert systemd.units == {}


async def test_properties_in_files_are_read_when_and_where_they_are_typed(
    systemd: FakeSystemd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is read once: it can be a pipe, or be another one later."""
    asked = noted(systemd)
    for name, text in {"a": "CPUWeight=55\n# comment\nIOWeight=5\n", "b": "CPUWeight=77\n"}.items():
        (home / name).mkdir()
        (home / name / "limits").write_text(text)
    monkeypatch.chdir(home / "a")
    words = ("-kp", "@/dev/stdin", "-p", "IOWeight=6", *HALTING, *LITTLE, "--", "false", ":::", *"abc")
    first = await batch(*words, through='exec "$@" <limits')
    (home / "a" / "limits").unlink()
    monkeypatch.chdir(home / "b")
    again = await batch("--resume", "-p@limits")
    last = await batch("--resume", "--property", "@/dev/stdin", through='exec "$@" <limits')
    assert [each.status for each in (first, again, last)] == [1, 1, 1], (first, again, last)
    assert [(each["CPUWeight"], each["IOWeight"]) for each in asked] == [(55, 6), (77, 6), (77, 6)]
    assert systemd.units == {}


async def test_on_a_full_disk_the_batches_that_cannot_be_read_are_named(systemd: FakeSystemd, home: Path) -> None:
    await batch(*HALTING, *LITTLE, "--", "false", ":::", *"ab")
    (own,) = (home / "scoperun" / "batch").iterdir()
    done = await batch("status", "--json", through='ulimit -f 0; exec "$@"')
    assert (done.status, done.out) == (125, "[]\n")
    assert done.complaint.startswith(f"scopectl: batch {own.name}: cannot use {own}/batch.db: ")
    assert systemd.units == {}


async def test_a_batch_that_there_is_has_no_dry_run_and_is_not_shuffled(systemd: FakeSystemd) -> None:
    await batch(*HALTING, *LITTLE, "--shuf", "--", "false", ":::", *"ab")
    done = await batch("--resume", "--dry-run")
    assert (done.status, done.out) == (125, "")
    assert done.complaint.startswith("scopectl: --dry-run shows the jobs of a new batch")
    done = await batch("--retry-failed", "--shuf")
    assert (done.status, done.out) == (125, "")
    assert done.complaint.startswith("scopectl: --shuf is for the jobs of a new batch (")
    assert (await batch("--resume")).status == 1
    assert systemd.units == {}


async def test_an_id_that_two_jobs_have_is_refused_by_a_dry_run_too(systemd: FakeSystemd, home: Path) -> None:
    (home / "jobs.tsv").write_text("id\tcommand\na\ttrue\n\ttrue\n\ttrue\na\tfalse\n")
    for words in ((), ("--dry-run",), ("--dry-run", "--json")):
        done = await batch(*words, *LITTLE, f"{home}/jobs.tsv")
        assert (done.status, done.complaint) == (125, "scopectl: job 4: another job has the id 'a'")
    assert "StartTransientUnit" not in systemd.steps


async def test_what_auto_means_is_said_only_if_jobs_get_it(systemd: FakeSystemd) -> None:
    words = ("--mem", "auto", "--mem-total", "100M", "--no-require-limits", "--progress", "none")
    first = await batch(*words, *HALTING, "--", "false", ":::", *"ab")
    again = await batch("--resume", "-j", "2")
    assert ("--mem auto is" in first.err, "--mem auto is" in again.err) == (True, False)
    assert systemd.units == {}


async def stopped(process: Process) -> None:
    """Wait until a process is stopped."""
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


async def test_each_stop_is_a_step_although_the_runner_sees_several_at_once(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = lambda call: None if ".scope" in call.body[0] else systemd.honest(call)
    process = await started(*LITTLE, "--", "sh", "-c", "trap '' TERM; sleep {}", ":::", "1000")
    await systemd.called("Get Version")
    process.send_signal(signal.SIGSTOP)
    await stopped(process)
    with seen(meant(None, is_running=True)) as (_, state, _):
        state.want(Wanted(stops=1))
    assert (await batch("stop")).status == 0  # it lets the runner go on
    done = await end(process)
    assert done.status == 130
    assert "scopectl: 1 job is killed" in done.err
