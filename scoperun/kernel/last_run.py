"""When a process ended, though nobody looked: the kernel's scheduler knows when it ran last.

/proc/PID/sched says so on the clock of a processor's run queue (se.exec_start, in milliseconds). Each processor has its
own, which stands still in interrupts and while a hypervisor runs others; so ours is read on the same processor, and a
process may have ended a little earlier than what is returned, never later. Older kernels without CONFIG_SCHED_DEBUG say
nothing.
"""

from __future__ import annotations

import os
import re
import time

from scoperun.kernel.process_table import cpu_time, processor_of

_NAMES = (rb"se\.exec_start", rb"se\.sum_exec_runtime")
"""Up to when a thread has run, and for how long, in milliseconds."""

_SECONDS_APART = 1e-6
"""By which two ways to read one processor time may differ."""


def ended_by(pid: int) -> float | None:
    """Return when a child had ended that has not been waited for, in seconds on the monotonic clock; None is not known.

    It is not known of a process that had more threads: the first of them, which is what is left, may have ended before.
    """
    last, used, processor = _ran(pid), cpu_time(pid), processor_of(pid)
    if last is None or used is None or processor is None or abs(last[1] - used) > _SECONDS_APART:
        return None
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {processor})
        try:
            os.sched_yield()  # has our own entry brought up to date
            own, now = _ran(os.getpid()), time.monotonic()
        finally:
            os.sched_setaffinity(0, before)
    except OSError:  # that processor is gone, or not for us
        return None
    return None if own is None else now - max(own[0] - last[0], 0)


def _ran(pid: int) -> tuple[float, float] | None:
    """Return up to when a thread has run and for how long, in seconds; None if the kernel does not say."""
    try:
        with open(f"/proc/{pid}/sched", "rb", buffering=0) as file:
            text = file.readall()
    except OSError:
        return None
    found = [re.search(rb"^%b +: +([0-9.]+)$" % name, text, re.MULTILINE) for name in _NAMES]
    started, total = (each and float(each[1]) / 1000 for each in found)
    return None if started is None or total is None else (started, total)
