"""`scopectl batch`: many jobs, each in a scope of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.batch import options as own
from scoperun.batch.batches import is_id, meant
from scoperun.batch.columns import OFFERED, memory
from scoperun.batch.control import VERBS, control
from scoperun.batch.descriptors import usual_slots
from scoperun.batch.halt import halt as halt_when
from scoperun.batch.job_files import Asked, asked
from scoperun.batch.limits import common
from scoperun.batch.options import Options, Progress
from scoperun.batch.property_words import Names, properties_in_place
from scoperun.batch.retry import Policy, growth, retry_causes
from scoperun.batch.work import run_batch, stored
from scoperun.console.option_values import record_name
from scoperun.console.table_options import by_long_name, with_options
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace
from scoperun.spec.sizes import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scoperun.console.sources import Assignment


def _parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except InvalidValue as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


def _option(*names: str, help: str, metavar: str, parse: Callable[[str], Any] = str) -> Any:  # noqa: A002  as typer has it
    return typer.Option(*names, metavar=metavar, help=help, parser=_parser(parse), show_default=False)


Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE|-] [-- CMD {} [::: VALUE...]]", help="Where the jobs are.", show_default=False),
]
Jobs = Annotated[
    int | None,
    _option(
        "--jobs", "-j", metavar="N", parse=own.slots, help="Jobs at once; the default is the number of processors."
    ),
]
Total = Annotated[
    int | None,
    _option(
        "--mem-total",
        metavar="SIZE",
        parse=memory,
        help="Memory for all jobs together, also in %; the default is 80 % of what is available.",
    ),
]
Retries = Annotated[
    int | None,
    _option("--retries", metavar="N", parse=own.retries, help="Further attempts of a job that ran out of memory."),
]
Factor = Annotated[
    float | None,
    _option("--retry-factor", metavar="F", parse=growth, help="Times as much memory for it; the default is 2."),
]
Most = Annotated[
    int | None,
    _option("--retry-max", metavar="SIZE", parse=memory, help="The most memory that it gets; default: the total."),
]
RetryOn = Annotated[
    Any,
    _option(
        "--retry-on",
        metavar="A,B",
        parse=retry_causes,
        help="What is tried again: oom, and with the same memory timeout, signal or exit too.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a batch that was interrupted.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="The same, and try jobs again that failed.")]
State = Annotated[
    str | None, _option("--state", metavar="DIR", help="Keep the state of the batch in DIR; or find it there.")
]
Joblog = Annotated[
    str | None, _option("--joblog", metavar="FILE", help="Write a line for each attempt, as GNU parallel does.")
]
Results = Annotated[
    str | None, _option("--results", metavar="DIR", help="Keep in DIR/SEQ what each job prints, and its report.")
]
KeepOrder = Annotated[bool, typer.Option("--keep-order", "-k", help="Print in the order of jobs, not of their ends.")]
Tag = Annotated[bool, typer.Option("--tag", help="Print before each line which job it is of.")]
HaltWhen = Annotated[
    Any,
    _option(
        "--halt",
        metavar="WHEN",
        parse=halt_when,
        help="soon,fail=N: start no more jobs once N have failed, or N%; now,fail=N: stop the others, too.",
    ),
]
Delay = Annotated[
    float | None, _option("--delay", metavar="TIME", parse=parse_time, help="Time between two starts at least.")
]
Shuf = Annotated[bool, typer.Option("--shuf", help="Start the jobs of a new batch in a random order.")]
Shown = Annotated[
    Progress, typer.Option("--progress", help="A bar on a terminal, lines elsewhere, or none.", show_choices=True)
]
Record = Annotated[
    str | None,
    _option(
        "--record",
        metavar="NAME",
        parse=record_name,
        help="Keep each report in the history under NAME, and have --mem auto look there.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each job and one at the end, not what jobs print.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Start nothing; print the jobs.")]


@with_options(OFFERED, with_defaults=False)
def command(  # noqa: PLR0913  each is an option
    ctx: typer.Context,
    words: Words = None,
    *,
    jobs: Jobs = None,
    mem_total: Total = None,
    retries: Retries = None,
    retry_factor: Factor = None,
    retry_max: Most = None,
    retry_on: RetryOn = None,
    resume: Resume = False,
    retry_failed: RetryFailed = False,
    state: State = None,
    joblog: Joblog = None,
    results: Results = None,
    keep_order: KeepOrder = False,
    tag: Tag = False,
    halt: HaltWhen = None,
    delay: Delay = None,
    shuf: Shuf = False,
    progress: Shown = Progress.AUTO,
    record: Record = None,
    json: Json = False,
    dry_run: DryRun = False,
    **given: Any,
) -> int:
    """Run jobs.

    A job is a line of FILE, which /bin/sh runs; an object in FILE.jsonl; a row of
    FILE.tsv; or a word after ":::". With a command after "--" each of them fills
    {} in it, as one word, and no shell is involved.

    Each job has a scope with a limit on memory: its own, or that of --mem. Jobs
    are started as long as the sum of their limits is within --mem-total. They
    read nothing, and what one prints is printed when it has ended.

    Ctrl-C: start no more jobs; again: stop those that run; again: kill them.
    --resume goes on later. From another terminal, use
    "scopectl batch status|pause|resume|stop [ID]".

    Exit status, the first that applies: 130 interrupted, and can be resumed; 125
    scopectl failed; 3 jobs ran out of memory; 1 jobs failed; 124 jobs ran out of
    time; 0.
    """
    typed: _Typed = ctx.obj if isinstance(ctx.obj, _Typed) else _typed(ctx, given.get("property", ()))
    if words and words[0] in VERBS and not typed.after and typed.path is None:
        path = [] if state is None else [os.path.abspath(state)]
        return control(words[0], [*words[1:], *path], slots=jobs, json=json)
    if (resume or retry_failed) and typed.path is None:
        if shuf:
            raise InvalidValue("--shuf is for the jobs of a new batch", hint="those that are left keep their order")
        given_now = {"state": state, "memory": given.get("mem"), "retry": retry_failed}
        given_now |= {"joblog": joblog, "results": results, "config": given.get("config")}
        return _again(ctx, typed, words or [], given_now)
    first_word = typed.after[0] if typed.after else typed.command
    shared = common(by_long_name(given), command=first_word)
    options = Options(
        source=typed.source or _source(words or [], typed.after),
        shared=shared,
        slots=jobs or usual_slots(can_raise=True),
        total=mem_total,
        policy=Policy(retries=retries or 0, factor=retry_factor or 2.0, most=retry_max, also=retry_on or frozenset()),
        halt=halt,
        delay=delay or 0.0,
        path=typed.path or state,
        is_resumed=resume or retry_failed,
        is_retry=retry_failed,
        gives_memory=typed.gives_memory,
        is_shuffled=shuf,
        words=typed.before,
        command=first_word,
        joblog=joblog,
        results=results,
        record=record,
        keeps_order=keep_order,
        is_tagged=tag,
        progress=progress,
        json=json,
        dry_run=dry_run,
        system=bool(shared.values.get("system")),
    )
    return run_batch(options)


_FILES = ("joblog", "results", "config")
"""Options whose values are paths, relative to where they are typed."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed.

    before, after: the words before and after --; before has what -p @FILE has read in its place. source, path, command:
    of a batch that is resumed. gives_memory: --mem was typed now, for the jobs that are left.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    source: Asked | None = None
    path: str | None = None
    command: str = ""
    gives_memory: bool = False


def _typed(ctx: typer.Context, properties: Sequence[Sequence[Assignment]]) -> _Typed:
    """Return what was typed, to be read again. properties: what each -p has assigned."""
    before, after = ctx.obj
    options = [each for each in ctx.command.params if isinstance(each, typer.core.TyperOption)]
    flags = {name for each in options if each.is_flag for name in (*each.opts, *each.secondary_opts)}
    valued = {name for each in options if not each.is_flag for name in each.opts}
    names = Names(flags=frozenset(flags), valued=frozenset(valued))
    return _Typed(properties_in_place(before, names, properties), after)


def _source(words: Sequence[str], after: Sequence[str]) -> Asked:
    if len(words) > 1:
        raise InvalidValue(f"{words[1]!r} is one word too many", hint="one FILE; a command is written after --")
    return asked(words[0] if words else None, after)


def _again(ctx: typer.Context, typed: _Typed, words: Sequence[str], given: Mapping[str, Any]) -> int:
    """Read the options of a batch that is resumed, and after them those that were typed now.

    Its jobs run where they ran before, so that their files are found.
    """
    state, word = given["state"], None
    if state is None and len(words) == 1 and is_id(words[0]):
        (word,), words = words, ()
    path = meant(word, is_running=False, is_retry=given["retry"]) if state is None else os.path.abspath(state)
    source = _source(words, typed.after)
    if source.file not in {None, "-"}:
        source = replace(source, file=os.path.abspath(f"{source.file}"))
    files = [f"--{name}={os.path.abspath(given[name])}" for name in _FILES if given[name] is not None]
    header = stored(path)
    try:
        os.chdir(header.cwd)
    except OSError as error:
        raise InvalidValue(f"the folder of the batch: {header.cwd}: {error.strerror}") from None
    now = _Typed(typed.before, typed.after, source, path, header.command, gives_memory=given["memory"] is not None)
    status: int = ctx.command.main(
        args=[*header.words, *typed.before, *files], prog_name=ctx.command_path, standalone_mode=False, obj=now
    )
    return status
