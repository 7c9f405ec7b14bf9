"""The jobs of a batch, read one by one, so that no number of them fills the memory.

They are lines, which /bin/sh runs or which fill {} in a command, objects in a .jsonl file, rows of a .tsv file, or the
words after :::.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.draft import Draft
from scoperun.batch.job import SHELL
from scoperun.batch.json_jobs import json_jobs
from scoperun.batch.lines import lines
from scoperun.batch.table_jobs import table_jobs
from scoperun.batch.templates import LINE, Argv
from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scoperun.batch.job import Job
    from scoperun.batch.limits import Common
    from scoperun.batch.lines import Line

_VALUES = ":::"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where jobs come from.

    file: a path, or - for standard input; None for values. command: words with placeholders, none if each job has its
    own command. values: one for each job, None if there is a file.
    """

    file: str | None = None
    command: tuple[str, ...] = ()
    values: tuple[str, ...] | None = None


def asked(file: str | None, words: Sequence[str]) -> Asked:
    """Return where jobs come from. file: the argument before --, if any. words: those after it. Raises InvalidValue."""
    if _VALUES not in words:
        return Asked(file=file, command=tuple(words))
    at = words.index(_VALUES)
    command, values = tuple(words[:at]), tuple(words[at + 1 :])
    if file is not None:
        raise InvalidValue(f"{file}: jobs are in a file or are values after {_VALUES}, not both")
    if not command:
        raise InvalidValue(f"no command before {_VALUES}", hint=f"-- CMD {{}} {_VALUES} A B")
    if not values:
        raise InvalidValue(f"no values after {_VALUES}", hint=f"-- CMD {{}} {_VALUES} A B")
    if _VALUES in values:
        raise InvalidValue(f"{_VALUES} is there twice", hint="there is one list of values")
    return Asked(command=command, values=values)


def jobs(source: Asked, shared: Common) -> Iterator[Job]:
    """Yield the jobs, each checked. Raises InvalidValue, with the place of a mistake.

    shared: what they have in common; its memory is in bytes, or None. Without a file and values there are none.
    """
    for seq, draft in enumerate(_drafts(source), 1):
        yield draft.job(seq, shared)


def _drafts(source: Asked) -> Iterator[Draft]:
    if source.values is not None:
        return _of_values(source.values, source.command)
    if source.file is None:
        return iter(())
    if source.file.lower().endswith(".tsv"):
        return table_jobs(lines(source.file), source.command)
    if not source.file.lower().endswith(".jsonl"):
        return _of_lines(lines(source.file), source.command)
    if source.command:
        raise InvalidValue(
            f"{source.file}: its jobs have commands of their own, and one follows --", hint="use lines or a .tsv"
        )
    return json_jobs(lines(source.file))


def _of_values(values: Iterable[str], command: Sequence[str]) -> Iterator[Draft]:
    argv = Argv(command, LINE)
    for number, value in enumerate(values, 1):
        yield Draft(place=f"value {number}", command=argv.filled({"": value}), tag=value)


def _of_lines(found: Iterable[Line], command: Sequence[str]) -> Iterator[Draft]:
    argv = Argv(command, LINE) if command else None
    for line in found:
        words = (*SHELL, line.text) if argv is None else argv.filled({"": line.text})
        yield Draft(place=line.place, command=words, tag=line.text)
