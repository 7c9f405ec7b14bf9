"""The subcommands of scopectl as typer knows them: for the completions, and for tests that compare documents."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from scoperun.ctl.declared import declared
from scoperun.ctl.subcommands import SUBCOMMANDS, Subcommand


@dataclass(frozen=True)
class Declared:
    """An option of a subcommand.

    names: its names, also the contrary ones. help: its explanation. value: the name of its value, "" for a flag.
    words: the values that it can have, if they are a few.
    """

    names: tuple[str, ...]
    help: str
    value: str
    words: tuple[str, ...] = ()

    @property
    def takes_value(self) -> bool:
        return bool(self.value)


@dataclass(frozen=True)
class DeclaredSubcommand:
    """A subcommand. arguments: the names of its arguments, e.g. UNIT."""

    row: Subcommand
    options: tuple[Declared, ...]
    arguments: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.row.name, self.row.alias) if name)


def subcommands() -> Iterator[DeclaredSubcommand]:
    """Yield all subcommands."""
    for row in SUBCOMMANDS:
        function = import_module(f"scoperun.{row.module}").command
        params = declared(function, help_line=row.help).params
        options = [_option(each) for each in params if each.param_type_name == "option" and not each.hidden]
        arguments = [re.sub(r"[^A-Z]", "", each.metavar) for each in params if each.param_type_name == "argument"]
        yield DeclaredSubcommand(row, (*options, HELP), tuple(arguments))


HELP = Declared(("-h", "--help"), "Show the options.", "")


def _option(param: Any) -> Declared:
    words: Sequence[Any] = getattr(param.type, "choices", ())
    value = "" if param.is_flag else param.metavar or "VALUE"
    names = sorted((*param.opts, *param.secondary_opts), key=lambda name: name.startswith("--"))
    return Declared(tuple(names), param.help or "", value, tuple(str(getattr(word, "value", word)) for word in words))
