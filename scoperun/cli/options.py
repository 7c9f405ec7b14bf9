"""The command line as it is read: argv -> RunRequest and Output. Only a mistake or a question imports typer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scoperun.console import plain
from scoperun.console.configured import settled
from scoperun.console.option import WrongValue
from scoperun.console.options import options_of
from scoperun.console.plain import NotPlain
from scoperun.console.shells import is_shell_at_terminal
from scoperun.console.sources import Sources
from scoperun.record import dataclass
from scoperun.spec.limits import Limits, OOMPolicy
from scoperun.spec.request import ExecContext, RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.console.reading import Reading


OPTIONS = options_of("scoperun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes and what the exit status is when memory ran out.

    report: a file; report_fd: a descriptor that gets JSON lines at the start and at the end; json: stderr gets JSON in
    place of text; quiet: leave out what the exit status tells already; oom_log: quote the kernel below the text.
    oom_exit_code: the exit status that an oom-kill verdict gives, whatever the command's own; None keeps that.
    trace: a file that gets every event of the run, as a line of JSON.
    print_properties: say what would be asked of systemd, and start nothing.
    """

    report: str | None = None
    report_fd: int | None = None
    json: bool = False
    quiet: bool = False
    oom_log: bool = False
    oom_exit_code: int | None = None
    trace: str | None = None
    print_properties: bool = False


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
        return asked(plain.read(argv, OPTIONS))
    except (NotPlain, WrongValue) as reason:
        from scoperun.cli.declaration import declaration, read  # noqa: PLC0415  it imports typer

        wrong = reason if isinstance(reason, WrongValue) else None
        reading = read(argv, declaration(OPTIONS, wrong=wrong))
    return None if reading is None else asked(reading)


def asked(reading: Reading) -> CommandLine:
    """Return what a reading of the arguments asks for, with what config files and the environment add.

    Raises WrongValue for a text that an option does not take, NotPlain if there is no command, and InvalidValue for
    what does not go together, or is wrong in a config file.
    """
    given = reading.values(OPTIONS)
    if not reading.command:
        raise NotPlain
    whole = settled(given, reading.command[0], OPTIONS)
    assigned = [each for several in whole.values.get("property", ()) for each in several]
    fields = _fields(whole.values)
    limits = Limits(**fields["limits"])
    at_a_shell = limits.oom_policy is None and is_shell_at_terminal(reading.command)
    request = RunRequest(
        command=reading.command,
        limits=limits,
        properties=tuple(each.text for each in assigned),
        oom_policy_default=OOMPolicy.CONTINUE if at_a_shell else None,
        context=ExecContext(environment=whole.values.get("setenv", ()), **fields["context"]),
        **fields["request"],
    )
    sources = Sources(options=whole.origins, properties=tuple(each.source for each in assigned))
    return CommandLine(request, Output(**fields["output"]), sources)


def _fields(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values by what they are fields of, and by field."""
    fields: dict[str, dict[str, Any]] = {"limits": {}, "context": {}, "request": {}, "output": {}}
    for option in OPTIONS:
        if option.field is not None and option.name in values:
            whole, _, name = option.field.partition(".")
            fields[whole][name] = values[option.name]
    return fields
