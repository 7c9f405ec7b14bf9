"""The two processes of a scope, forked before anything heavy is imported."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoperun.io import keeper, workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Processes:
    """The held command and the keeper of its scope."""

    workload: workload.Workload
    keeper: keeper.Keeper


@contextmanager
def spawn(command: Sequence[str], *, before_exec: Callable[[], None] = lambda: None) -> Iterator[Processes]:
    """Fork both; at the end kill what still runs, and leave no zombie and no descriptor."""
    held = workload.spawn(command, before_exec=before_exec)
    try:
        kept = keeper.spawn()
        try:
            yield Processes(held, kept)
        finally:
            kept.close()
    finally:
        held.kill()
        held.close()
