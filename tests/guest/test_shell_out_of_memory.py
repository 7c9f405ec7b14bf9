"""A shell at a terminal in which a process runs out of memory: it survives, or a notice says when it will be killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .story import Story
from .terminal import Terminal, interactive_shell, terminal

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel and on the shell

NOTICE = "scoperun: out of memory: systemd stops the rest of the scope"
PREVENTS = " (OOMPolicy=stop); --oom-policy continue prevents that\r\n"


@contextmanager
def shell_inside(story: Story, *options: str) -> Iterator[Terminal]:
    with interactive_shell(
        story, "scoperun", "--report", str(story.report_file), "--mem", "20M", *options, "--"
    ) as term:
        yield term


def test_a_shell_survives(story: Story) -> None:
    with shell_inside(story) as term:
        term.type("./bigleak2; echo st=$?\n")
        term.wait_for("st=137\r\n")
        term.type("exit 3\n")
        assert term.status() == 3
        assert NOTICE.encode() not in term.screen
    assert (story.report()["verdict"], story.report()["exit_code"]) == ("oom-kill", 3)


def test_under_policy_stop_a_notice_says_when_it_will_be_killed(story: Story) -> None:
    with shell_inside(story, "--oom-policy", "stop", "--kill-after", "3s") as term:
        term.type("./bigleak2; echo st=$?\n")
        term.wait_for(f"\r\n{NOTICE}, and kills what is left in 3s{PREVENTS}")
        assert term.status() == 137
    assert (story.report()["verdict"], story.report()["signal"]) == ("oom-kill", 9)


def test_there_is_no_notice_if_systemd_must_not_kill(story: Story) -> None:
    with shell_inside(story, "--oom-policy", "stop", "--kill-after", "1s", "-p", "SendSIGKILL=no") as term:
        term.type("./bigleak2; echo st=$?\n")
        term.wait_for(NOTICE + PREVENTS)
        term.type("exit 3\n")
        assert term.status() == 3


def test_there_is_no_notice_if_the_command_exits_at_sigterm(story: Story) -> None:
    wrap = ["scoperun", "--report", str(story.report_file), "--mem", "20M", "--", "sh", "-c"]
    with terminal(story, *wrap, "./bigleak2; sleep 1000") as term:
        assert term.status() == 143
        assert b"OUT OF MEMORY" in term.screen
        assert NOTICE.encode() not in term.screen


def test_the_notice_is_for_a_terminal_and_not_with_quiet(story: Story, tmp_path: Path) -> None:
    """A program that reads a pipe reads the report."""
    deaf = ("--mem", "20M", "--kill-after", "1s", "--", "sh", "-c", "trap '' TERM; ./bigleak2; sleep 1000")
    assert NOTICE not in story.run(*deaf).stderr
    with terminal(story, "scoperun", "-q", *deaf) as term:
        assert term.status() == 137
        assert NOTICE.encode() not in term.screen
