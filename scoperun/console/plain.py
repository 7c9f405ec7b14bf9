"""Parses a command line without mistakes from the table of options, without typer. No I/O.

It reads a correct command line as click does, and gives up on any other: typer then reads the same words and says what
is wrong with them. tests/unit/cli/test_readings.py compares the two readings.

An option's value is the next word, whatever it looks like, or the text after = (--name=value) or after the letter
(-nvalue); flags of one letter can be joined (-qn value). Long names cannot be abbreviated. Options end at --, and at
the first word that is not an option; a single dash is not one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.console.reading import Reading, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scoperun.console.option import Option

    Names = Mapping[str, tuple[Option, bool]]


class NotPlain(Exception):
    """The command line has a mistake, or asks for something other than a run."""


def read(argv: Sequence[str], options: Iterable[Option]) -> Reading:
    """Return the options and the command that the words give; values are not parsed yet. Raises NotPlain."""
    names = _names(option for option in options if not option.is_answer)
    found: dict[str, tuple[Option, list[Any]]] = {}
    rest = list(reversed(argv))
    while rest and rest[-1].startswith("-") and rest[-1] != "-":
        word = rest.pop()
        if word == "--":
            break
        for option, value in _long(word, rest, names) if word.startswith("--") else _short(word, rest, names):
            found.setdefault(option.name, (option, []))[1].append(value)
    return Reading({name: _given(*those) for name, those in found.items()}, tuple(reversed(rest)))


def explicit(argv: Sequence[str], options: Iterable[Option], values: Mapping[bool, str]) -> list[str]:
    """Return the words with a value for each option that was given without its optional one, or by its contrary.

    values: what stands for the option and for its contrary. Words from the first mistake on stay as they are.
    """
    names = _names(options)
    words: list[str] = []
    rest = list(reversed(argv))
    while rest and rest[-1].startswith("-") and rest[-1] not in {"-", "--"}:
        at = len(argv) - len(rest)
        word = rest.pop()
        try:
            *_, (option, value) = _long(word, rest, names) if word.startswith("--") else _short(word, rest, names)
        except NotPlain:
            return [*words, *argv[at:]]
        if option.is_optional and isinstance(value, bool):
            words.append(f"--{option.name}={values[value]}")
        else:
            words += argv[at : len(argv) - len(rest)]
    return [*words, *reversed(rest)]


def _given(option: Option, values: list[Any]) -> Any:
    if option.is_counted:
        return counted(values)
    return tuple(values) if option.repeatable else values[-1]


def _names(options: Iterable[Option]) -> Names:
    """Return the options by each of their names, with the value that the name gives to a flag."""
    options = [*options]
    contraries = {option.contrary: (option, False) for option in options if option.contrary is not None}
    return {name: (option, True) for option in options for name in option.names} | contraries


def _long(word: str, rest: list[str], names: Names) -> Iterator[tuple[Option, str | bool]]:
    name, equals, text = word.partition("=")
    option, flag = _known(name, names)
    if option.takes_value:
        yield option, text if equals else _next(rest)
    elif equals and not (option.is_optional and flag):
        raise NotPlain
    elif equals:
        yield option, text
    else:
        yield option, flag


def _short(word: str, rest: list[str], names: Names) -> Iterator[tuple[Option, str | bool]]:
    for end, letter in enumerate(word[1:], 2):
        option, flag = _known(f"-{letter}", names)
        if option.takes_value:
            yield option, word[end:] or _next(rest)
            return
        yield option, flag


def _known(name: str, names: Names) -> tuple[Option, bool]:
    if name not in names:
        raise NotPlain
    return names[name]


def _next(rest: list[str]) -> str:
    if not rest:
        raise NotPlain
    return rest.pop()
