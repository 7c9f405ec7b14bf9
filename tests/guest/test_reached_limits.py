"""A limit that slows or restricts the command without killing it is reported, in words and in numbers."""

import pytest

from tests.report_rows import rows

from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

BUSY = "import time\nwhile time.process_time() < 0.5: pass"
FORKS = """
import os, signal
children, refused = [], 0
for _ in range(8):
    try:
        children.append(os.fork() or signal.pause())
    except BlockingIOError:
        refused += 1
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(refused)
"""


def test_refused_tasks_are_reported(story: Story) -> None:
    ending = story.run("--tasks", "5", "--", "python3", "-c", FORKS)
    assert (ending.status, ending.stdout) == (0, b"4\n")
    assert (ending.report["tasks_peak"], ending.report["tasks_refused"]) == (5, 4)
    told = rows(ending.stderr)["tasks"]
    assert told == "the limit (--tasks 5) was reached; new processes or threads were refused 4 times"


def test_throttled_processor_time_is_reported(story: Story) -> None:
    ending = story.run("--cpus", "0.5", "--", "python3", "-c", BUSY)
    assert ending.report["cpu"]["throttled"] > 0.1
    assert rows(ending.stderr)["throttled"].endswith(" by the limit on processors (--cpus 0.5)")


def test_memory_above_the_high_limit_is_reported(story: Story) -> None:
    ending = story.run("--mem-high", "15M", "--timeout", "3s", "--kill-after", "1s", "--", "./hold", "40")
    assert ending.report["memory"]["events"]["high"] > 0
    told = rows(ending.stderr)["slowed"]
    assert told.endswith(", because it needed more than the high limit (--mem-high 15M)")


def test_limits_that_were_not_reached_are_not_mentioned(story: Story) -> None:
    words = ("--tasks", "5", "--cpus", "1", "--mem-high", "15M", "--", "python3", "-c", BUSY)
    ending = story.run(*words)
    assert (ending.report["tasks_refused"], ending.report["cpu"]["throttled"]) == (0, 0)
    assert rows(ending.stderr) == {}
