"""Shows the table of `scopectl top` until a key or a signal closes it, and leaves the terminal as it was."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from scoperun.ctl.top_screen import TopApp

if TYPE_CHECKING:
    from scoperun.ctl.ordering import View
    from scoperun.ctl.rounds import Rounds
    from scoperun.ctl.session import Session

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals at which the terminal is restored first."""

_LONGEST_END = 5
"""Seconds after which an ending signal ends scopectl even if the terminal does not take what restores it."""


async def show(rounds: Rounds, session: Session, view: View, delay: float) -> int | None:
    """Show the table until it is closed; return the signal that closed it, if one did."""
    app = TopApp(rounds, session, view, delay)
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, _end, app, number)
    ended_by = await app.run_async(mouse=False)
    if app.failure is not None:
        raise app.failure
    return ended_by


def _end(app: TopApp, number: int) -> None:
    """Close the table because of a signal."""
    signal.alarm(_LONGEST_END)  # its action is to end the process
    app.exit(number)
