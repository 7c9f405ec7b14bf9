"""Answers and signals that systemd never sends: one line before the command runs, and no change of its status later."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant

import scoperun as library
from scoperun import ScoperunError
from scoperun.errors import BusLost
from tests.schema import validated

from .fake_systemd import MANAGER, PATH, PROPERTIES, SCOPE, UNIT
from .program import children, scoperun
from .raw_bus import greet, raw_bus
from .steps import PATIENCE, answer
from .test_fences import VERSION, WANTED, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from .fake_systemd import FakeSystemd, Unit
    from .raw_bus import Peer
    from .wire import Wire

LONG = "x" * 50_000
MOST = (1 << 64) - 1

VARIANTS = [
    Variant("s", ""),
    Variant("s", "a word"),
    Variant("s", LONG),
    Variant("s", "two\nlines"),
    Variant("b", True),
    Variant("y", 7),
    Variant("t", MOST),
    Variant("t", MOST - 1),
    Variant("x", -1),
    Variant("d", float("nan")),
    Variant("ay", b""),
    Variant("ay", b"short"),
    Variant("ay", bytes(50_000)),
    Variant("as", []),
    Variant("as", ["success"]),
    Variant("a{sv}", {"Result": Variant("s", "success")}),
    Variant("v", Variant("v", Variant("as", []))),
    Variant("(sv)", ["Result", Variant("s", "success")]),
]

BODIES: list[tuple[str, list[Any]]] = [
    ("", []),
    ("s", [""]),
    ("s", [LONG]),
    ("u", [0]),
    ("u", [0xFFFFFFFF]),
    ("b", [True]),
    ("o", ["/"]),
    ("oo", ["/", "/"]),
    ("ay", [bytes(16)]),
    ("as", [[]]),
    ("vv", [Variant("s", "257"), Variant("s", "257")]),
    ("a(sus)", [[]]),
    ("a(sus)", [[["/", 1, ""], ["/", 0, LONG]]]),
    ("a{ss}", [{"Result": "success"}]),
    ("a{sv}sss", [{"Result": Variant("s", "success")}, "", "", ""]),
]
VALUES: list[tuple[str, list[Any]]] = [("v", [each]) for each in VARIANTS]
NUMBERS = ("OOMKills", "ManagedOOMKills", "MemoryPeak", "MemorySwapPeak")
PROPERTIES_OF_A_SCOPE: list[tuple[str, list[Any]]] = [
    ("a{sv}", [{}]),
    *(("a{sv}", [{"Result": each}]) for each in VARIANTS),
    *(
        ("a{sv}", [{"Result": Variant("s", "success"), **dict.fromkeys(("OOMPolicy", *NUMBERS), each)}])
        for each in VARIANTS
    ),
]

BEFORE_THE_COMMAND = ["StartTransientUnit", "Get InvocationID", "Get RuntimeMaxUSec", "GetUnitProcesses"]
AFTERWARDS = ["Get Version", "GetAll", "UnrefUnit"]
OF_THE_BUS = ["Hello", "AddMatch 1", "AddMatch 2", "GetConnectionUnixProcessID"]


def odd_answers(step: str) -> list[tuple[str, list[Any]]]:
    """Return signatures and bodies that systemd never answers at this step."""
    return BODIES + (VALUES if step.startswith("Get ") else PROPERTIES_OF_A_SCOPE if step == "GetAll" else [])


@pytest.fixture
async def complaints() -> list[str]:
    """Collect what asyncio would print about exceptions that were never retrieved."""
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(str(context)))
    return heard


async def run_to_the_end() -> library.Report:
    report = await asyncio.wait_for(library.run(["sh", "-c", "exit 3"], require_limits=False), PATIENCE)
    assert report.exit_code == 3
    assert validated(report.to_json())
    return report


async def run_or_refuse() -> ScoperunError | None:
    """Run the command: either it runs to its end, or there is one line and nothing is left."""
    error = None
    try:
        await run_to_the_end()
    except ScoperunError as raised:
        error = raised
    assert len(str(error).splitlines()) == 1
    assert children() == []
    return error


def answering(signature: str, body: list[Any]) -> Callable[[Message], Message]:
    return lambda call: answer(call, signature, *body)


@pytest.mark.parametrize("step", BEFORE_THE_COMMAND)
@pytest.mark.usefixtures("impatient")
async def test_a_malformed_answer_before_the_command_runs_is_one_line(
    step: str, systemd: FakeSystemd, complaints: list[str]
) -> None:
    systemd.announces_invocation = step != "Get InvocationID"  # otherwise scoperun does not ask
    for signature, body in odd_answers(step):
        systemd.at[step] = answering(signature, body)
        await run_or_refuse()
        await systemd.gone()
    assert complaints == []


@pytest.mark.parametrize("step", OF_THE_BUS)
@pytest.mark.usefixtures("impatient")
async def test_a_malformed_answer_of_the_bus_is_one_line(
    step: str, bus: Wire, systemd: FakeSystemd, complaints: list[str]
) -> None:
    for signature, body in BODIES:
        bus.calls.clear()
        bus.at[step] = answering(signature, body)
        await run_or_refuse()
        await systemd.gone()
    assert complaints == []


@pytest.mark.parametrize("step", AFTERWARDS)
async def test_a_malformed_answer_while_the_command_runs_costs_only_its_value(
    step: str, systemd: FakeSystemd, complaints: list[str]
) -> None:
    for signature, body in odd_answers(step):
        systemd.at[step] = answering(signature, body)
        await run_to_the_end()
        await systemd.gone()
    assert complaints == []


async def test_a_malformed_answer_about_the_start_of_the_stop_costs_only_its_value(
    systemd: FakeSystemd, complaints: list[str]
) -> None:
    """Scoperun asks for this if a time limit might have ended the scope, and its end was not announced."""
    step = "Get ActiveExitTimestampMonotonic"

    def say_little(unit: Unit) -> None:
        systemd.result_changed(unit, "timeout")
        systemd.bus.send(changed(unit, UNIT, {"ActiveState": Variant("s", "failed")}))

    systemd.when_ended = say_little
    for signature, body in odd_answers(step):
        systemd.at[step] = answering(signature, body)
        await run_to_the_end()
    assert complaints == []


NOT_NUMBERS = [each for each in VARIANTS if each.signature not in {"t", "y"}]
NOT_WORDS = [each for each in VARIANTS if each.value != "a word"]


@pytest.mark.parametrize("number", NOT_NUMBERS, ids=lambda variant: variant.signature)
async def test_a_value_that_is_not_a_number_counts_as_unknown(number: Variant, systemd: FakeSystemd) -> None:
    said = {"Result": Variant("s", "success"), **dict.fromkeys(NUMBERS, number)}
    systemd.at["GetAll"] = answering("a{sv}", [said])
    assert (await run_to_the_end()).oom is None


@pytest.mark.parametrize("word", NOT_WORDS, ids=lambda variant: variant.signature)
async def test_a_value_that_is_not_a_word_counts_as_unknown(word: Variant, systemd: FakeSystemd) -> None:
    systemd.at["Get Version"] = answering("v", [word])
    systemd.at["GetAll"] = answering("a{sv}", [{"Result": word}])
    report = await run_to_the_end()
    assert (report.systemd, report.result) == (None, "success")  # the second was announced


def odd_signals(unit: Unit) -> Iterator[Message]:
    """Yield signals that match the rules of a run, but are malformed."""
    for signature, body in BODIES:
        yield Message.new_signal(PATH, MANAGER, "JobRemoved", signature, body)
        yield Message.new_signal(unit.path, PROPERTIES, "PropertiesChanged", signature, body)
        yield Message.new_signal(unit.path, PROPERTIES, "Another", signature, body)
    for odd in NOT_WORDS:
        for interface, name in ((SCOPE, "Result"), (UNIT, "ActiveState"), (UNIT, "Result"), ("", "")):
            yield changed(unit, interface, {name: odd})
    for odd in NOT_NUMBERS:
        yield changed(unit, UNIT, {"ActiveState": Variant("s", "active"), "ActiveExitTimestampMonotonic": odd})


def changed(unit: Unit, interface: str, properties: dict[str, Variant]) -> Message:
    return Message.new_signal(unit.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, properties, []])


@pytest.fixture
async def say_odd_things(systemd: FakeSystemd) -> AsyncIterator[Callable[[Unit, Callable[[Unit], None]], None]]:
    """Return an action that sends malformed signals, one at a time because of dbus-next, and then calls `then`."""
    async with asyncio.TaskGroup() as speeches:

        async def speech(unit: Unit, then: Callable[[Unit], None]) -> None:
            for odd in odd_signals(unit):
                await systemd.bus.send(odd)
            then(unit)

        yield lambda unit, then: speeches.create_task(speech(unit, then)) and None


async def test_malformed_signals_are_ignored(systemd: FakeSystemd, say_odd_things: Any, complaints: list[str]) -> None:
    systemd.when_started = lambda unit: say_odd_things(unit, systemd.announce_start)
    systemd.when_ended = lambda unit: say_odd_things(unit, systemd.announce_end)
    report = await run_to_the_end()
    assert (report.verdict, report.result) == ("exit-code", "success")
    assert complaints == []


@pytest.mark.usefixtures("impatient")
async def test_a_start_that_is_followed_only_by_malformed_signals_is_given_up(
    systemd: FakeSystemd, say_odd_things: Any
) -> None:
    systemd.when_started = lambda unit: say_odd_things(unit, lambda _: None)
    error = await run_or_refuse()
    assert str(error) == "systemd said nothing more about the scope within 2 s"
    await systemd.gone()


@pytest.mark.parametrize("step", [*BEFORE_THE_COMMAND, *AFTERWARDS])
async def test_the_program_prints_only_one_line_or_its_report(step: str, systemd: FakeSystemd) -> None:
    systemd.announces_invocation = step != "Get InvocationID"  # otherwise scoperun does not ask
    systemd.at[step] = answering("v", [Variant("as", ["no", "such", "type"])])
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3")
    if step in AFTERWARDS:
        assert (ended.status, ended.report["verdict"]) == (3, "exit-code")
    else:
        assert (ended.status, ended.out, ended.complaint[:10]) == (125, "", "scoperun: ")


async def test_random_bytes_in_an_answer_lead_to_an_answer_or_an_error(runtime_dir: str) -> None:
    """The headers are intact, and the rest is random."""
    chance = random.Random(14)  # noqa: S311

    async def mutating(peer: Peer) -> None:
        await greet(peer)
        for serial in range(2, 302):
            await peer.hear(b"Version\0")
            await peer.say(mutated(serial, chance))
        await peer.closed()

    async with raw_bus(f"{runtime_dir}/bus", mutating), connected(f"{runtime_dir}/bus") as connection:
        for _ in range(300):
            with suppress(BusLost):  # most cannot be read
                assert len(await connection.call(VERSION, *WANTED)) == 1


def mutated(serial: int, chance: random.Random) -> bytes:
    value = Variant("a{sv}", {"a": Variant("as", ["b", "c"]), "d": Variant("(yv)", [7, Variant("ay", b"bytes")])})
    call = Message(path="/a", member="B", serial=serial, sender=None)
    message = answer(call, "v", value)
    message.serial = 9
    raw = bytearray(message._marshall())  # noqa: SLF001
    header = len(raw) - int.from_bytes(raw[4:8], "little")
    for _ in range(chance.randint(1, 6)):
        raw[chance.randrange(header, len(raw))] = chance.randrange(256)
    return bytes(raw)
