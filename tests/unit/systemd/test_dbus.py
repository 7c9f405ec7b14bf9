"""A message is parsed as by dbus-next, except that only the wanted properties are kept."""

import random
from typing import Any

import pytest
from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.message import Message
from dbus_next.signature import Variant

from scoperun.systemd.dbus import body
from scoperun.systemd.frames import Frame, Frames

VALUES: dict[str, Any] = {
    "y": 7, "b": True, "n": -2, "q": 2, "i": -3, "u": 3, "x": -4, "t": 2**64 - 1, "d": 0.5, "s": "text", "o": "/a",
    "g": "a{sv}", "ay": b"bytes", "as": ["", "b", "cd"], "ad": [0.5], "at": [], "(sub)": ["x", 1, False],
    "a(st)": [["x", 1], ["y", 2]], "a{sv}": {"in": Variant("s", "side")}, "v": Variant("aay", [b"x"]), "a{us}": {1: ""},
}  # fmt: skip


def frame(signature: str, *values: Any) -> Frame:
    message = Message.new_signal("/a", "a.b", "C", signature, list(values))
    message.serial = 1
    (found,) = Frames().take(bytes(message._marshall()))  # noqa: SLF001
    return found


def plain(value: Any) -> Any:
    """Return a value with its variants replaced by their content."""
    match value:
        case Variant():
            return plain(value.value)
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case _:
            return value


@pytest.mark.parametrize("signature", VALUES)
def test_a_value_of_each_type_is_parsed(signature: str) -> None:
    assert body(frame(f"y{signature}s", 1, VALUES[signature], "end")) == [1, plain(VALUES[signature]), "end"]


@pytest.mark.parametrize("signature", VALUES)
def test_an_unwanted_value_of_each_type_is_skipped(signature: str) -> None:
    """The values after it are read from the right offset."""
    properties = {"a": Variant("y", 1), "other": Variant(signature, VALUES[signature]), "b": Variant("t", 2)}
    assert body(frame("sa{sv}s", "x", properties, "end"), {"a", "b"}) == ["x", {"a": 1, "b": 2}, "end"]


def test_a_dictionary_without_a_wanted_key_is_empty() -> None:
    assert body(frame("a{sv}u", {"a": Variant("s", "x")}, 5), {"b"}) == [{}, 5]


@pytest.mark.parametrize("wanted", [None, {"a"}])
def test_a_truncated_body_is_an_error(wanted: set[str] | None) -> None:
    whole = frame("sa{sv}as", "x", {"a": Variant("as", ["b"]), "c": Variant("(si)", ["d", 1])}, ["e"])
    assert whole.raw is not None
    for length in range(whole.body_at, len(whole.raw)):
        cut = Frame(kind=4, flags=0, serial=1, raw=whole.raw[:length], body_at=whole.body_at, signature="sa{sv}as")
        assert read(cut, wanted) is None


def test_mutated_messages_are_parsed_as_by_dbus_next_or_are_an_error() -> None:
    chance = random.Random(6)  # noqa: S311
    whole = frame("sa{sv}a(st)v", "x", {"a": VALUES["v"], "b": Variant("as", ["c"])}, [["y", 1]], Variant("d", 0.5))
    assert whole.raw is not None
    same = 0
    for _ in range(3000):
        raw = bytearray(whole.raw)
        raw[chance.randrange(whole.body_at, len(raw))] = chance.randrange(256)
        mutated = Frame(kind=4, flags=0, serial=1, raw=bytes(raw), body_at=whole.body_at, signature=whole.signature)
        same += read(mutated) == read_by_dbus_next(bytes(raw))
    assert same == 3000


def test_the_wanted_properties_are_found_among_others_of_all_types_in_any_order() -> None:
    chance = random.Random(7)  # noqa: S311
    for _ in range(500):
        kinds = chance.choices([*VALUES], k=chance.randrange(9))
        properties = {"x" * chance.randrange(9) + f"{number}": kind for number, kind in enumerate(kinds)}
        wanted = {name for name in properties if chance.randrange(3) == 0} | {"in"}
        values = {name: Variant(kind, VALUES[kind]) for name, kind in properties.items()}
        found = {name: plain(VALUES[kind]) for name, kind in properties.items() if name in wanted}
        assert body(frame("a{sv}s", values, "end"), wanted) == [found, "end"]


def read(mutated: Frame, wanted: set[str] | None = None) -> list[Any] | None:
    """Return what is read, None for an error of any class."""
    try:
        return body(mutated, wanted)
    except Exception:
        return None


def read_by_dbus_next(raw: bytes) -> list[Any] | None:
    import io  # noqa: PLC0415

    try:
        message = Unmarshaller(io.BytesIO(raw)).unmarshall()
        return [plain(each) for each in message.body]
    except Exception:
        return None
