"""One row of the table of options. No I/O."""

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
        "slice",
        "variable",
        "user",
        "group",
        "process",
        "stop continue kill",
        "block line",
    ]


class WrongValue(InvalidValue):
    """A value of `option` is not valid; the message does not name the option yet.

    is_missing: the value was forgotten, since another option or -- is in its place.
    """

    def __init__(self, option: Option, error: InvalidValue, *, is_missing: bool = False) -> None:
        """Copy the message and the hint of `error`, which is about a value of `option`."""
        super().__init__(error.message, hint=error.hint)
        self.option = option
        self.is_missing = is_missing


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    names: as the user types them, the long one last.
    help: its line in --help. panel: the heading above it in the manual page.
    unit_help: the same where the option is about units that run already; None if `help` fits there too.
    is_usual: --help shows it among the first.
    metavar: what --help calls its value; None for a flag, which takes no value.
    is_optional: it is a flag that can have a value, only as --name=VALUE: the word after it is not its value.
    parse: turns a text into the value, or raises InvalidValue.
    contrary: for a flag, the name that turns it off, e.g. --no-wait.
    shows_default: for a flag, what --help says about its default: a word, or True for the name that is the default.
    repeatable: each value is added to the ones before it; for any other option the last value counts.
    is_counted: for a flag, it says more each time that it is given.
    is_answer: it is answered instead of a run, e.g. --version.
    field: where its value goes, e.g. limits.memory_max, request.unit, context.nice or output.json; None for lists, and
        for options that take effect before the request exists.
    sets: the D-Bus name of the property that it sets. is_live: that property can be changed while the scope runs.
    commands: the programs that have the option.
    in_files: config files may have it. is_number: there it may be a number without quotes.
    variable: the environment variable that is read if the command line does not have the option.
    completion: what a shell offers for its value: a kind of word, or the words themselves; None for no offer.
    """

    names: tuple[str, ...]
    help: str
    panel: Panel
    metavar: str | None = None
    is_optional: bool = False
    parse: Callable[[str], Any] = str
    contrary: str | None = None
    shows_default: bool | str = False
    repeatable: bool = False
    is_counted: bool = False
    is_answer: bool = False
    field: str | None = None
    sets: str | None = None
    is_live: bool = False
    commands: tuple[str, ...] = ("scoperun",)
    in_files: bool = True
    is_number: bool = False
    variable: str | None = None
    completion: Completion | None = None
    is_usual: bool = False
    unit_help: str | None = None

    @property
    def name(self) -> str:
        """The long name, without dashes."""
        return self.names[-1].removeprefix("--")

    @property
    def is_limit(self) -> bool:
        """Whether it limits what the command uses."""
        return self.panel in {"Memory", "Processors, tasks and time"}

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it, which is so for every option that is not a flag."""
        return self.metavar is not None and not self.is_optional

    def value(self, text: str) -> Any:
        """Return the value that `text` stands for. Raises WrongValue."""
        try:
            return self.parse(text)
        except InvalidValue as error:
            raise WrongValue(self, error, is_missing=_looks_like_option(text)) from None

    @property
    def needs(self) -> str:
        """What the user is told if the value is missing, e.g. --mem needs a SIZE."""
        metavar = str(self.metavar)
        if metavar.startswith("<"):
            return f"--{self.name} needs one of {', '.join(metavar.strip('<>').split('|'))}"
        return f"--{self.name} needs {'an' if metavar.startswith('N') and len(metavar) == 1 else 'a'} {metavar}"


def _looks_like_option(text: str) -> bool:
    """Return whether the text is --, or begins like an option, which a number below zero does not."""
    return text == "--" or (text.startswith("-") and text.lstrip("-")[:1].isalpha())
