"""scopectl acts on the units that were named, by their invocation, and says what became of each."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from dbus_next.signature import Variant

from scoperun.ctl.freezing import freeze
from scoperun.errors import BusLost
from scoperun.kernel.cgroup import Cgroup
from scoperun.systemd.connecting import connect
from scoperun.systemd.units import Invocation
from tests.schema import told_by

from .ctl import GONE, Units, scopectl, start
from .program import end
from .steps import answer, refusal, stall

if TYPE_CHECKING:
    from pathlib import Path

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd


@pytest.fixture
def units(systemd: FakeSystemd, runtime_dir: str) -> Units:
    """Return the fake's units, none yet."""
    return Units(systemd, runtime_dir)


async def test_a_full_name_means_any_unit_and_a_glob_only_scopes_of_scoperun(units: Units) -> None:
    for name, ours in (("a.scope", True), ("ab.scope", True), ("abc.service", False), ("b.scope", False)):
        units.add(name, ours=ours)
    ended = await scopectl("freeze", "a*", "abc.service")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "a.scope\tfrozen\nab.scope\tfrozen\nabc.service\tfrozen\n"
    assert units.acts == [("Freeze", "a.scope"), ("Freeze", "ab.scope"), ("Freeze", "abc.service")]
    units.acts.clear()
    assert (await scopectl("thaw", "--all", "*")).status == 0
    assert [name for _, name in units.acts] == ["a.scope", "ab.scope", "abc.service", "b.scope"]


async def test_systemd_itself_is_left_alone(units: Units) -> None:
    units.add("init.scope", ours=False)
    units.add("a.service", ours=False)
    assert (await scopectl("kill", "--all", "*")).out == "a.service\tSIGTERM sent\n"
    none = await scopectl("stop", "--all", "init*")
    assert none.complaint == "scopectl: no unit 'init*' (scopectl list --all shows what runs)"
    ended = await scopectl("stop", "init")
    assert (ended.status, units.acts) == (1, [("Kill", "a.service")])
    assert ended.complaint == "scopectl: init.scope: it is systemd itself, which scopectl leaves alone"


@pytest.mark.parametrize(("word", "status"), [("a", 0), ("a.scope", 0), ("ab", 4), ("x*", 4)])
async def test_a_prefix_is_not_a_name_where_something_is_done(word: str, status: int, units: Units) -> None:
    units.add("a.scope")
    units.add("abc.scope")
    ended = await scopectl("kill", word)
    assert ended.status == status
    assert units.acts == ([] if status else [("Kill", "a.scope")])
    if status:
        assert ended.complaint == f"scopectl: no unit {word!r} (scopectl list --all shows what runs)"


async def test_a_unit_that_vanishes_is_named_and_the_rest_go_on(units: Units, systemd: FakeSystemd) -> None:
    units.add("b.scope")
    victim = units.add("a.scope").invocation_id.hex()

    def vanish(call: Message) -> Message | None:
        return GONE(call) if call.path.endswith(victim[1:]) else answer(call)

    systemd.at["Kill"] = vanish
    ended = await scopectl("kill", "-s", "USR1", "*")
    assert (ended.status, ended.out) == (3, "b.scope\tSIGUSR1 sent\n")
    assert ended.complaint == "scopectl: a.scope: it has ended meanwhile"


async def test_what_is_not_active_gets_nothing(units: Units) -> None:
    units.add("a.scope", state="failed")
    ended = await scopectl("freeze", "a", "nothing")
    assert (ended.status, units.acts) == (3, [])
    assert ended.err.splitlines()[0] == "scopectl: a.scope: it is not active: failed"
    assert ended.err.splitlines()[1].startswith("scopectl: no unit 'nothing'")


@pytest.mark.parametrize("signal", ["TERM", "SIGTERM", "15"])
async def test_a_signal_has_a_name_or_a_number(signal: str, units: Units, systemd: FakeSystemd) -> None:
    units.add("a.scope")
    ended = await scopectl("kill", "--signal", signal, "a")
    assert (ended.status, ended.out) == (0, "a.scope\tSIGTERM sent\n")
    (call,) = [each for each in systemd.calls if each.member == "Kill"]
    assert call.body == ["all", 15]


async def test_a_signal_that_systemd_perhaps_sent_is_not_sent_again(units: Units, systemd: FakeSystemd) -> None:
    """daemon-reexec: systemd leaves before it answers."""
    units.add("a.scope")
    systemd.at["Kill"] = systemd.reexecute
    ended = await scopectl("kill", "a")
    assert ended.status == 1
    assert ended.complaint.startswith("scopectl: a.scope: systemd did not answer: ")
    assert systemd.steps.count("Kill") == 1


async def test_a_refusal_says_no_more_than_systemd_does(units: Units, systemd: FakeSystemd) -> None:
    units.add("a.scope")
    systemd.at["Kill"] = refusal("org.freedesktop.DBus.Error.AccessDenied", "not yours")
    ended = await scopectl("kill", "a")
    assert (ended.status, ended.out) == (1, "")
    assert ended.complaint == "scopectl: a.scope: systemd does not allow this user to do that: not yours"


async def test_stop_waits_for_the_end_of_its_own_job(units: Units, systemd: FakeSystemd) -> None:
    """The jobs of others end as well, one of them before systemd has answered."""
    unit = units.add("a.scope")
    told = asyncio.Event()

    def stop(call: Message) -> Message:
        systemd.job_removed(unit, "canceled")
        told.set()
        return answer(call, "o", "/org/freedesktop/systemd1/job/2")

    systemd.at["Stop"] = stop
    running = asyncio.create_task(scopectl("stop", "a"))
    await told.wait()
    systemd.job_removed(unit, "canceled")
    systemd._emit(  # noqa: SLF001
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "JobRemoved",
        "uoss",
        [2, "/org/freedesktop/systemd1/job/2", "a.scope", "done"],
    )
    assert (await running).out == "a.scope\tstopped\n"


async def test_a_stop_that_something_cancels_has_failed(units: Units, systemd: FakeSystemd) -> None:
    unit = units.add("a.scope")

    def stop(call: Message) -> Message:
        asyncio.get_running_loop().call_soon(systemd.job_removed, unit, "canceled")
        return answer(call, "o", "/org/freedesktop/systemd1/job/1")

    systemd.at["Stop"] = stop
    ended = await scopectl("stop", "a")
    assert ended.status == 1
    assert ended.complaint == "scopectl: a.scope: it was not stopped: its job ended as 'canceled'"


async def test_stop_does_not_wait_with_no_block(units: Units, systemd: FakeSystemd) -> None:
    units.add("a.scope")
    systemd.at["Stop"] = lambda call: answer(call, "o", "/org/freedesktop/systemd1/job/7")  # which never ends
    ended = await scopectl("stop", "--no-block", "a")
    assert (ended.status, ended.out) == (0, "a.scope\tstop queued\n")


async def test_a_bus_that_breaks_ends_the_wait_for_a_stop(
    units: Units, systemd: FakeSystemd, killing_bus: object
) -> None:
    units.add("a.scope")
    systemd.at["Stop"] = lambda call: answer(call, "o", "/org/freedesktop/systemd1/job/7")
    running = asyncio.create_task(scopectl("stop", "a"))
    await systemd.called("Stop")
    killing_bus()  # type: ignore[operator]
    ended = await running
    assert ended.status == 1
    assert ended.complaint.startswith("scopectl: a.scope: ")


@pytest.mark.parametrize("state", ["inactive", "failed", None])
async def test_a_stop_that_ends_while_systemd_is_away_is_noticed(
    state: str | None, units: Units, systemd: FakeSystemd
) -> None:
    """Nothing announces what happens during daemon-reexec. None: the unit is gone by then."""
    unit = units.add("a.scope")

    def stop(call: Message) -> Message:
        asyncio.get_running_loop().call_later(0, systemd.reexecute)
        return answer(call, "o", "/org/freedesktop/systemd1/job/7")

    def properties(call: Message) -> Message | None:
        said = {"ActiveState": Variant("s", state or "")}
        return GONE(call) if state is None else answer(call, "a{sv}", said)

    systemd.at |= {"Stop": stop, "GetAll": properties}
    ended = await scopectl("stop", unit.name)
    assert (ended.status, ended.out) == (0, "a.scope\tstopped\n")


async def test_json_has_every_unit_that_was_met(units: Units, systemd: FakeSystemd) -> None:
    unit = units.add("a.scope")
    systemd.at["Freeze"] = refusal("org.freedesktop.systemd1.UnitBusy", "Unit is busy\nnow.\x1b[31m")
    ended = await scopectl("freeze", "--json", "a", "b")
    first, second = told_by("freeze", ended.out)
    assert first == {
        "unit": "a.scope",
        "invocation_id": unit.invocation_id.hex(),
        "done": None,
        "error": "Unit is busy now.\\x1b[31m",
    }
    assert (second["unit"], second["done"], second["invocation_id"]) == ("b", None, None)
    assert ended.status == 1
    assert "\x1b" not in ended.err


@pytest.mark.usefixtures("impatient")
async def test_a_freeze_without_an_answer_is_taken_back(units: Units, systemd: FakeSystemd, tmp_path: Path) -> None:
    """On the same connection, on which nothing else is asked then."""
    unit = units.add("a.scope")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    systemd.at["Freeze"] = stall
    async with connect(os.environ) as manager:
        invocation = Invocation(manager, unit.name, unit.invocation_id.hex())
        with pytest.raises(BusLost, match="it was asked to thaw the unit again"):
            await freeze(invocation, Cgroup("/a.scope", str(tmp_path)))
        await systemd.called("Thaw")
    assert units.acts == [("Thaw", "a.scope")]


async def test_an_interrupt_tells_what_is_frozen_and_what_is_not_known_to_be(
    units: Units, systemd: FakeSystemd
) -> None:
    """Messages keep their order: when the second unit is to be frozen, scopectl has the answer about the first."""
    first, second = units.add("a.scope"), units.add("b.scope")
    waiting: list[Message] = []
    process = await start("freeze", "*", "nope")

    def identify(call: Message) -> Message | None:
        if call.path != second.path:
            return systemd.honest(call)
        waiting.append(call)
        return None

    def freeze_them(call: Message) -> Message | None:
        if systemd._by_invocation(call) is not first:  # noqa: SLF001
            process.send_signal(signal.SIGINT)
            return None
        asyncio.get_running_loop().call_soon(lambda: systemd.bus.send(systemd.honest(waiting[0])))
        return answer(call)

    systemd.at |= {"Get InvocationID": identify, "Freeze": freeze_them}
    ended = await end(process)
    assert (ended.status, ended.out) == (-signal.SIGINT, "a.scope\tfrozen\n")
    assert ended.err.splitlines() == [
        "scopectl: b.scope: interrupted before it was known to be done",
        "scopectl: no unit 'nope' (scopectl list --all shows what runs)",
    ]
