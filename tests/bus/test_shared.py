"""One connection carries all runs of a process, and a signal is for the unit whose path it carries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import scoperun as library
from tests.bus.steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from .fake_systemd import FakeSystemd, Unit
    from .wire import Wire


async def at_once(*commands: list[str]) -> list[library.Report]:
    """Run commands beside each other."""
    runs = (library.run(command, require_limits=False) for command in commands)
    return await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)


async def test_runs_at_once_share_a_connection_that_is_closed_with_the_last(bus: Wire, systemd: FakeSystemd) -> None:
    reports = await at_once(*(["sh", "-c", f"exit {status}"] for status in range(1, 6)))
    assert [report.exit_code for report in reports] == [1, 2, 3, 4, 5]
    assert len({report.unit for report in reports}) == 5
    assert (bus.steps.count("Hello"), systemd.steps.count("StartTransientUnit")) == (1, 5)
    await bus.idle()
    assert (await at_once(["true"]))[0].exit_code == 0
    assert bus.steps.count("Hello") == 2


async def test_of_many_runs_the_bus_is_asked_for_all_signals_once(bus: Wire, systemd: FakeSystemd) -> None:
    """It allows a connection so many rules; of one run it is asked for no more signals than that run's."""
    await at_once(*[["true"]] * 8)
    rules = [call.body[0] for call in bus.calls if call.member == "AddMatch"]
    assert len(rules) == 4
    assert [rule for rule in rules if "path_namespace=" in rule] == [rules[2]]
    assert len([rule for rule in rules if "arg2=" in rule]) == 1
    assert bus.steps.count("GetConnectionUnixProcessID") == 1
    assert systemd.units == {}


async def test_what_befalls_another_unit_is_not_this_runs(systemd: FakeSystemd) -> None:
    """Both hear of both, and each takes its own."""
    ends: dict[str, str] = {"oom": "oom-kill", "well": "success"}

    def end(unit: Unit) -> None:
        unit.result = ends[unit.name.removesuffix(".scope")]
        systemd.announce_end(unit)

    systemd.when_ended = end
    runs = (library.run(["true"], unit=name, require_limits=False) for name in ends)
    reports = await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)
    assert {report.unit.removesuffix(".scope"): report.result for report in reports} == ends


async def test_a_signal_that_carries_another_units_path_is_passed_over(systemd: FakeSystemd) -> None:
    """The bus would not send it, but what it sends is not for this code to trust."""

    def start(unit: Unit) -> None:
        name, unit.name = unit.name, "other.scope"
        systemd.result_changed(unit, "oom-kill")
        systemd.state_changed(unit, "failed")
        systemd.job_removed(unit, "failed")
        unit.name = name
        systemd.announce_start(unit)

    systemd.when_started = start
    (report,) = await at_once(["sh", "-c", "exit 3"])
    assert (report.verdict, report.result) == ("exit-code", "success")


async def test_the_invocation_is_the_one_that_was_announced_or_else_is_asked_for(systemd: FakeSystemd) -> None:
    (report,) = await at_once(["true"])
    assert "Get InvocationID" not in systemd.steps
    systemd.announces_invocation = False
    (asked,) = await at_once(["true"])
    assert "Get InvocationID" in systemd.steps
    assert len({report.invocation_id, asked.invocation_id, None}) == 3


@pytest.mark.usefixtures("systemd")
async def test_all_that_wait_for_a_connection_are_told_why_there_is_none(bus: Wire) -> None:
    bus.at["Hello"] = refusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many")
    runs = (library.run(["true"], require_limits=False) for _ in range(3))
    failures = await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), PATIENCE)
    assert [type(failure) for failure in failures] == [library.BusUnavailable] * 3
    assert bus.steps.count("Hello") == 1
    del bus.at["Hello"]
    await at_once(["true"])


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_has_fallen_silent_is_given_to_no_further_run(bus: Wire, systemd: FakeSystemd) -> None:
    """The run that has it goes on with it, and can be ended."""
    systemd.at["FreezeUnit"] = stall
    async with library.Scope(["sleep", "60"], require_limits=False) as scope:
        await systemd.called("Get Version")
        await scope.set_limits(library.Limits(tasks_max=9))  # its answer comes last: nothing more is on its way
        with pytest.raises(library.BusLost, match=r"^FreezeUnit: no answer within"):
            await scope.freeze()
        (report,) = await at_once(["true"])
        assert report.exit_code == 0
    assert bus.steps.count("Hello") == 2


@pytest.mark.usefixtures("impatient")
async def test_a_connection_on_which_one_answer_is_late_and_others_come_is_not_lost(
    bus: Wire, systemd: FakeSystemd
) -> None:
    """As while systemd waits for the freezer."""
    systemd.at["FreezeUnit"] = stall
    async with library.Scope(["sleep", "60"], require_limits=False) as scope:
        freezing = asyncio.create_task(scope.freeze())
        await systemd.called("FreezeUnit")
        await at_once(["true"])
        with pytest.raises(library.BusLost, match=r"^FreezeUnit: no answer within"):
            await freezing
        await at_once(["true"])
    assert bus.steps.count("Hello") == 1
