"""A wait that ends early when it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

_T = TypeVar("_T")


class Interruptible:
    """Waits for one thing after another, until it is told to end."""

    def __init__(self) -> None:
        """Begin without a wait."""
        self._limit: asyncio.Timeout | None = None

    def end(self) -> None:
        """End the wait that is under way, if there is one."""
        if self._limit is not None:
            self._limit.reschedule(0.0)  # a time that has passed

    async def wait(self, awaited: Awaitable[_T]) -> _T | None:
        """Wait for something and return what it returns; cancel it and return None at `end`."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                try:
                    return await awaited
                finally:
                    self._limit = None
        except TimeoutError:
            if not limit.expired():
                raise
            return None
