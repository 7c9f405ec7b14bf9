"""A limit that holds the command back without killing it is told, in words and in numbers."""

from tests.report_rows import rows

from .story import Story

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


def test_tasks_that_were_refused_are_told(story: Story) -> None:
    ending = story.run("--tasks", "5", "--", "python3", "-c", FORKS)
    assert (ending.status, ending.stdout) == (0, b"4\n")
    assert (ending.report["tasks_peak"], ending.report["tasks_refused"]) == (5, 4)
    told = rows(ending.stderr)["tasks"]
    assert told == "the limit (--tasks 5) was reached; new processes or threads were refused 4 times"


def test_time_on_the_processor_that_was_withheld_is_told(story: Story) -> None:
    ending = story.run("--cpus", "0.5", "--", "python3", "-c", BUSY)
    assert ending.report["cpu"]["throttled"] > 0.1
    assert rows(ending.stderr)["throttled"].endswith(" by the limit on processors (--cpus 0.5)")


def test_memory_above_the_high_limit_is_told(story: Story) -> None:
    ending = story.run("--mem-high", "15M", "--timeout", "3s", "--kill-after", "1s", "--", "./hold", "40")
    assert ending.report["memory"]["events"]["high"] > 0
    told = rows(ending.stderr)["slowed"]
    assert told.endswith(", because it needed more than the high limit (--mem-high 15M)")


def test_limits_that_were_not_reached_are_not_spoken_of(story: Story) -> None:
    words = ("--tasks", "5", "--cpus", "1", "--mem-high", "15M", "--", "python3", "-c", BUSY)
    ending = story.run(*words)
    assert (ending.report["tasks_refused"], ending.report["cpu"]["throttled"]) == (0, 0)
    assert rows(ending.stderr) == {}
