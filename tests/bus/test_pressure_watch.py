"""A command that waits too much is told once, and killed if it goes on waiting; here the cgroup is a folder."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from scoperun.evidence.events import (
    SoftPressureEvent,
    SoftPressureKilled,
    SoftPressurePassed,
    SoftPressureRestored,
    SoftPressureTold,
)
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.spec.properties import Property
from scoperun.spec.scope import scope_request
from scoperun.spec.soft_pressure import SoftPressure
from scoperun.supervision.feed import Feed
from scoperun.supervision.pressure_watch import PressureWatch
from scoperun.systemd import connecting
from scoperun.systemd.unit import Unit

from .program import end, scoperun, start
from .program import line as line_of
from .steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from scoperun.kernel.pressure_trigger import PressureTrigger

    from .fake_systemd import FakeSystemd
    from .wire import Wire

WINDOW, LATE = 0.1, 0.1
LONG = 60.0
"""Seconds after which a kill would come too late for a test."""

IGNORES_TERM = 'trap "" TERM; echo; exec tail -f /dev/null'


class Notices:
    """Stands for the trigger that the kernel would refuse for a folder."""

    def __init__(self) -> None:
        self.come: Callable[[], None] = self.stop

    def listen(self, notify: Callable[[], None]) -> None:
        self.come = notify

    def stop(self) -> None:
        self.come = lambda: None


@dataclass(kw_only=True)
class Waiting:
    """A cgroup in which the processes wait for a share of the time, from the beginning on; None: it cannot be read."""

    share: float | None

    def text(self) -> str | None:
        if self.share is None:
            return None
        return f"some avg10=0.00 avg60=0.00 avg300=0.00 total={self.share * time.monotonic() * 1e6:.0f}\n"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A command in a folder that looks like a cgroup, watched by a PressureWatch."""

    feed: Feed
    watch: PressureWatch
    notices: Notices
    waiting: Waiting
    command: Process
    task: asyncio.Task[None]

    @property
    def happened(self) -> list[type[SoftPressureEvent]]:
        return [type(event) for event in self.feed.invocation.soft_pressure]

    async def happens(self, *kinds: type[SoftPressureEvent]) -> None:
        """Return when just these events have happened, in this order."""
        await self.feed.until(lambda _: len(self.happened) >= len(kinds), within=PATIENCE)
        assert self.happened == list(kinds)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.command.wait()


@pytest.fixture
async def scope(systemd: FakeSystemd, tmp_path: Path, impatient: None) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that starts a scope with a soft limit of half of the time."""

    @asynccontextmanager
    async def begin(
        kill_after: float = LONG, share: float | None = 1.0, signal_number: int | None = signal.SIGTERM
    ) -> AsyncIterator[Scope]:
        command = await asyncio.create_subprocess_exec("sh", "-c", IGNORES_TERM, stdout=PIPE)
        await line_of(command)
        (tmp_path / "cgroup.procs").write_text(f"{command.pid}\n")
        waiting = Waiting(share=share)

        class Pressed(Cgroup):
            def text(self, file: str) -> str | None:
                return waiting.text() if file == "memory.pressure" else super().text(file)

        stop = Property(name="TimeoutStopUSec", signature="t", value=int(kill_after * 1e6))
        feed, notices = Feed(), Notices()
        async with connecting.connect(os.environ) as connection:
            unit = Unit(connection, scope_request("pressed.scope", [stop]), feed.put)
            await unit.start([command.pid])
            spared = os.getpid()  # a process that a kill must spare
            cgroup = ScopeCgroup(Pressed("/pressed.scope", str(tmp_path)), spared)
            soft, trigger = SoftPressure(0.5, WINDOW, signal_number), cast("PressureTrigger", notices)
            watch = PressureWatch(soft, trigger, unit, cgroup, late=LATE)
            task = asyncio.create_task(watch.run(feed))
            await asyncio.sleep(0)  # it listens from its first step on
            try:
                yield Scope(feed=feed, watch=watch, notices=notices, waiting=waiting, command=command, task=task)
            finally:
                task.cancel()
                await asyncio.wait([task])
        with suppress(ProcessLookupError):
            command.kill()
        await command.wait()

    return begin


def signals(systemd: FakeSystemd) -> list[int]:
    return [call.body[2] for call in systemd.calls if call.member == "KillUnit"]


async def test_a_command_is_told_once_however_often_the_kernel_says_it(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold)
        for _ in range(5):
            await asyncio.sleep(WINDOW)  # the kernel's pace
            running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold)
        assert signals(systemd) == [signal.SIGTERM]


async def test_after_a_window_below_the_limit_the_next_passing_is_told_again(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold, SoftPressureRestored)
        running.notices.come()
        await running.happens(
            SoftPressurePassed, SoftPressureTold, SoftPressureRestored, SoftPressurePassed, SoftPressureTold
        )
        first, *_, second, _ = running.feed.invocation.soft_pressure
        assert second.at - first.at >= WINDOW + LATE
        assert signals(systemd) == [signal.SIGTERM, signal.SIGTERM]


async def test_without_a_signal_each_passing_is_noted_and_nothing_else_done(scope: Any, systemd: FakeSystemd) -> None:
    async with scope(signal_number=None, kill_after=0.001) as running:
        for _ in range(2):
            running.notices.come()
            await asyncio.sleep(WINDOW + 2 * LATE)
        assert running.happened == [SoftPressurePassed, SoftPressureRestored] * 2
        assert signals(systemd) == []


@pytest.mark.parametrize("kill_after", [0.001, 0.25])
async def test_a_command_that_goes_on_waiting_is_killed(scope: Any, systemd: FakeSystemd, kill_after: float) -> None:
    """That is measured for a window first. This process, which stands for the keeper, is spared."""
    async with scope(kill_after=kill_after) as running:
        began = time.monotonic()
        running.notices.come()
        assert await running.ended() == -signal.SIGKILL
        assert time.monotonic() - began >= max(kill_after, WINDOW)
        await running.watch.not_killing()
        assert running.happened == [SoftPressurePassed, SoftPressureTold, SoftPressureKilled]
        assert signals(systemd) == [signal.SIGTERM]


@pytest.mark.parametrize("share", [0.4, 0.0, None])
async def test_a_command_that_waits_less_by_then_is_not_killed(
    scope: Any, systemd: FakeSystemd, share: float | None
) -> None:
    async with scope(kill_after=0.001, share=share) as running:
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold, SoftPressureRestored)
        assert running.command.returncode is None
        running.notices.come()
        await running.happens(
            SoftPressurePassed, SoftPressureTold, SoftPressureRestored, SoftPressurePassed, SoftPressureTold
        )


async def test_a_late_notice_of_the_same_passing_is_not_another_one(scope: Any, systemd: FakeSystemd) -> None:
    """The kernel holds a notice back that comes less than a window after the one before."""
    async with scope(kill_after=0.001, share=0.0) as running:
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold)
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold, SoftPressureRestored)
        await asyncio.sleep(0.05)
        assert running.happened.count(SoftPressurePassed) == 1


@pytest.mark.parametrize("way", ["stall", "refuse", "cut", "leave"])
async def test_the_kill_comes_even_if_systemd_fails(way: str, scope: Any, systemd: FakeSystemd, bus: Wire) -> None:
    refuse = refusal("org.freedesktop.DBus.Error.Failed", "no more")
    systemd.at["KillUnit"] = {"stall": stall, "refuse": refuse, "cut": bus.cut, "leave": systemd.leave}[way]
    async with scope(kill_after=0.1) as running:
        running.notices.come()
        assert await running.ended() == -signal.SIGKILL
        assert running.happened[0] is SoftPressurePassed
        assert running.happened[-1] is SoftPressureKilled
        assert SoftPressureTold not in running.happened


async def test_a_run_that_is_over_is_not_told(scope: Any, systemd: FakeSystemd) -> None:
    async with scope() as running:
        running.watch.end()
        running.notices.come()
        await asyncio.sleep(0.05)
        assert (running.happened, signals(systemd)) == ([], [])


async def test_what_outlives_the_run_is_not_killed(scope: Any, systemd: FakeSystemd) -> None:
    async with scope(kill_after=0.001) as running:
        running.notices.come()
        await running.happens(SoftPressurePassed, SoftPressureTold)
        running.watch.end()
        await asyncio.wait_for(asyncio.shield(running.task), PATIENCE)
        assert running.happened == [SoftPressurePassed, SoftPressureTold]
        assert running.command.returncode is None


async def test_a_limit_that_the_kernel_does_not_watch_is_warned_of(systemd: FakeSystemd) -> None:
    """The fake cannot put a process into a cgroup."""
    process = await start("--json", "--soft-pressure", "30%/2s", "--", "sh", "-c", "read line")
    assert process.stderr is not None
    warning = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
    assert warning == b"scoperun: warning: --soft-pressure has no effect: the scope has no memory.pressure\n"
    ended = await end(process, "\n")
    assert (ended.status, ended.report["soft_pressure"], ended.report["pressure"]) == (0, None, None)


async def test_a_quiet_run_is_not_warned_of_it(systemd: FakeSystemd) -> None:
    ended = await scoperun("-q", "--soft-pressure", "30%/2s", "--", "true")
    assert (ended.status, ended.err) == (0, "")
