"""Where the report goes: files and descriptors. No failure there changes the exit status."""

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .story import GENEROUS, Ending, Story
from .waiting import line_from, ready

pytestmark = pytest.mark.guest(suite="trixie")

REPORT_KEYS = {"schema", "verdict", "result", "exit_code", "signal", "memory", "limits", "evidence", "left_running"}


def shell(story: Story, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a bash script to its end."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=story.cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


def reported_to(story: Story, file: Path | str) -> Ending:
    """Run a command that exits with 3 and a report to `file`; assert that the status is kept."""
    ending = story.run("-q", "--report", str(file), "--", "sh", "-c", "exit 3")
    assert ending.status == 3
    return ending


def test_a_full_device_costs_one_line(story: Story) -> None:
    ending = reported_to(story, "/dev/full")
    assert ending.stderr == "scoperun: cannot write the report to '/dev/full': No space left on device\n"


def not_reported_to(story: Story, file: Path) -> str:
    """Assert that a report to `file` is refused in one line before the command starts, and return the reason."""
    started = story.report_file.with_name("started")
    line = story.refused("--report", str(file), "--", "touch", str(started))
    assert not started.exists()
    return line.removeprefix(f"scoperun: cannot write the report to '{file}': ").removesuffix("\n")


def test_with_a_missing_folder_nothing_starts(story: Story, tmp_path: Path) -> None:
    reason = not_reported_to(story, tmp_path / "missing" / "report.json")
    assert reason == "No such file or directory (its folder has to exist)"


def test_with_an_unwritable_folder_nothing_starts(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    assert not_reported_to(story, folder / "report.json") == "Permission denied"
    assert list(folder.iterdir()) == []


def test_with_a_folder_in_place_of_the_file_nothing_starts(story: Story, tmp_path: Path) -> None:
    assert not_reported_to(story, tmp_path) == "Is a directory (it has to be a file)"


def test_a_file_that_cannot_grow_costs_one_line_and_keeps_the_old_report(story: Story, tmp_path: Path) -> None:
    """A limit on the size of files replaces a full disk: both stop a write halfway."""
    folder = tmp_path / "full"
    folder.mkdir()
    file = folder / "report.json"
    file.write_text("the report before")
    done = shell(story, f"prlimit --fsize=100 scoperun -q --report {file} -- sh -c 'exit 3'")
    assert done.returncode == 3
    assert done.stderr == f"scoperun: cannot write the report to '{file}': File too large\n"
    assert list(folder.iterdir()) == [file]
    assert file.read_text() == "the report before"


def test_a_report_replaces_the_previous_one_and_leaves_no_other_file(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "report.json"
    file.write_text("the report before")
    reported_to(story, file)
    assert json.loads(file.read_text())["exit_code"] == 3
    assert list(folder.iterdir()) == [file]


def test_a_fifos_late_reader_is_waited_for(story: Story) -> None:
    os.mkfifo(story.report_file)
    run = at_its_report(story, "-q")
    assert json.loads(story.report_file.read_text())["exit_code"] == 3
    _, stderr = run.communicate(timeout=GENEROUS)
    assert (run.returncode, stderr) == (3, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_a_signal_ends_the_wait_for_a_reader_and_keeps_the_status(story: Story, number: signal.Signals) -> None:
    os.mkfifo(story.report_file)
    run = at_its_report(story)
    run.send_signal(number)
    assert told_without_the_file(story, run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_a_slow_reader(story: Story, number: signal.Signals) -> None:
    os.mkfifo(story.report_file)
    reader = os.open(story.report_file, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    run = at_its_report(story, words=["x" * 10_000])
    ready(reader)
    run.send_signal(number)
    assert told_without_the_file(story, run)
    os.close(reader)


def test_a_signal_that_does_not_ask_to_end_does_not_end_the_wait(story: Story) -> None:
    os.mkfifo(story.report_file)
    run = at_its_report(story, "-q")
    for number in signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN, signal.SIGRTMAX:
        run.send_signal(number)
    assert json.loads(story.report_file.read_text())["exit_code"] == 3
    _, stderr = run.communicate(timeout=GENEROUS)
    assert (run.returncode, stderr) == (3, b"")


def at_its_report(story: Story, *options: str, words: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a command that exits with 3; return once it has ended and the report is next, or being written."""
    reader, writer = os.pipe()
    run = subprocess.Popen(
        ["scoperun", *options, "--report", str(story.report_file), "--report-fd", str(writer), "--",
         "sh", "-c", "exit 3", *words],
        pass_fds=[writer],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writer)
    with open(reader, encoding="utf-8") as lines:
        assert [json.loads(line)["event"] for line in lines] == ["started", "finished"]
    return run


def told_without_the_file(story: Story, run: subprocess.Popen[bytes]) -> bool:
    """Tell whether the command's status and the text report are there although the file is not."""
    _, stderr = run.communicate(timeout=GENEROUS)
    first, *rest = stderr.decode().splitlines()
    interrupted = f"scoperun: cannot write the report to '{story.report_file}': interrupted"
    return (run.returncode, first) == (3, interrupted) and any(line.startswith("scoperun: exit 3: ") for line in rest)


def test_the_option_overrides_the_file_of_the_environment(story: Story, tmp_path: Path) -> None:
    by_environment, by_option = tmp_path / "environment.json", tmp_path / "option.json"
    shell(story, "scoperun -q -- true", SCOPERUN_REPORT=str(by_environment))
    assert json.loads(by_environment.read_text())["verdict"] == "success"
    by_environment.unlink()
    shell(story, f"scoperun -q --report {by_option} -- true", SCOPERUN_REPORT=str(by_environment))
    assert json.loads(by_option.read_text())["verdict"] == "success"
    assert not by_environment.exists()


def test_a_descriptor_gets_one_line_at_the_start_and_one_at_the_end(story: Story, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    script = "scoperun -q --mem 20M --unit lines --report-fd 3 -- sh -c 'echo $$ $INVOCATION_ID; exit 3'"
    done = shell(story, f"{script} 3>{lines}")
    assert (done.returncode, done.stderr) == (3, "")
    started, finished = map(json.loads, lines.read_text().splitlines())
    pid, invocation_id = done.stdout.split()
    assert started["event"] == "started"
    assert (started["unit"], started["pid"], started["invocation_id"]) == ("lines.scope", int(pid), invocation_id)
    assert started["cgroup"].endswith("/lines.scope")
    assert started["limits"]["memory_max"] == 20 * 1024 * 1024
    assert finished["event"] == "finished"
    assert set(finished) >= REPORT_KEYS
    assert finished["exit_code"] == 3
    assert {key: finished[key] for key in started.keys() - {"event"}} == without(started, "event")


def test_the_first_line_is_written_while_the_command_runs(story: Story) -> None:
    reader, writer = os.pipe()
    run = start_with_descriptor(story, writer, "sh", "-c", "read word; exit 3")
    started = json.loads(os.read(ready(reader), 65536))
    assert started["event"] == "started"
    assert Path(f"/proc/{started['pid']}").exists()
    run.communicate(b"on\n", timeout=GENEROUS)
    assert json.loads(os.read(ready(reader), 65536))["event"] == "finished"
    os.close(reader)


def test_the_command_does_not_inherit_the_descriptor(story: Story) -> None:
    reader, writer = os.pipe()
    run = start_with_descriptor(story, writer, "sh", "-c", f"test -e /proc/$$/fd/{writer}")
    run.communicate(timeout=GENEROUS)
    os.close(reader)
    assert run.returncode == 1


def test_a_descriptor_without_a_reader_costs_one_line(story: Story) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = start_with_descriptor(story, writer, "sh", "-c", "exit 3")
    _, stderr = run.communicate(timeout=GENEROUS)
    assert run.returncode == 3
    assert stderr.decode() == f"scoperun: cannot write the report to descriptor {writer}: Broken pipe\n"


def test_a_reader_that_closes_early_costs_one_line(story: Story) -> None:
    reader, writer = os.pipe()
    run = start_with_descriptor(story, writer, "sh", "-c", "echo ready; read word; exit 3")
    assert json.loads(os.read(ready(reader), 65536))["event"] == "started"
    os.close(reader)
    assert line_from(run) == "ready"
    _, stderr = run.communicate(b"on\n", timeout=GENEROUS)
    assert run.returncode == 3
    assert stderr.decode() == f"scoperun: cannot write the report to descriptor {writer}: Broken pipe\n"


def test_a_reader_that_does_not_read_does_not_delay_signals_to_the_command(story: Story) -> None:
    """It does not hold scoperun forever either: a second signal ends the wait, and the status is kept."""
    reader, writer = full_pipe()
    waits = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15}); print('ready', flush=True); "
    waits += "signal.sigwait({15}); raise SystemExit(7)"
    run = start_with_descriptor(story, writer, "python3", "-c", waits, "x" * 10_000)
    assert line_from(run) == "ready"
    run.terminate()
    assert line_from(run) == ""
    lines = b""
    while not lines.partition(b"\n")[2]:  # the last line has begun, and does not fit
        lines += os.read(ready(reader), 4096)
    run.terminate()
    _, stderr = run.communicate(timeout=GENEROUS)
    assert run.returncode == 7
    assert stderr.decode() == f"scoperun: cannot write the report to descriptor {writer}: interrupted\n"
    os.close(reader)


def full_pipe() -> tuple[int, int]:
    """Return the ends of a full pipe."""
    reader, writer = os.pipe()
    os.write(writer, b" " * fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096))
    return reader, writer


def start_with_descriptor(story: Story, writer: int, *command: str) -> subprocess.Popen[bytes]:
    """Start a command whose report goes to descriptor `writer`; close our copy."""
    run = subprocess.Popen(
        ["scoperun", "-q", "--report-fd", str(writer), "--", *command],
        cwd=story.cwd,
        pass_fds=[writer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    return run


def without(table: dict[str, Any], key: str) -> dict[str, Any]:
    """Return `table` without one of its keys."""
    return {name: value for name, value in table.items() if name != key}


def test_json_on_stderr_is_one_object_on_one_line(story: Story) -> None:
    ending = story.run("--json", "--", "sh", "-c", "exit 3")
    assert ending.stderr.count("\n") == 1
    assert json.loads(ending.stderr) == ending.report


@pytest.mark.parametrize("descriptors", [4, 5, 10, 11, 13, 14, 15, 17, 20, 24, 32])
def test_too_few_descriptors_are_refused_and_never_a_success(story: Story, descriptors: int) -> None:
    """A file that cannot be opened at the end looks like a missing one."""
    run = "scoperun --mem 20M --oom-policy continue --report report.json -- sh -c './bigleak2 >/dev/null; exit 0'"
    ended = shell(story, f"rm -f report.json; ulimit -n {descriptors}; {run}")
    if ended.returncode == 125:
        assert ended.stderr.count("\n") == 1
        assert ": Too many open files\n" in ended.stderr
        assert not (story.cwd / "report.json").exists()
    else:
        report = json.loads((story.cwd / "report.json").read_text())
        assert (ended.returncode, report["verdict"], report["left_running"]) == (0, "oom-kill", [])
