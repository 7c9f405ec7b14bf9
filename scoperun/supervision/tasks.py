"""The tasks of one run, all of which end with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


class Tasks:
    """Tasks that are cancelled at the end of the context. Unlike in a TaskGroup, a failing task leaves the others."""

    def __init__(self) -> None:
        """Begin without tasks."""
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run a coroutine as a task and return the task."""
        task = asyncio.create_task(coroutine)
        self._tasks.append(task)
        return task

    async def __aenter__(self) -> Self:
        """Return the tasks."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the tasks that still run, and wait for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
