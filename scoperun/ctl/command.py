"""The program `scopectl`: argv -> a subcommand, and the exit status."""

from __future__ import annotations

import functools
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from scoperun.console.field_names import in_options
from scoperun.console.output import print_text, say
from scoperun.ctl.errors import Status, status_of
from scoperun.ctl.subcommands import NAMES, SUBCOMMANDS
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.program import reason_for
from scoperun.startup import imported
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BEGINNING = """\
Usage: scopectl SUBCOMMAND [OPTIONS] [ARGS]...

See, change, attach and end what runs in systemd scopes.

"""
_END = """
"scopectl SUBCOMMAND --help" lists the options of a subcommand; "man scopectl"
explains everything.

Exit status: 0; 1 failed; 2 wrong usage; 3 not active; 4 no such unit;
124 time limit of wait.
"""


def main() -> int:
    """Run the subcommand in the arguments and return the exit status; the only place that catches all errors."""
    try:
        return _scopectl(sys.argv[1:])
    except ScoperunError as error:
        say(f"scopectl: {in_options(error.complaint)}")
        return status_of(error)
    except BrokenPipeError:
        _end_by(signal.SIGPIPE)
    except KeyboardInterrupt:
        _end_by(signal.SIGINT)
    return Status.FAILED


def _scopectl(argv: Sequence[str]) -> int:
    # systemctl takes --user before its verb, and so do many people's fingers.
    before = [*_leading_options(argv)]
    name, *rest = [*argv[len(before) :], ""]
    if not name:
        return _answer(before)
    if name not in NAMES:
        import difflib  # noqa: PLC0415  it takes 5 ms

        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else "scopectl --help lists them"
        raise InvalidValue(f"no such subcommand: {name}", hint=hint)
    try:
        return _run(name, [*before, *rest[:-1]])
    except ScoperunError as error:
        failure = NAMES[name].failure
        if failure is None:
            raise
        say(f"scopectl: {in_options(error.complaint)}")
        return failure
    except BrokenPipeError:
        raise
    except Exception as error:
        failure = NAMES[name].failure
        if failure is None or sys.flags.dev_mode:
            raise
        say(f"scopectl: {reason_for('scopectl', error)}")
        return failure


def _leading_options(argv: Sequence[str]) -> list[str]:
    found = []
    for word in argv:
        if not word.startswith("-"):
            break
        found.append(word)
    return found


def _answer(options: Sequence[str]) -> int:
    """Answer a command line without a subcommand."""
    if {"-h", "--help"} & set(options):
        print_text(_help())
        return Status.OK
    if "--version" in options:
        print_text(f"scopectl {__version__}")
        return Status.OK
    raise InvalidValue("no subcommand", hint="scopectl --help lists them")


def _help() -> str:
    longest = max(len(each.name) for each in SUBCOMMANDS)
    rows = [f"  {each.name:<{longest}}  {each.help}" for each in SUBCOMMANDS]
    return f"{_BEGINNING}{chr(10).join(rows)}\n{_END}".rstrip("\n")


def _run(name: str, words: Sequence[str]) -> int:
    """Import a subcommand's module and have typer call its function."""
    imported("typing")  # typer needs it
    import typer  # noqa: PLC0415  not for --help and --version

    from scoperun.ctl.declared import declared  # noqa: PLC0415

    row = NAMES[name]
    function: Callable[..., int | None] = import_module(f"scoperun.{row.module}").command
    before, after = _around_separator(words) if row.takes_command else (words, ())
    try:
        status = declared(_passing_on(function), help_line=row.help)(
            args=[*before], prog_name=f"scopectl {name}", standalone_mode=False, complete_var="=", obj=(before, after)
        )
    except typer.TyperException as error:
        raise InvalidValue(error.format_message(), hint=f"scopectl {name} --help") from None
    except _Passed as passed:
        raise passed.error from None
    return int(status or 0)


def _around_separator(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words before the first --, and those after it."""
    at = words.index("--") if "--" in words else len(words)
    return tuple(words[:at]), tuple(words[at + 1 :])


class _Passed(Exception):
    """Has an exception that typer would turn into an exit status of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _passing_on(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Return the function, which typer declares in the same way, and whose interrupts and broken pipes get through."""

    @functools.wraps(function)
    def passing_on(*arguments: object, **named: object) -> int | None:
        try:
            return function(*arguments, **named)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise _Passed(error) from None

    return passing_on


def _end_by(number: signal.Signals) -> None:
    """End by a signal, as programs do that do not handle it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
