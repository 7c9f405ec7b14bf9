"""The whole machine runs out of memory: the command's status is kept, and there is a report."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from .here import lab_only
from .story import GENEROUS, Story
from .waiting import line_from

pytestmark = lab_only

# Takes memory until only LEAVE bytes are left on the machine; it is the first process to kill if that is too little.
FILL = """
import mmap, os, sys
with open("/proc/self/oom_score_adj", "w") as file:
    file.write("1000")
def available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
blocks = []
while available() > LEAVE:
    blocks.append(mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))
print("full", flush=True)
sys.stdin.read()
"""


def fill(*, leave: int) -> list[str]:
    return ["python3", "-c", FILL.replace("LEAVE", str(leave))]


@pytest.fixture
def full() -> Iterator[None]:
    """Leave 40 MiB of memory free on the machine; in a scope, so that nothing else is stopped if this is killed."""
    words = ["systemd-run", "--user", "--scope", "--collect", "-q", *fill(leave=40 << 20)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as filler:
        assert line_from(filler) == "full"
        try:
            yield
        finally:
            filler.communicate(timeout=GENEROUS)
        assert filler.returncode == 0, "the memory did not stay full"


@pytest.mark.parametrize(
    ("script", "status", "verdict", "exit_code", "number"),
    [("exit 3", 3, "exit-code", 3, None), ("kill -9 $$", 137, "signal", None, signal.SIGKILL)],
)
def test_a_run_under_pressure_keeps_the_commands_status_and_has_a_report(
    story: Story, full: None, script: str, status: int, verdict: str, exit_code: int | None, number: int | None
) -> None:
    """The verdict is never unknown: the kernel would kill the filler, not the keeper, so the counters are readable."""
    ending = story.run("-q", "--mem", "10M", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (status, verdict)
    assert (ending.report["exit_code"], ending.report["signal"]) == (exit_code, number)


def test_a_command_that_fills_the_machine_is_out_of_memory(story: Story) -> None:
    ending = story.run("--", *fill(leave=0))
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["limits"]["memory_max"] in {None, "infinity"}
