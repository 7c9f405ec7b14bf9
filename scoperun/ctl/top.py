"""`scopectl top`: what runs and what it uses, live on a terminal, or round after round as text or JSON."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer

from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.ordering import Key, View
from scoperun.ctl.printed_rounds import as_json, as_text, print_rounds
from scoperun.ctl.rounds import rounds
from scoperun.ctl.session import session
from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import parse_positive_time

All = Annotated[bool, typer.Option("--all", "-a", help="All scopes and services, not only scoperun's.")]
Delay = Annotated[str, typer.Option("--delay", "-d", metavar="TIME", help="Time from one round to the next.")]
Batch = Annotated[bool, typer.Option("--batch", "-b", help="Print each round as text; needs no terminal.")]
Count = Annotated[
    int | None, typer.Option("--iterations", "-n", metavar="N", help="With -b or --json: end after N rounds.")
]
Sort = Annotated[Key, typer.Option("--sort", "-s", help="What to sort by.", show_choices=True)]
Tree = Annotated[bool, typer.Option("--tree", help="Show units below the slices that they are in.")]

_LEAST_DELAY = 0.1
_LONGEST_DELAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the command line asks for. count: how many rounds to print, None for no end."""

    view: View
    delay: float
    every: bool
    system: bool
    is_printed: bool
    json: bool
    legend: bool
    count: int | None


def command(  # noqa: PLR0913  one parameter an option
    *,
    every: All = False,
    delay: Delay = "1s",
    sort: Sort = Key.MEMORY,
    tree: Tree = False,
    batch: Batch = False,
    count: Count = None,
    json: Json = False,
    system: System = False,
    legend: Legend = True,
) -> None:
    """Show a table until it is closed, or print rounds."""
    wish = _Wish(
        view=View(key=sort, is_tree=tree),
        delay=_delay(delay),
        every=every,
        system=system,
        is_printed=batch or json,
        json=json,
        legend=legend,
        count=count,
    )
    _see_usage(wish)
    ended_by = asyncio.run(_top(wish))
    if ended_by is not None:  # the terminal is as it was: end as programs do that do not handle the signal
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)


async def _top(wish: _Wish) -> int | None:
    """Show or print rounds; return the signal that ended it."""
    async with session(system=wish.system) as opened:
        with rounds(opened, await opened.manager.control_group(), every=wish.every) as taken:
            if wish.is_printed:
                text = as_json if wish.json else as_text
                await print_rounds(
                    taken, lambda each: text(each, wish.view, legend=wish.legend), wish.delay, wish.count
                )
                return None
            _forget_settings_of_textual()
            from scoperun.ctl.top_shown import show  # noqa: PLC0415  it imports textual

            return await show(taken, opened, wish.view, wish.delay)


def _forget_settings_of_textual() -> None:
    """Drop the variables with which textual would write logs and screenshots, press keys or import a driver."""
    for name in [name for name in os.environ if name.startswith("TEXTUAL")]:
        del os.environ[name]


def _see_usage(wish: _Wish) -> None:
    if wish.count is not None and not wish.is_printed:
        raise InvalidValue("--iterations counts rounds that are printed", hint="together with --batch or --json")
    if wish.count is not None and wish.count < 1:
        raise InvalidValue(f"--iterations {wish.count} is out of range", hint="at least 1")
    if not wish.is_printed and not all(map(os.isatty, range(3))):
        hint = "scopectl top --batch prints rounds as text, --json as JSON"
        raise InvalidValue("the table needs a terminal as standard input, output and error", hint=hint)


def _delay(text: str) -> float:
    try:
        seconds = parse_positive_time(text)
    except InvalidValue as error:
        raise InvalidValue(f"--delay: {error.message}", hint=error.hint) from None
    if not _LEAST_DELAY <= seconds <= _LONGEST_DELAY:
        raise InvalidValue(f"--delay {text} is out of range", hint="from 100ms to 1d")
    return seconds
