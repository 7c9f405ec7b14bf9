"""What comes at an unlucky moment: from an earlier unit of the same name, before the command runs, after its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

import scoperun as library

from .fake_systemd import Unit
from .program import end, line, scoperun, start, start_command
from .steps import PATIENCE, stall, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd
    from .wire import Wire

UNTIL_TOLD = "echo; read _; exit 3"
UNTIL_KILLED = "echo; exec tail -f /dev/null"


def earlier(systemd: FakeSystemd, name: str, announce: Callable[[Unit], object]) -> None:
    """Have the end of an earlier unit of this name announced between our match rules and the start of ours."""

    def begin(call: Message) -> Message:
        del systemd.at["StartTransientUnit"]
        announce(Unit(name=name, properties={}, owner=None, result="oom-kill"))
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = begin


def fail(systemd: FakeSystemd, unit: Unit) -> None:
    systemd.result_changed(unit)
    systemd.state_changed(unit, "failed")


# An earlier unit of the same name.


async def test_the_failure_of_an_earlier_unit_is_not_ours(systemd: FakeSystemd) -> None:
    earlier(systemd, "x.scope", lambda unit: fail(systemd, unit))
    ended = await scoperun("--json", "--unit", "x", "--", "true")
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (0, "success", "success")


async def test_the_end_of_an_earlier_units_job_is_not_that_of_our_start(
    systemd: FakeSystemd, runtime_dir: str, impatient: None
) -> None:
    earlier(systemd, "x.scope", lambda unit: systemd.job_removed(unit, "done", 4711))
    systemd.when_started = lambda _: None  # our own job is still queued
    ended = await scoperun("--unit", "x", "--", "touch", f"{runtime_dir}/ran")
    assert (ended.status, ended.left) == (125, [])
    assert ended.complaint == "scoperun: systemd said nothing more about the scope within 2 s"
    assert "ran" not in os.listdir(runtime_dir)


async def test_another_unit_of_the_name_is_left_alone_if_our_start_was_not_answered(
    systemd: FakeSystemd, impatient: None
) -> None:
    def announce_theirs(_: Message) -> None:
        unit = systemd.units["x.scope"] = Unit(name="x.scope", properties={}, owner=None, strangers=[7001, 7002])
        systemd.state_changed(unit, "inactive")  # its start job is queued

    systemd.at["StartTransientUnit"] = announce_theirs
    ended = await scoperun("--mem", "20M", "--unit", "x", "--", "true")
    assert (ended.status, ended.left) == (125, [])
    assert ended.complaint == "scoperun: StartTransientUnit: no answer within 2 s"
    assert {"AbandonScope", "SetUnitProperties", "KillUnit", "StopUnit"}.isdisjoint(systemd.steps)


async def test_a_report_stays_what_it_is(systemd: FakeSystemd, bus: Wire) -> None:
    async with library.Scope(["true"], unit="x", require_limits=False) as scope:
        report = await scope.report()
        systemd.result_changed(Unit(name="x.scope", properties={}, owner=None, result="oom-kill"))
        await bus.handed_back("oom-kill")
        assert report.verdict == "success"
        assert await scope.report() == report


# Before the command runs.


def answer_when(systemd: FakeSystemd, ready: Callable[[], Any]) -> None:
    """Answer the start only after something was done, as a busy systemd does."""

    def later(call: Message) -> None:
        async def answer() -> None:
            await ready()
            systemd.bus.send(systemd.honest(call))

        tasks.append(asyncio.get_running_loop().create_task(answer()))

    tasks: list[asyncio.Task[None]] = []
    systemd.at["StartTransientUnit"] = later


async def test_an_interrupted_start_goes_on_to_its_end(systemd: FakeSystemd) -> None:
    """Both processes live until systemd has put them into the scope: it never notices the end of dead ones.

    With a name that the user has chosen, which cannot be stopped blindly, systemd has all of its time limit for that.
    """
    told = asyncio.Event()

    async def interrupted() -> None:
        process.send_signal(signal.SIGTERM)
        await told.wait()

    answer_when(systemd, interrupted)
    process = await start("--unit", "x", "--", "true")
    await systemd.called("StartTransientUnit")
    (call,) = [each for each in systemd.calls if each.member == "StartTransientUnit"]
    pids = dict(call.body[2])["PIDs"].value
    with pytest.raises(TimeoutError):  # nothing says that scoperun has got the signal
        await asyncio.wait_for(process.wait(), 0.3)
    assert [os.readlink(f"/proc/{pid}/exe") != "" for pid in pids] == [True, True]
    told.set()
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    assert ended.complaint == "scoperun: SIGTERM arrived before the command had started"
    await systemd.gone()
    assert "StopUnit" not in systemd.steps


@pytest.mark.parametrize(("options", "steps"), [((), ["StopUnit"]), (("--unit", "x"), [])])
async def test_an_interrupted_start_that_is_not_answered_is_stopped_by_its_own_name(
    options: tuple[str, ...], steps: list[str], systemd: FakeSystemd, impatient: None
) -> None:
    """But not by a name that the user has chosen, which can be another unit's."""
    systemd.at["StartTransientUnit"] = stall
    process = await start(*options, "--", "true")
    await systemd.called("StartTransientUnit")
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    await systemd.heard_all()
    assert [step for step in systemd.steps if step == "StopUnit"] == steps


async def test_a_start_whose_end_is_not_announced_is_stopped_if_it_is_interrupted(
    systemd: FakeSystemd, bus: Wire
) -> None:
    def cancel(unit: Unit) -> None:
        systemd.announce_end(unit)
        systemd.job_removed(unit, "canceled")

    systemd.when_started = lambda unit: systemd.state_changed(unit, "inactive")
    systemd.when_ended = cancel
    process = await start("--unit", "x", "--", "true")
    await bus.handed_back("ActiveState")
    process.send_signal(signal.SIGINT)
    await systemd.called("StopUnit")
    assert (await end(process)).status == 125


async def test_a_process_that_is_killed_before_the_command_runs_is_told(systemd: FakeSystemd) -> None:
    systemd.when_started = lambda _: None
    process = await start("--unit", "x", "--", "true")
    await systemd.called("StartTransientUnit")
    os.kill(systemd.unit.pids[0], signal.SIGKILL)
    await until(lambda: systemd.unit.pids[0] not in systemd.unit.running)
    systemd.announce_start(systemd.unit)
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    reason = "the process ended before it could execute the command: something has killed it"
    assert ended.complaint == f"scoperun: Failed to start scope 'x.scope': {reason}"


async def test_a_signal_ends_the_attempt_even_if_the_process_was_killed_before(systemd: FakeSystemd) -> None:
    systemd.at["StartTransientUnit"] = stall
    process = await start("--", "true")
    await systemd.called("StartTransientUnit")
    (call,) = [each for each in systemd.calls if each.member == "StartTransientUnit"]
    pidfd = os.pidfd_open(dict(call.body[2])["PIDs"].value[0])
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    process.send_signal(signal.SIGINT)
    assert (await end(process)).complaint == "scoperun: SIGINT arrived before the command had started"


async def test_a_signal_changes_nothing_while_a_failed_start_is_cleared_away(systemd: FakeSystemd) -> None:
    def fail_to_start(unit: Unit) -> None:
        systemd.state_changed(unit, "active")
        systemd.job_removed(unit, "failed")

    ended: asyncio.Future[Unit] = asyncio.get_running_loop().create_future()
    systemd.when_started = fail_to_start
    systemd.when_ended = ended.set_result
    process = await start("--unit", "x", "--", "true")
    unit = await ended
    process.send_signal(signal.SIGINT)
    systemd.announce_end(unit)
    assert (await end(process)).complaint.startswith("scoperun: Failed to start scope 'x.scope': its job ended as ")
    assert systemd.units == {}


# After the command's end.


@pytest.mark.usefixtures("impatient")
async def test_the_time_of_a_stop_is_asked_for_before_the_scope_is_released(systemd: FakeSystemd) -> None:
    """It is unloaded then; without that time it is not known whether the time limit ended the command."""
    process = await start_command(UNTIL_KILLED, "--timeout", "1ms")
    systemd.when_ended = lambda _: None  # its end is not heard
    systemd.unit.result = "timeout"
    systemd.unit.left_active = time.monotonic_ns() // 1000
    systemd.kill(systemd.unit, signal.SIGTERM)
    ended = await end(process)
    assert (ended.status, ended.report["verdict"]) == (124, "timeout")
    assert systemd.steps[-3:] == ["GetAll", "Get ActiveExitTimestampMonotonic", "UnrefUnit"]


async def test_a_time_limit_counts_from_when_the_scope_became_active(systemd: FakeSystemd) -> None:
    """Since systemd can take long to start it, not from when it was asked."""
    limits = library.Limits(runtime_max=300)
    async with library.Scope(["tail", "-f", "/dev/null"], limits=limits, require_limits=False) as scope:
        assert scope.start.counted_from == systemd.unit.became_active / 1e6
    async with library.Scope(["tail", "-f", "/dev/null"], require_limits=False) as scope:
        assert scope.start.counted_from < systemd.unit.became_active / 1e6, "nothing counts it"


async def test_a_signal_ends_the_wait_for_a_systemd_that_hangs(systemd: FakeSystemd) -> None:
    """Its time limit is longer than this test has."""
    process = await start_command(UNTIL_TOLD)
    systemd.at |= dict.fromkeys(["GetAll", "UnrefUnit", "Get ActiveState"], stall)
    systemd.when_ended = lambda _: None
    assert process.stdin is not None
    process.stdin.write(b"\n")
    await until(lambda: len(systemd.unit.running) <= 1)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        ended = await end(process)
    assert (ended.status, ended.left) == (3, [])


@pytest.mark.usefixtures("impatient")
async def test_a_parent_that_ends_after_the_command_has_stopped_nothing(systemd: FakeSystemd) -> None:
    parent = await asyncio.create_subprocess_exec("tail", "-f", "/dev/null")
    process = await start(f"--die-with-parent={parent.pid}", "--", "sh", "-c", UNTIL_TOLD)
    await line(process)
    systemd.at["GetAll"] = stall
    assert process.stdin is not None
    process.stdin.write(b"\n")
    await systemd.called("GetAll")
    parent.kill()
    await parent.wait()
    ended = await end(process)
    assert ended.status == 3
    assert "was stopped" not in ended.err
