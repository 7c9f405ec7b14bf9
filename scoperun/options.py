"""The command line as it is declared: argv -> RunRequest and Output. Imports typer, so it is imported late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.errors import InvalidValue
from scoperun.limits import Limits, OOMPolicy
from scoperun.properties import parse_property
from scoperun.request import RunRequest
from scoperun.scope import unit_name
from scoperun.sizes import parse_positive_size, parse_positive_time, parse_size
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes: a file, stderr as JSON or text; quiet leaves out what the exit status tells already."""

    report: str | None
    json: bool
    quiet: bool


def parse(argv: list[str]) -> tuple[RunRequest, Output] | None:
    """Return what the arguments ask for, None if they were answered already (--help, --version).

    Raises InvalidValue, in one line that names the option, for all else.
    """
    try:
        answer = typer.main.get_command(_app)(args=argv, prog_name="scoperun", standalone_mode=False)
    except typer.TyperException as error:
        raise InvalidValue(error.format_message()) from None
    return answer if isinstance(answer, tuple) else None


def _parser(parse_text: Callable[[str], Any], name: str) -> dict[str, Any]:
    def parse_option(text: str) -> Any:
        try:
            return parse_text(text)
        except InvalidValue as error:
            raise typer.BadParameter(str(error)) from None

    return {"parser": parse_option, "metavar": name}


def _property(text: str) -> str:
    parse_property(text)
    return text


def _slice(name: str) -> str:
    return unit_name(name, suffix=".slice")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scoperun {__version__}")
        raise typer.Exit


_app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)


@_app.command(options_metavar="[OPTIONS] [--]")
def _scoperun(  # noqa: PLR0913  one for each option
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", show_default=False)],
    memory_max: Annotated[
        int | None,
        typer.Option(
            "--mem", help="Memory that COMMAND may use, as 20M (MemoryMax=).", **_parser(parse_positive_size, "SIZE")
        ),
    ] = None,
    memory_swap_max: Annotated[
        int | None,
        typer.Option(
            "--swap",
            help="Swap that it may use beside (MemorySwapMax=); 0 if --mem is given.",
            show_default=False,
            **_parser(parse_size, "SIZE"),
        ),
    ] = None,
    runtime_max: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            help="Stop it after this time, as 90 or 5min (RuntimeMaxSec=).",
            **_parser(parse_positive_time, "TIME"),
        ),
    ] = None,
    oom_policy: Annotated[
        OOMPolicy | None,
        typer.Option(help="What becomes of the rest when the kernel has killed one process (OOMPolicy=)."),
    ] = None,
    properties: Annotated[
        list[str],
        typer.Option(
            "-p",
            "--property",
            help="Any property of scopes, as MemoryHigh=15M; may be repeated.",
            **_parser(_property, "NAME=VALUE"),
        ),
    ] = [],  # noqa: B006  typer copies it
    unit: Annotated[
        str | None, typer.Option("-u", "--unit", help="Name of the scope unit.", **_parser(unit_name, "NAME"))
    ] = None,
    slice: Annotated[  # noqa: A002  systemd's word
        str | None, typer.Option(help="Slice to put the scope in (Slice=).", **_parser(_slice, "NAME"))
    ] = None,
    require_limits: Annotated[
        bool,
        typer.Option(
            "--require-limits/--no-require-limits",
            help="Refuse to run where a limit would not be enforced, or run without it.",
        ),
    ] = True,
    report: Annotated[str | None, typer.Option(help="Write the report to FILE, as JSON.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON in place of text.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print no report if the exit status tells all there is to tell.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> tuple[RunRequest, Output]:
    """Run COMMAND in a systemd scope of its own and say how it ended.

    The exit status is the command's own, or 128+n if signal n killed it: 137 when it ran out of memory.
    124: it ran into --timeout. 125: scoperun itself failed. 126, 127: COMMAND cannot be executed, is not found.

    SIZE is bytes, or has K, M, G or T to the base of 1024; TIME is seconds, or terms like 5min 20s.
    """
    limits = Limits(
        memory_max=memory_max, memory_swap_max=memory_swap_max, runtime_max=runtime_max, oom_policy=oom_policy
    )
    request = RunRequest(
        command=tuple(command),
        limits=limits,
        unit=unit,
        slice=slice,
        properties=tuple(properties),
        require_limits=require_limits,
    )
    return request, Output(report=report, json=json, quiet=quiet)
