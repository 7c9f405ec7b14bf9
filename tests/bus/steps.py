"""What can be scripted at a step: the words that the fake systemd and the wire share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dbus_next.constants import MessageType
from dbus_next.message import Message

PATIENCE = 20.0
"""Seconds after which a test that waits for something fails. Nothing is ever expected to take that long."""

Action = Callable[[Message], Message | None]
"""What to do with a call: it returns the answer, None for no answer at all."""


def step_of(call: Message) -> str:
    """Return the call in a word or two: StartTransientUnit, Get InvocationID."""
    return f"Get {call.body[1]}" if call.member == "Get" else call.member


def answer(call: Message, signature: str = "", *body: object) -> Message:
    return Message.new_method_return(call, signature, list(body))


def refusal(name: str, *text: str) -> Action:
    """Answer with the error `name` and its text, if it has one."""

    def refuse(call: Message) -> Message:
        return Message(
            message_type=MessageType.ERROR,
            destination=call.sender,
            reply_serial=call.serial,
            error_name=name,
            signature="s" * len(text),
            body=list(text),
        )

    return refuse


def stall(_: Message) -> None:
    """Never answer."""


def each_of(*actions: Callable[[], object]) -> Callable[..., None]:
    """Do all of it, whatever the arguments, and give no answer."""

    def act(*_: object) -> None:
        for action in actions:
            action()

    return act


_changes: list[asyncio.Event] = []


def something_changed() -> None:
    """Wake those who wait in `until`."""
    for event in _changes:
        event.set()


async def until(reached: Callable[[], object]) -> None:
    """Return once `reached()` is true; whoever changes the fake or the wire says something_changed()."""
    event = asyncio.Event()
    _changes.append(event)
    try:
        async with asyncio.timeout(PATIENCE):
            while not reached():
                await event.wait()
                event.clear()
    finally:
        _changes.remove(event)
