"""`scopectl kill`: send a signal to what runs in units."""

from __future__ import annotations

from signal import SIGTERM
from typing import Annotated

import typer

from scoperun.ctl.acting import Did, Every, Globs, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.errors import InvalidValue
from scoperun.spec.values import signal_name, signal_number


def _signal(text: str) -> int:
    try:
        return signal_number(text.upper())
    except InvalidValue as error:
        raise typer.BadParameter(f"{text!r} is {error.message} ({error.hint})") from None


Signal = Annotated[
    int | None,
    typer.Option(
        "--signal",
        "-s",
        metavar="SIGNAL",
        parser=_signal,
        help="The signal: a name, with or without SIG, or a number (default: SIGTERM).",
        show_default=False,
    ),
]


def command(
    units: Units, *, signal: Signal = None, every: Every = False, json: Json = False, system: System = False
) -> int:
    """Send a signal to units.

    Every process of a unit gets it, once. "scopectl stop" also waits for their
    end, and kills those that do not end. A glob does not mean the unit that
    scopectl itself runs in.
    """
    number = SIGTERM if signal is None else signal

    async def send(target: Target) -> Did:
        await target.invocation.kill(number)
        return Did([f"{signal_name(number)} sent"], {"signal": int(number)})

    return acted(units, send, system=system, json=json, globs=Globs(every, spare_own=True))
