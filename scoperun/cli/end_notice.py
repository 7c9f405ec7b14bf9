"""Why a scope was stopped that ends with scoperun or its parent: the report tells only how the command ended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.supervision.supervision import Supervision


@asynccontextmanager
async def end_notice(supervision: Supervision, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Call `tell` with a line at the end of the context, if it was stopped for such a reason."""
    yield
    if supervision.parent_has_ended:
        tell("scoperun: the scope was stopped because the process ended with which --die-with-parent ends it")
    elif supervision.guard_was_lost:
        tell("scoperun: the scope was stopped because the guard of --die-with-scoperun was killed")
