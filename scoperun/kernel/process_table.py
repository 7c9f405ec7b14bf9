"""What /proc says about a process: its memory while it lives, how it ended until it is reaped. Reads only."""

from __future__ import annotations

import os
import signal
import time

from scoperun.evidence.events import Task
from scoperun.kernel.files import contents
from scoperun.printable import utf8

_CPUCLOCK_SCHED = 2  # include/linux/posix-timers_types.h; clock_getcpuclockid(3), which Python does not have

# Flags of /proc/PID/stat, PF_EXITING and PF_FORKNOEXEC of linux/sched.h.
_EXITING, _FORKED = 0x4, 0x40
_DEAD = {"Z", "X"}
_SIGKILL = 1 << (signal.SIGKILL - 1)

# Fields of /proc/PID/stat, counted from the state: in proc(5) these are 9, 20, 39 and 52.
_FLAGS, _THREADS, _PROCESSOR, _EXIT_CODE = 6, 17, 36, 49


def fields(pid: int) -> tuple[str, list[str], dict[str, str]] | None:
    """Return a process's name, the fields after it in /proc/PID/stat, and those of /proc/PID/status; None if gone."""
    stat, status = _stat(pid), _status(pid)
    return None if stat is None or status is None else (stat[0], stat[1], status)


def running_name(pid: int) -> str | None:
    """Return the name of process `pid`, None if it has ended."""
    stat = _stat(pid)
    return None if stat is None or is_dead(stat[1]) else stat[0]


def name_of(pid: int) -> str | None:
    """Return the name of process `pid`, also of one that has ended; None once its parent has reaped it."""
    stat = _stat(pid)
    return stat and stat[0]


def task(pid: int) -> Task | None:
    """Return process `pid` and its memory, None if it has ended or is about to.

    If it executes a program while it is read, it is read again.
    """
    for last_try in (False, False, True):
        stat, status = _stat(pid), _status(pid)
        if stat is None or status is None or _is_dying(stat[1], status):
            return None
        is_one_program = utf8(_unescaped(status["Name"])) == stat[0]
        if is_one_program or last_try:
            return _task(pid, stat, status, is_one_program=is_one_program)
    return None


def _task(pid: int, stat: tuple[str, list[str]], status: dict[str, str], *, is_one_program: bool) -> Task:
    return Task(
        pid=pid,
        name=stat[0],
        rss=_bytes(status, "VmRSS"),
        anon=_bytes(status, "RssAnon"),
        swap=_bytes(status, "VmSwap"),
        oom_score=_number(pid, "oom_score"),
        oom_score_adj=_number(pid, "oom_score_adj"),
        forked=bool(int(stat[1][_FLAGS]) & _FORKED) if is_one_program else None,
    )


def is_stopped(pid: int) -> bool:
    """Tell whether process `pid` is stopped by a signal, and not by a debugger."""
    stat = _stat(pid)
    return stat is not None and stat[1][0] == "T"


def heeds(pid: int, number: int) -> bool:
    """Tell whether process `pid` neither ignores signal `number` nor has a handler for it."""
    status = _status(pid) or {}
    return not any(int(status.get(mask, "0"), 16) >> (number - 1) & 1 for mask in ("SigIgn", "SigCgt"))


def has_ended(pid: int) -> bool:
    """Tell whether process `pid` has ended or is about to."""
    stat, status = _stat(pid), _status(pid)
    return stat is None or status is None or _is_dying(stat[1], status)


def is_hidden(pid: int) -> bool:
    """Tell whether process `pid` exists, but is not in our /proc.

    It is another user's and /proc is mounted with hidepid, or it is in another PID namespace and its PID is 0 here.
    """
    if pid == 0 or os.path.exists(f"/proc/{pid}"):
        return pid == 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def cpu_time(pid: int) -> float | None:
    """Return the processor time in seconds that process `pid` has used, None if it has ended."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:
        return None


def processor_of(pid: int) -> int | None:
    """Return the number of the processor that a process ran on last, None if it is gone."""
    stat = _stat(pid)
    return None if stat is None else int(stat[1][_PROCESSOR])


def wait_status(pid: int) -> int | None:
    """Return the exit status of a process that has ended or is about to, negative if a signal killed it.

    None if it is not known: it can be read until the parent reaps the process, with permission to look into it.
    """
    may_look = _may_look_into(pid)
    stat, status = _stat(pid), _status(pid)
    if stat is None or status is None or not _is_dying(stat[1], status):
        return None
    if code := int(stat[1][_EXIT_CODE]):
        return os.waitstatus_to_exitcode(code)
    if _is_killed(status):
        return -signal.SIGKILL
    # Before Linux 5.17, another code might not be set yet while it exits. SIGKILL did not end it in any case.
    return 0 if may_look and _is_exiting(stat[1]) else None


def _may_look_into(pid: int) -> bool:
    """Tell whether the kernel shows us the exit code of a process, and not 0 (do_task_stat() in fs/proc/array.c)."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it has ended
        return True
    except OSError:
        return False
    return True


def _is_dying(stat: list[str], status: dict[str, str]) -> bool:
    return _is_exiting(stat) or _is_killed(status) or (_is_first_thread_killed(status) and stat[_EXIT_CODE] != "0")


def _is_exiting(stat: list[str]) -> bool:
    return is_dead(stat) or (bool(int(stat[_FLAGS]) & _EXITING) and not _has_more_threads(stat))


def is_dead(stat: list[str]) -> bool:
    """Tell whether a process has ended, by the fields after the name in /proc/PID/stat."""
    return stat[0] in _DEAD and not _has_more_threads(stat)


def _has_more_threads(stat: list[str]) -> bool:
    """Tell whether there are threads besides the first, whose state is shown: they can outlive it."""
    return int(stat[_THREADS]) > 1


def _is_killed(status: dict[str, str]) -> bool:
    """Tell whether SIGKILL was sent to a process: the kernel leaves it pending even then when the process is dead."""
    return bool(int(status.get("ShdPnd", "0"), 16) & _SIGKILL)


def _is_first_thread_killed(status: dict[str, str]) -> bool:
    """Tell whether its first thread gets SIGKILL, by which the kernel also ends threads for exit(3) and execve(2)."""
    return bool(int(status.get("SigPnd", "0"), 16) & _SIGKILL)


def _stat(pid: int) -> tuple[str, list[str]] | None:
    """Return the name, which is between the first and the last parenthesis, and the fields after it."""
    text = _text(pid, "stat")
    if text is None:
        return None
    name, _, rest = text.partition("(")[2].rpartition(") ")
    return utf8(name), rest.split()


def _status(pid: int) -> dict[str, str] | None:
    """Return the fields of /proc/PID/status, in which a newline in the name is escaped."""
    text = _text(pid, "status")  # not splitlines, which also splits at other characters, and names can have those
    return None if text is None else dict(line.split(":\t", 1) for line in text.split("\n") if ":\t" in line)


def _unescaped(name: str) -> str:
    r"""Return a name from /proc/PID/status, where \\ is a backslash and \n a line feed."""
    return name.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")


def _bytes(status: dict[str, str], field: str) -> int | None:
    words = status.get(field, "").split()
    return int(words[0]) * 1024 if words else None


def _number(pid: int, file: str) -> int | None:
    text = _text(pid, file)
    return None if text is None else int(text)


def _text(pid: int, file: str) -> str | None:
    """Return the text of a file in /proc/PID, None if the process is gone."""
    try:
        return os.fsdecode(contents(f"/proc/{pid}/{file}"))
    except OSError:
        return None
