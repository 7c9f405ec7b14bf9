"""typer's parser of scoperun's command line, made from the table of options: for --help and error messages.

It imports typer, so it is imported late.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.cli.help import help_text
from scoperun.console.option import Option
from scoperun.console.options import OPTIONS
from scoperun.console.plain import explicit
from scoperun.console.reading import Reading, counted
from scoperun.console.unknown_options import MISTAKEN, hint
from scoperun.errors import InvalidValue
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.console.option import WrongValue

    Declaration = Callable[..., Any]

_NO_VARIABLE = "="
"""A name that no environment variable can have: if the variable were set, typer would complete words, not run."""

_HELP = Option(("-h", "--help"), "", "Other", is_answer=True)

_TEXTS = {True: "\0", False: "\0\0"}
_FLAGS = {text: flag for flag, text in _TEXTS.items()}
"""What typer reads as the value of an option whose value is optional, if there is none: no argument has a NUL byte.

typer itself would take the next word for the value.
"""

_COMMAND = "command"
_WORDS = Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", show_default=False)]


_NAMES = {name: option for option in OPTIONS for name in (*option.names, option.contrary) if name is not None}


def read(argv: Sequence[str], declared: Declaration) -> Reading | None:
    """Return what the words give, values not parsed; None if they were answered (--help, --version).

    Raises InvalidValue for a mistake.
    """
    words = explicit(argv, (*OPTIONS, _HELP), _TEXTS)
    try:
        answer = declared(args=words, prog_name="scoperun", standalone_mode=False, complete_var=_NO_VARIABLE)
    except typer.TyperException as error:
        raise _mistake(error) from None
    return answer if isinstance(answer, Reading) else None


def _mistake(error: typer.TyperException) -> InvalidValue:
    """Return the error for a mistake in the words, in our words where typer's say too little.

    typer exports no names for these classes: if it renames one, its own message appears.
    """
    name = str(getattr(error, "option_name", ""))
    match type(error).__name__:
        case "MissingParameter":
            return InvalidValue("no command to run", hint="scoperun --help shows what to write")
        case "NoSuchOption" if name in _NAMES:
            return InvalidValue(f"{name} does not take a value")
        case "NoSuchOption":
            near = hint(name, _NAMES)
            return InvalidValue(f"no such option: {name}", hint=near or "scoperun --help lists all options")
        case "BadOptionUsage" if name in _NAMES and _NAMES[name].takes_value:
            return InvalidValue(_NAMES[name].needs, hint=MISTAKEN.get(name))
        case "BadOptionUsage" if name in _NAMES:
            return InvalidValue(f"{name} does not take a value", hint=MISTAKEN.get(name))
    return InvalidValue(error.format_message())


def declaration(options: Sequence[Option], *, wrong: WrongValue | None = None) -> Declaration:
    """Return the command that typer makes from a function with a parameter for each option.

    wrong: the error of an option's value that plain reading has found; typer reports it when it reaches that option.
    """

    def scoperun(context: typer.Context, **_options: Any) -> Reading:
        return _reading(context, options)

    class Command(_Command):
        """The command with our text for --help."""

        def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
            """Write the text of --help."""
            formatter.write(help_text(options))

    parameters = [
        Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        Parameter(_COMMAND, Parameter.KEYWORD_ONLY, annotation=_WORDS),
        *(_parameter(option, wrong) for option in options),
    ]
    scoperun.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
    )
    app.command(cls=Command)(scoperun)
    return typer.main.get_command(app)


class _Command(typer.core.TyperCommand):
    """A command with the usage line of the manual page: typer would put braces around COMMAND and ARGS."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # of typer's own click
        """Return the words after the program's name in the usage line."""
        return ["[OPTIONS]", "[--]", "COMMAND", "[ARGS]..."]


def _parameter(option: Option, wrong: WrongValue | None) -> Parameter:
    """Return a function parameter whose annotation declares an option for typer."""
    name = _identifier(option)
    if option.is_counted:
        flags = Annotated[list[bool], _flag(option)]
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=flags, default=[])
    if not option.takes_value and not option.is_optional:
        flag = Annotated[bool, _flag(option)]
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=flag, default=option.shows_default is True)
    declared = typer.Option(
        *option.names,
        help=option.help,
        metavar=option.metavar,
        parser=_taker(option, wrong),
        envvar=option.variable,
        show_envvar=False,
        show_default=False,
    )
    if option.repeatable:
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[list[str], declared], default=[])
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[str | None, declared], default=None)


def _flag(option: Option) -> Any:
    *others, name = option.names
    both = name if option.contrary is None else f"{name}/{option.contrary}"
    return typer.Option(
        *others,
        both,
        help=option.help,
        show_default=option.shows_default,
        is_eager=option.is_answer,
        callback=_print_version if option.is_answer else None,
    )


def _taker(option: Option, wrong: WrongValue | None) -> Callable[[str], str | bool]:
    """Return typer's parser for an option: it returns the text, or a flag, or raises the error that is known."""

    def take(text: str) -> str | bool:
        if wrong is not None and wrong.option is option:
            if wrong.is_missing:
                raise InvalidValue(option.needs)
            raise typer.BadParameter(str(wrong))
        return _FLAGS.get(text, text)

    return take


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scoperun {__version__}")
        raise typer.Exit


def _reading(context: typer.Context, options: Sequence[Option]) -> Reading:
    """Return the options and the command that were given, in the order in which typer has processed them."""
    known = {_identifier(option): option for option in options}
    given = {
        known[name].name: _given(known[name], value)
        for name, value in context.params.items()
        if name in known and _is_given(name, context)
    }
    return Reading(given, tuple(context.params[_COMMAND]))


def _given(option: Option, value: Any) -> Any:
    if option.is_counted:
        return counted(value)
    return tuple(value) if option.repeatable else value


def _is_given(name: str, context: typer.Context) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _identifier(option: Option) -> str:
    return option.name.replace("-", "_")
