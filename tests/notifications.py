"""A server of desktop notifications: python3 -m tests.notifications prints each as a line of JSON."""

import asyncio
import json
import os
from collections.abc import Callable

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message

NAME = "org.freedesktop.Notifications"


async def serve(bus: MessageBus, take: Callable[[str, str], None]) -> None:
    """Answer Notify on a connection; after each answer `take` gets the summary and the body."""

    def handle(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL or message.member != "Notify":
            return False
        _, _, _, summary, body, *_ = message.body
        answered = bus.send(Message.new_method_return(message, "u", [1]))
        answered.add_done_callback(lambda _: take(summary, body))
        return True

    bus.add_message_handler(handle)
    await bus.request_name(NAME)


async def _print_all() -> None:
    bus = await MessageBus(f"unix:path={os.environ['XDG_RUNTIME_DIR']}/bus").connect()
    await serve(bus, lambda summary, body: print(json.dumps([summary, body]), flush=True))
    print(json.dumps(["ready", ""]), flush=True)
    await bus.wait_for_disconnect()


if __name__ == "__main__":
    asyncio.run(_print_all())
