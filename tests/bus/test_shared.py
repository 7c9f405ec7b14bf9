"""All runs of a process share one connection, and a signal belongs to the unit whose path it has."""

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
    """Run commands concurrently."""
    runs = (library.run(command, require_limits=False) for command in commands)
    return await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)


async def test_concurrent_runs_share_a_connection_that_closes_with_the_last(bus: Wire, systemd: FakeSystemd) -> None:
    reports = await at_once(*(["sh", "-c", f"exit {status}"] for status in range(1, 6)))
    assert [report.exit_code for report in reports] == [1, 2, 3, 4, 5]
    assert len({report.unit for report in reports}) == 5
    assert (bus.steps.count("Hello"), systemd.steps.count("StartTransientUnit")) == (1, 5)
    await bus.idle()
    assert (await at_once(["true"]))[0].exit_code == 0
    assert bus.steps.count("Hello") == 2


async def test_the_bus_is_asked_for_signals_once_for_many_runs(bus: Wire, systemd: FakeSystemd) -> None:
    """It limits the rules per connection; a single run asks only for the signals of its own unit."""
    await at_once(*[["true"]] * 8)
    rules = [call.body[0] for call in bus.calls if call.member == "AddMatch"]
    assert len(rules) == 4
    assert [rule for rule in rules if "path_namespace=" in rule] == [rules[2]]
    assert len([rule for rule in rules if "arg2=" in rule]) == 1
    assert bus.steps.count("GetConnectionUnixProcessID") == 1
    assert systemd.units == {}


async def test_a_signal_about_one_unit_does_not_affect_another_run(systemd: FakeSystemd) -> None:
    """Both runs receive both signals, and each uses its own."""
    ends: dict[str, str] = {"oom": "oom-kill", "well": "success"}

    def end(unit: Unit) -> None:
        unit.result = ends[unit.name.removesuffix(".scope")]
        systemd.announce_end(unit)

    systemd.when_ended = end
    runs = (library.run(["true"], unit=name, require_limits=False) for name in ends)
    reports = await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)
    assert {report.unit.removesuffix(".scope"): report.result for report in reports} == ends


async def test_a_signal_with_another_units_path_is_ignored(systemd: FakeSystemd) -> None:
    """The bus would not send it, but this code does not rely on that."""

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


async def test_the_invocation_id_is_the_announced_one_or_is_read(systemd: FakeSystemd) -> None:
    (report,) = await at_once(["true"])
    assert "Get InvocationID" not in systemd.steps
    systemd.announces_invocation = False
    (asked,) = await at_once(["true"])
    assert "Get InvocationID" in systemd.steps
    assert len({report.invocation_id, asked.invocation_id, None}) == 3


@pytest.mark.usefixtures("systemd")
async def test_all_runs_that_wait_for_a_connection_get_its_error(bus: Wire) -> None:
    bus.at["Hello"] = refusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many")
    runs = (library.run(["true"], require_limits=False) for _ in range(3))
    failures = await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), PATIENCE)
    assert [type(failure) for failure in failures] == [library.BusUnavailable] * 3
    assert bus.steps.count("Hello") == 1
    del bus.at["Hello"]
    await at_once(["true"])


@pytest.mark.usefixtures("impatient")
async def test_a_silent_connection_is_not_used_for_further_runs(bus: Wire, systemd: FakeSystemd) -> None:
    """The run that already uses it continues with it, and can be ended."""
    systemd.at["FreezeUnit"] = stall
    async with library.Scope(["sleep", "60"], require_limits=False) as scope:
        await systemd.called("Get Version")
        await scope.set_limits(library.Limits(tasks_max=9))  # its answer comes last, so nothing else is on its way
        with pytest.raises(library.BusLost, match=r"^FreezeUnit: no answer within"):
            await scope.freeze()
        (report,) = await at_once(["true"])
        assert report.exit_code == 0
    assert bus.steps.count("Hello") == 2


@pytest.mark.usefixtures("impatient")
async def test_a_connection_with_one_late_answer_among_others_is_not_lost(bus: Wire, systemd: FakeSystemd) -> None:
    """E.g. while systemd waits for the freezer."""
    systemd.at["FreezeUnit"] = stall
    async with library.Scope(["sleep", "60"], require_limits=False) as scope:
        freezing = asyncio.create_task(scope.freeze())
        await systemd.called("FreezeUnit")
        await at_once(["true"])
        with pytest.raises(library.BusLost, match=r"^FreezeUnit: no answer within"):
            await freezing
        await at_once(["true"])
    assert bus.steps.count("Hello") == 1
