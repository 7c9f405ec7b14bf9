"""`scopectl watch`: hears every OOM kill in the session."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Annotated

import typer

from scoperun.console.journal import send
from scoperun.console.output import on_terminal, print_json_line, print_text, say
from scoperun.ctl.declared import Json, System
from scoperun.ctl.session import session
from scoperun.ctl.watch_notices import Notices
from scoperun.ctl.watch_texts import SUMMARY, Told
from scoperun.ctl.watching import Watch, top_of
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.startup import stay
from scoperun.systemd import notifications

Mute = Annotated[
    list[str] | None,
    typer.Option(
        "--mute",
        metavar="NAME",
        help="No notification about this unit or desktop program; a name or a glob. Can be given again.",
    ),
]
ToJournal = Annotated[
    bool, typer.Option("--journal/--no-journal", help="Write an entry to the journal (default).", show_default=False)
]
Notify = Annotated[
    bool, typer.Option("--notify/--no-notify", help="Show a notification (default).", show_default=False)
]

_MOST_PENDING = 16
"""Notifications that wait for a slow server; more are dropped."""


def command(
    *,
    mute: Mute = None,
    journal: ToJournal = True,
    notify: Notify = True,
    json: Json = False,
    system: System = False,
) -> None:
    """Print a line about each OOM kill in your session, whatever started the program; until it is interrupted.

    The line names the unit, and the process and the limit if the kernel's log may be read; else they are unknown.
    It also goes to the journal, and there is a notification on the desktop, at most one about a unit in 30 seconds.
    Scopes with a scoperun are left out, because that reports on them itself.

    Nothing is polled. "scopectl units install --now" runs it in every session.
    """
    if system:
        raise InvalidValue("watch is for your own session: --system cannot be watched", hint="leave out --system")
    asyncio.run(_watched(Teller(mute=mute or (), to_journal=journal, notifies=notify, json=json)))


async def _watched(teller: Teller) -> None:
    async with session(system=False) as opened:
        top, own = await top_of(opened.manager)
        watch = Watch(opened.manager, top, own, teller.tell)
        showing = asyncio.create_task(teller.show())
        stay()
        try:
            await watch.run(lambda: _ready(top.name))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ScoperunError(f"the kernel's counts in {top.name} cannot be read: {error.strerror}") from None
        finally:
            showing.cancel()


class Teller:
    """Says what the watch has concluded, everywhere that was asked for."""

    def __init__(self, *, mute: list[str] | tuple[str, ...], to_journal: bool, notifies: bool, json: bool) -> None:
        self._notices = Notices(mute)
        self._to_journal = to_journal
        self._notifies = notifies
        self._json = json
        self._pending = asyncio.Queue[Told](_MOST_PENDING)

    def tell(self, told: Told) -> None:
        if self._json:
            print_json_line(told.to_json(at=time.time()))
        else:
            print_text(told.sentence)
        if self._to_journal:
            self._write_entry(told)
        if self._notifies and self._notices.is_due(told.kill.unit, told.app, time.monotonic()):
            with suppress(asyncio.QueueFull):
                self._pending.put_nowait(told)

    async def show(self) -> None:
        """Show the notifications, one after the other: a server can take its time."""
        while True:
            told = await self._pending.get()
            await notifications.notify(os.environ, summary=SUMMARY, body=told.body)

    def _write_entry(self, told: Told) -> None:
        try:
            send(told.fields())
        except OSError as error:
            self._to_journal = False
            say(f"scopectl: warning: no entries in the journal from now on: {error.strerror or error}")


def _ready(top: str) -> None:
    """Say that the watch listens: to systemd, which waits for that at the service's start, and on a terminal."""
    if on_terminal():
        say(f"Watching {top}; Ctrl-C ends it.")
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] in {"/", "@"}:
        import socket  # noqa: PLC0415  asyncio has it already

        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(b"READY=1", f"\0{address[1:]}" if address[0] == "@" else address)
