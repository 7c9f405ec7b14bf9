"""A scope whose processor time is used up is stopped, whatever systemd does; the cgroup is a folder here."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from scoperun.evidence.events import (
    CpuTimeChecked,
    CpuTimeUsedUp,
    Event,
    LeftoversAwaited,
    StateChanged,
    WorkloadExited,
)
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.spec.scope import scope_request
from scoperun.supervision.cpu_watch import CpuWatch
from scoperun.supervision.feed import Feed
from scoperun.systemd import connecting
from scoperun.systemd.unit import Unit

from .program import line
from .steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .fake_systemd import FakeSystemd
    from .wire import Wire

LIMIT = 0.25


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command in a folder that looks like a cgroup, watched by a CpuWatch. events: all that the watch gave."""

    folder: Path
    feed: Feed
    watch: CpuWatch
    task: asyncio.Task[None]
    events: list[Event]

    def uses(self, seconds: float) -> None:
        _write_use(self.folder, seconds)

    async def checked(self) -> None:
        """Return after the next check."""
        async with asyncio.timeout(PATIENCE):
            async for event in self.feed.watch():
                if isinstance(event, CpuTimeChecked):
                    return

    async def over(self) -> None:
        """Return when the watch has ended."""
        await asyncio.wait_for(asyncio.shield(self.task), PATIENCE)

    @property
    def used_up(self) -> list[float]:
        return [event.used for event in self.events if isinstance(event, CpuTimeUsedUp)]


def _write_use(folder: Path, seconds: float) -> None:
    whole = folder / "new"
    whole.write_text(f"usage_usec {seconds * 1e6:.0f}\n")
    whole.rename(folder / "cpu.stat")


@pytest.fixture
def run(systemd: FakeSystemd, tmp_path: Path, impatient: None) -> Callable[..., Any]:
    """Return what starts a scope with a limit on processor time."""

    @asynccontextmanager
    async def start(*, ended: bool = False, wait: bool = False, used: float = 0.0) -> AsyncIterator[Run]:
        command = await asyncio.create_subprocess_exec("sh", "-c", "echo; exec tail -f /dev/null", stdout=PIPE)
        await line(command)
        _write_use(tmp_path, used)
        events: list[Event] = []
        feed = Feed(events.append)
        async with connecting.connect(os.environ) as connection:
            unit = Unit(connection, scope_request("busy.scope", []), feed.put)
            await unit.start([command.pid])
            handles = SimpleNamespace(
                run=SimpleNamespace(wait=wait),
                unit=unit,
                scope=ScopeCgroup(Cgroup("/busy.scope", str(tmp_path)), os.getpid()),
                workload=SimpleNamespace(ended=ended),
                feed=feed,
                invocation=feed.invocation,
            )
            watch = CpuWatch(cast("Any", handles), LIMIT)
            task = asyncio.create_task(watch.run())
            await asyncio.sleep(0)  # it has read the use from its first step on
            try:
                yield Run(folder=tmp_path, feed=feed, watch=watch, task=task, events=events)
            finally:
                task.cancel()
                await asyncio.wait([task])
        with suppress(ProcessLookupError):
            command.kill()
        await command.wait()

    return start


async def test_a_scope_that_has_used_up_its_time_is_stopped(run: Any, systemd: FakeSystemd) -> None:
    async with run() as running:
        running.uses(LIMIT)
        await running.over()
        assert running.used_up == [LIMIT]
        assert [call.body for call in systemd.calls if call.member == "StopUnit"] == [["busy.scope", "replace"]]


async def test_a_scope_that_uses_less_is_looked_at_again(run: Any, systemd: FakeSystemd) -> None:
    async with run() as running:
        running.uses(LIMIT - 0.01)
        await running.checked()
        await running.checked()
        assert (running.used_up, "StopUnit" in systemd.steps) == ([], False)
        assert running.feed.invocation.cpu_time_checks == 2
        running.uses(LIMIT + 0.01)
        await running.over()
        assert running.used_up == [LIMIT + 0.01]


async def test_what_was_used_up_before_the_first_look_is_used_up(run: Any, systemd: FakeSystemd) -> None:
    async with run(used=LIMIT) as running:
        await running.over()
        assert running.used_up == [LIMIT]
        assert running.feed.invocation.cpu_time_checks == 0


async def test_a_change_of_a_limit_is_a_reason_to_look_again(run: Any, systemd: FakeSystemd) -> None:
    async with run() as running:
        (running.folder / "cpu.max").write_text("1000 100000\n")  # the next look would be in 25 s
        running.watch.look_again()
        await running.checked()
        running.uses(LIMIT)
        running.watch.look_again()
        await running.over()
        assert running.used_up == [LIMIT]


async def test_a_scope_that_is_gone_is_not_looked_at_any_more(run: Any, systemd: FakeSystemd) -> None:
    async with run() as running:
        (running.folder / "cpu.stat").unlink()
        await running.over()
        assert running.events[-1] == CpuTimeChecked(used=None)
        assert "StopUnit" not in systemd.steps


async def test_a_command_that_has_ended_is_not_stopped(run: Any, systemd: FakeSystemd) -> None:
    """Its end might not have been taken in yet."""
    async with run(ended=True, used=LIMIT) as running:
        await running.over()
        assert (running.used_up, "StopUnit" in systemd.steps) == ([], False)


async def test_what_the_command_left_behind_is_stopped_while_it_is_waited_for(run: Any, systemd: FakeSystemd) -> None:
    async with run(ended=True, wait=True) as running:
        running.feed.put(WorkloadExited(0, at=1.0))
        running.uses(LIMIT)
        await running.over()
        assert running.used_up == [LIMIT]


async def test_what_is_no_longer_waited_for_is_left_alone(run: Any, systemd: FakeSystemd) -> None:
    async with run(ended=True, wait=True) as running:
        running.feed.put(LeftoversAwaited())
        running.uses(LIMIT)
        await running.over()
        assert (running.used_up, "StopUnit" in systemd.steps) == ([], False)


@pytest.mark.parametrize("state", ["deactivating", "failed"])
async def test_a_scope_that_something_else_is_ending_is_left_alone(state: str, run: Any, systemd: FakeSystemd) -> None:
    """An OOM kill under OOMPolicy=stop, RuntimeMaxSec= or systemctl stop came first."""
    async with run() as running:
        await running.feed.until(lambda invocation: invocation.started)  # which systemd announces as active
        running.feed.put(StateChanged(state))
        running.uses(LIMIT)
        await running.over()
        assert (running.used_up, "StopUnit" in systemd.steps) == ([], False)


async def test_a_scope_that_systemd_does_not_stop_is_killed(run: Any, systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = refusal("org.freedesktop.DBus.Error.Failed", "no")
    async with run() as running:
        running.uses(LIMIT)
        await running.over()
        assert [call.body[2] for call in systemd.calls if call.member == "KillUnit"] == [signal.SIGKILL]


@pytest.mark.parametrize("way", ["stall", "cut", "leave"])
async def test_a_scope_is_killed_by_the_kernel_where_systemd_does_not_answer(
    way: str, run: Any, systemd: FakeSystemd, bus: Wire
) -> None:
    systemd.at["StopUnit"] = {"stall": stall, "cut": bus.cut, "leave": systemd.leave}[way]
    async with run() as running:
        (running.folder / "cgroup.kill").touch()
        running.uses(LIMIT)
        await running.over()
        assert (running.folder / "cgroup.kill").read_text() == "1"
