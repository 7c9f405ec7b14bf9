"""Runs in a PID namespace of its own: uses numbers up until the next ones are somebody's outside, then runs a command.

    python3 -m tests.guest.inside_namespace NEXT SOCKET COMMAND...

The bus is at SOCKET, and lies: it knows each client by the number that the client has in here.
"""

import asyncio
import os
import sys
from contextlib import suppress

from scoperun.kernel.wait import process_ended
from tests.bus.wire import wire


async def main(first: int, socket: str, *command: str) -> int:
    async with wire(socket, os.path.join(os.environ["XDG_RUNTIME_DIR"], "bus")):
        pid = start(command, os.path.dirname(socket), number=first - 1)  # scoperun's own; its children follow
        await process_ended(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222  it has ended


def start(command: tuple[str, ...], runtime_dir: str, *, number: int) -> int:
    """Start the command as the process of that number. asyncio would use another number for a thread."""
    used = os.posix_spawnp("true", ["true"], {})
    os.waitpid(used, 0)
    for _ in range(used + 1, number):
        with suppress(FileNotFoundError):  # a process that executes nothing costs a tenth of one that does
            os.posix_spawn("/nonexistent", ["nonexistent"], {})
    started = os.posix_spawnp(command[0], command, os.environ | {"XDG_RUNTIME_DIR": runtime_dir})
    assert started == number
    return started


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), *sys.argv[2:])))
