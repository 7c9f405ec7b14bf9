"""A real terminal: keys, job control, signals and pipes work as without scoperun."""

import os
import signal

import pytest

from .story import GENEROUS, Story
from .terminal import Terminal, interactive_shell, terminal

pytestmark = pytest.mark.guest(suite="trixie", also="sid-stock")  # it depends on the kernel alone

HEAR_A_WORD = "sh -c 'echo sta''rted; read word; echo heard $word'"


@pytest.fixture
def wrap(story: Story) -> list[str]:
    return ["scoperun", "--report", str(story.report_file), "--"]


def stop_and_continue(term: Terminal, hear_a_word: str) -> None:
    """Stop a command with Ctrl-Z, continue it, and send it a line."""
    term.type(f"{hear_a_word}\n")
    term.wait_for("started\r\n")
    term.type("\x1a")
    term.wait_for("Stopped")
    term.type("fg\n")
    term.wait_for("read word")
    term.type("again\n")
    term.wait_for("heard again\r\n")


def test_ctrl_c_reaches_the_command_once_and_scoperun_ends_with_its_status(story: Story, wrap: list[str]) -> None:
    """A SIGINT that scoperun forwarded would come before the signal that is sent to scoperun later.

    scoperun is stopped meanwhile: a second SIGINT that comes before the command has handled the first one is lost.
    """
    script = "import signal; both = {signal.SIGINT, signal.SIGUSR1}; signal.pthread_sigmask(signal.SIG_BLOCK, both); "
    script += "print('ready', flush=True); print('first', signal.sigwait(both).name, flush=True); "
    script += "raise SystemExit(signal.sigwait(both))"
    with terminal(story, *wrap, "python3", "-c", script) as term:
        term.wait_for("ready")
        os.kill(term.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(term.pid, os.WUNTRACED)[1])
        term.type("\x03")
        term.wait_for("first SIGINT")
        os.kill(term.pid, signal.SIGUSR1)
        os.kill(term.pid, signal.SIGCONT)
        assert term.status() == signal.SIGUSR1
    assert story.report()["exit_code"] == signal.SIGUSR1


def test_a_command_that_ctrl_c_kills_is_reported_and_kills_scoperun_too(story: Story, wrap: list[str]) -> None:
    with terminal(story, *wrap, "sh", "-c", "echo ready; exec sleep 1000") as term:
        term.wait_for("ready")
        term.type("\x03")
        assert term.status() == -signal.SIGINT
    assert (story.report()["verdict"], story.report()["signal"]) == ("signal", signal.SIGINT)


def test_ctrl_c_ends_a_shells_loop_as_without_scoperun(story: Story, wrap: list[str]) -> None:
    with interactive_shell(story) as term:
        command = " ".join([*wrap, "sh -c 'echo sta''rted; exec sleep 1000'"])
        term.type(f"for i in 1 2 3; do {command}; echo ne''xt; done\n")
        term.wait_for("started\r\n")
        term.type("\x03")
        term.type("echo st=$?; exit\n")
        term.wait_for("st=130\r\n")
        term.status()
        assert b"next\r\n" not in term.screen


def test_an_interactive_shell_has_job_control(story: Story, wrap: list[str]) -> None:
    with interactive_shell(story, *wrap) as term:
        stop_and_continue(term, HEAR_A_WORD)
        term.type("sh -c 'echo sta''rted; exec sleep 1000'\n")
        term.wait_for("started\r\n")
        term.type("\x03")
        term.type("echo st=$?\n")
        term.wait_for("st=130\r\n")
        term.type("exit 3\n")
        assert term.status() == 3
        assert b"no job control" not in term.screen


def test_ctrl_z_stops_scoperun_and_fg_continues_it(story: Story, wrap: list[str]) -> None:
    with interactive_shell(story) as term:
        stop_and_continue(term, " ".join([*wrap, HEAR_A_WORD]))
        term.type("echo st=$?; exit\n")
        term.wait_for("st=0\r\n")
        term.status()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_scoperun_reaches_the_command(story: Story, number: signal.Signals) -> None:
    # Not a shell's trap: a shell checks for a signal and then blocks in a read, and the signal can come in between.
    script = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {{{int(number)}}}); print('ready', flush=True); "
    script += f"raise SystemExit(7 if signal.sigwait({{{int(number)}}}) else 1)"
    run = story.start("--", "python3", "-c", script)
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    run.send_signal(number)
    assert run.wait(GENEROUS) == 7
    run.communicate()


def test_a_command_that_sigterm_kills_is_reported(story: Story) -> None:
    run = story.start("--", "sh", "-c", "echo ready; exec sleep 1000")
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    run.terminate()
    run.communicate(timeout=GENEROUS)
    assert run.returncode == 128 + signal.SIGTERM
    assert story.report()["verdict"] == "signal"


def test_a_closed_pipe_ends_the_writer_inside_as_outside(story: Story) -> None:
    ending = story.run("-q", "--", "sh", "-c", "yes | head -1")
    assert (ending.status, ending.stdout, ending.stderr) == (0, b"y\n", "")
