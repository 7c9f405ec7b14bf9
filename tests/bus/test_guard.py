"""The guard: one scope for all runs that are to end with this process, closed with the last of them."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

import scoperun as library
from scoperun.kernel.wait import process_ended
from scoperun.supervision.guard import shared_guard
from scoperun.systemd.manager import connect
from tests.bus.steps import PATIENCE, refusal

if TYPE_CHECKING:
    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd

GUARD = "guard-of-scoperun-"


def is_guard(call: Message) -> bool:
    return str(call.body[0]).startswith(GUARD)


def started(systemd: FakeSystemd) -> list[str]:
    """Return the names of the scopes that were asked for."""
    return [call.body[0] for call in systemd.calls if call.member == "StartTransientUnit"]


def asked(systemd: FakeSystemd, name: str) -> dict[str, object]:
    """Return the properties that a scope was asked for with."""
    (call,) = [each for each in systemd.calls if each.member == "StartTransientUnit" and each.body[0] == name]
    return {name: value.value for name, value in call.body[2]}


async def run(*command: str, unit: str | None = None, properties: tuple[str, ...] = ()) -> library.Report:
    async with asyncio.timeout(PATIENCE):
        return await library.run(
            command, unit=unit, properties=properties, require_limits=False, die_with_scoperun=True
        )


async def test_the_scope_is_bound_to_the_guard_and_nothing_is_left(systemd: FakeSystemd) -> None:
    report = await run("sh", "-c", "exit 3", unit="bound")
    guard, scope = started(systemd)
    assert (report.exit_code, scope) == (3, "bound.scope")
    assert guard.startswith(f"{GUARD}{os.getpid()}-")
    assert asked(systemd, scope)["BindsTo"] == asked(systemd, scope)["After"] == [guard]
    assert "Documentation" not in asked(systemd, guard)
    assert str(os.getpid()) in str(asked(systemd, guard)["Description"])
    assert systemd.units == {}


async def test_what_the_user_binds_it_to_is_kept(systemd: FakeSystemd) -> None:
    await run("true", unit="bound", properties=("BindsTo=", "BindsTo=a.service", "After=b.service"))
    guard = started(systemd)[0]
    assert asked(systemd, "bound.scope")["BindsTo"] == ["a.service", guard]
    assert asked(systemd, "bound.scope")["After"] == ["b.service", guard]


async def test_all_runs_share_a_guard_that_ends_with_the_last(systemd: FakeSystemd) -> None:
    await asyncio.gather(*(run("true") for _ in range(5)))
    assert [name.startswith(GUARD) for name in started(systemd)] == [True, *[False] * 5]
    assert systemd.units == {}
    await run("true")
    assert len([name for name in started(systemd) if name.startswith(GUARD)]) == 2


async def test_a_guard_that_is_refused_is_named_and_nothing_runs(systemd: FakeSystemd) -> None:
    systemd.at["StartTransientUnit"] = refusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many units")
    message = r"^cannot start the guard of `die_with_scoperun`: Failed to start scope 'guard-of-.*': too many units$"
    with pytest.raises(library.ManagerError, match=message):
        await run("touch", "/nonexistent")
    assert len(started(systemd)) == 1


async def test_a_lost_guard_is_replaced_for_the_next_run(systemd: FakeSystemd) -> None:
    async with asyncio.timeout(PATIENCE), connect(os.environ) as manager, shared_guard(manager, system=False) as first:
        assert not first.was_lost
        (pid,) = systemd.unit.pids
        os.kill(pid, signal.SIGKILL)
        await process_ended(pid)
        assert first.was_lost
        async with shared_guard(manager, system=False) as second, shared_guard(manager, system=False) as third:
            assert second.unit == third.unit != first.unit
            assert not second.was_lost
    await systemd.gone()
