"""Terminals, pipes and descriptors: the command has the same as without scoperun, and no more."""

import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .story import GENEROUS, Story
from .terminal import BASH, interactive_shell, terminal
from .waiting import line_from, process_gone, ready

pytestmark = pytest.mark.guest(suite="trixie")

# 10 bytes each, all different. Not a whole gibibyte, because that takes a guest half a minute.
LINES_OF_256_MIB = (256 << 20) // 10

COUNT_WINCH = """
import os, signal
sizes = []
def resized(*_):
    sizes.append(os.get_terminal_size().lines)
    os.write(1, b"rows %d;" % sizes[-1])
signal.signal(signal.SIGWINCH, resized)
print("ready", flush=True)
input()
print("in all", len(sizes))
"""

TELL_OF_HANG_UP = """
import os, signal, sys
def hung_up(*_):
    open(sys.argv[1], "w").write("hung up")
    os._exit(3)
signal.signal(signal.SIGHUP, hung_up)
print("supervised by", os.getppid(), "now", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def wrap(story: Story) -> list[str]:
    return ["scoperun", "--report", str(story.report_file), "--"]


@pytest.fixture(autouse=True)
def xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def shell(story: Story, script: str) -> subprocess.CompletedProcess[str]:
    """Run a bash script to its end."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=story.cwd,
        env=os.environ | {"SCOPERUN_REPORT": str(story.report_file)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


def test_an_editor_works(story: Story, wrap: list[str], tmp_path: Path) -> None:
    with terminal(story, *wrap, "vi", "text", cwd=tmp_path) as term:
        term.wait_for("[New")
        term.type("ihello")
        term.wait_for("hello")
        term.type("\x1b:wq\r")
        assert term.status() == 0
    assert (tmp_path / "text").read_text() == "hello\n"


def test_a_pager_fills_the_window_when_it_grows(story: Story, wrap: list[str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("".join(f"line {n};\n" for n in range(1, 100)))
    with terminal(story, *wrap, "less", "text", cwd=tmp_path) as term:
        term.wait_for("line 23;")
        term.resize(rows=48, columns=80)
        term.type("r")  # repaints: less misses a signal that comes just before it reads
        term.wait_for("line 47;")
        term.type("q")
        assert term.status() == 0


def test_a_resize_reaches_the_command_once(story: Story, wrap: list[str]) -> None:
    with terminal(story, *wrap, "python3", "-c", COUNT_WINCH) as term:
        term.wait_for("ready")
        term.resize(rows=40, columns=100)
        term.wait_for("rows 40;")
        term.type("on\n")
        term.wait_for("in all 1")
        assert term.status() == 0


def test_a_background_job_stops_when_it_reads_and_fg_continues_it(story: Story, wrap: list[str]) -> None:
    with interactive_shell(story) as term:
        term.type(" ".join(wrap) + " sh -c 'echo sta''rted; read word; echo heard $word; exit 4' &\n")
        term.wait_for("started\r\n")
        term.type("wait %1; jobs\n")
        term.wait_for("Stopped")
        term.wait_for("exit 4'\r\n")
        term.type("fg\n")
        term.wait_for("exit 4'\r\n")
        term.type("again\n")
        term.wait_for("heard again\r\n")
        term.type("echo st=$?; exit\n")
        term.wait_for("st=4\r\n")
        term.status()


def test_a_job_that_is_stopped_as_a_whole_continues_as_a_whole(story: Story, wrap: list[str]) -> None:
    """SIGSTOP stops scoperun itself too: it notices the command's stop only after it is continued."""
    with interactive_shell(story) as term:
        term.type(" ".join(wrap) + " sh -c 'echo sta''rted; exec tail -f /dev/null' &\n")
        term.wait_for("started\r\n")
        term.type("kill -STOP %1; wait %1; jobs\n")
        term.wait_for("Stopped")
        term.type("kill -CONT %1; kill -TERM %1; fg; echo st=$?; exit\n")
        term.wait_for("st=143\r\n")
        term.status()


def test_a_background_job_ends_with_its_commands_status(story: Story, wrap: list[str]) -> None:
    with terminal(story, *BASH) as term:
        term.type(" ".join(wrap) + " sh -c 'exit 4' & wait $!; echo st=$?; exit\n")
        term.wait_for("st=4\r\n")
        term.status()


def test_a_command_gets_sighup_when_its_terminal_closes_and_is_reported(
    story: Story, wrap: list[str], tmp_path: Path
) -> None:
    with terminal(story, *wrap, "python3", "-c", TELL_OF_HANG_UP, str(tmp_path / "told")) as term:
        term.wait_for("now")
        term.hang_up()
        assert term.status() == 3
    assert (tmp_path / "told").read_text() == "hung up"
    assert story.report()["exit_code"] == 3


def test_a_command_that_sighup_kills_is_reported(story: Story, wrap: list[str]) -> None:
    with terminal(story, *wrap, "sh", "-c", "echo ready; exec sleep 1000") as term:
        term.wait_for("ready")
        term.hang_up()
        assert term.status() == 128 + signal.SIGHUP
    assert (story.report()["verdict"], story.report()["signal"]) == ("signal", signal.SIGHUP)


def test_a_shells_job_that_gets_sighup_ends_and_is_reported(story: Story, wrap: list[str], tmp_path: Path) -> None:
    """The shell that sshd started gets the signal and passes it on to its jobs."""
    (tmp_path / "command.py").write_text(TELL_OF_HANG_UP)
    with terminal(story, *BASH, cwd=tmp_path) as term:
        term.type(" ".join([*wrap, "python3", "command.py", "told"]) + "\n")
        term.wait_for("supervised by ")
        scoperun = int(term.wait_for(" now"))
        supervisor = os.pidfd_open(scoperun)
        term.hang_up()
        ready(supervisor)
        os.close(supervisor)
        term.status()
    assert (tmp_path / "told").read_text() == "hung up"
    assert story.report()["exit_code"] == 3


def test_a_quarter_of_a_gibibyte_arrives_unchanged(story: Story) -> None:
    lines = f"seq 100000000 {99999999 + LINES_OF_256_MIB}"
    done = shell(story, f"cmp <({lines}) <({lines} | scoperun -q -- cat); echo $?")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_an_inherited_descriptor_works(story: Story) -> None:
    done = shell(story, "scoperun -q -- sh -c 'cat <&7; echo seven >&8' 7< <(echo in) 8>&1")
    assert (done.stdout, done.stderr) == ("in\nseven\n", "")


def test_the_command_has_the_same_descriptors_as_without_scoperun(story: Story) -> None:
    listing = """python3 -c 'import os; print(os.listdir("/proc/self/fd"))' 7</dev/null"""
    done = shell(story, f"{listing}; scoperun -q --report-fd 9 -- {listing} 9>/dev/null")
    without, within = done.stdout.splitlines()
    assert within == without


def test_a_reader_sees_the_end_of_output_that_the_running_command_has_closed(story: Story) -> None:
    run = story.start("-q", "--", "sh", "-c", "exec >&-; read word; exit 3")
    assert line_from(run) == ""
    assert run.poll() is None
    run.communicate(b"on\n", timeout=GENEROUS)
    assert run.returncode == 3


def test_a_writer_sees_that_the_running_command_has_closed_its_input(story: Story) -> None:
    run = story.start("-q", "--", "sh", "-c", "exec <&-; echo closed; exec sleep 1000")
    assert line_from(run) == "closed"
    assert run.stdin is not None
    with pytest.raises(BrokenPipeError):
        os.write(run.stdin.fileno(), b"more")
    run.terminate()
    assert run.wait(GENEROUS) == 128 + signal.SIGTERM
    run.communicate()


@contextmanager
def closing(story: Story, descriptor: int, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that has a descriptor with this number, and has closed it; it is always closed here."""
    assert fcntl.fcntl(descriptor, fcntl.F_DUPFD, number) == number
    words = ["scoperun", "-q", "--report", str(story.report_file), "--"]
    close = f"import os; os.close({number}); print('closed', flush=True); input()"
    try:
        run = subprocess.Popen(
            [*words, "python3", "-c", close], pass_fds=[number], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    finally:
        os.close(number)
    os.close(descriptor)
    assert line_from(run) == "closed"
    yield run
    run.communicate(b"\n", timeout=GENEROUS)
    assert run.returncode == 0


@pytest.mark.parametrize("number", [77, 1000])
def test_a_pipe_that_the_command_closes_ends(story: Story, number: int) -> None:
    reader, writer = os.pipe()
    with closing(story, writer, number) as run:
        assert os.read(ready(reader), 1) == b""
        assert run.poll() is None
    os.close(reader)


def test_a_lock_ends_when_the_command_closes_its_descriptor(story: Story, tmp_path: Path) -> None:
    locked, other = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    fcntl.flock(locked, fcntl.LOCK_EX)
    with closing(story, locked, 77):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_a_socket_that_the_command_closes_refuses_connections(story: Story, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(path)
        listening.listen(1)
        with closing(story, listening.detach(), 77), pytest.raises(ConnectionRefusedError):
            client.connect(path)


def test_a_terminal_that_the_command_closes_hangs_up(story: Story) -> None:
    ours, terminal = os.openpty()
    with closing(story, terminal, 77), pytest.raises(OSError, match="Input/output error"):
        os.read(ready(ours), 1)
    os.close(ours)


def test_files_of_options_can_be_descriptors(story: Story) -> None:
    (story.cwd / "properties").write_text("TasksMax=7\n")
    done = shell(story, "scoperun -q -p @/dev/fd/7 --report-fd 8 -- cat /proc/self/fd/7 7<properties 8>report-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "TasksMax=7\n", "")
    started, finished = map(json.loads, (story.cwd / "report-8").read_text().splitlines())
    assert started["limits"]["tasks_max"] == finished["limits"]["tasks_max"] == 7


def test_a_pipeline_ends_from_both_ends_as_without_scoperun(story: Story) -> None:
    done = shell(story, "yes | scoperun -q -- cat | head -1; echo ${PIPESTATUS[@]}")
    assert done.stdout == "y\n141 141 0\n"
    done = shell(story, "yes | scoperun -q -- head -1 | cat; echo ${PIPESTATUS[@]}")
    assert done.stdout == "y\n141 0 0\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_closed_for_the_command_too(story: Story, closed: str) -> None:
    tell = "n=0; for fd in 0 1 2; do if test -e /proc/$$/fd/$fd; then n=$((n + (1 << fd))); fi; done; exit $((n + 8))"
    done = shell(story, f"sh -c '{tell}' {closed}; echo $?; scoperun -- sh -c '{tell}' {closed}; echo $?")
    without, within = done.stdout.splitlines()
    assert int(without) < 8 + 7
    assert within == without
    assert story.report()["exit_code"] == int(within)


def test_an_unwritable_stderr_does_not_change_the_status(story: Story) -> None:
    done = shell(story, "scoperun -- sh -c 'exit 3' 2>/dev/full; echo $?")
    assert done.stdout == "3\n"
    assert story.report()["exit_code"] == 3


def full_pipe() -> tuple[int, int, int]:
    """Return the ends of a full pipe whose write end blocks, and the number of bytes in it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    room = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    assert os.write(writer, b"-" * room) == room
    os.set_blocking(writer, True)
    return reader, writer, room


def start_with_stderr(story: Story, stderr: int) -> subprocess.Popen[bytes]:
    words = ["scoperun", "--report", str(story.report_file), "--", "sh", "-c", "echo $$; exit 3"]
    return subprocess.Popen(words, cwd=story.cwd, stdout=subprocess.PIPE, stderr=stderr)


def test_the_report_waits_for_a_slow_reader_of_stderr_as_the_commands_own_output_would(story: Story) -> None:
    """To avoid the wait there is -q, and a reader can close the pipe."""
    reader, writer, room = full_pipe()
    run = start_with_stderr(story, writer)
    os.close(writer)
    process_gone(int(line_from(run)))
    text = b""
    while part := os.read(ready(reader), 65536):
        text += part
    os.close(reader)
    assert b"scoperun: exit 3: sh -c " in text[room:]
    assert run.wait(GENEROUS) == 3
    run.communicate()


def test_a_reader_of_stderr_that_closes_does_not_change_the_status(story: Story) -> None:
    reader, writer, _ = full_pipe()
    run = start_with_stderr(story, writer)
    os.close(writer)
    process_gone(int(line_from(run)))
    os.close(reader)
    assert run.wait(GENEROUS) == 3
    assert story.report()["exit_code"] == 3
    run.communicate()


def test_the_report_file_does_not_wait_for_a_reader_of_stderr(story: Story) -> None:
    """Programs wait for the file; a terminal can be stopped with Ctrl-S."""
    os.mkfifo(story.report_file)
    reader, writer, _ = full_pipe()
    run = start_with_stderr(story, writer)
    os.close(writer)
    report = os.open(story.report_file, os.O_RDONLY | os.O_NONBLOCK)  # otherwise this waits for a writer
    try:
        assert os.read(ready(report), 1) == b"{"
    finally:
        os.close(reader)
        run.communicate(timeout=GENEROUS)
        os.close(report)
    assert run.returncode == 3
