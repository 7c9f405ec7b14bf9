"""A command that stays above its soft limit is killed, whatever systemd does; here the cgroup is a folder."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.signature import Variant

from scoperun.evidence.events import (
    MemorySnapshot,
    SoftMemoryEvent,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryRestored,
    SoftMemoryTold,
)
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.spec.properties import Property
from scoperun.spec.scope import scope_request
from scoperun.spec.sizes import INFINITY
from scoperun.spec.soft_memory import SoftMemory
from scoperun.supervision.feed import Feed
from scoperun.supervision.soft_watch import SoftWatch
from scoperun.systemd import connecting
from scoperun.systemd.unit import Unit

from .program import line, scoperun
from .steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .fake_systemd import FakeSystemd
    from .wire import Wire

LIMIT = 1000
AT_ONCE = 0.001
IGNORES_TERM = 'trap "" TERM; echo; exec tail -f /dev/null'


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A command in a folder that looks like a cgroup, watched by a SoftWatch."""

    folder: Path
    feed: Feed
    watch: SoftWatch
    command: Process
    task: asyncio.Task[None]

    def uses(self, memory: int) -> None:
        (self.folder / "memory.current").write_text(f"{memory}\n")

    def announce(self, memory: int) -> None:
        """Change memory.events, as the kernel does."""
        self.uses(memory)
        self.feed.put(MemorySnapshot(at=time.monotonic(), events={}, ooms={}, current=memory, stat={}))

    @property
    def happened(self) -> list[type[SoftMemoryEvent]]:
        return [type(event) for event in self.feed.invocation.soft_memory]

    async def has_happened(self, kind: type[SoftMemoryEvent]) -> None:
        async with asyncio.timeout(PATIENCE):
            if kind not in self.happened:
                async for event in self.feed.watch():
                    if isinstance(event, kind):
                        return

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.command.wait()


@pytest.fixture
async def scope(systemd: FakeSystemd, tmp_path: Path, impatient: None) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that starts a scope with a soft limit."""

    @asynccontextmanager
    async def start(
        kill_after: float | None = AT_ONCE, script: str = IGNORES_TERM, signal_number: int | None = signal.SIGTERM
    ) -> AsyncIterator[Scope]:
        command = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=PIPE)
        await line(command)
        for file, text in {"cgroup.procs": command.pid, "memory.events": "high 1", "memory.stat": ""}.items():
            (tmp_path / file).write_text(f"{text}\n")
        stop = Property(name="TimeoutStopUSec", signature="t", value=int((kill_after or 0) * 1e6))
        wanted = scope_request("soft.scope", [stop] if kill_after is not None else [])
        feed = Feed()
        async with connecting.connect(os.environ) as connection:
            unit = Unit(connection, wanted, feed.put)
            await unit.start([command.pid])
            spared = os.getpid()  # a process that a kill must spare
            soft, cgroup = SoftMemory(LIMIT, signal_number), ScopeCgroup(Cgroup("/soft.scope", str(tmp_path)), spared)
            watch = SoftWatch(soft, unit, cgroup, feed)
            task = asyncio.create_task(watch.run())
            await asyncio.sleep(0)  # it listens from its first step on
            try:
                yield Scope(folder=tmp_path, feed=feed, watch=watch, command=command, task=task)
            finally:
                task.cancel()
                await asyncio.wait([task])
        with suppress(ProcessLookupError):
            command.kill()
        await command.wait()

    return start


def high(systemd: FakeSystemd) -> list[int]:
    """Return what MemoryHigh= was set to while the scope ran."""
    return [call.body[2][0][1].value for call in systemd.calls if call.member == "SetUnitProperties"]


async def test_a_command_above_the_limit_is_told_and_not_slowed(scope: Any, systemd: FakeSystemd) -> None:
    async with scope(kill_after=60, script="echo; exec tail -f /dev/null") as running:
        running.announce(LIMIT + 1)
        await systemd.called("SetUnitProperties")
        assert await running.ended() == -signal.SIGTERM
        assert running.happened == [SoftMemoryPassed, SoftMemoryTold]
        assert high(systemd) == [INFINITY]


async def test_without_a_signal_the_first_passing_is_noted_and_nothing_else_done(
    scope: Any, systemd: FakeSystemd
) -> None:
    async with scope(signal_number=None) as running:
        running.announce(LIMIT + 1)
        await asyncio.wait_for(asyncio.shield(running.task), PATIENCE)
        running.announce(LIMIT + 2)
        assert running.happened == [SoftMemoryPassed]
        assert high(systemd) == [INFINITY]
        assert "KillUnit" not in systemd.steps
        assert running.command.returncode is None


@pytest.mark.parametrize("way", ["stall", "refuse"])
async def test_without_a_signal_nothing_is_killed_if_systemd_does_not_lift_the_limit(
    way: str, scope: Any, systemd: FakeSystemd
) -> None:
    refuse = refusal("org.freedesktop.DBus.Error.Failed", "no more")
    systemd.at["SetUnitProperties"] = {"stall": stall, "refuse": refuse}[way]
    async with scope(signal_number=None) as running:
        running.announce(LIMIT + 1)
        await asyncio.wait_for(asyncio.shield(running.task), PATIENCE)
        assert running.happened == [SoftMemoryPassed]
        assert running.command.returncode is None


async def test_a_command_below_the_limit_is_left_alone(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        running.announce(LIMIT)
        running.feed.end()
        await asyncio.wait_for(running.task, PATIENCE)
        assert running.happened == []
        assert "KillUnit" not in systemd.steps


async def test_a_command_that_keeps_its_memory_is_killed_but_not_the_keeper(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        with (running.folder / "cgroup.procs").open("a") as procs:
            procs.write(f"{os.getpid()}\n")
        running.announce(LIMIT + 1)
        assert await running.ended() == -signal.SIGKILL
        await running.watch.not_killing()
        assert running.happened[-1] is SoftMemoryKilled
        assert [call.body[2] for call in systemd.calls if call.member == "KillUnit"] == [signal.SIGTERM]


@pytest.mark.parametrize("kill_after", [0, AT_ONCE])
async def test_a_command_that_is_killed_at_once_is_told_first(
    kill_after: float, scope: Any, systemd: FakeSystemd
) -> None:
    """The report says so as well; after the kill it could not be told any more."""
    async with scope(kill_after=kill_after) as running:
        running.announce(LIMIT + 1)
        assert await running.ended() == -signal.SIGKILL
        assert running.happened == [SoftMemoryPassed, SoftMemoryTold, SoftMemoryKilled]
        assert [call.body[2] for call in systemd.calls if call.member == "KillUnit"] == [signal.SIGTERM]


async def test_a_command_that_went_below_is_told_again_the_next_time(scope: Any, systemd: FakeSystemd) -> None:
    async with scope(kill_after=0.2) as running:
        running.announce(LIMIT + 1)
        await systemd.called("SetUnitProperties")
        running.announce(LIMIT + 2)  # seen before the answer, so it is not a second time
        running.uses(LIMIT)
        await running.has_happened(SoftMemoryRestored)
        assert high(systemd) == [INFINITY, LIMIT]
        running.announce(LIMIT + 1)
        assert await running.ended() == -signal.SIGKILL
        assert running.happened.count(SoftMemoryPassed) == 2


async def test_the_scopes_own_stop_timeout_is_the_default(scope: Any, systemd: FakeSystemd) -> None:
    async with scope(kill_after=None) as running:
        systemd.unit.timeout_stop = Variant("t", 1000)
        running.announce(LIMIT + 1)
        assert await running.ended() == -signal.SIGKILL
        assert systemd.steps.count("Get TimeoutStopUSec") == 1


@pytest.mark.parametrize("step", ["KillUnit", "SetUnitProperties"])
@pytest.mark.parametrize("way", ["stall", "refuse", "cut", "leave"])
async def test_the_kill_comes_even_if_systemd_fails(
    step: str, way: str, scope: Any, systemd: FakeSystemd, bus: Wire
) -> None:
    refuse = refusal("org.freedesktop.DBus.Error.Failed", "no more")
    systemd.at[step] = {"stall": stall, "refuse": refuse, "cut": bus.cut, "leave": systemd.leave}[way]
    async with scope(kill_after=0.1) as running:
        running.announce(LIMIT + 1)
        assert await running.ended() == -signal.SIGKILL
        assert running.happened[0] is SoftMemoryPassed
        assert running.happened[-1] is SoftMemoryKilled
        assert (SoftMemoryTold in running.happened) == (step == "SetUnitProperties")


async def test_if_the_signal_is_refused_the_limit_is_still_lifted(scope: Any, systemd: FakeSystemd) -> None:
    systemd.at["KillUnit"] = refusal("org.freedesktop.DBus.Error.Failed", "no more")
    async with scope(kill_after=60) as running:
        running.announce(LIMIT + 1)
        await systemd.called("SetUnitProperties")
        assert high(systemd) == [INFINITY]
        assert running.happened == [SoftMemoryPassed]


async def test_after_the_watch_has_ended_the_limit_is_lifted(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        await running.watch.let_go()
        assert high(systemd) == [INFINITY]
        systemd.at["SetUnitProperties"] = stall
        await asyncio.wait_for(running.watch.let_go(), PATIENCE)


async def test_a_limit_that_was_not_passed_is_in_the_report(systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--soft-mem", "15M", "--", "true")
    assert ended.report["soft_memory"] == {"limit": 15 << 20, "signal": "SIGTERM", "passed": [], "killed": False}
    (asked,) = [call.body[2] for call in systemd.calls if call.member == "StartTransientUnit"]
    assert ["MemoryHigh", Variant("t", 15 << 20)] in asked
