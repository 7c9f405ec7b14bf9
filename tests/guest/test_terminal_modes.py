"""The terminal is left as a shell leaves it: if a signal ended the job, its old modes are restored."""

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .story import Story
from .terminal import Terminal, terminal

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

LFLAG = 3
RAW = "import os, signal, tty; tty.setraw(0); "
DIES = RAW + "os.kill(os.getpid(), signal.SIGKILL)"
LEAKS = RAW + "bytearray(1) * (60 << 20)"
NO_ECHO = "stty -echo; kill -9 $$"


@pytest.fixture
def wrap(story: Story) -> str:
    return f"scoperun --report {story.report_file} --mem 20M --oom-policy continue --"


@contextmanager
def after(story: Story, script: str) -> Iterator[Terminal]:
    """Run a script without job control on a terminal, and wait until its modes can be checked."""
    with terminal(story, "bash", "-c", f"{script}; echo do''ne; read word") as term:
        before = term.modes()
        assert before[LFLAG] & termios.ECHO
        term.wait_for("done")
        yield term
        term.type("\n\x04")
        term.status()


def has_echo(term: Terminal) -> bool:
    return bool(term.modes()[LFLAG] & termios.ECHO)


def test_echo_is_restored_after_a_signal_ended_the_command(story: Story, wrap: str) -> None:
    with after(story, f"{wrap} sh -c '{NO_ECHO}'") as term:
        assert has_echo(term)


@pytest.mark.parametrize("script", [DIES, LEAKS])
def test_a_raw_terminal_is_restored_before_anything_is_printed(story: Story, wrap: str, script: str) -> None:
    modes = "stty -g"
    with terminal(story, "bash", "-c", f"{modes}; {wrap} python3 -c '{script}'; {modes}; read word") as term:
        before = term.wait_for("\r\n")
        report = term.wait_for(before).encode()
        assert b"\n      time  " in report
        assert report.count(b"\r\n") == report.count(b"\n")
        term.type("\n")
        term.status()


def test_modes_that_the_command_set_on_purpose_stay(story: Story, wrap: str) -> None:
    with after(story, f"{wrap} stty -echo") as term:
        assert not has_echo(term)


def test_modes_set_by_a_pager_beside_the_command_stay(story: Story, wrap: str, tmp_path: Path) -> None:
    """The command is the left side of a pipe."""
    os.mkfifo(tmp_path / "set")
    pager = f"stty -echo </dev/tty; echo >{tmp_path}/set; cat"
    with after(story, f"{wrap} sh -c 'read word <{tmp_path}/set; kill -9 $$' | sh -c '{pager}'") as term:
        assert not has_echo(term)


def test_modes_set_in_the_foreground_stay_if_the_command_dies_in_the_background(
    story: Story, wrap: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "set")
    background = f"{wrap} sh -c 'read word <{tmp_path}/set; kill -9 $$'"
    with after(story, f"set -m; {background} & stty -echo; echo >{tmp_path}/set; wait") as term:
        assert not has_echo(term)


def test_modes_set_in_the_foreground_stay_if_a_job_was_moved_to_the_background(
    story: Story, wrap: str, tmp_path: Path
) -> None:
    """The job started in the foreground, was stopped there, and continues in the background."""
    os.mkfifo(tmp_path / "set")
    command = f"{wrap} sh -c 'echo sta''rted; read word <{tmp_path}/set; kill -9 $$'"
    with terminal(story, "dash", "-i") as term:
        term.type("PS1='>'; echo rea''dy\n")
        term.wait_for("ready\r\n")
        term.type(f"{command}\n")
        term.wait_for("started\r\n")
        term.type("\x1a")
        term.wait_for("Stopped")
        term.type(f"bg; stty -echo; echo >{tmp_path}/set; wait; echo do''ne\n")
        term.wait_for("done\r\n")
        assert not has_echo(term)
        term.type("exit\n")
        term.status()


def test_after_a_stop_and_fg_the_modes_from_before_are_restored(story: Story, wrap: str) -> None:
    """The user at the shell changed the modes meanwhile, and the command changes them again."""
    script = f"{RAW}os.kill(os.getpid(), signal.SIGSTOP); tty.setraw(0); os.kill(os.getpid(), signal.SIGKILL)"
    with terminal(story, "dash", "-i") as term:
        term.type("PS1='>'; echo rea''dy\n")
        term.wait_for("ready\r\n")
        before = term.modes()
        term.type(f"{wrap} python3 -c '{script}'\n")
        term.wait_for("Stopped")
        term.type("stty sane; fg\n")
        term.wait_for("KILLED (SIGKILL)")
        assert term.modes() == before
        term.type("exit\n")
        term.status()


def test_the_terminal_is_restored_after_a_shell_is_killed_at_its_prompt(story: Story, wrap: str) -> None:
    """The shell has its own process group, which is in the foreground when it dies."""
    with terminal(story, "bash", "-c", f"{wrap} bash --norc --noprofile -i; read word") as term:
        before = term.modes()
        term.type("PS1='at-the-prompt>'; echo pi''d=$$.\n")
        term.wait_for("pid=")
        pid = int(term.wait_for(".\r\n"))
        term.wait_for("at-the-prompt>")
        assert not has_echo(term)
        os.kill(pid, signal.SIGKILL)
        term.wait_for("KILLED (SIGKILL)")
        assert term.modes() == before
        term.type("\n")
        term.status()


def test_lines_begin_at_the_left_after_the_command_left_the_terminal_raw(story: Story, wrap: str) -> None:
    with terminal(story, "bash", "-c", f"{wrap} python3 -c '{RAW} exit(3)'; read word") as term:
        term.wait_for("exit 3")
        assert term.wait_for("\n").endswith("\r")
        term.type("\n\r")
        term.status()
