"""scoperun's command line as typer has it, made from the table of options: it helps, and says what is wrong.

Imports typer, so it is imported late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from scoperun.console.reading import Reading
from scoperun.errors import InvalidValue
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.console.option import Option, WrongValue

_HELP = """\
Run COMMAND in a systemd scope of its own and say how it ended.

The exit status is the command's own, or 128+n if signal n killed it: 137 when it ran out of memory.
If SIGINT did, scoperun ends by it too, which shells call 130.
124: it ran into --timeout. 125: scoperun itself failed. 126, 127: COMMAND cannot be executed, is not found.

SIZE is bytes, or has K, M, G or T to the base of 1024, or % of RAM; TIME is seconds, or terms like 5min 20s.
"""

_NO_VARIABLE = "="
"""No variable has that name: typer would answer completion's questions, in place of a run, if one was set."""

_COMMAND = "command"


def read(argv: Sequence[str], options: Sequence[Option], *, wrong: WrongValue | None = None) -> Reading | None:
    """Return what the words say, none of their texts looked at; None if they were answered (--help, --version).

    wrong: what is already known to be wrong with the value of one option.
    Raises InvalidValue for that, and for what is wrong with the words, in typer's own.
    """
    try:
        answer = _command(options, wrong)(
            args=argv, prog_name="scoperun", standalone_mode=False, complete_var=_NO_VARIABLE
        )
    except typer.TyperException as error:
        raise InvalidValue(error.format_message()) from None
    return answer if isinstance(answer, Reading) else None


class _Command(typer.core.TyperCommand):
    """A command whose usage is written as in the manual page: typer would put braces around COMMAND and ARGS."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # of typer's own click
        """Return the words after the program's name."""
        return ["[OPTIONS]", "[--]", "COMMAND", "[ARGS]..."]

    def invoke(self, ctx: typer.Context) -> Reading:  # type: ignore[override]
        """Return what was given, in the order in which typer has looked at it."""
        given = {name: value for name, value in ctx.params.items() if _is_given(name, ctx)}
        command = given.pop(_COMMAND)
        return Reading({name.replace("_", "-"): value for name, value in given.items()}, tuple(command))


def _is_given(name: str, context: typer.Context) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _command(options: Sequence[Option], wrong: WrongValue | None) -> _Command:
    words = typer.core.TyperArgument(
        param_decls=[_COMMAND], type=str, nargs=-1, required=True, metavar="COMMAND [ARGS]...", show_default=False
    )
    return _Command(
        "scoperun",
        params=[words, *(_parameter(option, wrong) for option in options)],
        help=_HELP,
        context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
    )


def _parameter(option: Option, wrong: WrongValue | None) -> typer.core.TyperOption:
    *others, name = option.names
    names = [option.name.replace("-", "_"), *others, name if option.contrary is None else f"{name}/{option.contrary}"]
    more: dict[str, Any] = {"type": _taker(option, wrong), "metavar": option.metavar}
    if not option.takes_value:
        more = {"is_flag": True, "default": option.shows_default is True, "show_default": option.shows_default}
    if option.is_answer:
        more |= {"is_eager": True, "callback": _print_version}
    return typer.core.TyperOption(
        param_decls=names, help=option.help, multiple=option.repeatable, envvar=option.variable, **more
    )


def _taker(option: Option, wrong: WrongValue | None) -> Callable[[str], str]:
    """Return what takes the text of an option as it is, unless that is known to be wrong."""

    def take(text: str) -> str:
        if wrong is not None and wrong.option is option:
            raise typer.BadParameter(str(wrong))
        return text

    return take


def _print_version(_context: typer.Context, _option: typer.core.TyperOption, wanted: bool) -> None:
    if wanted:
        typer.echo(f"scoperun {__version__}")
        raise typer.Exit
