"""Programs that read --report-fd learn while the command runs that a soft limit was passed, or something was killed."""

import json
import subprocess
from typing import Any

import pytest

from scoperun import MiB

from .story import GENEROUS, Story
from .waiting import line_from

pytestmark = pytest.mark.guest(suite="trixie")

TAKES_40M = (
    'python3 -c \'import sys, time; kept = bytearray(40 << 20); print("full", file=sys.stderr, flush=True); '
    "sys.stdin.read(1)'"
)


def started(story: Story, *words: str) -> subprocess.Popen[bytes]:
    """Start a run whose lines come on its standard output; the command itself writes none there."""
    run = story.start("-q", "--report-fd", "1", *words)
    assert event(run)["event"] == "started"
    return run


def event(run: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the next line."""
    line: dict[str, Any] = json.loads(line_from(run))
    return line


def ended(run: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Let the command end, and return the last line, which is the next one."""
    stdout, _ = run.communicate(b"on\n", timeout=GENEROUS)
    (last,) = stdout.decode().splitlines()
    report: dict[str, Any] = json.loads(last)
    assert report["event"] == "finished"
    return report


def test_a_kill_is_told_while_the_command_goes_on(story: Story) -> None:
    words = ("--mem", "20M", "--oom-policy", "continue")
    run = started(story, *words, "--", "sh", "-c", "./bigleak2 >/dev/null; read -r line; exit 3")
    line = event(run)
    assert line.keys() == {"event", "unit", "at", "kills", "victims"}
    assert (line["event"], line["kills"]) == ("oom", 1)
    assert line["at"] > 0
    if line["victims"] is not None:  # one processor might not see the leak before it is killed
        assert [victim["name"] for victim in line["victims"]] == ["bigleak2"]
    report = ended(run)
    assert (report["verdict"], report["exit_code"], report["unit"]) == ("oom-kill", 3, line["unit"])


def test_kills_are_counted(story: Story) -> None:
    words = ("--mem", "20M", "--oom-policy", "continue")
    script = "for n in 1 2 3; do ./bigleak2 >/dev/null; read -r line; done"
    run = started(story, *words, "--", "sh", "-c", script)
    for count in 1, 2:
        assert event(run)["kills"] == count
        assert run.stdin is not None
        run.stdin.write(b"on\n")
        run.stdin.flush()
    assert event(run)["kills"] == 3
    assert ended(run)["oom"]["kills"] == 3


def test_a_soft_limit_is_told_with_its_signal(story: Story) -> None:
    script = f"trap '' USR1; {TAKES_40M}"
    run = started(story, "--soft-mem", "30M:USR1", "--", "sh", "-c", script)
    line = event(run)
    assert line == line | {"event": "soft", "limit": 30 * MiB, "signal": "SIGUSR1"}
    assert line["memory"] > 30 * MiB
    (passed, *_) = ended(run)["soft_memory"]["passed"]
    assert (passed["at"], passed["memory"], passed["told"]) == (line["at"], line["memory"], True)


def test_a_soft_limit_of_none_only_tells(story: Story) -> None:
    """The command is neither told nor killed, and its limit is lifted."""
    run = started(story, "--soft-mem", "30M:none", "--kill-after", "1ms", "--", "sh", "-c", TAKES_40M)
    line = event(run)
    assert (line["event"], line["signal"]) == ("soft", None)
    report = ended(run)
    assert (report["verdict"], report["exit_code"]) == ("success", 0)
    assert report["soft_memory"]["passed"] == [{"at": line["at"], "memory": line["memory"], "told": None}]
    assert not report["soft_memory"]["killed"]
    assert report["limits"]["memory_high"] == "infinity"


def test_a_soft_limit_of_none_is_in_the_text(story: Story) -> None:
    ending = story.run("--soft-mem", "30M:none", "--", "sh", "-c", TAKES_40M)
    assert ending.status == 0
    assert "\n      soft  30M passed after " in ending.stderr


def test_above_a_soft_limit_of_none_the_hard_one_kills(story: Story) -> None:
    ending = story.run("--soft-mem", "10M:none", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (137, "oom-kill")


def test_a_run_in_which_nothing_happens_has_two_lines(story: Story) -> None:
    lines = story.run("--mem", "20M", "--report-fd", "1", "--", "true").stdout.decode().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "finished"]


def test_a_command_that_is_killed_itself_has_its_line_before_the_last(story: Story) -> None:
    run = ("--mem", "20M", "--report-fd", "1", "--", "sh", "-c", "exec ./bigleak2 >/dev/null")
    lines = [json.loads(line) for line in story.run(*run).stdout.decode().splitlines()]
    assert [line["event"] for line in lines] == ["started", "oom", "finished"]
