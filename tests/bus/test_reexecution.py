"""systemd leaves the bus and comes back (daemon-reexec): what can be asked again is, and nothing is started twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import scoperun as library
from scoperun.errors import BusLost, BusUnavailable
from scoperun.systemd.connecting import connect

from .fake_systemd import Unit as FakeUnit
from .program import end, scoperun, start_command
from .steps import answer, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd
    from .wire import Wire

ASKED_AT_THE_START = ["StartTransientUnit", "Get InvocationID", "Get RuntimeMaxUSec", "GetUnitProcesses"]
ASKED_LATER = ["GetAll", "UnrefUnit"]
HARMFUL = {"AbandonScope", "KillUnit", "StopUnit", "SetUnitProperties", "UnrefUnit"}


def once(systemd: FakeSystemd, step: str, action: Callable[[Message], Any]) -> None:
    """Make systemd act at the first call of a step; then it is honest again."""

    def act(call: Message) -> Any:
        del systemd.at[step]
        return action(call)

    systemd.at[step] = act


def list_processes_once(systemd: FakeSystemd) -> None:
    """List the scope's processes at the next call, as systemd does; the fake otherwise lists none of ours."""

    def listing(call: Message) -> Message:
        pids = systemd.unit.pids
        return answer(call, "a(sus)", [["/a.scope", pid, "a process"] for pid in pids])

    once(systemd, "GetUnitProcesses", listing)


@pytest.mark.parametrize("step", [*ASKED_AT_THE_START, *ASKED_LATER])
async def test_a_call_that_systemd_has_not_read_is_made_again(step: str, systemd: FakeSystemd) -> None:
    systemd.announces_invocation = step != "Get InvocationID"  # otherwise scoperun does not ask
    once(systemd, step, systemd.reexecute)
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.left) == (3, [])
    assert (ended.report["verdict"], ended.report["result"]) == ("exit-code", "success")
    assert systemd.steps.count(step) == 2
    await systemd.gone()


async def test_what_is_asked_while_the_command_runs_is_asked_again(systemd: FakeSystemd) -> None:
    """The report does not wait for systemd's version, so the command has to run until it is known."""
    once(systemd, "Get Version", systemd.reexecute)
    process = await start_command("echo; read _; exit 3")
    await until(lambda: systemd.steps.count("Get Version") == 2)
    ended = await end(process, "\n")
    assert (ended.status, ended.left, ended.report["systemd"]) == (3, [], "257.9-1")


async def test_a_call_waits_until_systemd_is_back(systemd: FakeSystemd, bus: Wire, runtime_dir: str) -> None:
    """Without systemd the bus says that there is no such service, which is an error only if it was never there."""
    async with connect({"XDG_RUNTIME_DIR": runtime_dir}) as manager:
        await manager.control_group()
        systemd.leave()
        await systemd.left()
        asked = asyncio.create_task(manager.control_group())
        await bus.called("NameHasOwner")
        await systemd.join()
        assert await asked == "/no/such/manager"


async def test_a_systemd_that_does_not_come_back_is_waited_for_once(
    systemd: FakeSystemd, bus: Wire, runtime_dir: str
) -> None:
    async with connect({"XDG_RUNTIME_DIR": runtime_dir, "SYSTEMD_BUS_TIMEOUT": "1"}) as manager:
        await manager.control_group()
        systemd.leave()
        await systemd.left()
        for _ in range(2):
            with pytest.raises(BusUnavailable, match="no systemd on this bus"):
                await manager.control_group()
    assert bus.steps.count("NameHasOwner") == 2
    assert len([step for step in bus.steps if step.startswith("AddMatch")]) == 1


async def test_the_version_is_asked_once_of_each_systemd(systemd: FakeSystemd, runtime_dir: str) -> None:
    async with connect({"XDG_RUNTIME_DIR": runtime_dir}) as manager:
        assert {await manager.version() for _ in range(3)} == {"257.9-1"}
        assert systemd.steps.count("Get Version") == 1
        systemd.leave()
        await systemd.left()
        await systemd.join()
        await manager.control_group()
        assert {await manager.version() for _ in range(3)} == {"257.9-1"}
    assert systemd.steps.count("Get Version") == 2


async def test_a_start_that_was_carried_out_is_not_asked_for_again(systemd: FakeSystemd) -> None:
    """Neither the answer nor the announcements arrive."""

    def start_and_reexecute(call: Message) -> None:
        systemd.when_started = lambda _: None
        systemd.honest(call)
        list_processes_once(systemd)
        systemd.reexecute()

    once(systemd, "StartTransientUnit", start_and_reexecute)
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.left) == (3, [])
    assert systemd.steps.count("StartTransientUnit") == 1
    await systemd.gone()


async def test_a_start_job_that_is_still_queued_is_waited_for(systemd: FakeSystemd) -> None:
    def queue_and_reexecute(call: Message) -> None:
        systemd.when_started = lambda unit: setattr(unit, "job", 1)
        systemd.honest(call)
        systemd.reexecute()

    def end_of_the_job(call: Message) -> Message:
        said = systemd.honest(call)
        systemd.announce_start(systemd.unit)
        list_processes_once(systemd)
        return said

    once(systemd, "StartTransientUnit", queue_and_reexecute)
    once(systemd, "Get Job", end_of_the_job)
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.left) == (3, [])
    assert systemd.steps.count("StartTransientUnit") == 1


async def test_a_unit_without_our_processes_is_left_alone(systemd: FakeSystemd, runtime_dir: str) -> None:
    """Something else has started a unit with the same name meanwhile."""

    def take_the_name(call: Message) -> None:
        systemd.units["twice.scope"] = FakeUnit(name="twice.scope", properties={}, owner=None)
        systemd.reexecute()

    once(systemd, "StartTransientUnit", take_the_name)
    ended = await scoperun("--unit", "twice", "--", "touch", f"{runtime_dir}/ran")
    assert (ended.status, ended.out, ended.left) == (125, "", [])
    assert "'twice.scope': systemd restarted, and our processes are not in that unit now" in ended.complaint
    assert HARMFUL.isdisjoint(systemd.steps)
    assert systemd.steps.count("StartTransientUnit") == 1


async def test_a_systemd_that_leaves_each_time_is_given_up(systemd: FakeSystemd) -> None:
    systemd.at["StartTransientUnit"] = systemd.reexecute
    ended = await scoperun("--", "true")
    assert (ended.status, ended.left) == (125, [])
    assert "systemd did not answer: " in ended.complaint
    assert systemd.steps.count("StartTransientUnit") == 5
    assert systemd.units == {}


@pytest.mark.parametrize(("number", "calls"), [(10, 1), (9, 2)])
async def test_a_signal_is_not_sent_twice_unless_it_kills(number: int, calls: int, systemd: FakeSystemd) -> None:
    async with library.Scope(["sh", "-c", "trap : USR1; while :; do sleep 9; done"], require_limits=False) as scope:
        once(systemd, "KillUnit", systemd.reexecute)
        try:
            await scope.kill(number)
        except BusLost:
            assert number != 9
        assert systemd.steps.count("KillUnit") == calls
