"""The batches of this user: where each keeps its state, and which one is meant."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.batch.ending import FAILURES
from scoperun.batch.folder import NoBatch, opened
from scoperun.batch.kept import ID
from scoperun.batch.rows import RUNNING, WAITING
from scoperun.batch.state import State
from scoperun.console.field_names import in_options
from scoperun.console.output import say
from scoperun.console.state_folder import state_path
from scoperun.environment import given_environment
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.batch.folder import Folder
    from scoperun.batch.rows import Header

_IDS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits that are not taken for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as it is at one moment.

    header: what belongs to it as a whole. path: its folder. counts: how many jobs are in each state. runner: the PID
    of the process that runs it, None if none does. is_paused: it starts no jobs for now.
    """

    header: Header
    path: str
    counts: dict[str, int]
    runner: int | None
    is_paused: bool

    @property
    def failed(self) -> int:
        """How many jobs have ended without success."""
        return sum(self.counts.get(each, 0) for each in FAILURES)

    @property
    def is_over(self) -> bool:
        """Whether every job has ended."""
        return not self.counts.get(WAITING) and not self.counts.get(RUNNING)

    @property
    def state(self) -> str:
        """The word for what becomes of it now, as the manual page has it."""
        if self.runner is not None:
            return "paused" if self.is_paused else "running"
        return "ended" if self.is_over else "interrupted"


def new_id() -> str:
    """Return an ID that no other batch has, as good as certainly."""
    return "".join(_IDS[byte % len(_IDS)] for byte in os.urandom(6))


def is_id(word: str) -> bool:
    """Tell whether a word is the ID of a batch whose state is in its usual place."""
    return ID.fullmatch(word) is not None and os.path.isdir(path_of(word))


def is_usual(path: str) -> bool:
    """Tell whether a folder is one that a batch gets if none is asked for."""
    return os.path.dirname(os.path.abspath(path)) == _all()


def path_of(batch: str) -> str:
    """Return the folder of a batch by its ID. Raises InvalidValue for what is not one."""
    if not ID.fullmatch(batch):
        raise InvalidValue(f"{batch!r} is not the ID of a batch", hint="scopectl batch status lists them")
    return f"{_all()}/{batch}"


def batches() -> tuple[list[Batch], list[ScoperunError]]:
    """Return the batches whose state is in its usual place, the newest last, and what is wrong with others."""
    try:
        names = sorted(name for name in os.listdir(_all()) if ID.fullmatch(name))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise ScoperunError(f"cannot read {_all()}: {error.strerror}") from None
    found, unread = [], []
    for name in names:
        try:
            with seen(path_of(name)) as (_, _, batch):
                found.append(batch)
        except NoBatch:  # it is being made or removed
            continue
        except ScoperunError as error:
            unread.append(ScoperunError(f"batch {name}: {error.message}", hint=error.hint))
    return sorted(found, key=lambda each: each.header.created), unread


@contextmanager
def seen(path: str) -> Iterator[tuple[Folder, State, Batch]]:
    """Open a batch to look at it, or to tell its runner something. Raises NoBatch if there is none, ScoperunError."""
    with opened(path, is_usual=is_usual(path)) as folder, folder.database() as connection:
        state = State(connection)
        if not state.is_made:
            raise folder.no_batch()
        batch = Batch(
            header=state.header(),
            path=folder.path,
            counts=state.counts(),
            runner=folder.runner(),
            is_paused=state.wanted().is_paused,
        )
        yield folder, state, batch


def meant(word: str | None, *, is_running: bool, is_retry: bool = False) -> str:
    """Return the folder of the batch that an ID or a path means; without one, of the only one that is meant.

    is_running: the one that runs; else the last one that is not over, or, for is_retry, in which jobs have failed.
    Raises InvalidValue.
    """
    if word is not None:
        return word if "/" in word else _path_of_existing(word)
    return _path_of_running() if is_running else _path_of_left(is_retry=is_retry)


def _readable() -> list[Batch]:
    """Return the batches, and say which cannot be read: it could be one of them that is meant."""
    found, unread = batches()
    say_unread(unread)
    return found


def say_unread(unread: Iterable[ScoperunError]) -> None:
    """Say what is wrong with batches."""
    for error in unread:
        say(f"scopectl: {in_options(error.complaint)}")


def _path_of_running() -> str:
    found = [each for each in _readable() if each.runner is not None]
    if not found:
        hint = "scopectl batch status lists batches; one with --state DIR is named by that folder"
        raise InvalidValue("no batch runs", hint=hint)
    if len(found) > 1:
        raise InvalidValue(f"several batches run: {', '.join(each.header.id for each in found)}", hint="say which")
    return found[0].path


def _path_of_left(*, is_retry: bool) -> str:
    found = [each for each in _readable() if each.runner is None and (not each.is_over or (is_retry and each.failed))]
    if not found:
        raise InvalidValue("no batch is left to resume", hint="--state DIR says which, also one that has ended")
    return found[-1].path


def _path_of_existing(batch: str) -> str:
    path = path_of(batch)
    if not os.path.isdir(path):
        raise InvalidValue(f"no batch has the ID {batch!r}", hint="scopectl batch status lists them")
    return path


def _all() -> str:
    try:
        return f"{state_path(given_environment())}/batch"
    except OSError as error:
        raise ScoperunError(f"no folder for the state of a batch: {error.strerror}", hint="--state DIR") from None
