"""scopectl list, status and wait with a systemd whose units vanish, or that refuses and lies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.signature import Variant

from tests.schema import told_by

from .fake_systemd import MANAGER, NAME, PATH, UNIT, Unit
from .program import end
from .steps import answer, each_of, refusal, until

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd
    from .program import Ended

UNLOADED = refusal(f"{NAME}.NoUnitForInvocationID", "No unit with the specified invocation ID known.")
DENIED = refusal("org.freedesktop.DBus.Error.AccessDenied", "not yours")


class Shown:
    """Units that scopectl finds; kinds, unit_properties: what GetAll answers for each, besides what the fake says."""

    def __init__(self, systemd: FakeSystemd, runtime_dir: str) -> None:
        self.systemd = systemd
        self.rows: list[list[object]] = []
        self.properties: dict[str, dict[str, Variant]] = {}
        self._folder = f"{runtime_dir}/systemd/transient"
        os.makedirs(self._folder, exist_ok=True)
        systemd.at |= {
            "ListUnitsByPatterns": lambda call: answer(call, "a(ssssssouso)", self.rows),
            "Get ControlGroup": lambda call: answer(call, "v", Variant("s", "/no/such/manager")),
            "GetAll": self._get_all,
            **dict.fromkeys(("Subscribe", "Ref", "Unref"), answer),
        }

    def add(self, name: str, *, state: str = "active", description: str = "./a", ours: bool = True) -> Unit:
        """Add a unit; ours: scoperun has asked for it, else no program has."""
        unit = self.systemd.units[name] = Unit(name=name, properties={}, owner=None)
        self.rows.append([name, description, "loaded", state, "running", "", f"{PATH}/unit/x", 0, "", "/"])
        self.properties[name] = {
            "ActiveState": Variant("s", state),
            "SubState": Variant("s", "x"),
            "InvocationID": Variant("ay", unit.invocation_id),
        }
        if ours:
            with open(f"{self._folder}/{name}", "w", encoding="utf-8") as file:
                file.write("[Unit]\nDocumentation=man:scoperun(1)\n")
        return unit

    def _get_all(self, call: Message) -> Message | None:
        unit = self.systemd._by_invocation(call)  # noqa: SLF001
        if unit is None:
            return UNLOADED(call)
        said = self.properties[unit.name] if call.body == [UNIT] else unit.get_all()
        return answer(call, "a{sv}", said)


@pytest.fixture
def shown(systemd: FakeSystemd, runtime_dir: str) -> Shown:
    return Shown(systemd, runtime_dir)


async def start(*argv: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scoperun.ctl", *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


async def scopectl(*argv: str) -> Ended:
    return await end(await start(*argv))


async def rows(*argv: str) -> list[Any]:
    ended = await scopectl(*argv, "--json")
    assert (ended.status, ended.err) == (0, "")
    found: list[Any] = told_by(argv[0], ended.out)
    return found


def over(shown: Shown, unit: Unit, result: str) -> None:
    """Have systemd announce the end of a unit."""
    unit.result = result
    shown.systemd.announce_end(unit)


HEADING = "UNIT\tSTATE\tMEMORY\tLIMIT\tSWAP\tTASKS\tCPU\tAGE\tCOMMAND\n"


async def test_without_a_scope_of_ours_a_list_is_its_heading(shown: Shown) -> None:
    shown.add("a.scope", ours=False)
    ended = await scopectl("list")
    assert (ended.status, ended.out, ended.err) == (0, HEADING, "")


async def test_a_description_cannot_forge_a_row(shown: Shown) -> None:
    shown.add("a.scope", description="x\nfake.scope\t\x1b[2Jactive")
    ended = await scopectl("list", "--no-legend", "--columns", "unit,command")
    assert ended.out == "a.scope\tx\\nfake.scope\\t\\x1b[2Jactive\n"


async def test_a_unit_without_a_cgroup_has_no_numbers(shown: Shown) -> None:
    shown.add("a.scope", state="failed")
    (row,) = await rows("list")
    assert row["age"] >= 0
    assert [row[name] for name in ("unit", "state", "memory", "limit", "swap", "tasks", "cpu")] == [
        "a.scope", "failed", None, None, None, None, None,
    ]  # fmt: skip


async def test_a_list_costs_no_call_for_each_scope(shown: Shown) -> None:
    for number in range(20):
        shown.add(f"{number}.scope")
    assert len(await rows("list")) == 20
    assert len(shown.systemd.calls) == 2


async def test_patterns_choose_units_by_their_beginning_or_as_a_glob(shown: Shown) -> None:
    for name in ("build-1.scope", "build-2.scope", "test-1.scope"):
        shown.add(name)
    assert [row["unit"] for row in await rows("list", "build", "t*1.scope", "--sort", "unit", "-r")] == [
        "test-1.scope", "build-2.scope", "build-1.scope",
    ]  # fmt: skip


async def test_a_word_that_names_no_unit_is_told_and_a_glob_is_not(shown: Shown) -> None:
    shown.add("build-1.scope")
    shown.add("other.scope", ours=False)
    for glob in ("nothing*", "o*", "?"):
        ended = await scopectl("list", "--no-legend", glob)
        assert (ended.status, ended.out, ended.err) == (0, "", "")
    ended = await scopectl("list", "--no-legend", "--columns", "unit", "nope", "build", "other")
    assert (ended.status, ended.out) == (4, "build-1.scope\n")
    assert ended.err == (
        "scopectl: no unit 'nope' (scopectl list --all shows what runs)\n"
        "scopectl: no scope of scoperun 'other' (with --all there is other.scope)\n"
    )
    shown.add("server.service", ours=False)
    ended = await scopectl("list", "server")
    assert (ended.status, ended.complaint) == (
        4,
        "scopectl: no scope of scoperun 'server' (with --all there is server.service)",
    )
    ended = await scopectl("list", "--json", "nope")
    assert (ended.status, ended.out) == (4, "[]\n")
    assert ended.complaint.startswith("scopectl: no unit 'nope' (")
    assert (await scopectl("list", "--all", "other")).status == 0


async def test_all_lists_services_with_their_age_even_if_one_is_unloaded_meanwhile(shown: Shown) -> None:
    shown.add("a.service", ours=False)
    shown.add("b.service", ours=False)
    gone = shown.systemd.units["b.service"]

    def entered(call: Message) -> Message | None:
        if call.path == gone.path:
            return refusal(f"{NAME}.NoSuchUnit", "Unit b.service not loaded.")(call)
        return answer(call, "v", Variant("t", 1_000_000))

    shown.systemd.at["Get ActiveEnterTimestamp"] = entered
    first, second = await rows("list", "--all")
    assert first["age"] > 0
    assert second["age"] is None


async def test_unknown_columns_are_refused(shown: Shown) -> None:
    ended = await scopectl("list", "--columns", "unit,colour")
    assert ended.status == 2
    assert ended.complaint.startswith("scopectl: --columns unit,colour: no column 'colour' (there are unit, ")
    assert shown.systemd.calls == []


async def test_wait_tells_each_end_and_fails_if_one_is_not_good(shown: Shown) -> None:
    good, bad = shown.add("good.scope"), shown.add("bad.scope")
    process = await start("wait", "good.scope", "b*")
    await until(lambda: shown.systemd.steps.count("Get ActiveState") == 2)
    over(shown, good, "success")
    over(shown, bad, "oom-kill")
    ended = await end(process)
    assert (ended.status, ended.err) == (1, "")
    assert set(ended.out.splitlines()) == {"good.scope\tsuccess\tunknown", "bad.scope\toom-kill\tyes"}


async def test_wait_succeeds_if_systemd_rules_out_an_oom_kill(shown: Shown) -> None:
    unit = shown.add("a.scope")
    counts = {"OOMKills": 0, "ManagedOOMKills": 0, "MemoryPeak": 4096}
    unit.scope_properties = {name: Variant("t", count) for name, count in counts.items()}
    process = await start("wait", "a", "--json")
    await shown.systemd.called("Get ActiveState")
    over(shown, unit, "success")
    ended = await end(process)
    assert ended.status == 0
    assert told_by("wait", ended.out) == [
        {
            "unit": "a.scope",
            "invocation_id": unit.invocation_id.hex(),
            "result": "success",
            "oom_killed": False,
            "oom_kills": 0,
            "error": None,
        }
    ]


async def test_wait_knows_the_end_of_a_unit_that_is_started_again_at_once(shown: Shown) -> None:
    """Then systemd has no object for the invocation that has ended."""
    unit = shown.add("a.scope")
    unit.scope_properties = {"Delegate": Variant("b", False), "MemoryPeak": Variant("t", 4096)}
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    shown.systemd.at["GetAll"] = UNLOADED
    over(shown, unit, "success")
    ended = await end(process)
    assert (ended.status, ended.out) == (0, "a.scope\tsuccess\tno\n")


async def test_wait_tells_each_word_that_names_no_unit(shown: Shown) -> None:
    shown.add("a.scope")
    ended = await end(await start("wait", "b", "--json"))
    hint = "no unit 'b' (scopectl list --all shows what runs)"
    assert (ended.status, ended.complaint) == (4, f"scopectl: {hint}")
    (told,) = told_by("wait", ended.out)
    assert (told["unit"], told["error"], told["result"]) == ("b", hint, None)


async def test_wait_gives_its_reference_back(shown: Shown) -> None:
    unit = shown.add("a.scope")
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    over(shown, unit, "success")
    await end(process)
    steps = [step for step in shown.systemd.steps if step in {"Ref", "Unref", "GetAll"}]
    assert steps == ["Ref", "GetAll", "GetAll", "Unref"]
    assert "Subscribe" not in shown.systemd.steps  # it would wake every client that listens to systemd


async def test_wait_needs_no_reference_to_hear_the_result(shown: Shown) -> None:
    """The system's units are others' units: then systemd unloads one before its properties are read."""
    shown.systemd.at |= {"Ref": DENIED, "GetAll": UNLOADED}
    unit = shown.add("a.scope")
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    over(shown, unit, "timeout")
    ended = await end(process)
    assert (ended.status, ended.out) == (1, "a.scope\ttimeout\tunknown\n")
    assert "Subscribe" in shown.systemd.steps
    assert "Unref" not in shown.systemd.steps


async def test_wait_ends_with_the_removal_of_a_unit(shown: Shown) -> None:
    shown.systemd.at |= {"Ref": DENIED, "GetAll": UNLOADED}
    unit = shown.add("a.scope")
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    shown.systemd._emit(PATH, MANAGER, "UnitRemoved", "so", [unit.name, unit.path])  # noqa: SLF001
    ended = await end(process)
    assert (ended.status, ended.out) == (1, "a.scope\tunknown\tunknown\n")


async def test_a_unit_that_vanished_between_is_not_called_a_success(shown: Shown) -> None:
    """By its name, systemd would answer for a unit that it has just made up, with Result=success."""
    shown.add("a.scope").invocation_id = b""
    ended = await scopectl("wait", "a.scope")
    assert (ended.status, ended.out) == (1, "a.scope\tunknown\tunknown\n")


async def test_wait_names_what_is_not_there_and_waits_for_the_rest(shown: Shown) -> None:
    shown.systemd.at["Get ActiveState"] = lambda call: answer(call, "v", Variant("s", "failed"))
    shown.add("a.scope").result = "oom-kill"
    ended = await scopectl("wait", "none.scope", "a.scope")
    assert (ended.status, ended.out) == (4, "a.scope\toom-kill\tyes\n")
    assert ended.complaint == "scopectl: no unit 'none.scope' (scopectl list --all shows what runs)"


async def test_wait_ends_at_its_limit_and_names_what_still_runs(shown: Shown) -> None:
    for name in ("a.scope", "b.scope", "c.scope"):
        shown.add(name).result = "success"
    over_is = {"a.scope": "inactive"}

    def state(call: Message) -> Message:
        unit = shown.systemd._by_invocation(call)  # noqa: SLF001
        return answer(call, "v", Variant("s", over_is.get(unit.name if unit else "", "active")))

    shown.systemd.at["Get ActiveState"] = state
    ended = await scopectl("wait", "--timeout", "50ms", "none", "*")
    assert (ended.status, ended.out) == (124, "a.scope\tsuccess\tunknown\n")
    assert ended.err == (
        "scopectl: no unit 'none' (scopectl list --all shows what runs)\n"
        "scopectl: not ended after --timeout 50ms: b.scope, c.scope\n"
    )
    ended = await scopectl("wait", "--timeout", "50ms", "--json", "b", "c")
    assert (ended.status, [each["result"] for each in told_by("wait", ended.out)]) == (124, [None, None])
    assert {each["error"] for each in told_by("wait", ended.out)} == {"not ended after --timeout 50ms"}
    assert (await scopectl("wait", "--timeout", "infinity", "a")).out == "a.scope\tsuccess\tunknown\n"


@pytest.mark.parametrize("time", ["0", "soon", "-1"])
async def test_a_limit_of_wait_has_to_be_a_time(shown: Shown, time: str) -> None:
    ended = await scopectl("wait", f"--timeout={time}", "a")
    assert (ended.status, shown.systemd.calls) == (2, [])
    assert ended.complaint.startswith(f"scopectl: --timeout: '{time}'")


async def test_wait_takes_the_end_of_an_earlier_invocation_for_no_end(shown: Shown) -> None:
    """It ends after scopectl has begun to listen; another one runs when systemd is asked for the ID."""
    unit = shown.add("a.scope")

    def identify(call: Message) -> Message:
        over(shown, Unit(name="a.scope", properties={}, owner=None), "oom-kill")
        return answer(call, "v", Variant("ay", unit.invocation_id))

    shown.systemd.at["Get InvocationID"] = identify
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    over(shown, unit, "success")
    ended = await end(process)
    assert (ended.status, ended.out, ended.err) == (1, "a.scope\tsuccess\tunknown\n", "")


async def waits(shown: Shown) -> Process:
    """Wait for a.scope; return once scopectl has had its answers and only listens."""
    answered = asyncio.Event()

    def state(call: Message) -> Message:
        asyncio.get_running_loop().call_later(0.3, answered.set)
        return answer(call, "v", Variant("s", "active"))

    shown.systemd.at["Get ActiveState"] = state
    process = await start("wait", "a.scope")
    await answered.wait()
    return process


@pytest.mark.parametrize("unloaded", [False, True])
async def test_wait_sees_an_end_while_systemd_was_away(shown: Shown, unloaded: bool) -> None:
    """Nothing announces what happens during daemon-reexec."""
    shown.add("a.scope")
    process = await waits(shown)
    shown.systemd.at["Get ActiveState"] = (
        UNLOADED if unloaded else lambda call: answer(call, "v", Variant("s", "inactive"))
    )
    shown.systemd.reexecute()
    assert (await end(process)).out == "a.scope\tsuccess\tunknown\n"


async def test_wait_goes_on_when_systemd_is_back_and_the_unit_still_runs(shown: Shown) -> None:
    unit = shown.add("a.scope")
    process = await waits(shown)
    shown.systemd.reexecute()
    await until(lambda: shown.systemd.steps.count("Get ActiveState") > 1)
    over(shown, unit, "timeout")
    assert (await end(process)).out == "a.scope\ttimeout\tunknown\n"


@pytest.mark.usefixtures("impatient")
async def test_wait_fails_if_systemd_does_not_come_back(shown: Shown) -> None:
    shown.add("a.scope")
    process = await waits(shown)
    shown.systemd.leave()
    ended = await end(process)
    assert (ended.status, ended.out) == (1, "")
    assert ended.complaint.startswith("scopectl: a.scope: no systemd on this bus: ")


async def test_wait_takes_no_result_from_a_lie(shown: Shown) -> None:
    unit = shown.add("a.scope")
    unit.scope_properties = {"Result": Variant("u", 7), "OOMKills": Variant("s", "none"), "OOMPolicy": Variant("u", 1)}
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    shown.systemd.state_changed(unit, "inactive")
    ended = await end(process)
    assert (ended.status, ended.out) == (1, "a.scope\tunknown\tunknown\n")


async def test_wait_ends_with_the_bus(shown: Shown, killing_bus: Any) -> None:
    shown.add("a.scope")
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    killing_bus()
    ended = await end(process)
    assert ended.status == 1
    assert "the connection to the bus broke: " in ended.complaint


async def test_an_interrupt_ends_wait_at_once(shown: Shown) -> None:
    shown.add("a.scope")
    process = await start("wait", "a.scope")
    await shown.systemd.called("Get ActiveState")
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    assert (ended.status, ended.out, ended.err) == (-signal.SIGINT, "", "")


async def test_a_reader_that_leaves_ends_it_as_it_ends_others(shown: Shown) -> None:
    shown.add("a.scope")
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scoperun.ctl", "list", stdin=DEVNULL, stdout=writer, stderr=PIPE, start_new_session=True
    )
    os.close(writer)
    _, err = await process.communicate()
    assert (process.returncode, err) == (-signal.SIGPIPE, b"")


async def test_status_of_a_failed_unit_has_what_systemd_still_knows(shown: Shown) -> None:
    unit = shown.add("a.scope", state="failed")
    unit.result = "oom-kill"
    unit.scope_properties = {"MemoryPeak": Variant("t", 20 << 20), "OOMKills": Variant("t", 2)}
    ended = await scopectl("status", "a", "--lines", "0", "--json")
    assert (ended.status, ended.err) == (3, "")
    row = told_by("status", ended.out)
    known = {"unit": "a.scope", "active": "failed", "result": "oom-kill", "memory_peak": 20 << 20, "oom_kills": 2}
    assert {name: row[name] for name in known} == known
    assert [row[name] for name in ("memory", "cgroup", "processes", "events", "journal")] == [None] * 5
    ended = await scopectl("status", "a", "-n0")
    assert ended.status == 3
    assert "     Active: failed (x, Result=oom-kill)\n" in ended.out
    assert "  OOM kills: 2, as systemd has counted them; OOMPolicy=stop\n" in ended.out


async def test_status_of_a_unit_that_ends_meanwhile(shown: Shown) -> None:
    shown.add("a.scope")
    shown.systemd.at["GetAll"] = UNLOADED
    ended = await scopectl("status", "a.scope")
    assert (ended.status, ended.out) == (3, "")
    assert ended.complaint == "scopectl: a.scope has just ended, and systemd has unloaded it"


async def test_status_of_no_unit_or_of_several(shown: Shown) -> None:
    shown.add("a-1.scope")
    shown.add("a-2.scope")
    none, several = await scopectl("status", "b"), await scopectl("status", "a-")
    assert (none.status, none.complaint) == (4, "scopectl: no unit 'b' (scopectl list --all shows what runs)")
    assert (several.status, several.complaint) == (2, "scopectl: 'a-' is not one unit (a-1.scope, a-2.scope)")


async def test_a_systemd_that_leaves_for_good_is_an_error(shown: Shown, impatient: None) -> None:
    shown.add("a.scope")
    shown.systemd.at["ListUnitsByPatterns"] = each_of(shown.systemd.leave)
    ended = await scopectl("list")
    assert ended.status == 1
    assert ended.complaint.startswith("scopectl: ")
