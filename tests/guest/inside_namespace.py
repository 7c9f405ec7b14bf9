"""Runs a command in a PID namespace, with PIDs that processes outside also have: it uses up the PIDs before them.

    python3 -m tests.guest.inside_namespace NEXT SOCKET COMMAND...

NEXT is the PID of the command's first child. The bus at SOCKET reports the PID of a client inside of the namespace,
which a real one would not.
"""

import asyncio
import os
import sys
from contextlib import suppress

from scoperun.kernel.wait import process_ended
from tests.bus.wire import wire


async def main(first: int, socket: str, *command: str) -> int:
    async with wire(socket, os.path.join(os.environ["XDG_RUNTIME_DIR"], "bus")):
        pid = start(command, os.path.dirname(socket), number=first - 1)  # scoperun's PID; those of its children follow
        await process_ended(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222  it has ended


def start(command: tuple[str, ...], runtime_dir: str, *, number: int) -> int:
    """Start the command as the process `number`. asyncio is not used, because its thread would take a number."""
    used = os.posix_spawnp("true", ["true"], {})
    os.waitpid(used, 0)
    for _ in range(used + 1, number):
        with suppress(FileNotFoundError):  # takes a tenth of the time of a process that executes a program
            os.posix_spawn("/nonexistent", ["nonexistent"], {})
    started = os.posix_spawnp(command[0], command, os.environ | {"XDG_RUNTIME_DIR": runtime_dir})
    assert started == number
    return started


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), *sys.argv[2:])))
