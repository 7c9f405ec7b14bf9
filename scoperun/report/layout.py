"""Lays out the text report: rows with a label, wrapped at words, and commands shortened to fit. No I/O.

Every text that comes in is made safe to print here: the name of a process or a cgroup can contain anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LABEL_WIDTH = 10

INDENT = _LABEL_WIDTH + 2
"""The column where values and their continuation lines begin."""

LEAST = 8
"""The cells that a value gets even on a terminal that is too narrow for its indent."""

_LONGEST_TOGETHER = 30
"""The characters of parentheses above which a line may end in them."""

_DOTS = "..."
_PLAIN = frozenset("%+,-./:=@_")


def row(label: str, value: str, width: int) -> str:
    """Return a row of the report: the label to the right of its column, and the value, on as many lines as it needs.

    width: of the lines, in cells. No continuation line looks like a row: it begins with INDENT spaces.
    """
    first, *rest = wrapped(value, width - INDENT)
    return "\n".join([f"{label:>{_LABEL_WIDTH}}  {first}", *continued(rest)])


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text, with those in short parentheses as one."""
    held: list[str] = []
    for word in text.split(" "):
        held.append(word)
        together = " ".join(held)
        if together.startswith("(") and ")" not in word and len(together) < _LONGEST_TOGETHER:
            continue
        yield from [together] if len(together) <= _LONGEST_TOGETHER else held
        held = []
    yield from held


def continued(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that continue a value."""
    return (" " * INDENT + line for line in lines)


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` cells, broken between words; a word that is longer is broken too.

    Short parentheses, as in `limit (--mem 20M)`, stay together.
    """
    room = max(width, LEAST)
    lines = [""]
    for word in _words(one_line(text)):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if fits(longer, room):
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        while not fits(word, room):
            lines[-1] = _beginning(word, room)
            word = word[len(lines[-1]) :]  # noqa: PLW2901  the rest of it
            lines.append("")
        lines[-1] = word
    return [line.rstrip() for line in lines if line.strip()] or [""]


def command_line(command: Iterable[str]) -> str:
    """Return the words of a command as a shell would read them, safe to print."""
    return one_line(" ".join(map(quoted, command)))


def quoted(word: str) -> str:
    """Return a word in single quotes, as a shell writes it, unless it consists of letters, digits and `%+,-./:=@_`."""
    if word and all(character in _PLAIN or character.isalnum() for character in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def shortened(text: str, room: int) -> str:
    """Return `text` in at most `room` cells: of a longer one the beginning and the end, `make -j8 ... all`.

    Two commands of a batch often differ in their last word alone.
    """
    if fits(text, room):
        return text
    middle = f" {_DOTS} "
    left = room - len(middle)
    if left < 2 * len(middle):
        return _beginning(text, max(room - len(_DOTS), 1)) + _DOTS
    head = _beginning(text, left - left // 3)
    tail = _beginning(text[::-1], left // 3)[::-1]
    return f"{_up_to_a_word(head)}{middle}{tail.partition(' ')[2].strip() or tail.strip()}"


def cells(text: str) -> int:
    """Return how many cells of a terminal `text` takes: East Asian characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def fits(text: str, room: int) -> bool:
    """Tell whether `text` takes at most `room` cells. Of a command with a million characters it looks at the first."""
    if text.isascii():
        return len(text) <= room
    taken = 0
    for character in text:
        taken += _cells(character)
        if taken > room:
            return False
    return True


def _cells(character: str) -> int:
    from unicodedata import category, east_asian_width  # noqa: PLC0415  most reports are ASCII

    if category(character) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(character) in {"W", "F"} else 1


def _beginning(text: str, room: int) -> str:
    """Return as much of `text` as `room` cells hold, at least one character."""
    if text.isascii():
        return text[:room]
    end, taken = 0, 0
    for end, character in enumerate(text):  # noqa: B007  used after the loop
        taken += _cells(character)
        if taken > room:
            break
    else:
        return text
    return text[: max(end, 1)]


def _up_to_a_word(text: str) -> str:
    """Return `text` up to its last space, if that is in its second half."""
    words, _, _ = text.rpartition(" ")
    return words.rstrip() if len(words) > len(text) // 2 else text.rstrip()
