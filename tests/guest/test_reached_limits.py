"""A limit that slows or restricts the command without killing it is reported, in words and in numbers."""

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


def test_refused_tasks_are_reported(story: Story) -> None:
    ending = story.run("--tasks", "5", "--", "python3", "-c", FORKS)
    assert (ending.status, ending.stdout) == (0, b"4\n")
    assert (ending.report["tasks_peak"], ending.report["tasks_refused"]) == (5, 4)
    assert "the limit of 5 tasks was reached: a process or thread was refused 4 times" in ending.stderr


def test_throttled_processor_time_is_reported(story: Story) -> None:
    ending = story.run("--cpus", "0.5", "--", "python3", "-c", BUSY)
    assert ending.report["cpu"]["throttled"] > 0.1
    assert "by the limit of 0.5 processors" in ending.stderr


def test_memory_above_the_high_limit_is_reported(story: Story) -> None:
    ending = story.run("--mem-high", "15M", "--timeout", "3s", "--kill-after", "1s", "--", "./hold", "40")
    assert ending.report["memory"]["events"]["high"] > 0
    assert "slowed down above MemoryHigh=15M" in ending.stderr


def test_limits_that_were_not_reached_are_not_mentioned(story: Story) -> None:
    words = ("--tasks", "5", "--cpus", "1", "--mem-high", "15M", "--", "python3", "-c", BUSY)
    ending = story.run(*words)
    assert (ending.report["tasks_refused"], ending.report["cpu"]["throttled"]) == (0, 0)
    line = ending.stderr.splitlines()[-1]
    assert [word for word in ("limit", "slowed", "held back") if word in line] == []
