"""The history as a batch uses it: its jobs are recorded under one name, and earlier ones tell which limit they need."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.batch.events import Finished
from scoperun.console.state_folder import state_folder
from scoperun.environment import given_environment
from scoperun.errors import ScoperunError
from scoperun.history.advice import advice
from scoperun.history.past_run import past_run
from scoperun.history.query import Selection
from scoperun.history.set_aside import Aside
from scoperun.history.store import add, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.batch.events import Event
    from scoperun.history.advice import Advice
    from scoperun.history.past_run import PastRun
    from scoperun.history.store import Recorded

KEPT = 1000
"""Runs of a name that are kept, as by scoperun --record."""


class Recording:
    """Adds each attempt to the history under one name. failure: why the last one is not in it."""

    def __init__(self, name: str) -> None:
        """Take the name; nothing is opened yet."""
        self._name = name
        self.failure: str | None = None

    def take(self, event: Event) -> None:
        """Record an attempt that tells something about its job."""
        if not isinstance(event, Finished) or event.report is None or event.is_interrupted:
            return
        try:
            with _folder(create=True) as folder:
                assert folder is not None  # noqa: S101  it was to be created
                add(folder, Aside.now(self._name, event.report, keep=KEPT))
        except (OSError, ScoperunError) as error:
            self.failure = str(error)


def recorded_advice(name: str) -> Advice | None:
    """Return what earlier runs of this name suggest, None if there is none. Raises ScoperunError."""
    try:
        with _folder(create=False) as folder:
            if folder is None:
                return None
            with opened(folder, create=False) as store:
                rows = [] if store is None else store.runs(Selection(names=(name,)))
    except OSError as error:
        raise ScoperunError(f"cannot open the history: {error.strerror or error}") from None
    runs = [found for row in rows if (found := _past_run(row)) is not None]
    return advice(runs) if runs else None


def _past_run(row: Recorded) -> PastRun | None:
    try:
        return past_run(json.loads(row.report))
    except ValueError:  # it is damaged
        return None


@contextmanager
def _folder(*, create: bool) -> Iterator[int | None]:
    folder = state_folder(given_environment(), create=create)
    try:
        yield folder
    finally:
        if folder is not None:
            os.close(folder)
