"""scoperun as a library."""

import asyncio
import os
import select
from pathlib import Path

import pytest

import scoperun
from scoperun import Limits, MiB, Scope, Verdict
from scoperun.evidence.events import Counters, StateChanged, WorkloadExited

from .story import Story, cgroup_of


async def test_run_returns_the_report_that_the_command_line_prints(examples: Path, story: Story) -> None:
    report = await scoperun.run([str(examples / "bigleak2")], limits=Limits(memory_max=20 * MiB))
    assert report.verdict is Verdict.OOM_KILL
    assert report.memory.peak == 20 * MiB
    printed = story.run("--mem", "20M", "--", str(examples / "bigleak2")).report
    assert printed.keys() == report.to_dict().keys()


def test_run_sync_needs_no_event_loop(story: Story) -> None:
    report = scoperun.run_sync(["sh", "-c", "exit 3"])
    assert (report.verdict, report.exit_code) == (Verdict.EXIT_CODE, 3)


async def test_a_command_that_cannot_be_run_raises(story: Story) -> None:
    with pytest.raises(scoperun.CommandNotFound):
        await scoperun.run(["no-such-command"])


async def test_a_scope_can_be_watched_until_it_ends(story: Story) -> None:
    async with Scope(["sleep", "1000"]) as scope:
        watched = asyncio.create_task(collect(scope))
        await asyncio.sleep(0)  # it listens from its first step on
        await scope.kill()
        report = await scope.report()
    kinds = [type(event) for event in await watched]
    assert kinds.index(WorkloadExited) < kinds.index(Counters)
    assert StateChanged in kinds
    assert (report.verdict, report.signal) == (Verdict.SIGNAL, 15)


async def collect(scope: Scope) -> list[object]:
    return [event async for event in scope.events()]


async def test_limits_can_be_changed_while_the_command_runs(story: Story) -> None:
    async with Scope(["sleep", "1000"], limits=Limits(memory_max=20 * MiB, tasks_max=10)) as scope:
        await scope.set_limits(Limits(memory_max=30 * MiB, tasks_max=20))
        folder = Path("/sys/fs/cgroup" + cgroup_of(scope.start.pid))
        assert (folder / "memory.max").read_text() == f"{30 * MiB}\n"
        await scope.kill()
        report = await scope.report()
    assert (report.limits.memory_max, report.limits.tasks_max) == (30 * MiB, 20)
    assert report.limits_changed == {"memory_max": 20 * MiB, "tasks_max": 10}
    assert (scope.start.limits.memory_max, scope.start.limits.tasks_max) == (20 * MiB, 10)


async def test_options_that_are_fixed_at_the_start_cannot_be_changed(story: Story) -> None:
    async with Scope(["sleep", "1000"]) as scope:
        with pytest.raises(scoperun.InvalidValue, match="RuntimeMaxUSec= cannot be changed"):
            await scope.set_limits(Limits(runtime_max=1))


async def test_a_frozen_scope_does_not_run_until_it_is_thawed(story: Story) -> None:
    async with Scope(["sleep", "1000"]) as scope:
        events = Path("/sys/fs/cgroup" + cgroup_of(scope.start.pid)) / "cgroup.events"
        await scope.freeze()
        assert "frozen 1" in events.read_text()
        await scope.thaw()
        assert "frozen 0" in events.read_text()


async def test_leaving_the_context_ends_all_processes_of_the_scope(story: Story) -> None:
    async with Scope(["sh", "-c", "sleep 1000 & sleep 1000"]) as scope:
        process = os.pidfd_open(scope.start.pid)
    assert has_ended(process)


async def test_cancelling_a_run_ends_all_processes_of_the_scope(story: Story) -> None:
    told, tell = os.pipe()
    os.set_inheritable(tell, True)
    script = f"sleep 1000 & echo $! >/proc/self/fd/{tell}; sleep 1000"
    task = asyncio.create_task(scoperun.run(["sh", "-c", script]))
    child = os.pidfd_open(int(await asyncio.to_thread(os.read, told, 100)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(told)
    os.close(tell)
    assert has_ended(child)


def has_ended(pidfd: int) -> bool:
    """Tell whether a process has ended; it can still be a zombie."""
    ended = bool(select.select([pidfd], [], [], 0)[0])
    os.close(pidfd)
    return ended
