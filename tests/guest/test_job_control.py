"""Stopping and continuing: a stopped command stops its job under a job-control shell, and continues with it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .story import Story
from .terminal import Terminal, interactive_shell, terminal
from .waiting import process_gone

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel and on the shell

TIMES = 50


@dataclass(frozen=True)
class Job:
    """A command on a terminal that waits for a line of input. scoperun: the PID of its parent."""

    term: Terminal
    pid: int
    scoperun: int
    word: Path

    def end(self) -> None:
        """Send the command its line, after which it exits with 5, and wait until scoperun has ended too."""
        self.word.write_text("on\n")
        process_gone(self.scoperun)


Start = Callable[[Terminal], Job]


@pytest.fixture
def words(story: Story, tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "word")
    script = f"trap 'exit 6' TERM; echo pi''d=$$.; read word <{tmp_path}/word; exit 5"
    return f'scoperun --report {story.report_file} -- sh -c "{script}"'.replace("$$", r"\$\$")


@pytest.fixture
def start(words: str, tmp_path: Path) -> Start:
    def start_job(term: Terminal) -> Job:
        term.wait_for("pid=")
        pid = int(term.wait_for(".\r\n"))
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        return Job(term, pid, parent, tmp_path / "word")

    return start_job


@contextmanager
def stopped_job(story: Story, words: str, start: Start) -> Iterator[Job]:
    """Stop a job of an interactive shell with Ctrl-Z, and wait for the shell's message."""
    with interactive_shell(story) as term:
        term.type(f"{words}\n")
        job = start(term)
        term.type("\x1a")
        term.wait_for("Stopped")
        yield job
        term.type("exit\n")
        term.status()


def test_a_shell_can_be_suspended(story: Story) -> None:
    """The shell inside stops only itself, by SIGSTOP, and the shell outside sees its job stop."""
    with interactive_shell(story) as term:
        term.type(f"scoperun --report {story.report_file} -- bash --norc --noprofile -i\n")
        term.type("PS1='>'; echo ins''ide\n")
        term.wait_for("inside\r\n")
        term.type("suspend\n")
        term.wait_for("Stopped")
        term.type("echo out''side; fg\n")
        term.wait_for("outside\r\n")
        term.type("echo back in''side; exit 3\n")
        term.wait_for("back inside\r\n")
        term.type("echo st=$?; exit\n")
        term.wait_for("st=3\r\n")
        term.status()


def test_continuing_only_the_stopped_command_continues_the_job(story: Story, words: str, start: Start) -> None:
    with stopped_job(story, words, start) as job:
        os.kill(job.pid, signal.SIGCONT)
        job.end()
    assert story.report()["exit_code"] == 5


def test_killing_the_stopped_command_ends_the_job(story: Story, words: str, start: Start) -> None:
    with stopped_job(story, words, start) as job:
        os.kill(job.pid, signal.SIGKILL)
        process_gone(job.scoperun)
    assert story.report()["signal"] == signal.SIGKILL


def test_a_signal_is_forwarded_after_only_the_command_was_continued(story: Story, words: str, start: Start) -> None:
    with stopped_job(story, words, start) as job:
        os.kill(job.pid, signal.SIGCONT)
        os.kill(job.scoperun, signal.SIGTERM)
        process_gone(job.scoperun)
    assert story.report()["exit_code"] == 6


def test_fg_continues_a_job_whose_command_was_stopped_from_outside(story: Story, words: str, start: Start) -> None:
    with interactive_shell(story) as term:
        term.type(f"{words}\n")
        job = start(term)
        os.kill(job.pid, signal.SIGSTOP)
        term.wait_for("Stopped")
        term.type("fg\n")
        term.wait_for("fg\r\n")
        job.end()
        term.type("echo st=$?; exit\n")
        term.wait_for("st=5\r\n")
        term.status()


def test_a_command_of_a_script_can_be_stopped_and_continued_many_times(story: Story, words: str, start: Start) -> None:
    """As cpulimit does: there is a terminal, but no shell controls the job."""
    with terminal(story, "bash", "-c", f"{words}; echo st=$?") as term:
        job = start(term)
        for _ in range(TIMES):
            os.kill(job.pid, signal.SIGSTOP)
            os.kill(job.pid, signal.SIGCONT)
        job.end()
        term.wait_for("st=5\r\n")
        term.status()


def test_a_script_of_an_interactive_shell_continues_with_its_command(
    story: Story, words: str, start: Start, tmp_path: Path
) -> None:
    """The shell controls the script, which does not stop: only continuing the command continues the job."""
    (tmp_path / "script").write_text(f"{words}\necho st=$?\n")
    with interactive_shell(story) as term:
        term.type(f"bash {tmp_path}/script\n")
        job = start(term)
        for _ in range(TIMES):
            os.kill(job.pid, signal.SIGSTOP)
            os.kill(job.pid, signal.SIGCONT)
        job.end()
        term.wait_for("st=5\r\n")
        term.type("exit\n")
        term.status()


def test_stopping_only_scoperun_does_not_stop_the_command(story: Story, words: str, start: Start) -> None:
    with terminal(story, "bash", "-c", f"{words}; echo st=$?") as term:
        job = start(term)
        os.kill(job.scoperun, signal.SIGSTOP)
        job.word.write_text("on\n")
        process_gone(job.pid)
        os.kill(job.scoperun, signal.SIGCONT)
        term.wait_for("st=5\r\n")
        term.status()
