"""A slice that allows less memory than --mem is warned of when the command starts, and the least limit is reported."""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from scoperun import INFINITY, Limits, MiB, run

from .story import GENEROUS, Story, systemctl
from .waiting import line_from

WARNING = (
    "scoperun: warning: --mem 200M cannot be reached: outer-inner.slice, which the scope is in, allows 60M for "
    "everything in it together\n"
)


@pytest.fixture
def small_slice() -> Iterator[None]:
    """Limit outer-inner.slice to 60M; it is not there before a run needs it."""
    systemctl("set-property", "--runtime", "outer-inner.slice", "MemoryMax=60M")
    yield
    systemctl("stop", "outer.slice", "outer-inner.slice")
    systemctl("set-property", "--runtime", "outer-inner.slice", "MemoryMax=infinity")


def test_a_slice_that_allows_less_is_warned_of_and_reported(story: Story, small_slice: None) -> None:
    ending = story.run("--slice", "outer-inner", "--mem", "200M", "--", "true")
    assert (ending.status, ending.stderr.count("warning")) == (0, 1)
    assert WARNING in ending.stderr
    assert ending.report["effective_memory_max"] == 60 * MiB
    assert ending.report["limits"]["memory_max"] == 200 * MiB


def test_it_is_warned_of_while_the_command_runs(story: Story, small_slice: None) -> None:
    command = story.start("--slice", "outer-inner", "--mem", "200M", "--", "sh", "-c", "echo; read -r line")
    assert command.stderr is not None
    assert command.stderr.readline().decode() == WARNING
    line_from(command)
    command.communicate(b"on\n", timeout=GENEROUS)


def test_a_standard_error_that_takes_nothing_delays_no_signal(story: Story, small_slice: None) -> None:
    reading, writing = os.pipe()
    os.write(writing, b" " * fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096))
    waits = ["sh", "-c", "trap 'echo told; exit 3' TERM; echo; read -r line"]
    words = ["scoperun", "--slice", "outer-inner", "--mem", "200M", "--", *waits]
    command = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    line_from(command)
    command.terminate()
    assert line_from(command) == "told"
    os.read(reading, 4096)  # room for the report
    assert command.wait(GENEROUS) == 3
    command.communicate()
    os.close(reading)


def test_quiet_is_quiet(story: Story, small_slice: None) -> None:
    ending = story.run("-q", "--slice", "outer-inner", "--mem", "200M", "--", "true")
    assert (ending.stderr, ending.report["effective_memory_max"]) == ("", 60 * MiB)


def test_a_limit_below_is_the_least(story: Story, small_slice: None) -> None:
    ending = story.run("--slice", "outer-inner", "--mem", "20M", "--", "true")
    assert "warning" not in ending.stderr
    assert ending.report["effective_memory_max"] == 20 * MiB


def test_without_a_limit_there_is_none_to_warn_of(story: Story, small_slice: None) -> None:
    ending = story.run("--slice", "outer-inner", "--", "true")
    assert "warning" not in ending.stderr
    assert ending.report["effective_memory_max"] == 60 * MiB
    assert story.run("--", "true").report["effective_memory_max"] == "infinity"


def test_the_first_line_on_the_descriptor_has_it(story: Story, small_slice: None) -> None:
    run = ("--slice", "outer-inner", "--mem", "200M", "--report-fd", "1", "--", "true")
    first, _ = story.run(*run).stdout.decode().splitlines()
    assert json.loads(first)["effective_memory_max"] == 60 * MiB


async def test_a_program_has_it(story: Story, small_slice: None) -> None:
    report = await run(["true"], slice="outer-inner", limits=Limits(memory_max=200 * MiB))
    assert report.effective_memory_max == 60 * MiB
    assert (await run(["true"])).effective_memory_max == INFINITY
