"""A job as it was read, and what makes a job of it: its values are checked, each mistake is named with its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.batch.columns import MEMORY
from scoperun.batch.job import Job
from scoperun.batch.limits import first_memory, see_usable
from scoperun.batch.lines import in_place
from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.batch.limits import Common

_LONGEST_WORD = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""Bytes of an argument at most (MAX_ARG_STRLEN in linux/binfmts.h, with a NUL byte)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job whose values are not checked yet.

    place: where it was read, for messages. settings: its own options, `mem` among them; the rest as in Job.
    """

    place: str
    command: tuple[str, ...]
    tag: str
    name: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    environment: tuple[str, ...] = ()

    def job(self, seq: int, shared: Common) -> Job:
        """Return the job. Raises InvalidValue."""
        try:
            job = self._job(seq, shared)
            _see_valid(job)
            see_usable(job, shared)
        except InvalidValue as error:
            raise in_place(self.place, error) from None
        return job

    def _job(self, seq: int, shared: Common) -> Job:
        return Job(
            seq=seq,
            command=self.command,
            memory=first_memory(dict(self.settings).get(MEMORY), shared),
            name=self.name,
            tag=self.tag or " ".join(self.command),
            settings=tuple((name, text) for name, text in self.settings if name != MEMORY),
            cwd=self.cwd,
            environment=self.environment,
        )


def _see_valid(job: Job) -> None:
    if not job.command[0]:
        raise InvalidValue("the first word of the command is empty")
    if job.name is not None and not (job.name and job.name.isprintable()):
        raise InvalidValue(f"id: {job.name!r} is not one line of printable text")
    if job.cwd is not None:
        _see_word("cwd", job.cwd)
        if not job.cwd:
            raise InvalidValue("cwd: it is empty")
    for each in job.environment:
        _see_word("env", each)
    for word in job.command:
        _see_word("command", word)


def _see_word(what: str, word: str) -> None:
    """Raise InvalidValue for text that the kernel does not take as an argument or a variable."""
    if "\0" in word:
        raise InvalidValue(f"{what}: a NUL byte, which no command can contain")
    try:
        length = len(os.fsencode(word))
    except UnicodeEncodeError:
        raise InvalidValue(f"{what}: {word[:80]!r} is not text: half of a surrogate pair") from None
    if length > _LONGEST_WORD:
        raise InvalidValue(f"{what}: {length} bytes are too long", hint=f"the kernel takes {_LONGEST_WORD}")
