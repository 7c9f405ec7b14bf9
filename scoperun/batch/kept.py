"""Values as the database of a batch keeps them. No I/O.

What is read might have been written by something else: then it is damaged, and said to be.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from scoperun.batch.attempt import Attempt
from scoperun.batch.job import Job
from scoperun.batch.rows import Header
from scoperun.errors import ScoperunError
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ID = re.compile(r"[a-z0-9]{1,32}")
"""What a batch can be called: it is part of names of units, and of a pattern for them."""

HEADER = "id, created, total, cwd, words, command"
"""The columns of a header. Paths and words can be any bytes, so they are JSON."""

_END_OF_TIME = 1 << 40
"""Seconds since 1970 that can still be shown as a date."""


def header_as_row(header: Header) -> tuple[object, ...]:
    """Return the values of the columns HEADER."""
    return (header.id, header.created, header.total, *map(json.dumps, (header.cwd, header.words, header.command)))


def as_text(value: Job | Attempt) -> str:
    """Return a job or an attempt as JSON."""
    return json.dumps({name: getattr(value, name) for name in type(value).__slots__})


def header_of(row: Any) -> Header:
    """Return the header that the columns HEADER say. Raises ScoperunError."""
    return _decoded(_header, row)


def job_of(text: Any) -> Job:
    """Return the job that a text says. Raises ScoperunError."""
    return _decoded(_job, text)


def attempt_of(text: Any) -> Attempt:
    """Return the attempt that a text says. Raises ScoperunError."""
    return _decoded(_attempt, text)


def _decoded(parse: Callable[[Any], T], kept: Any) -> T:
    try:
        return parse(kept)
    except (LookupError, TypeError, ValueError, RecursionError):
        raise ScoperunError(f"the state of the batch is damaged: {kept!r:.80}") from None


def _header(row: Any) -> Header:
    number, created, total, *texts = row
    cwd, words, command = map(json.loads, texts)
    if not (ID.fullmatch(number) and 0 <= created < _END_OF_TIME):
        raise ValueError(row)
    return Header(
        id=number,
        created=float(created),
        cwd=str(cwd),
        words=tuple(map(str, words)),
        command=str(command),
        total=int(total),
    )


def _job(text: str) -> Job:
    values = json.loads(text)
    settings = tuple((name, text) for name, text in values["settings"])
    lists = {name: tuple(values[name]) for name in ("command", "environment")}
    return Job(**{**values, **lists, "settings": settings})


def _attempt(text: str) -> Attempt:
    values = json.loads(text)
    verdict, limit_of = values["verdict"], values["limit_of"]
    return Attempt(
        **{
            **values,
            "verdict": verdict and Verdict(verdict),
            "limit_of": limit_of and LimitOf(limit_of),
        }
    )
