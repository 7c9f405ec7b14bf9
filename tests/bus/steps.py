"""The actions that a test can put at a step, for the fake systemd and for the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dbus_next.constants import MessageType
from dbus_next.message import Message

PATIENCE = 20.0
"""Seconds after which a waiting test fails. No wait is expected to take that long."""

Action = Callable[[Message], Message | None]
"""What to do with a call: it returns the reply, None for no reply."""


def step_of(call: Message) -> str:
    """Return the name of a call as a step: StartTransientUnit, Get InvocationID."""
    return f"Get {call.body[1]}" if call.member == "Get" else call.member


def answer(call: Message, signature: str = "", *body: object) -> Message:
    return Message.new_method_return(call, signature, list(body))


def refusal(name: str, *text: str) -> Action:
    """Return an action that replies with the error `name`, and `text` if it is given."""

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
    """Never reply."""


def each_of(*actions: Callable[[], object]) -> Callable[..., None]:
    """Return an action that calls all of `actions` and does not reply."""

    def act(*_: object) -> None:
        for action in actions:
            action()

    return act


_changes: list[asyncio.Event] = []


def something_changed() -> None:
    """Wake the tasks that wait in `until`."""
    for event in _changes:
        event.set()


async def until(reached: Callable[[], object]) -> None:
    """Return once `reached()` is true; code that changes the fake or the wire calls something_changed()."""
    event = asyncio.Event()
    _changes.append(event)
    try:
        async with asyncio.timeout(PATIENCE):
            while not reached():
                await event.wait()
                event.clear()
    finally:
        _changes.remove(event)
