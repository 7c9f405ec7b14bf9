"""A command line, read by plain.py or by typer: the text given for each option, and the command. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.console.option import Option


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a command line, sorted into options and command.

    given: by long name, in the order of first mention: the text of an option's value, the texts of a repeatable option,
    a flag's True or False, or how often a flag that is counted was given.
    command: the words from the first one that does not belong to an option; empty if there is none.
    """

    given: Mapping[str, str | int | tuple[str, ...]]
    command: tuple[str, ...]

    def values(self, options: Iterable[Option]) -> dict[str, Any]:
        """Return the parsed values by long name, with a tuple for a repeatable option.

        Each text is parsed once: a second time could fail, e.g. for @/dev/stdin, which is then at its end.
        Raises WrongValue for the first text that is not valid.
        """
        known = {option.name: option for option in options}
        return {name: _value(known[name], given) for name, given in self.given.items()}


def counted(flags: Iterable[bool]) -> int:
    """Return how often a flag was given after its contrary."""
    times = 0
    for is_on in flags:
        times = times + 1 if is_on else 0
    return times


def _value(option: Option, given: str | int | tuple[str, ...]) -> Any:
    if isinstance(given, int):
        return given
    return option.value(given) if isinstance(given, str) else tuple(map(option.value, given))
