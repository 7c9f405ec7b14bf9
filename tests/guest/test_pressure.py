"""What a scope waits for is in its report, and a command that waits too much for memory is told."""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scoperun import Limits, MiB, Scope, SoftPressure, Verdict
from scoperun.evidence.events import Event, SoftPressureRestored
from scoperun.report.text import report_text
from tests.report_rows import head, rows

from .story import Story

CRAWLS = """
import mmap, os, signal, sys

blocks, times_told = [], 0

def free(*_):
    global times_told
    times_told += 1
    while blocks:
        blocks.pop().close()

def grow_till_told():
    before = times_told
    while times_told == before:
        blocks.append(mmap.mmap(-1, 1 << 20))
        blocks[-1].write(b"x" * (1 << 20))
"""
"""The functions of these commands: without swap the kernel makes them wait above MemoryHigh= at each allocation."""

FREES = CRAWLS + "signal.signal(signal.SIGUSR1, free)\nwhile os.read(int(sys.argv[1]), 1): grow_till_told()"
IGNORES = CRAWLS + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ngrow_till_told()"


def of_memory(report: dict[str, Any]) -> tuple[float, float]:
    """Return how long all and some processes waited for memory, after checking that this can be."""
    waited = report["pressure"]
    for what in "memory", "cpu", "io":
        assert 0 <= waited[f"{what}_full"] <= waited[f"{what}_some"] <= report["runtime"] + 1
    return waited["memory_full"], waited["memory_some"]


@pytest.mark.guest(kernel="stock", suite="trixie")  # it takes half a minute
async def test_a_command_that_crawls_is_told_once_and_again_after_it_has_recovered(story: Story) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    soft = SoftPressure(0.1, 2.0, signal.SIGUSR1)
    command = ["python3", "-c", FREES, str(reading)]
    async with Scope(command, limits=Limits(memory_high=20 * MiB), soft_pressure=soft) as scope:
        recovered = recoveries(scope.events())
        for _ in range(2):
            os.write(writing, b"x")
            await anext(recovered)
        os.close(writing)
        report = await scope.report()
    os.close(reading)
    assert report.verdict is Verdict.SUCCESS
    assert report.soft_pressure is not None
    first, second = report.soft_pressure.passed
    assert (first.told, second.told, 0 < first.at < second.at) == (True, True, True)
    full, _ = of_memory(report.to_dict())
    assert full > 0
    shown = rows(report_text(report))
    assert shown["pressure"].startswith("10%/2s passed 2 times, first after ")
    assert " for memory" in shown["waited"]


async def recoveries(events: AsyncIterator[Event]) -> AsyncIterator[SoftPressureRestored]:
    async for event in events:
        if isinstance(event, SoftPressureRestored):
            yield event


@pytest.mark.guest(kernel="stock")
def test_a_command_that_goes_on_crawling_is_killed_which_is_not_an_oom_kill(story: Story) -> None:
    words = ("--mem-high", "20M", "--soft-pressure", "10%/2s", "--kill-after", "1ms")
    ending = story.run(*words, "--", "python3", "-c", IGNORES)
    assert (ending.status, ending.verdict, ending.report["oom"]) == (137, "signal", None)
    soft = ending.report["soft_pressure"]
    assert (soft["share"], soft["window"], soft["signal"], soft["killed"]) == (0.1, 2.0, "SIGTERM", True)
    assert [each["told"] for each in soft["passed"]] == [True]
    assert head(ending.stderr.partition("\n")[2]).startswith("scoperun: ENDED BY SOFT LIMIT: python3 -c ")
    assert rows(ending.stderr)["pressure"].endswith(": SIGTERM sent; still above it after --kill-after: killed")
    assert ending.report["left_running"] == []


@pytest.mark.guest(kernel="stock")
def test_a_command_that_waits_for_nothing_has_its_totals_and_is_not_told(story: Story) -> None:
    ending = story.run("--soft-pressure", "50%/10s", "--", "true")
    assert (ending.status, ending.report["soft_pressure"]["passed"]) == (0, [])
    assert of_memory(ending.report)[0] <= of_memory(ending.report)[1]
    assert "pressure" not in ending.stderr


@pytest.mark.guest(kernel="stock")
def test_a_time_that_the_kernel_does_not_accept_from_this_user_is_refused(story: Story) -> None:
    for time in "1s", "12s":
        refusal = story.refused("--soft-pressure", f"30%/{time}", "--", "echo", "started")
        assert refusal.startswith(f"scoperun: --soft-pressure 30%/{time} would have no effect: ")
        assert f"the kernel does not accept {time} as the time (take a multiple of 2s up to 10s, e.g. 30%/2s" in refusal


def test_without_psi_nothing_is_known_and_the_option_is_refused(story: Story) -> None:
    refusal = story.refused("--soft-pressure", "30%/2s", "--", "echo", "started")
    reason = "the scope has no memory.pressure"
    assert refusal.startswith(f"scoperun: --soft-pressure 30%/2s would have no effect: {reason} (that needs a kernel")
    ending = story.run("--no-require-limits", "--soft-pressure", "30%/2s", "--", "true")
    assert (ending.status, ending.report["pressure"], ending.report["soft_pressure"]) == (0, None, None)
    assert f"scoperun: warning: --soft-pressure has no effect: {reason}\n" in ending.stderr
