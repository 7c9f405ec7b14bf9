"""An option, as a row of the table of options has it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Panel = Literal[
        "Memory",
        "Processors, tasks and time",
        "Any property",
        "The scope",
        "The command",
        "The report",
        "Other",
    ]
    Completion = Literal[
        "file",
        "folder",
        "descriptor",
        "profile",
        "property",
        "scope",
        "slice",
        "variable",
        "user",
        "group",
        "stop continue kill",
    ]


class WrongValue(InvalidValue):
    """The value of `option` cannot be used; the message does not name the option yet."""

    def __init__(self, option: Option, error: InvalidValue) -> None:
        """Take the option and what is wrong with its value."""
        super().__init__(error.message, hint=error.hint)
        self.option = option


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    names: as they are typed, the long one last.
    help: its line of --help. panel: the heading below which the manual page has it.
    metavar: what --help calls its value; None for a flag, which has none.
    parse: makes a value of a text, or raises InvalidValue.
    contrary: for a flag, the name that takes it back, e.g. --no-wait.
    shows_default: for a flag, what --help says of its default: a word, or True for the name that is in force.
    repeatable: each adds to those before it; of any other option the last counts.
    is_answer: it is answered in place of a run, as --version is.
    field: where its value goes, e.g. limits.memory_max, request.unit, context.nice or output.json; None for lists, and
        for what is acted on before there is a request.
    sets: the D-Bus name of the property that it sets. is_live: which can be changed while the scope runs.
    commands: the programs that have the option.
    in_files: a config file may have it. is_number: there it may be a number without quotes.
    variable: the environment variable that is asked where the command line does not have the option.
    completion: what a shell offers for its value, or the words that it may be; None if nothing can be known.
    """

    names: tuple[str, ...]
    help: str
    panel: Panel
    metavar: str | None = None
    parse: Callable[[str], Any] = str
    contrary: str | None = None
    shows_default: bool | str = False
    repeatable: bool = False
    is_answer: bool = False
    field: str | None = None
    sets: str | None = None
    is_live: bool = False
    commands: tuple[str, ...] = ("scoperun",)
    in_files: bool = True
    is_number: bool = False
    variable: str | None = None
    completion: Completion | None = None

    @property
    def name(self) -> str:
        """The long name, without dashes."""
        return self.names[-1].removeprefix("--")

    @property
    def takes_value(self) -> bool:
        """A value follows it, as it does any option that is not a flag."""
        return self.metavar is not None

    def value(self, text: str) -> Any:
        """Return what `text` stands for; raises WrongValue."""
        try:
            return self.parse(text)
        except InvalidValue as error:
            raise WrongValue(self, error) from None
        except ValueError:  # more digits than Python makes a number of
            raise WrongValue(self, InvalidValue(text)) from None
