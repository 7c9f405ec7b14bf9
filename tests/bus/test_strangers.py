"""A systemd that reads PIDs as those of another namespace: nothing is started, and strangers are released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .program import scoperun
from .steps import answer, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd, Unit
    from .steps import Action
    from .wire import Wire

STRANGERS = [7001, 7002]
HARM = {"KillUnit", "StopUnit", "FreezeUnit"}
NO_LIMIT = (1 << 64) - 1


def another(call: Message) -> Message:
    return answer(call, "u", 4)


@pytest.mark.parametrize("tell", [another, refusal("org.freedesktop.DBus.Error.NameHasNoOwner", "who?")])
@pytest.mark.parametrize("option", ["--mem=20M", "--no-require-limits"])
async def test_if_the_bus_has_another_pid_for_us_nothing_is_started(
    tell: Action, option: str, bus: Wire, systemd: FakeSystemd
) -> None:
    bus.at["GetConnectionUnixProcessID"] = tell
    refused = await scoperun(option, "--", "echo", "ran")
    assert (refused.status, refused.out) == (125, "")
    assert systemd.calls == []


@pytest.fixture(params=["active", "failed"])
def capture(request: pytest.FixtureRequest, systemd: FakeSystemd) -> Callable[[Unit], None]:
    """Make systemd put strangers into the scope, with a start job that is done or has failed halfway."""

    def announce(unit: Unit) -> None:
        unit.strangers = STRANGERS
        systemd.result_changed(unit, "success" if request.param == "active" else "resources")
        systemd.state_changed(unit, request.param)
        systemd.job_removed(unit, "done" if request.param == "active" else "failed")

    systemd.when_started = announce
    return announce


@pytest.mark.usefixtures("capture")
@pytest.mark.parametrize("option", ["--require-limits", "--no-require-limits"])
async def test_strangers_are_named_and_released(option: str, systemd: FakeSystemd) -> None:
    refused = await scoperun(option, "--mem", "20M", "-p", "TasksMax=5%", "--unit", "a", "--", "echo", "ran")
    assert (refused.status, refused.out) == (125, "")
    assert refused.complaint == (
        "scoperun: Failed to start scope 'a.scope': systemd reads PIDs in another PID namespace and "
        "has put other processes into the scope (there 7001, 7002); their limits were lifted again"
    )
    set_back = {name: value.value for call in systemd.calls for name, value in properties_set(call)}
    assert set_back == dict.fromkeys(("MemoryMax", "MemorySwapMax", "TasksMax"), NO_LIMIT)
    assert {"AbandonScope", "UnrefUnit"} <= set(systemd.steps)
    assert not HARM & set(systemd.steps)


def properties_set(call: Message) -> list[Any]:
    return call.body[2] if call.member == "SetUnitProperties" else []


@pytest.mark.usefixtures("capture")
@pytest.mark.parametrize("step", ["SetUnitProperties", "AbandonScope", "UnrefUnit"])
async def test_what_could_not_be_undone_for_them_is_printed(step: str, systemd: FakeSystemd) -> None:
    systemd.at[step] = refusal("org.freedesktop.DBus.Error.AccessDenied", "no")
    refused = await scoperun("--mem", "20M", "--", "echo", "ran")
    assert refused.complaint.endswith("(there 7001, 7002); their limits could not be lifted")
    assert not HARM & set(systemd.steps)


@pytest.mark.usefixtures("impatient")
async def test_strangers_are_released_even_if_the_end_of_the_start_is_not_announced(systemd: FakeSystemd) -> None:
    def announce_half(unit: Unit) -> None:
        unit.strangers = STRANGERS
        systemd.state_changed(unit, "active")

    systemd.when_started = announce_half
    refused = await scoperun("--mem", "20M", "--", "echo", "ran")
    assert (refused.status, refused.out) == (125, "")
    assert refused.complaint.endswith("(there 7001, 7002); their limits were lifted again")
    assert not HARM & set(systemd.steps)
