"""What is asked of systemd for an attempt of a job: the job's own settings over those that all jobs have in common.

A later memory limit than the first is the attempt's. All texts are parsed by the table of options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.batch.columns import COLUMNS, MEMORY, OFFERED
from scoperun.console.configured import settled
from scoperun.console.option import WrongValue
from scoperun.console.option_fields import fields_of
from scoperun.console.option_values import property_name
from scoperun.console.options import options_of
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, field
from scoperun.spec.limits import Limits
from scoperun.spec.request import ExecContext, RunRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.batch.job import Job
    from scoperun.console.sources import Assignment

_REFUSED = {
    "MemoryMax": "each job has a limit of its own: --mem, or the column mem",
    "Slice": "a batch has a slice of its own",
}
"""The properties that a batch sets itself, with what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all jobs of a batch have in common, unless a job says otherwise.

    memory: bytes for a job's first attempt, AUTO for what `automatic` tells, None if each job has to say it.
    values: the parsed values of further options, by long name.
    properties: as NAME=VALUE, with the name of the setting that each sets. environment: variables as NAME=VALUE.
    """

    memory: int | str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    properties: tuple[tuple[str, str], ...] = ()
    environment: tuple[str, ...] = ()


def common(given: Mapping[str, Any], *, command: str = "") -> Common:
    """Return what the options of a batch, config files and the environment say of all jobs.

    given: parsed values of OFFERED, by long name; others are left alone. command: the first word of what is run, by
    which rules of config files choose a profile. Raises InvalidValue.
    """
    offered = {each.name for each in OFFERED}
    ours = {name: value for name, value in given.items() if name in offered}
    try:
        values = dict(settled(ours, command, OFFERED, others=options_of("scoperun")).values)
    except WrongValue as error:
        raise _named(error, f"--{error.option.name}") from None
    assigned = [each for several in values.pop("property", ()) for each in several]
    _see_not_refused(assigned)
    environment = values.pop("setenv", ())
    return Common(
        memory=values.pop(MEMORY, None),
        values=values,
        properties=tuple((each.text, property_name(each.text)) for each in assigned),
        environment=tuple(environment),
    )


def run_request(job: Job, memory: int, shared: Common, *, unit: str, slice: str) -> RunRequest:  # noqa: A002  as its field
    """Return the request for an attempt of a job. Raises InvalidValue, with the name of the setting.

    memory: the attempt's limit, in bytes. unit, slice: the scope's, and what that is in.
    """
    own = {name: _parsed(name, text) for name, text in job.settings}
    fields = fields_of(OFFERED, {**shared.values, **own, MEMORY: memory})
    if job.cwd is not None:
        fields["context"]["working_directory"] = job.cwd
    return RunRequest(
        command=job.command,
        limits=Limits(**fields["limits"]),
        properties=tuple(_kept(shared.properties, own)),
        context=ExecContext(environment=(*shared.environment, *job.environment), **fields["context"]),
        unit=unit,
        slice=slice,
        **fields["request"],
    )


def see_usable(job: Job, shared: Common) -> None:
    """Raise InvalidValue if the job's first attempt could not be asked for."""
    run_request(job, job.memory, shared, unit="job", slice="batch")


def _parsed(name: str, text: str) -> Any:
    try:
        return COLUMNS[name].value(text)
    except WrongValue as error:
        raise _named(error, name) from None


def _kept(properties: Iterable[tuple[str, str]], own: Mapping[str, Any]) -> Iterable[str]:
    """Return the properties of all jobs that no setting of the job overrides."""
    overridden = {COLUMNS[name].sets for name in own}
    return (text for text, sets in properties if sets not in overridden)


def _see_not_refused(assigned: Iterable[Assignment]) -> None:
    for each in assigned:
        name = property_name(each.text)
        if name in _REFUSED:
            raise InvalidValue(f"{each.source}: {name}= is not for a batch", hint=_REFUSED[name])


def _named(error: InvalidValue, name: str) -> InvalidValue:
    return InvalidValue(f"{name}: {error.message}", hint=error.hint)


def first_memory(text: str | None, shared: Common) -> int:
    """Return the memory of a job's first attempt: its own, or that of all. Raises InvalidValue if there is neither.

    shared: has no AUTO any more.
    """
    if text is not None:
        size: int = _parsed(MEMORY, text)
        return size
    if shared.memory is None or isinstance(shared.memory, str):
        raise InvalidValue("no memory given", hint="--mem SIZE, or --mem auto")
    return shared.memory
