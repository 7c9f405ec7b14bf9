"""When a process ended that was not observed at its end: the kernel's scheduler knows when it ran last.

/proc/PID/sched has that time (se.exec_start, in milliseconds) on the clock of a processor's run queue. Each processor
has its own such clock, which stands still in interrupts and while a hypervisor runs other guests. So we read our own
se.exec_start on the same processor to compare. The process can have ended a little earlier than returned, never later.
Older kernels without CONFIG_SCHED_DEBUG do not have the file.
"""

from __future__ import annotations

import os
import re
import time

from scoperun.kernel.files import contents
from scoperun.kernel.process_table import cpu_time, processor_of

_NAMES = (rb"se\.exec_start", rb"se\.sum_exec_runtime")
"""Until when a thread has run, and for how long, in milliseconds."""

_SECONDS_APART = 1e-6
"""The most by which two ways to read the same processor time differ."""


def ended_by(pid: int) -> float | None:
    """Return the time by which a child that is not reaped yet had ended, in seconds on the monotonic clock.

    None if it is not known, e.g. for a process that had several threads: its first thread, the one that is left to
    look at, might have ended before the others.
    """
    last, used, processor = _ran(pid), cpu_time(pid), processor_of(pid)
    if last is None or used is None or processor is None or abs(last[1] - used) > _SECONDS_APART:
        return None
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {processor})
        try:
            os.sched_yield()  # updates our own se.exec_start
            own, now = _ran(os.getpid()), time.monotonic()
        finally:
            os.sched_setaffinity(0, before)
    except OSError:  # the processor is offline, or we may not run on it
        return None
    return None if own is None else now - max(own[0] - last[0], 0)


def _ran(pid: int) -> tuple[float, float] | None:
    """Return until when a thread has run and for how long, in seconds; None if the kernel does not say."""
    try:
        text = contents(f"/proc/{pid}/sched")
    except OSError:
        return None
    found = [re.search(rb"^%b +: +([0-9.]+)$" % name, text, re.MULTILINE) for name in _NAMES]
    started, total = (each and float(each[1]) / 1000 for each in found)
    return None if started is None or total is None else (started, total)
