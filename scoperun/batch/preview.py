"""What --dry-run shows of each job, a line per job, while the jobs are read. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scoperun.console.shell_words import quoted
from scoperun.printable import utf8
from scoperun.spec.sizes import exact_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.batch.job import Job


def text_lines(jobs: Iterable[Job]) -> Iterator[str]:
    r"""Yield a line for each job: number, memory, its own settings and its command, with tabs between.

    What is unprintable is escaped: $'\t'.
    """
    for job in jobs:
        words = " ".join(map(quoted, job.command))
        yield "\t".join([str(job.seq), exact_size(job.memory), _settings(job) or "-", words])


def json_lines(jobs: Iterable[Job]) -> Iterator[str]:
    """Yield a JSON object for each job.

    seq: its number. id: its name, or null. memory: bytes. command: a list of words. settings: an object with its own
    options, as texts. cwd: a folder, or null. env: an object with its own variables.
    """
    for job in jobs:
        yield json.dumps(
            {
                "seq": job.seq,
                "id": job.name,
                "memory": job.memory,
                "command": list(map(utf8, job.command)),
                "settings": dict(job.settings),
                "cwd": job.cwd and utf8(job.cwd),
                "env": dict(utf8(each).split("=", 1) for each in job.environment),
            }
        )


def _settings(job: Job) -> str:
    own = [] if job.name is None else [("id", job.name)]
    own += job.settings
    own += [] if job.cwd is None else [("cwd", job.cwd)]
    return " ".join([*(f"{name}={quoted(text)}" for name, text in own), *map(quoted, job.environment)])
