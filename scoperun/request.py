"""What a caller wants run: a command, and the scope to run it in. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.limits import Limits
from scoperun.properties import Property, parse_property
from scoperun.scope import unit_name

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A command and its scope, as the caller wants them.

    unit: the scope's name, with or without .scope; None for one that nothing else has.
    slice: the slice to put it in, with or without .slice; None for the manager's default, app.slice.
    properties: further properties as NAME=VALUE; one that `limits` sets too wins over it.
    require_limits: refuse to run the command if the kernel does not hold the scope to its limits.
    """

    command: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    unit: str | None = None
    slice: str | None = None
    properties: tuple[str, ...] = ()
    require_limits: bool = True

    def __post_init__(self) -> None:
        """Refuse what nothing can be made of, before anything is started."""
        if not self.command or not self.command[0]:
            raise InvalidValue("no command to run", hint="scoperun [OPTIONS] [--] COMMAND [ARGS...]")
        for word in self.command:
            if "\0" in word:
                raise InvalidValue(f"argument {word!r} has a NUL byte")
            try:
                word.encode(errors="surrogateescape")
            except UnicodeEncodeError:
                raise InvalidValue(f"argument {word!r} cannot be passed to a command") from None
        if self.unit is not None:
            object.__setattr__(self, "unit", unit_name(self.unit))
        if self.slice is not None:
            object.__setattr__(self, "slice", unit_name(self.slice, suffix=".slice"))
        for text in self.properties:
            parse_property(text)

    def scope_properties(self) -> Iterable[Property]:
        """Return what is asked of the scope, a later property of a name winning over an earlier."""
        words = " ".join(self.command)
        yield Property(name="Description", signature="s", value=printable(words), asked=False)
        yield from self.limits.properties()
        if self.slice is not None:
            yield Property(name="Slice", signature="s", value=self.slice)
        yield from map(parse_property, self.properties)


def printable(text: str) -> str:
    """Return `text` with bytes that are no UTF-8 written as hexadecimal escapes: D-Bus and JSON carry text only."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
