"""Everything until the command runs: all that can go wrong, and that nothing is left then."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

import scoperun as library
from scoperun import ScoperunError
from scoperun.errors import BusUnavailable
from scoperun.process.processes import spawn
from scoperun.spec.request import RunRequest
from scoperun.spec.scope import scope_request
from scoperun.supervision.feed import Feed, until_started
from scoperun.supervision.order import cleared_away
from scoperun.systemd import bus as scoperun_bus
from scoperun.systemd.connecting import connect
from scoperun.systemd.manager import Manager
from scoperun.systemd.unit import Unit

from .fake_systemd import Unit as FakeUnit
from .program import children, scoperun
from .steps import PATIENCE, each_of, refusal, stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd
    from .program import Ended
    from .wire import Wire

ASKED_OF_SYSTEMD = ["StartTransientUnit", "Get InvocationID", "Get RuntimeMaxUSec", "GetUnitProcesses"]
ON_THE_WIRE = ["Hello", "AddMatch 1", "AddMatch 2", "GetConnectionUnixProcessID", *ASKED_OF_SYSTEMD]
BEFORE_THE_COMMAND = [*ON_THE_WIRE, "JobRemoved"]


@pytest.fixture
def mark(runtime_dir: str) -> str:
    """Return a file that the command makes if it runs."""
    return f"{runtime_dir}/ran"


@pytest.fixture
def on_the_wire(bus: Wire, systemd: FakeSystemd) -> Callable[..., None]:
    """Return a function that makes the bus act at a step instead of forwarding the call."""

    def interfere(step: str, action: Any) -> None:
        systemd.announces_invocation = step != "Get InvocationID"  # otherwise scoperun does not ask
        if step == "JobRemoved":
            systemd.when_started = action
        else:
            bus.at[step] = action

    return interfere


@pytest.fixture
def on_the_bus(systemd: FakeSystemd) -> Callable[..., None]:
    """Return a function that makes systemd act at a step instead of answering."""

    def interfere(step: str, action: Any) -> None:
        systemd.announces_invocation = step != "Get InvocationID"  # otherwise scoperun does not ask
        if step == "JobRemoved":
            systemd.when_started = action
        else:
            systemd.at[step] = action

    return interfere


async def program_fails(systemd: FakeSystemd, mark: str, *options: str) -> str:
    """Run scoperun, which must fail, and return its complaint."""
    ended = await scoperun(*options, "--", "touch", mark)
    assert (ended.status, ended.out, ended.left) == (125, "", [])
    await nothing_is_left(systemd, mark)
    return ended.complaint


async def library_fails(systemd: FakeSystemd, mark: str) -> None:
    """Do the same with the library."""
    with pytest.raises(ScoperunError) as caught:
        await library.run(["touch", mark], require_limits=False)
    assert len(str(caught.value).splitlines()) == 1
    assert children() == []
    await nothing_is_left(systemd, mark)


async def nothing_is_left(systemd: FakeSystemd, mark: str) -> None:
    assert not os.path.exists(mark)  # noqa: ASYNC240
    if systemd.bus.connected:
        await systemd.gone()


@pytest.fixture(params=["program", "library"])
def fails(request: pytest.FixtureRequest, systemd: FakeSystemd, mark: str) -> Callable[[], Any]:
    """Return a function that runs scoperun as a program or a library, asserting that it fails and leaves nothing."""
    failing = program_fails if request.param == "program" else library_fails
    return lambda: failing(systemd, mark)


@pytest.mark.parametrize("step", ON_THE_WIRE)
async def test_a_refused_call_ends_the_start(step: str, on_the_wire: Any, fails: Any) -> None:
    on_the_wire(step, refusal("org.freedesktop.DBus.Error.AccessDenied", "it may not do that"))
    await fails()


@pytest.mark.parametrize("step", ["Hello", "AddMatch 1", "StartTransientUnit"])
async def test_a_refused_call_without_a_text_ends_the_start(step: str, on_the_wire: Any, fails: Any) -> None:
    on_the_wire(step, refusal("org.freedesktop.DBus.Error.AccessDenied"))
    await fails()


@pytest.mark.parametrize("step", BEFORE_THE_COMMAND)
@pytest.mark.usefixtures("impatient")
async def test_a_step_without_an_answer_ends_the_start(step: str, on_the_wire: Any, fails: Any) -> None:
    on_the_wire(step, stall)
    await fails()


@pytest.mark.parametrize("step", ASKED_OF_SYSTEMD)
@pytest.mark.usefixtures("impatient")
async def test_a_lost_answer_ends_the_start(step: str, on_the_bus: Any, systemd: FakeSystemd, fails: Any) -> None:
    """Systemd has done what was asked, but its answer never arrives."""
    on_the_bus(step, lambda call: systemd.honest(call) and None)
    await fails()


@pytest.mark.parametrize("step", BEFORE_THE_COMMAND)
async def test_a_broken_connection_ends_the_start(step: str, bus: Wire, on_the_wire: Any, fails: Any) -> None:
    on_the_wire(step, bus.cut)
    await fails()


@pytest.mark.parametrize("step", ["AddMatch 2", "JobRemoved"])
async def test_the_end_of_the_bus_ends_the_start(step: str, killing_bus: Any, on_the_wire: Any, fails: Any) -> None:
    on_the_wire(step, killing_bus)
    await fails()


@pytest.mark.parametrize("step", [*ASKED_OF_SYSTEMD, "JobRemoved"])
@pytest.mark.usefixtures("impatient")
async def test_a_systemd_that_leaves_the_bus_ends_the_start(
    step: str, systemd: FakeSystemd, on_the_bus: Any, fails: Any
) -> None:
    on_the_bus(step, systemd.leave)
    await fails()


async def test_without_systemd_on_the_bus_the_error_names_a_check(bus: Wire, mark: str) -> None:
    ended = await scoperun("--", "touch", mark)
    assert (ended.status, ended.left) == (125, [])
    assert "systemctl --user is-system-running" in ended.complaint


# What systemd refuses.


async def test_a_property_of_ours_that_systemd_does_not_know_is_left_out(systemd: FakeSystemd) -> None:
    systemd.unknown_properties = {"MemoryAccounting", "TasksAccounting"}
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3")
    assert (ended.status, ended.left) == (3, [])
    assert systemd.steps.count("StartTransientUnit") == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MemoryZSwapMax", ("-p", "MemoryZSwapMax=0")),
        ("OOMPolicy", ("--oom-policy", "continue")),
        ("MemoryAccounting", ("-p", "MemoryAccounting=yes")),
        ("RuntimeMaxUSec", ("--timeout", "5")),
    ],
)
async def test_a_requested_property_that_systemd_does_not_know_is_named(
    name: str, options: tuple[str, ...], systemd: FakeSystemd, mark: str
) -> None:
    systemd.unknown_properties = {name}
    assert f"{name}=" in await program_fails(systemd, mark, *options)


async def test_a_necessary_property_that_systemd_does_not_know_is_named(systemd: FakeSystemd, mark: str) -> None:
    systemd.unknown_properties = {"AddRef"}
    assert "AddRef=" in await program_fails(systemd, mark)


async def test_a_systemd_that_always_refuses_the_same_property_is_given_up(systemd: FakeSystemd, mark: str) -> None:
    text = "Cannot set property MemoryAccounting, or unknown property."
    systemd.at["StartTransientUnit"] = refusal("org.freedesktop.DBus.Error.PropertyReadOnly", text)
    await program_fails(systemd, mark)


async def test_a_unit_that_exists_is_an_error_with_its_name(systemd: FakeSystemd, mark: str) -> None:
    text = "Unit twice.scope was already loaded or has a fragment file."
    systemd.at["StartTransientUnit"] = refusal("org.freedesktop.systemd1.UnitExists", text)
    complaint = await program_fails(systemd, mark, "--unit", "twice")
    assert "'twice.scope'" in complaint
    assert "already exists" in complaint


async def test_a_unit_that_was_announced_and_then_refused_is_not_waited_for(systemd: FakeSystemd, mark: str) -> None:
    """E.g. with a wrong slice name: systemd never announces the end of such a unit."""

    def announce_and_refuse(call: Message) -> Message:
        systemd.state_changed(FakeUnit(name=call.body[0], properties={}, owner=None), "inactive")
        return refusal("org.freedesktop.DBus.Error.InvalidArgs", "no such slice")(call)

    systemd.at["StartTransientUnit"] = announce_and_refuse
    assert "no such slice" in await program_fails(systemd, mark)


async def test_a_value_of_the_wrong_type_is_an_error(systemd: FakeSystemd, mark: str) -> None:
    text = "Failed to set unit properties: Unexpected message contents"
    systemd.at["StartTransientUnit"] = refusal("System.Error.ENXIO", text)
    assert text in await program_fails(systemd, mark)


async def test_an_error_of_several_lines_is_printed_on_one(systemd: FakeSystemd, mark: str) -> None:
    systemd.at["StartTransientUnit"] = refusal("org.freedesktop.DBus.Error.InvalidArgs", "one\ntwo\n")
    assert "one two" in await program_fails(systemd, mark)


@pytest.mark.parametrize("result", ["failed", "canceled", "timeout", "dependency", "a word of tomorrow"])
async def test_a_failed_job_is_an_error_that_says_where_to_look(result: str, systemd: FakeSystemd, mark: str) -> None:
    def fail(unit: FakeUnit) -> None:
        unit.result = "resources"
        systemd.announce_end(unit)
        systemd.job_removed(unit, result)

    systemd.when_started = fail
    complaint = await program_fails(systemd, mark)
    assert repr(result) in complaint
    assert "journalctl --user -u scoperun-touch" in complaint


NO_SYSTEMD = ["org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.systemd1.NoSuchUnit"]


@pytest.fixture(params=["user", "system"])
async def either(
    request: pytest.FixtureRequest, systemd: FakeSystemd, runtime_dir: str
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Return a function that starts a command in a scope of the user's or the system's manager, which are one here."""
    run = RunRequest(command=("true",), unit="either", system=request.param == "system")
    async with scoperun_bus.connect(f"unix:path={quote(runtime_dir)}/bus", timeout=PATIENCE) as connection:
        with spawn(run) as processes:
            feed = Feed()
            unit = Unit(Manager(connection, system=run.system), scope_request("either.scope", ()), feed.put)

            async def start() -> None:
                await unit.start([processes.workload.pid, processes.keeper.pid])
                await until_started(unit, feed, system=run.system)

            yield start


async def test_the_error_about_a_failed_job_names_the_journal_of_its_manager(
    either: Callable[[], Awaitable[None]], systemd: FakeSystemd, request: pytest.FixtureRequest
) -> None:
    systemd.when_started = lambda unit: systemd.job_removed(unit, "failed")
    flag = " --user" if "user" in request.node.name else ""
    with pytest.raises(ScoperunError, match=rf"\(see: journalctl{flag} -u either\.scope\)$"):
        await either()


@pytest.mark.parametrize("name", NO_SYSTEMD)
async def test_without_systemd_the_check_is_for_the_requested_manager(
    name: str, either: Callable[[], Awaitable[None]], systemd: FakeSystemd, request: pytest.FixtureRequest
) -> None:
    systemd.at["StartTransientUnit"] = refusal(name, "not there")
    flag = " --user" if "user" in request.node.name else ""
    message = rf"^no systemd on this bus: not there \(check: systemctl{flag} is-system-running\)$"
    with pytest.raises(BusUnavailable, match=message):
        await either()


async def test_a_scope_without_a_reference_is_not_waited_for(systemd: FakeSystemd, runtime_dir: str) -> None:
    """Without a reference systemd announces nothing more: the wait would last until the bus's time limit."""
    run, feed = RunRequest(command=("true",), unit="let-go", require_limits=False), Feed()
    environment = {"XDG_RUNTIME_DIR": runtime_dir, "SYSTEMD_BUS_TIMEOUT": str(100 * PATIENCE)}
    async with connect(environment) as manager:
        unit = Unit(manager, scope_request("let-go.scope", ()), feed.put)
        with spawn(run) as processes:
            async with asyncio.timeout(PATIENCE), cleared_away(run, unit, processes, feed):
                await unit.start([processes.workload.pid, processes.keeper.pid])
                await until_started(unit, feed, system=run.system)
                systemd.when_ended = lambda _: None
                await unit.unref()
    assert "UnrefUnit" in systemd.steps


async def test_a_command_that_is_not_in_its_scope_is_not_run_even_if_the_job_is_done(
    systemd: FakeSystemd, mark: str
) -> None:
    """The fake makes no cgroup, and says that the start job is done."""
    assert "the command is still in " in await program_fails(systemd, mark, "--require-limits", "--mem", "123M")


async def test_a_job_that_ends_before_its_unit_changes_is_a_start(systemd: FakeSystemd) -> None:
    """The order of the signals does not matter."""
    systemd.when_started = lambda unit: each_of(
        lambda: systemd.job_removed(unit, "done"),
        lambda: systemd.state_changed(unit, "active"),
        lambda: systemd.result_changed(unit),
    )()
    assert (await scoperun("--json", "--", "sh", "-c", "exit 3")).status == 3


# What systemd is asked for.


def properties_of(systemd: FakeSystemd) -> dict[str, tuple[str, Any]]:
    """Return the properties of the only StartTransientUnit, with their types."""
    (call,) = [each for each in systemd.calls if each.member == "StartTransientUnit"]
    assert call.signature == "ssa(sv)a(sa(sv))"
    return {name: (variant.signature, variant.value) for name, variant in call.body[2]}


async def run_to_the_end(*options: str) -> Ended:
    ended = await scoperun("--json", "--no-require-limits", *options, "--", "true")
    assert (ended.status, ended.left) == (0, [])
    return ended


async def test_signals_are_subscribed_before_the_start_and_for_this_unit_only(bus: Wire, systemd: FakeSystemd) -> None:
    await run_to_the_end("--unit", "a-b")
    assert bus.steps[:5] == ["Hello", "AddMatch 1", "AddMatch 2", "GetConnectionUnixProcessID", "StartTransientUnit"]
    rules = [call.body[0] for call in bus.calls if call.member == "AddMatch"]
    assert "path='/org/freedesktop/systemd1/unit/a_2db_2escope'" in rules[0]
    assert "member='JobRemoved',arg2='a-b.scope'" in rules[1]
    assert all("sender='org.freedesktop.systemd1'" in rule for rule in rules)
    assert "Subscribe" not in bus.steps


async def test_both_processes_are_passed_to_the_scope(systemd: FakeSystemd) -> None:
    ended = await run_to_the_end()
    kind, pids = properties_of(systemd)["PIDs"]
    assert (kind, len(set(pids))) == ("au", 2)
    assert ended.report["pid"] in pids


async def test_the_unit_is_removed_when_nothing_refers_to_it(systemd: FakeSystemd) -> None:
    await run_to_the_end()
    properties = properties_of(systemd)
    assert properties["AddRef"] == ("b", True)
    assert properties["CollectMode"] == ("s", "inactive-or-failed")
    assert systemd.steps[-1] == "UnrefUnit"
    assert systemd.units == {}


async def test_a_memory_limit_implies_no_swap(systemd: FakeSystemd) -> None:
    await run_to_the_end("--mem", "20M")
    properties = properties_of(systemd)
    assert properties["MemoryMax"] == ("t", 20 << 20)
    assert properties["MemorySwapMax"] == ("t", 0)
    assert properties["MemoryAccounting"] == ("b", True)


async def test_options_are_typed_properties(systemd: FakeSystemd) -> None:
    await run_to_the_end(
        *("--mem", "20M", "--swap", "1G", "--timeout", "5min", "--oom-policy", "continue", "--slice", "big"),
        *("-p", "TasksMax=7", "-p", "MemoryHigh=infinity", "-p", "Description=a thing"),
    )
    asked = {
        "MemorySwapMax": ("t", 1 << 30),
        "RuntimeMaxUSec": ("t", 300_000_000),
        "OOMPolicy": ("s", "continue"),
        "Slice": ("s", "big.slice"),
        "TasksMax": ("t", 8),  # and one for the keeper
        "MemoryHigh": ("t", (1 << 64) - 1),
        "Description": ("s", "a thing"),
    }
    assert {name: properties_of(systemd).get(name) for name in asked} == asked


async def test_without_options_no_limit_is_set(systemd: FakeSystemd) -> None:
    await run_to_the_end()
    names = {"PIDs", "MemoryAccounting", "TasksAccounting", "AddRef", "CollectMode", "Description", "Documentation"}
    assert properties_of(systemd).keys() == names


async def test_a_scope_has_our_documentation(systemd: FakeSystemd) -> None:
    await run_to_the_end()
    assert properties_of(systemd)["Documentation"] == ("as", ["man:scoperun(1)"])


async def test_requested_documentation_replaces_ours(systemd: FakeSystemd) -> None:
    await run_to_the_end("-p", "Documentation=man:true(1)", "-p", "Documentation=https://example.org/a")
    assert properties_of(systemd)["Documentation"] == ("as", ["man:true(1)", "https://example.org/a"])


async def test_a_command_that_is_not_utf_8_can_be_described(systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--", "sh", "-c", ":", os.fsdecode(b"\xff"))
    assert ended.status == 0
    assert properties_of(systemd)["Description"] == ("s", r"sh -c : \xff")
