"""The history as the subcommands see it: opened where scoperun puts it, with the names that the words mean."""

from __future__ import annotations

import os
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from scoperun.console.state_folder import state_folder, state_path
from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.names import is_glob
from scoperun.environment import given_environment
from scoperun.errors import InvalidValue, ScoperunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.history.store import Store

_MOST_NAMED = 5


@contextmanager
def history() -> Iterator[Store | None]:
    """Open the history of our user; yield None if nothing was ever recorded. Raises ScoperunError."""
    environment = given_environment()
    try:
        folder = state_folder(environment, create=False)
    except OSError as error:
        raise ScoperunError(f"cannot open the history: {error.strerror or error}") from None
    if folder is None:
        yield None
        return
    try:
        with _opened(folder, state_path(environment)) as store:
            yield store
    finally:
        os.close(folder)


@contextmanager
def _opened(folder: int, path: str) -> Iterator[Store | None]:
    try:
        from scoperun.history.database import FILE  # noqa: PLC0415  scopectl status works without sqlite3
        from scoperun.history.store import opened  # noqa: PLC0415
    except ImportError as error:
        raise ScoperunError(f"cannot open the history: {error}") from None
    try:
        with opened(folder, create=False) as store:
            yield store
    except ScoperunError as error:
        if isinstance(error, (InvalidValue, NoSuchUnit)):
            raise
        raise ScoperunError(f"cannot open the history {path}/{FILE}: {error.message}", hint=error.hint) from None


def manager_named(system: bool | None) -> str | None:
    """Return `system` or `user` as reports have it, None for either."""
    return None if system is None else "system" if system else "user"


def shown_name(word: str, names: Sequence[str]) -> str:
    """Return the one name that `word` means: in full, or a beginning that no other name has.

    Raises NoSuchUnit, InvalidValue if several names begin with it.
    """
    if word in names:
        return word
    found = [name for name in names if name.startswith(word)]
    if len(found) == 1:
        return found[0]
    if not found and is_glob(word):
        raise NoSuchUnit(f"no run is recorded as {word!r}", hint="a word is the name of one job, not a glob")
    if not found:
        raise no_such_name(word, names)
    more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    raise InvalidValue(f"{word!r} is not one name", hint=", ".join([*found[:_MOST_NAMED], *more]))


def meant_names(word: str, names: Sequence[str]) -> list[str]:
    """Return the names that `word` means: in full, or as a glob. Raises NoSuchUnit if it means none."""
    found = [name for name in names if name == word or fnmatchcase(name, word)]
    if not found:
        raise no_such_name(word, names)
    return found


def listed_names(word: str, names: Sequence[str]) -> list[str]:
    """Return the names that `word` means where runs are listed: one, as of `shown_name`, or those of a glob."""
    return meant_names(word, names) if is_glob(word) and word not in names else [shown_name(word, names)]


def no_such_name(word: str, names: Sequence[str]) -> NoSuchUnit:
    """Return the error for a word that means none of the names."""
    some = [*names[:_MOST_NAMED], *(["more"] if len(names) > _MOST_NAMED else [])]
    hint = f"there is {', '.join(some)}" if some else "scoperun --record NAME records one"
    return NoSuchUnit(f"no run is recorded as {word!r}", hint=hint)
