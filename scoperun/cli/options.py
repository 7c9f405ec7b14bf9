"""Reads the command line: argv -> RunRequest and Output. Imports typer only for a mistake, --help or --version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.console import plain
from scoperun.console.configured import settled
from scoperun.console.option import WrongValue
from scoperun.console.option_fields import fields_of
from scoperun.console.options import options_of
from scoperun.console.plain import NotPlain
from scoperun.console.shells import is_shell_at_terminal
from scoperun.console.sources import Sources
from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.limits import Limits, OOMPolicy
from scoperun.spec.request import ExecContext, RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.console.reading import Reading
    from scoperun.report.names import LimitName


OPTIONS = options_of("scoperun")

TIMELINE_INTERVAL, LIVE_INTERVAL = 0.2, 1.0
"""Seconds between two lines of --timeline, and without one between two updates of --live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes, and the exit status after an OOM kill.

    report: the path of a file for the report. report_fd: a descriptor for JSON lines about the run.
    log: the path of a file that gets a line about the run.
    record: the name under which the report is kept in the history.
    record_keep: how many runs of that name are kept. record_keep_for: for how many seconds. None for no limit.
    journal: send the verdict to the journal.
    json: print JSON instead of text on stderr. report_format: `block`, or `line` for one line for a log.
    quiet: 1 to print nothing that the exit status already says, 2 to print no report at all.
    on_oom: the path of a program that is run after an OOM kill.
    oom_log: quote the kernel's log below the text.
    oom_exit_code: the exit status for the verdict oom-kill; None for the command's own.
    timeline: the path of a file for samples of what the scope uses. live: show them on the terminal, in one line.
    trace: the path of a file for every event of the run, one JSON line each.
    dry_run: print what would be asked of systemd, and start nothing.
    die_with_parent: stop the command when our parent ends, or the process of this PID.
    """

    report: str | None = None
    report_fd: int | None = None
    log: str | None = None
    record: str | None = None
    record_keep: int | None = 1000
    record_keep_for: float | None = None
    journal: bool = False
    json: bool = False
    report_format: str = "block"
    quiet: int = 0
    oom_log: bool = False
    oom_exit_code: int | None = None
    on_oom: str | None = None
    timeline: str | None = None
    live: bool = False
    trace: str | None = None
    dry_run: bool = False
    die_with_parent: bool | int = False


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the arguments, config files and environment ask for, and where each value comes from."""

    request: RunRequest
    output: Output
    sources: Sources

    def names(self) -> Mapping[str, LimitName]:
        """Return what the user calls the limits, for the text report."""
        from scoperun.cli.limit_names import limit_names  # noqa: PLC0415  a report of one line might do without

        return limit_names(self.sources, self.request)


class CheckAsked(Exception):
    """The command line asks for --check in place of a run.

    system: of the system's manager. json: as JSON.
    """

    def __init__(self, *, system: bool, json: bool) -> None:
        """Take the options that matter for it."""
        super().__init__("--check")
        self.system = system
        self.json = json


def parse(argv: list[str]) -> CommandLine | None:
    """Return what the arguments ask for, None if they were answered already (--help, --version).

    Raises InvalidValue for a mistake; its message is one line that names the option. Raises CheckAsked for --check.
    """
    try:
        return asked(plain.read(argv, OPTIONS))
    except (NotPlain, WrongValue) as reason:
        from scoperun.cli.declaration import declaration, read  # noqa: PLC0415  it imports typer

        wrong = reason if isinstance(reason, WrongValue) else None
        reading = read(argv, declaration(OPTIONS, wrong=wrong))
    return None if reading is None else asked(reading)


def late_options(argv: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return the limits among the words of `command`, e.g. --mem in `scoperun make --mem 20M`, which limit nothing.

    argv: the whole command line; if -- precedes the command there are none, and none follow a -- of the command.
    Other options of ours do not count: too many programs have options of those names, e.g. --quiet or --user.
    """
    if len(command) == 1 or argv[: len(argv) - len(command)][-1:] == ["--"]:
        return []
    names = {option.names[-1] for option in OPTIONS if option.is_limit}
    words = command[1 : command.index("--", 1)] if "--" in command[1:] else command[1:]
    return [name for word in words if (name := word.partition("=")[0]) in names]


def asked(reading: Reading) -> CommandLine:
    """Return what the arguments ask for, together with config files and the environment.

    Raises WrongValue for a value that is not valid, NotPlain if the command is missing, and InvalidValue for options
    that exclude each other and for a mistake in a config file.
    """
    given = reading.values(OPTIONS)
    if given.get("check"):
        raise _check(given, reading.command)
    _see_command_was_not_taken_for_a_value(given, reading.command)
    if not reading.command:
        raise NotPlain
    whole = settled(given, reading.command[0], OPTIONS)
    assigned = [each for several in whole.values.get("property", ()) for each in several]
    fields = fields_of(OPTIONS, whole.values)
    _settle_interval(fields["request"], fields["output"], is_given="timeline-interval" in given)
    _see_what_is_kept_is_recorded(fields["output"], given)
    origins = {**whole.origins, **_also_dies_with_scoperun(fields, given)}
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
    sources = Sources(
        options=origins,
        properties=tuple(each.source for each in assigned),
        texts={name: text for name, text in reading.given.items() if isinstance(text, str)},
        environment=whole.list_origins.get("setenv", ()),
        ignored=whole.ignored,
    )
    output = Output(**fields["output"])
    _see_files_differ(output)
    return CommandLine(request, output, sources)


def _see_files_differ(output: Output) -> None:
    """Raise InvalidValue if two outputs are one file: it would keep only one. A device or a FIFO can take both."""
    paths = {name: getattr(output, name) for name in ("report", "log", "timeline", "trace")}
    found: dict[str, str] = {}
    for name, path in paths.items():
        if path is None or (os.path.exists(path) and not os.path.isfile(path)):
            continue
        other = found.setdefault(_full(path), name)
        if other != name:
            raise InvalidValue(f"--{other} and --{name} are the same file: {path!r}")


def _full(path: str) -> str:
    try:
        return os.path.realpath(path)
    except OSError:  # the working directory has been removed, and so it cannot be opened either
        return path


def _check(given: Mapping[str, Any], command: Sequence[str]) -> CheckAsked:
    """Return what --check is asked for. Raises InvalidValue for a command, and for a mistake in a config file."""
    if command:
        raise InvalidValue("--check takes no command")
    values = settled(given, "", OPTIONS).values
    return CheckAsked(system=values.get("system", False), json=values.get("json", False))


def _see_command_was_not_taken_for_a_value(given: Mapping[str, Any], command: Sequence[str]) -> None:
    """Raise InvalidValue for `scoperun -d make` and `scoperun -P make`: for systemd-run these take no value."""
    directory, profile = given.get("working-directory"), given.get("profile")
    if directory is not None and not os.path.isdir(directory) and _is_program(directory):
        option, message = "-d", f"--working-directory: {directory!r} is not a directory"
    elif profile is not None and not command and _is_program(profile):
        option, message = "-P", "no command to run"
    else:
        return
    from scoperun.console.unknown_options import MISTAKEN  # noqa: PLC0415  only after a mistake

    raise InvalidValue(message, hint=MISTAKEN[option])


def _is_program(word: str) -> bool:
    from shutil import which  # noqa: PLC0415  only after a mistake

    return which(word) is not None


def _settle_interval(request: dict[str, Any], output: Mapping[str, Any], *, is_given: bool) -> None:
    """Set the time between samples if there is something that needs samples, and only then.

    is_given: it is on the command line. Raises InvalidValue if nothing needs it.
    """
    default = TIMELINE_INTERVAL if output.get("timeline") is not None else LIVE_INTERVAL if output.get("live") else None
    if default is not None:
        request.setdefault("timeline_interval", default)
    elif is_given:
        raise InvalidValue("--timeline-interval has no effect", hint="together with --timeline FILE or --live")
    else:
        request.pop("timeline_interval", None)


def _see_what_is_kept_is_recorded(output: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise InvalidValue for --record-keep or --record-keep-for on the command line of a run that is not recorded."""
    for name in ("record-keep", "record-keep-for"):
        if name in given and output.get("record") is None:
            raise InvalidValue(f"--{name} has no effect", hint="together with --record NAME")


def _also_dies_with_scoperun(fields: Mapping[str, dict[str, Any]], given: Mapping[str, Any]) -> dict[str, str]:
    """Set what --die-with-parent implies, and return where that comes from; raise InvalidValue if it is excluded."""
    if fields["output"].get("die_with_parent", False) is False:
        return {}
    if given.get("die-with-scoperun") is False:
        raise InvalidValue("--die-with-parent and --no-die-with-scoperun exclude each other")
    fields["request"]["die_with_scoperun"] = True
    return {} if "die-with-scoperun" in given else {"die-with-scoperun": "--die-with-parent"}
