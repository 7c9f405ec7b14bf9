"""The least that is possible with asyncio and dbus-next: a scope around `true`, and its Result= from systemd.

It has no options, no limits, no report and no error handling, and a keeper only if it is asked for one. It makes the
same savings as scoperun, in the same order: the difference in time is the cost of scoperun's own code.
"""

import os
import sys

IS_ONE = __name__ == "__main__" and len(sys.argv) == 1

if IS_ONE:
    from scoperun.startup import spare

    spare()

import asyncio  # noqa: E402
import json  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterable, Sequence  # noqa: E402
from typing import Any  # noqa: E402

import dbus_next.errors  # noqa: E402, F401  first, where the package itself is empty (scoperun/startup.py)
from dbus_next.aio.message_bus import MessageBus  # noqa: E402
from dbus_next.constants import MessageType  # noqa: E402
from dbus_next.message import Message  # noqa: E402
from dbus_next.signature import Variant  # noqa: E402

COMMAND = "/bin/true"
AT_A_TIME = 32
SYSTEMD = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
MANAGER = (SYSTEMD, PATH, f"{SYSTEMD}.Manager")
RULE = "type='signal',sender='org.freedesktop.systemd1',path='{}',interface='{}'{}"


def held() -> tuple[int, int]:
    """Fork a child that runs the command when a byte is written to a pipe; return its pid and the pipe's write end."""
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(hold, 1)
        os.execv(COMMAND, [COMMAND])
    os.close(hold)
    return pid, release


def keeper() -> tuple[int, int]:
    """Start what holds the scope until its counters are read; return its pid and the pipe that ends it."""
    reading, end = os.pipe()
    null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0), null])
    os.close(reading)
    return pid, end


class Bus:
    """A connection that any number of scopes share."""

    def __init__(self, bus: MessageBus) -> None:
        """Take a connected bus."""
        self.bus = bus
        self.jobs: dict[str, asyncio.Future[None]] = {}
        self.ends: dict[str, asyncio.Future[None]] = {}
        bus.add_message_handler(self.hear)

    def hear(self, message: Message) -> None:
        """Complete the future that waits for this signal."""
        if message.message_type is MessageType.SIGNAL and message.member == "JobRemoved":
            job = self.jobs.get(message.body[2])
            if job is not None and not job.done():
                job.set_result(None)
        elif message.message_type is MessageType.SIGNAL and message.member == "PropertiesChanged":
            state = message.body[1].get("ActiveState")
            if state is not None and state.value in {"inactive", "failed"}:
                end = self.ends.get(message.path)
                if end is not None and not end.done():
                    end.set_result(None)

    async def call(self, to: tuple[str, str, str], member: str, signature: str, *body: object) -> list[Any]:
        """Call a method and return the body of its reply. Raises RuntimeError."""
        destination, path, interface = to
        message = Message(destination, path, interface, member, signature=signature, body=list(body))
        reply = await self.bus.call(message)
        if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
            raise RuntimeError(reply and reply.body)
        return list(reply.body)

    async def scope(
        self, unit: str, pid: int, release: int, kept: tuple[int, int] | None = None, *, more: Sequence[object] = ()
    ) -> str:
        """Run the held command in a scope, with or without a keeper, and return the scope's Result=.

        more: properties besides the necessary ones.
        """
        path = f"{PATH}/unit/{unit.replace('-', '_2d').replace('.', '_2e')}"
        loop = asyncio.get_running_loop()
        job = self.jobs[unit] = loop.create_future()
        await self.match(path, "org.freedesktop.DBus.Properties")
        await self.match(PATH, f"{SYSTEMD}.Manager", f",member='JobRemoved',arg2='{unit}'")
        pids = [pid] if kept is None else [pid, kept[0]]
        properties = [["PIDs", Variant("au", pids)], ["AddRef", Variant("b", True)], *more]
        await self.start(unit, properties)
        await job
        end = self.ends[path] = loop.create_future()  # set only now: a new unit is inactive before its job
        os.write(release, b"\n")
        os.close(release)
        pidfd = os.pidfd_open(pid)
        over = loop.create_future()
        loop.add_reader(pidfd, over.set_result, None)
        await over
        loop.remove_reader(pidfd)
        os.close(pidfd)
        os.waitpid(pid, 0)  # noqa: ASYNC222  it has ended
        if kept is not None:
            os.kill(kept[0], signal.SIGKILL)
            os.close(kept[1])
            os.waitpid(kept[0], 0)  # noqa: ASYNC222  it ends at once
        await end
        of = (SYSTEMD, path, "org.freedesktop.DBus.Properties")
        (found,) = await self.call(of, "GetAll", "s", f"{SYSTEMD}.Scope")
        await self.call(MANAGER, "UnrefUnit", "s", unit)
        return str(found["Result"].value)

    async def start(self, unit: str, properties: Sequence[object]) -> None:
        """Ask systemd to start a scope."""
        await self.call(MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", list(properties), [])

    async def match(self, path: str, interface: str, rest: str = "") -> None:
        """Add a match rule for a signal."""
        await self.call(DAEMON, "AddMatch", "s", RULE.format(path, interface, rest))


async def connected() -> Bus:
    """Connect to the user's bus."""
    return Bus(await MessageBus(f"unix:path={os.environ['XDG_RUNTIME_DIR']}/bus").connect())


async def one(
    bus: Bus,
    number: int,
    child: tuple[int, int],
    kept: tuple[int, int] | None = None,
    *,
    more: Sequence[object] = (),
) -> None:
    """Run the command in a scope with a unique name. Raises RuntimeError if it fails."""
    result = await bus.scope(f"bare-{os.getpid()}-{number}.scope", *child, kept, more=more)
    if result != "success":
        raise RuntimeError(result)


async def once(child: tuple[int, int]) -> None:
    """Run it once."""
    await one(await connected(), 0, child)


async def many(numbers: Iterable[int], *, is_kept: bool = False) -> None:
    """Run it once for each number, with or without a keeper."""
    bus = await connected()
    slots = asyncio.Semaphore(AT_A_TIME)

    async def next_one(number: int) -> None:
        async with slots:
            await one(bus, number, held(), keeper() if is_kept else None)

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(next_one(number))
    await disconnected(bus)


async def disconnected(bus: Bus) -> None:
    """End the connection."""
    bus.bus.disconnect()
    await bus.bus.wait_for_disconnect()
    bus.bus._stream.close()  # noqa: SLF001  the library leaves both open
    bus.bus._sock.close()  # noqa: SLF001


async def be_measured(number: int, *, is_kept: bool) -> dict[str, Any]:
    """Run it a hundred times to warm up, then `number` times; return scopes per second, and seconds of CPU for each."""
    from inside import processors  # noqa: PLC0415  a single scope does without

    await many(range(100), is_kept=is_kept)
    start, used, machine = time.monotonic(), time.process_time(), processors.used()
    await many(range(100, 100 + number), is_kept=is_kept)
    seconds, processor = time.monotonic() - start, time.process_time() - used
    whole = processors.since(machine, number)
    return {"rate": number / seconds, "processor": processor / number, "machine": whole}


if IS_ONE:
    asyncio.run(once(held()))
    os._exit(0)
elif __name__ == "__main__":
    print(json.dumps(asyncio.run(be_measured(int(sys.argv[1]), is_kept="keeper" in sys.argv))))
