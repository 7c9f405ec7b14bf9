"""Printed text does not move the cursor and does not leave its line."""

import sys

import pytest

from scoperun.errors import ScoperunError
from scoperun.printable import lines, one_line, utf8

CONTROLS = [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0))]
ELSEWHERE = [*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
BREAKS = [*"\u2028\u2029"]
BYTES = [*map(chr, range(0xDC80, 0xDD00))]


@pytest.mark.parametrize("text", ["plain", "café", "två ord", "日本", "'quoted' \\x1b", ""])
def test_printable_text_is_unchanged(text: str) -> None:
    assert one_line(text) == lines(text) == utf8(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2K", r"\x1b[2K"),
        ("\a\b\r\n\t", r"\x07\x08\r\n\t"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("a\u202eb\u2028c", r"a\u202eb\u2028c"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_unprintable_text_becomes_a_visible_escape(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize("character", [*CONTROLS, *ELSEWHERE, *BREAKS, *BYTES])
def test_no_control_character_is_left(character: str) -> None:
    assert one_line(f"a{character}b").isprintable()
    assert lines(f"a{character}b").replace("\n", "").isprintable()


def test_any_text_can_be_written() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert one_line(every).encode()
    assert lines(every).count("\n") == 1


def test_lines_stay_separate() -> None:
    assert lines("one\ntwo\r\n\x1b") == "one\ntwo\\r\n\\x1b"


@pytest.mark.parametrize(("text", "shown"), [("caf\udce9", "caf\\xe9"), ("a\nb", "a\nb")])
def test_bytes_that_are_not_utf_8_are_shown_as_hexadecimal(text: str, shown: str) -> None:
    assert utf8(text) == shown


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    error = ScoperunError("cannot read a\nscoperun: b: \x1b[2Kgone", hint="as c\u2028d")
    assert str(error) == r"cannot read a\nscoperun: b: \x1b[2Kgone (as c\u2028d)"
