"""What is seen of a batch while it runs: a bar on a terminal, or lines."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from scoperun.batch.ending_lines import ending_line
from scoperun.batch.events import Finished, Noted
from scoperun.batch.options import Progress
from scoperun.batch.progress_text import counts_text, running_text
from scoperun.console.output import say, standard_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.live import Live

    from scoperun.batch.events import Event
    from scoperun.batch.runner import Runner
    from scoperun.batch.tally import Tally

_SILENCE = 30.0
"""Seconds between two lines that only say how far it is."""

_BACK = 0.1
"""Seconds after which the bar is back that was taken away."""

_REFRESH = 1.0
"""Seconds between two pictures of the bar: the only thing that polls, and only on a terminal."""


class Shown(Protocol):
    """What shows the progress."""

    def take(self, event: Event) -> None:
        """Show what happens."""

    def aside(self) -> AbstractContextManager[None]:
        """Return a context in which something else is printed."""


@contextmanager
def shown(kind: Progress, runner: Runner, tally: Tally) -> Iterator[Shown]:
    """Show the progress for the length of the context."""
    if kind is Progress.AUTO:
        kind = Progress.BAR if os.isatty(2) else Progress.LINES
    if kind is Progress.BAR:
        with _Bar(runner, tally).live() as bar:
            yield bar
    else:
        yield _Lines(tally) if kind is Progress.LINES else _Nothing()


class _Nothing:
    def take(self, event: Event) -> None:
        if isinstance(event, Noted):
            say(f"scopectl: {event.text}")

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Lines(_Nothing):
    """A line for each job that does not succeed or is tried again, and now and then one that says how far it is."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._said = time.monotonic()

    def take(self, event: Event) -> None:
        super().take(event)
        if not isinstance(event, Finished):
            return
        if (line := ending_line(event)) is not None:
            say(line)
        elif time.monotonic() - self._said < _SILENCE:
            return
        else:
            say(f"scopectl: {counts_text(self._tally)}")
        self._said = time.monotonic()


class _Bar:
    """A bar with the numbers beside it, and below it what runs."""

    def __init__(self, runner: Runner, tally: Tally) -> None:
        from rich.console import Console  # noqa: PLC0415  only for a terminal

        self._runner = runner
        self._tally = tally
        self._console = Console(file=standard_error())
        self._began = time.monotonic()
        self._begun_with = tally.ended
        self._live: Live | None = None
        self._back: asyncio.TimerHandle | None = None

    @contextmanager
    def live(self) -> Iterator[_Bar]:
        """Show it for the length of the context; the terminal is left as it was."""
        refreshing = asyncio.ensure_future(self._refresh())
        try:
            yield self
        finally:
            refreshing.cancel()
            if self._back is not None:
                self._back.cancel()
            self._hide()

    def take(self, event: Event) -> None:
        """Show what people should know above the bar."""
        line = ending_line(event) if isinstance(event, Finished) else None
        if isinstance(event, Noted):
            line = f"scopectl: {event.text}"
        if line is not None:
            with self.aside():
                say(line)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away, because something else is printed; it is back soon, but not before all that follows."""
        self._hide()
        yield
        if self._back is None:
            self._back = asyncio.get_running_loop().call_later(_BACK, self._draw)

    def _hide(self) -> None:
        # Each time a new one: an old one would go up over what was printed meanwhile, as high as it was.
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _shown(self) -> Live:
        """Return what draws the bar, shown from now on. Without rich's own thread: we fork."""
        from rich.live import Live  # noqa: PLC0415  only for a terminal

        if self._live is None:
            self._live = Live(
                console=self._console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        return self._live

    async def _refresh(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(_REFRESH)

    def _draw(self) -> None:
        from rich.console import Group  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        self._back = None
        tally = self._tally
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=max(1, tally.all), completed=tally.ended, width=30), Text(self._numbers()))
        below = [Text(text, overflow="ellipsis", no_wrap=True) for text in running_text(self._runner)]
        self._shown().update(Group(row, *below), refresh=True)

    def _numbers(self) -> str:
        return counts_text(self._tally, rest=self._rest())

    def _rest(self) -> float | None:
        """Return the seconds that the rest will take if it goes on as it did; None before any job has ended."""
        ended, all_jobs = self._tally.ended, self._tally.all
        if ended == self._begun_with:
            return None
        each = (time.monotonic() - self._began) / (ended - self._begun_with)
        return each * (all_jobs - ended)
