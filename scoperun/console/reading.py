"""What a command line says, whoever has read it: the text that each option was given, and the command. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.console.option import Option


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a command line, in their places.

    given: by long name, in the order of first mention: the text of an option's value, the texts of a repeatable one,
    or what a flag says.
    command: the words from the first on that is not an option's; they may be missing.
    """

    given: Mapping[str, str | bool | tuple[str, ...]]
    command: tuple[str, ...]

    def values(self, options: Iterable[Option]) -> dict[str, Any]:
        """Return what the texts stand for, with a tuple for a repeatable option; raises WrongValue for the first.

        Each text is looked at once: what it names might be gone then, as @/dev/stdin is.
        """
        known = {option.name: option for option in options}
        return {name: _value(known[name], given) for name, given in self.given.items()}


def _value(option: Option, given: str | bool | tuple[str, ...]) -> Any:
    if isinstance(given, bool):
        return given
    return option.value(given) if isinstance(given, str) else tuple(map(option.value, given))
