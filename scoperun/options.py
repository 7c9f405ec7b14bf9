"""The command line as it is declared: argv -> RunRequest and Output. Imports typer, so it is imported late."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.errors import InvalidValue
from scoperun.limits import Limits, OOMPolicy
from scoperun.properties import Value, parse_property, parse_setting
from scoperun.request import ExecContext, RunRequest
from scoperun.scope import unit_name
from scoperun.sizes import parse_positive_size, parse_positive_time, parse_size, parse_time
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes and what the exit status is when memory ran out.

    report: a file; report_fd: a descriptor that gets JSON lines at the start and at the end; json: stderr gets JSON in
    place of text; quiet: leave out what the exit status tells already. oom_exit_code: the exit status that an oom-kill
    verdict gives, whatever the command's own; None keeps that.
    """

    report: str | None = None
    report_fd: int | None = None
    json: bool = False
    quiet: bool = False
    oom_exit_code: int | None = None


def parse(argv: list[str]) -> tuple[RunRequest, Output] | None:
    """Return what the arguments ask for, None if they were answered already (--help, --version).

    Raises InvalidValue, in one line that names the option, for all else.
    """
    try:
        answer = typer.main.get_command(_app)(args=argv, prog_name="scoperun", standalone_mode=False)
    except typer.TyperException as error:
        raise InvalidValue(error.format_message()) from None
    return answer if isinstance(answer, tuple) else None


def _parsed(parse_text: Callable[[str], Any], metavar: str, *names: str, help: str) -> Any:  # noqa: A002  typer's word
    """Declare an option whose value is what `parse_text` makes of it."""

    def parse_option(text: str) -> Any:
        try:
            return parse_text(text)
        except InvalidValue as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(*names, help=help, metavar=metavar, parser=parse_option, show_default=False)


def _setting(name: str) -> Callable[[str], Value]:
    return lambda text: parse_setting(name, text).value


def _size(text: str) -> int:
    return parse_size(text, whole=_physical_memory())


def _positive_size(text: str) -> int:
    return parse_positive_size(text, whole=_physical_memory())


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _processors(text: str) -> float:
    try:
        return int(parse_setting("CPUQuota", f"{float(text) * 100:g}%").value) / 1e6  # type: ignore[arg-type]
    except (ValueError, InvalidValue):
        raise InvalidValue(f"{text!r} is no number of processors", hint="as 2 or 0.5") from None


def _descriptor(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidValue(f"{text!r} is no file descriptor", hint="a number, as 3 of 3>report.json")
    try:
        os.fstat(int(text))
    except (OSError, OverflowError):
        raise InvalidValue(f"descriptor {text} is not open", hint="as 3 of 3>report.json") from None
    return int(text)


def _exit_code(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 255:
        raise InvalidValue(f"{text!r} is no exit status", hint="0 to 255")
    return int(text)


def _nice(text: str) -> int:
    if text.removeprefix("-") not in map(str, range(21)) or text == "20":
        raise InvalidValue(f"{text!r} is no nice level", hint="-20 to 19")
    return int(text)


def _variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name or "\0" in text:
        raise InvalidValue(f"{text!r} is no variable", hint="NAME=VALUE, or NAME to keep the value that it has here")
    return text if equals or name not in os.environ else f"{name}={os.environ[name]}"


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

_QUIET = "Print no report if the exit status tells all there is to tell."
_OOM_POLICY = "What becomes of the rest when the kernel has killed one process (OOMPolicy=)."
_REQUIRE_LIMITS = "Refuse to run where a limit would not be enforced, or run without it."
_LEFTOVERS = "End what is left in the scope when COMMAND has ended: SIGTERM, then SIGKILL after --kill-after."


@_app.command(options_metavar="[OPTIONS] [--]")
def _scoperun(  # noqa: PLR0913  one for each option
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", show_default=False)],
    mem: Annotated[
        int | None, _parsed(_positive_size, "SIZE", "--mem", help="Memory that COMMAND may use (MemoryMax=).")
    ] = None,
    mem_high: Annotated[
        int | None,
        _parsed(_positive_size, "SIZE", "--mem-high", help="Memory above which it is slowed down (MemoryHigh=)."),
    ] = None,
    swap: Annotated[
        int | None,
        _parsed(_size, "SIZE", "--swap", help="Swap it may use beside (MemorySwapMax=); 0 if --mem is given."),
    ] = None,
    zswap: Annotated[
        int | None, _parsed(_size, "SIZE", "--zswap", help="Compressed swap it may use (MemoryZSwapMax=).")
    ] = None,
    cpus: Annotated[
        float | None, _parsed(_processors, "N", "--cpus", help="Processors it may use, as 0.5 or 2 (CPUQuota=).")
    ] = None,
    cpu_weight: Annotated[
        int | None,
        _parsed(_setting("CPUWeight"), "N", "--cpu-weight", help="Its share of them, 1 to 10000 (CPUWeight=)."),
    ] = None,
    tasks: Annotated[
        int | None, _parsed(_setting("TasksMax"), "N", "--tasks", help="Processes and threads it may have (TasksMax=).")
    ] = None,
    timeout: Annotated[
        float | None,
        _parsed(parse_positive_time, "TIME", "--timeout", help="Time after which it is stopped (RuntimeMaxSec=)."),
    ] = None,
    kill_after: Annotated[
        float | None,
        _parsed(parse_time, "TIME", "--kill-after", help="Time from SIGTERM to SIGKILL (TimeoutStopSec=)."),
    ] = None,
    oom_policy: Annotated[OOMPolicy | None, typer.Option("--oom-policy", help=_OOM_POLICY)] = None,
    properties: Annotated[
        list[str],
        _parsed(_property, "NAME=VALUE", "-p", "--property", help="Any property of scopes; may be repeated."),
    ] = [],  # noqa: B006  typer copies it
    require_limits: Annotated[bool, typer.Option("--require-limits/--no-require-limits", help=_REQUIRE_LIMITS)] = True,
    system: Annotated[
        bool, typer.Option("--system/--user", help="Ask the system's systemd, or the user's.", show_default="user")
    ] = False,
    unit: Annotated[str | None, _parsed(unit_name, "NAME", "-u", "--unit", help="Name of the scope unit.")] = None,
    slice: Annotated[  # noqa: A002  systemd's word
        str | None, _parsed(_slice, "NAME", "--slice", help="Slice to put the scope in (Slice=).")
    ] = None,
    slice_inherit: Annotated[
        bool, typer.Option("--slice-inherit", help="Put it in, or under, the slice that scoperun runs in.")
    ] = False,
    description: Annotated[
        str | None,
        _parsed(_setting("Description"), "TEXT", "--description", help="Words for people (Description=)."),
    ] = None,
    setenv: Annotated[
        list[str], _parsed(_variable, "NAME[=VALUE]", "-E", "--setenv", help="A variable for COMMAND; may be repeated.")
    ] = [],  # noqa: B006  typer copies it
    working_directory: Annotated[
        str | None, typer.Option("-d", "--working-directory", metavar="DIR", help="Where COMMAND starts.")
    ] = None,
    uid: Annotated[str | None, typer.Option("--uid", metavar="USER", help="User that COMMAND runs as.")] = None,
    gid: Annotated[str | None, typer.Option("--gid", metavar="GROUP", help="Group that it runs as.")] = None,
    nice: Annotated[int | None, _parsed(_nice, "N", "--nice", help="Nice level it runs at, -20 to 19.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until nothing is left in the scope.")] = False,
    kill_leftovers: Annotated[bool, typer.Option("--kill-leftovers", help=_LEFTOVERS)] = False,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="FILE",
            envvar="SCOPERUN_REPORT",
            show_envvar=False,
            help="Write the report to FILE, as JSON.",
        ),
    ] = None,
    report_fd: Annotated[
        int | None,
        _parsed(_descriptor, "N", "--report-fd", help="Write JSON lines to descriptor N: at the start, at the end."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON in place of text.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help=_QUIET)] = False,
    oom_exit_code: Annotated[
        int | None,
        _parsed(_exit_code, "N", "--oom-exit-code", help="Exit with N if anything in the scope ran out of memory."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> tuple[RunRequest, Output]:
    """Run COMMAND in a systemd scope of its own and say how it ended.

    The exit status is the command's own, or 128+n if signal n killed it: 137 when it ran out of memory.
    124: it ran into --timeout. 125: scoperun itself failed. 126, 127: COMMAND cannot be executed, is not found.

    SIZE is bytes, or has K, M, G or T to the base of 1024, or % of RAM; TIME is seconds, or terms like 5min 20s.
    """
    limits = Limits(
        memory_max=mem,
        memory_high=mem_high,
        memory_swap_max=swap,
        memory_zswap_max=zswap,
        cpu_quota=cpus,
        cpu_weight=cpu_weight,
        tasks_max=tasks,
        runtime_max=timeout,
        timeout_stop=kill_after,
        oom_policy=oom_policy,
    )
    context = ExecContext(
        environment=tuple(setenv), working_directory=working_directory, user=uid, group=gid, nice=nice
    )
    request = RunRequest(
        command=tuple(command),
        limits=limits,
        unit=unit,
        slice=slice,
        slice_inherit=slice_inherit,
        description=description,
        properties=tuple(properties),
        require_limits=require_limits,
        system=system,
        context=context,
        wait=wait,
        kill_leftovers=kill_leftovers,
    )
    output = Output(report=report, report_fd=report_fd, json=json, quiet=quiet, oom_exit_code=oom_exit_code)
    return request, output
