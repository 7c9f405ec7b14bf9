"""scopectl, whose `batch` runs nothing: `nothing.py FILE EVERY KILLED_AT WORDS`.

Each attempt ends at once with the report of a command that was run before. At the first start and at each EVERY-th it
adds a line to FILE: the start's number, the monotonic clock, this process's processor time and its resident memory. At
the start KILLED_AT, if it is not 0, it kills itself.
"""

import os
import signal
import sys
import time

FILE, EVERY, KILLED_AT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
PAGE = os.sysconf("SC_PAGE_SIZE")


def find_main():
    import asyncio  # noqa: PLC0415  only after `spare`

    import scoperun  # noqa: PLC0415
    from scoperun.supervision import running  # noqa: PLC0415

    report = asyncio.run(scoperun.run(["/bin/true"], require_limits=False))
    running.begun = Nothing(report).begun  # before its users import it
    from scoperun.ctl.command import main  # noqa: PLC0415

    return main


class Nothing:
    """Stands for every command."""

    def __init__(self, report):
        self._report = report
        self._starts = 0

    def begun(self, request, **_):
        self._starts += 1
        if self._starts == 1 or self._starts % EVERY == 0:
            note(self._starts)
        if self._starts == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def report(self):
        return self._report

    async def stop(self):
        pass


def note(start):
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * PAGE
    with open(FILE, "a", encoding="ascii") as file:
        print(start, time.monotonic(), time.process_time(), resident, file=file)


if __name__ == "__main__":
    sys.argv[1:4] = []
    from scoperun.program import run_program

    run_program("scopectl", find_main, failure=1)
