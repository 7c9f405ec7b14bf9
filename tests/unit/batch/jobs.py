"""Jobs, attempts and states to test with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scoperun.batch.attempt import Attempt
from scoperun.batch.folder import Folder, opened
from scoperun.batch.job import SHELL, Job
from scoperun.batch.rows import Begun, Ended, Header
from scoperun.batch.state import State
from scoperun.evidence.verdict import Verdict

MiB = 1 << 20
HEADER = Header(id="b1", created=1000.0, cwd="/srv/work", words=("--mem", "1G"))


def job(seq: int, text: str = "true", **more: Any) -> Job:
    return Job(**{"seq": seq, "command": (*SHELL, text), "memory": 100 * MiB, "tag": text, **more})


def attempt(seq: int, number: int = 1, **more: Any) -> Attempt:
    start = {"seq": seq, "number": number, "unit": f"u-{seq}-{number}.scope", "memory": 100 * MiB}
    return Attempt(**{**start, "started": 1001.0, "ended": 1002.0, "verdict": Verdict.SUCCESS, **more})


def begun(seq: int, number: int = 1, *, boot: str = "boot") -> Begun:
    return Begun(seq, number, f"u-{seq}-{number}.scope", boot, 1001.0)


def ended(seq: int, number: int = 1, *, state: str = "done", **more: Any) -> Ended:
    return Ended(attempt(seq, number, **more), state, 100 * MiB)


@contextmanager
def folder(path: Path) -> Iterator[Folder]:
    with opened(f"{path / 'state'}", create=True) as found:
        yield found


@contextmanager
def state(path: Path, *jobs: Job) -> Iterator[State]:
    """Make a batch with these jobs and yield its state."""
    with folder(path) as found, found.database(create=True) as connection:
        made = State(connection)
        made.make(HEADER, jobs)
        yield made
