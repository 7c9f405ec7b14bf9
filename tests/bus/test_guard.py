"""The guard: one scope for all runs that are to end with this process, closed with the last of them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from typing import TYPE_CHECKING

import pytest

import scoperun as library
from scoperun.kernel.wait import process_ended
from scoperun.supervision.guard import shared_guard
from scoperun.systemd.connecting import connect
from scoperun.systemd.shared import shared_manager

from .program import end, line, scoperun, signal_from_outside, start
from .steps import PATIENCE, answer, refusal, stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd
    from .steps import Action
    from .wire import Wire

GUARD = "guard-of-scoperun-"


def is_guard(call: Message) -> bool:
    return str(call.body[0]).startswith(GUARD)


@pytest.fixture
def mark(runtime_dir: str) -> str:
    """Return a file that the command makes if it runs."""
    return f"{runtime_dir}/ran"


def at_the_start_of(systemd: FakeSystemd, *, guard: Action | None = None, scope: Action | None = None) -> None:
    """Have systemd act at the start of the guard's scope, or of the command's."""

    def act(call: Message) -> Any:
        action = guard if is_guard(call) else scope
        return (action or systemd.honest)(call)

    systemd.at["StartTransientUnit"] = act


def killing_the_guard(systemd: FakeSystemd, then: Action) -> Action:
    """Return the action of killing the guard and, when it is dead, another."""

    def kill(call: Message) -> Any:
        (guard,) = (unit for unit in systemd.units.values() if unit.name.startswith(GUARD))
        (pid,) = guard.pids
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
        return then(call)

    return kill


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


async def test_a_guard_that_was_ended_is_not_lost(systemd: FakeSystemd) -> None:
    async with asyncio.timeout(PATIENCE), connect(os.environ) as manager:
        async with shared_guard(manager, system=False) as guard:
            assert not guard.was_lost
        assert not guard.was_lost
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


async def refused(mark: str, *options: str) -> str:
    """Run a command that must not run, and return the complaint."""
    ended = await scoperun("--die-with-scoperun", *options, "--", "touch", mark)
    assert (ended.status, ended.out, ended.left) == (125, "", [])
    assert not os.path.exists(mark)  # noqa: ASYNC240
    return ended.complaint


async def test_a_refused_guard_is_called_by_the_option(systemd: FakeSystemd, mark: str) -> None:
    at_the_start_of(systemd, guard=refusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many units"))
    complaint = await refused(mark)
    assert complaint.startswith("scoperun: cannot start the guard of --die-with-scoperun: Failed to start scope")
    assert systemd.units == {}


@pytest.mark.parametrize("result", ["failed", "canceled"])
async def test_a_guard_whose_job_fails_is_ended(systemd: FakeSystemd, mark: str, result: str) -> None:
    systemd.when_started = lambda unit: systemd.job_removed(unit, result)
    assert f"its job ended as '{result}'" in await refused(mark)
    assert "StopUnit" in systemd.steps
    await systemd.gone()


@pytest.mark.parametrize(
    "then",
    [
        refusal("org.freedesktop.systemd1.NoSuchUnit", "Unit guard.scope not found."),
        refusal("org.freedesktop.DBus.Error.Failed", "bound to an inactive unit"),
        None,
    ],
    ids=["unloaded", "inactive", "unnoticed"],
)
async def test_a_guard_that_is_killed_before_the_start_is_named(
    systemd: FakeSystemd, mark: str, then: Action | None
) -> None:
    at_the_start_of(systemd, scope=killing_the_guard(systemd, then or systemd.honest))
    complaint = await refused(mark)
    assert complaint.startswith(
        f"scoperun: the guard of --die-with-scoperun was killed before the command had started (it was {GUARD}"
    )
    await systemd.gone()


async def test_a_unit_that_is_missing_is_named(systemd: FakeSystemd, mark: str) -> None:
    """The bus has the same error for a missing systemd."""
    missing = refusal("org.freedesktop.systemd1.NoSuchUnit", "Unit nope.service not found.")
    at_the_start_of(systemd, scope=missing)
    complaint = await refused(mark, "--unit", "x", "-p", "BindsTo=nope.service")
    assert complaint == "scoperun: Failed to start scope 'x.scope': Unit nope.service not found."


async def test_another_error_of_the_start_is_not_blamed_on_the_guard(systemd: FakeSystemd, mark: str) -> None:
    at_the_start_of(systemd, scope=refusal("org.freedesktop.DBus.Error.Failed", "no such luck"))
    assert await refused(mark, "--unit", "x") == "scoperun: Failed to start scope 'x.scope': no such luck"
    await systemd.gone()


async def test_a_bus_that_is_lost_while_the_guard_starts_leaves_nothing(
    systemd: FakeSystemd, mark: str, killing_bus: Callable[[object], None]
) -> None:
    at_the_start_of(systemd, guard=killing_bus)  # type: ignore[arg-type]  # it does not reply
    assert "the connection to the bus broke" in await refused(mark)


async def test_a_signal_while_the_guard_starts_leaves_nothing(systemd: FakeSystemd, mark: str) -> None:
    """Otherwise systemd might move the guard when it is dead already, and would not notice that."""
    at_the_start_of(systemd, guard=stall)
    process = await start("--die-with-scoperun", "--", "touch", mark)
    await systemd.called("StartTransientUnit")
    signal_from_outside(process, signal.SIGTERM)
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    assert ended.complaint == "scoperun: SIGTERM arrived before the command had started"
    await systemd.called("StopUnit")


async def test_a_run_goes_on_when_the_bus_is_lost_and_leaves_no_guard(
    systemd: FakeSystemd, killing_bus: Callable[[object], None]
) -> None:
    process = await start("--die-with-scoperun", "--", "sh", "-c", "echo; read _; exit 3")
    await line(process)
    killing_bus(None)
    await systemd.gone()
    ended = await end(process, "\n")
    assert (ended.status, ended.left) == (3, [])


async def test_a_run_without_the_option_starts_no_guard(systemd: FakeSystemd) -> None:
    ended = await scoperun("--no-die-with-scoperun", "--unit", "plain", "--", "sh", "-c", "exit 3")
    assert (ended.status, started(systemd)) == (3, ["plain.scope"])
    assert {"BindsTo", "After"} & asked(systemd, "plain.scope").keys() == set()


def stopping(systemd: FakeSystemd) -> Action:
    """Return the action of a stop: SIGTERM to all, which the keeper and the guard block."""

    def stop(call: Message) -> Message:
        unit = systemd.units[call.body[0]]
        systemd.state_changed(unit, "deactivating")
        systemd.kill(unit, signal.SIGTERM)
        return answer(call, "o", "/job/2")

    return stop


async def test_the_end_of_the_parent_stops_the_scope_and_is_reported(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = stopping(systemd)
    process = await start(
        "--json", "--die-with-parent", "--", "sh", "-c", "echo; exec tail -f /dev/null", through='"$@" & wait'
    )
    await line(process)
    process.kill()
    ended = await end(process)
    assert (ended.report["verdict"], ended.report["signal"]) == ("signal", signal.SIGTERM)
    assert "KillUnit" not in systemd.steps
    await systemd.gone()


async def test_what_systemd_does_not_stop_is_killed(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = refusal("org.freedesktop.DBus.Error.Failed", "Cannot perform operation on frozen unit.")
    process = await start(
        "--json", "--die-with-parent", "--", "sh", "-c", "echo; exec tail -f /dev/null", through='"$@" & wait'
    )
    await line(process)
    process.kill()
    assert (await end(process)).report["signal"] == signal.SIGKILL
    await systemd.gone()


async def test_a_parent_that_ends_while_the_scope_starts_starts_no_command(systemd: FakeSystemd, mark: str) -> None:
    process = await start("--die-with-parent", "--", "touch", mark, through='"$@" & wait')

    def kill(call: Message) -> Message:
        process.kill()
        return systemd.honest(call)

    at_the_start_of(systemd, scope=kill)
    ended = await end(process)
    assert ended.complaint == "scoperun: the parent has ended before the command had started"
    assert not os.path.exists(mark)  # noqa: ASYNC240
    await systemd.gone()


async def test_another_process_can_be_watched_instead(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = stopping(systemd)
    watched = await asyncio.create_subprocess_exec("tail", "-f", "/dev/null")
    process = await start(
        "--json", f"--die-with-parent={watched.pid}", "--", "sh", "-c", "echo; exec tail -f /dev/null"
    )
    await line(process)
    watched.kill()
    await watched.wait()
    ended = await end(process)
    assert (ended.status, ended.report["signal"]) == (143, signal.SIGTERM)


async def test_a_process_that_is_not_there_is_refused_before_anything_starts(systemd: FakeSystemd, mark: str) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    complaint = await refused(mark, f"--die-with-parent={gone.pid}")
    assert complaint.startswith(f"scoperun: --die-with-parent={gone.pid}: there is no process {gone.pid} (")
    assert systemd.calls == []


async def test_a_stop_ends_a_running_scope_and_does_nothing_to_one_that_has_ended(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = stopping(systemd)
    async with asyncio.timeout(PATIENCE), library.Scope(["tail", "-f", "/dev/null"], require_limits=False) as scope:
        await scope.stop()
        assert (await scope.report()).signal == signal.SIGTERM
        await scope.stop()
    assert systemd.steps.count("StopUnit") == 1


async def test_a_line_before_the_report_says_why_the_scope_was_stopped(systemd: FakeSystemd) -> None:
    systemd.at["StopUnit"] = stopping(systemd)
    watched = await asyncio.create_subprocess_exec("tail", "-f", "/dev/null")
    process = await start(f"--die-with-parent={watched.pid}", "--", "sh", "-c", "echo; exec tail -f /dev/null")
    await line(process)
    watched.kill()
    await watched.wait()
    first, *_ = (await end(process)).err.splitlines()
    assert first == "scoperun: the scope was stopped because the process ended with which --die-with-parent ends it"


async def test_the_loss_of_the_guard_is_told_before_the_report(systemd: FakeSystemd) -> None:
    process = await start("--die-with-scoperun", "--unit", "x", "--", "sh", "-c", "echo; exec tail -f /dev/null")
    await line(process)
    (guard,) = (unit for unit in systemd.units.values() if unit.name.startswith(GUARD))
    systemd.kill(guard, signal.SIGKILL)
    systemd.kill(systemd.units["x.scope"], signal.SIGTERM)  # the fake knows no BindsTo=
    first, *_ = (await end(process)).err.splitlines()
    assert first == "scoperun: the scope was stopped because the guard of --die-with-scoperun was killed"


async def test_a_run_with_a_guard_hears_of_no_other_units_and_many_add_no_rules(
    bus: Wire, systemd: FakeSystemd
) -> None:
    def rules() -> list[str]:
        return [call.body[0] for call in bus.calls if call.member == "AddMatch"]

    await run("true")
    assert (len(rules()), [rule for rule in rules() if "path_namespace=" in rule]) == (4, [])
    bus.calls.clear()
    async with shared_manager(os.environ) as manager, shared_guard(manager, system=False):
        for _ in range(5):
            await run("true")
    assert len(rules()) == 6
