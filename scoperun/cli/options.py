"""The command line as it is declared: argv -> RunRequest and Output. Imports typer, so it is imported late.

Annotations are values here, as typer wants them: as text it would have to evaluate each of them, and does so twice.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

from scoperun.console import option_values
from scoperun.console.configured import (
    apply_config_files,
    configured_properties,
    configured_variables,
    sources,
    without_environment,
)
from scoperun.console.shells import is_shell_at_terminal
from scoperun.console.sources import Sources
from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.limits import Limits, OOMPolicy
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.spec.scope import unit_name
from scoperun.spec.sizes import parse_positive_time, parse_time
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.values import positive_count, weight
from scoperun.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes and what the exit status is when memory ran out.

    report: a file; report_fd: a descriptor that gets JSON lines at the start and at the end; json: stderr gets JSON in
    place of text; quiet: leave out what the exit status tells already; oom_log: quote the kernel below the text.
    oom_exit_code: the exit status that an oom-kill verdict gives, whatever the command's own; None keeps that.
    print_properties: say what would be asked of systemd, and start nothing.
    """

    report: str | None = None
    report_fd: int | None = None
    json: bool = False
    quiet: bool = False
    oom_log: bool = False
    oom_exit_code: int | None = None
    print_properties: bool = False


_NO_VARIABLE = "="
"""No variable has that name: typer would answer completion's questions, in place of a run, if one was set."""


class CommandLine(NamedTuple):
    """What the arguments and the config files ask for, and which of them asks for what."""

    request: RunRequest
    output: Output
    sources: Sources


def parse(argv: list[str]) -> CommandLine | None:
    """Return what the arguments ask for, None if they were answered already (--help, --version).

    Raises InvalidValue, in one line that names the option, for all else.
    """
    try:
        answer = typer.main.get_command(_app)(
            args=argv, prog_name="scoperun", standalone_mode=False, complete_var=_NO_VARIABLE
        )
    except typer.TyperException as error:
        raise InvalidValue(error.format_message()) from None
    return answer if isinstance(answer, CommandLine) else None


def _parsed(parse_text: Callable[[str], Any], metavar: str, *names: str, **more: Any) -> Any:
    """Declare an option whose value is what `parse_text` makes of it."""

    def parse_option(text: str) -> Any:
        try:
            return parse_text(text)
        except InvalidValue as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(*names, metavar=metavar, parser=parse_option, show_default=False, **more)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scoperun {__version__}")
        raise typer.Exit


_app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)


def _read_config_files(context: typer.Context, command: list[str]) -> list[str]:
    """Let config files say what the arguments leave out.

    typer reads options that are there, then the command, then takes defaults for the rest: what is wrong on the command
    line is told before a file is looked for, and the profile and the command are known by which one is chosen.
    """
    apply_config_files(context, command[0], _check)
    return command


def _check(option: typer.core.TyperOption, text: str) -> None:
    try:
        option.type.convert(text, option, None)
    except typer.BadParameter as error:
        raise InvalidValue(error.message) from None


class _Command(typer.core.TyperCommand):
    """A command whose usage is written as in the manual page: typer would put braces around COMMAND and ARGS."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # of typer's own click
        """Return the words after the program's name."""
        return ["[OPTIONS]", "[--]", "COMMAND", "[ARGS]..."]


_CONFIG = "Read FILE in place of ~/.config/scoperun/config.toml and /etc/scoperun/config.toml."
_PROFILE = "Take options from profile NAME of ~/.config/scoperun/config.toml or /etc/scoperun/config.toml."
_PROPERTY = "Any property of scopes, or @FILE with one a line; may be repeated."
_PRINT_PROPERTIES = "Start nothing; print what would be asked of systemd, and where each value comes from."
_QUIET = "Print no report if the exit status tells all there is to tell."
_SOFT_MEM = "Memory above which it gets SIGNAL, by default TERM, and KILL after --kill-after."
_OOM_POLICY = "What becomes of the rest when the kernel has killed one process (OOMPolicy=)."
_REQUIRE_LIMITS = "Refuse to run where a limit would not be enforced, or run without it."
_LEFTOVERS = "End what is left in the scope when COMMAND has ended: SIGTERM, then SIGKILL after --kill-after."


@_app.command(cls=_Command)
def _scoperun(  # noqa: PLR0913  one for each option
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND [ARGS]...", show_default=False, callback=_read_config_files),
    ],
    profile: Annotated[  # _read_config_files has read it
        str | None, typer.Option("-P", "--profile", metavar="NAME", help=_PROFILE)
    ] = None,
    config: Annotated[  # so it has these two
        str | None, typer.Option("--config", metavar="FILE", help=_CONFIG)
    ] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="Read no configuration file.")] = False,
    mem: Annotated[
        int | None,
        _parsed(option_values.memory, "SIZE", "--mem", help="Memory that COMMAND may use (MemoryMax=)."),
    ] = None,
    mem_high: Annotated[
        int | None,
        _parsed(
            option_values.memory,
            "SIZE",
            "--mem-high",
            help="Memory above which it is slowed down (MemoryHigh=).",
        ),
    ] = None,
    soft_mem: Annotated[
        SoftMemory | None, _parsed(option_values.soft_memory, "SIZE[:SIGNAL]", "--soft-mem", help=_SOFT_MEM)
    ] = None,
    swap: Annotated[
        int | None,
        _parsed(
            option_values.size, "SIZE", "--swap", help="Swap it may use beside (MemorySwapMax=); 0 if --mem is given."
        ),
    ] = None,
    zswap: Annotated[
        int | None, _parsed(option_values.size, "SIZE", "--zswap", help="Compressed swap it may use (MemoryZSwapMax=).")
    ] = None,
    cpus: Annotated[
        float | None,
        _parsed(option_values.processors, "N", "--cpus", help="Processors it may use, as 0.5 or 2 (CPUQuota=)."),
    ] = None,
    cpu_weight: Annotated[
        int | None,
        _parsed(weight, "N", "--cpu-weight", help="Its share of them, 1 to 10000 (CPUWeight=)."),
    ] = None,
    tasks: Annotated[
        int | None, _parsed(positive_count, "N", "--tasks", help="Processes and threads it may have (TasksMax=).")
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
        list[option_values.Assignments],
        _parsed(option_values.assignments, "NAME=VALUE", "-p", "--property", help=_PROPERTY),
    ] = [],  # noqa: B006  typer copies it
    require_limits: Annotated[bool, typer.Option("--require-limits/--no-require-limits", help=_REQUIRE_LIMITS)] = True,
    system: Annotated[
        bool, typer.Option("--system/--user", help="Ask the system's systemd, or the user's.", show_default="user")
    ] = False,
    unit: Annotated[str | None, _parsed(unit_name, "NAME", "-u", "--unit", help="Name of the scope unit.")] = None,
    slice: Annotated[  # noqa: A002  systemd's word
        str | None, _parsed(option_values.slice_unit, "NAME", "--slice", help="Slice to put the scope in (Slice=).")
    ] = None,
    slice_inherit: Annotated[
        bool,
        typer.Option(
            "--slice-inherit/--no-slice-inherit",
            show_default=False,
            help="Put it in, or under, the slice that scoperun runs in.",
        ),
    ] = False,
    description: Annotated[
        str | None,
        _parsed(option_values.setting("Description"), "TEXT", "--description", help="Words for people (Description=)."),
    ] = None,
    setenv: Annotated[
        list[str],
        _parsed(
            option_values.variable, "NAME[=VALUE]", "-E", "--setenv", help="A variable for COMMAND; may be repeated."
        ),
    ] = [],  # noqa: B006  typer copies it
    working_directory: Annotated[
        str | None, typer.Option("-d", "--working-directory", metavar="DIR", help="Where COMMAND starts.")
    ] = None,
    uid: Annotated[str | None, typer.Option("--uid", metavar="USER", help="User that COMMAND runs as.")] = None,
    gid: Annotated[str | None, typer.Option("--gid", metavar="GROUP", help="Group that it runs as.")] = None,
    nice: Annotated[
        int | None, _parsed(option_values.nice, "N", "--nice", help="Nice level it runs at, -20 to 19.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", show_default=False, help="Wait until nothing is left in the scope.")
    ] = False,
    kill_leftovers: Annotated[
        bool, typer.Option("--kill-leftovers/--no-kill-leftovers", show_default=False, help=_LEFTOVERS)
    ] = False,
    report: Annotated[
        str | None,
        _parsed(
            option_values.report_file,
            "FILE",
            "--report",
            envvar="SCOPERUN_REPORT",
            show_envvar=False,
            help="Write the report to FILE, as JSON.",
        ),
    ] = None,
    report_fd: Annotated[
        int | None,
        _parsed(
            option_values.descriptor,
            "N",
            "--report-fd",
            help="Write JSON lines to descriptor N: at the start, at the end.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json/--no-json", show_default=False, help="Print the report as JSON in place of text.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet/--no-quiet", show_default=False, help=_QUIET)] = False,
    oom_log: Annotated[
        bool,
        typer.Option(
            "--oom-log/--no-oom-log", show_default=False, help="Quote the kernel's log of an OOM kill, if readable."
        ),
    ] = False,
    oom_exit_code: Annotated[
        int | None,
        _parsed(
            option_values.exit_code,
            "N",
            "--oom-exit-code",
            help="Exit with N if anything in the scope ran out of memory.",
        ),
    ] = None,
    print_properties: Annotated[bool, typer.Option("--print-properties", help=_PRINT_PROPERTIES)] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> CommandLine:
    """Run COMMAND in a systemd scope of its own and say how it ended.

    The exit status is the command's own, or 128+n if signal n killed it: 137 when it ran out of memory.
    If SIGINT did, scoperun ends by it too, which shells call 130.
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
    at_a_shell = oom_policy is None and is_shell_at_terminal(command)
    assigned = [*configured_properties(context), *(each for given in properties for each in given)]
    exec_context = ExecContext(
        environment=(*configured_variables(context), *setenv),
        working_directory=working_directory,
        user=uid,
        group=gid,
        nice=nice,
    )
    request = RunRequest(
        command=tuple(command),
        limits=limits,
        soft_memory=soft_mem,
        unit=unit,
        slice=slice,
        slice_inherit=slice_inherit,
        description=description,
        properties=tuple(each.text for each in assigned),
        oom_policy_default=OOMPolicy.CONTINUE if at_a_shell else None,
        require_limits=require_limits,
        system=system,
        context=exec_context,
        wait=wait,
        kill_leftovers=kill_leftovers,
    )
    output = Output(
        # The environment might be the other user's, for whom root runs it.
        report=without_environment(context, "report") if exec_context.changes_identity else report,
        report_fd=report_fd,
        json=json,
        quiet=quiet,
        oom_log=oom_log,
        oom_exit_code=oom_exit_code,
        print_properties=print_properties,
    )
    return CommandLine(request, output, sources(context, assigned))
