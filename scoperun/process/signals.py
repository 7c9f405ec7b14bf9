"""Signals sent to this process, held back and handed on to the command.

The command shares our process group, so that pipelines, Ctrl-C and Ctrl-Z work as without us. What the terminal sends
reaches it by itself; what is sent to scoperun alone has to be passed on. Only siginfo tells the two apart, and only
signalfd(2) gives siginfo without a moment in which Python would run a handler.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Self

from scoperun.errors import ScoperunError
from scoperun.record import dataclass

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
"""Signals that ask a program to end."""

STOPPING = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Signals that stop a process and can be held back: we stop when the command does, see scoperun.process.job_control."""

# To the whole foreground process group. SIGHUP is not here: that can also go to one process alone.
_FROM_TERMINAL = STOPPING | {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGCONT}

# What the kernel raises for something that this process has done itself: a fault, a write, its own processor time.
_RAISED_IN_US = {
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS),
    *(signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE),
}

# All that can be caught. A fault of our own kills us although its signal is held: the kernel sees to that.
_HELD = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

_SI_KERNEL = 0x80
# struct signalfd_siginfo up to ssi_pid: signo, errno, code, pid
_SIGINFO = struct.Struct("=IiiI")
_SIGINFO_SIZE = 128
_SFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One signal: its number, its sender's process (0 if outside of our PID namespace).

    from_terminal: the kernel sent it to the whole foreground process group.
    raised_in_us: it is about this process alone.
    """

    number: int
    sender: int
    from_terminal: bool = False
    raised_in_us: bool = False


class HeldSignals:
    """Holds signals back from the moment it is made; read them from `fd`.

    What was ignored when we started is held too: the command might have a handler for it by now, as without us.
    SIGCHLD must not be ignored, or the kernel throws the command's status away.

    ending: those that may end an attempt or a wait, unless ignored when we started (nohup, a script's background job).
    """

    def __init__(self) -> None:
        """Block the signals; the kernel queues them."""
        self.ending = frozenset(each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN)
        self._children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        self.fd = _signalfd(_HELD)

    def undo_in_child(self) -> None:
        """Give the command the dispositions and the mask that we were started with; for use after a fork."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, self._children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def read(self) -> list[Received]:
        """Return the signals that came since the last call."""
        try:
            infos = os.read(self.fd, 32 * _SIGINFO_SIZE)
        except BlockingIOError:
            return []
        return [_received(infos[at : at + _SIGINFO.size]) for at in range(0, len(infos), _SIGINFO_SIZE)]

    def __enter__(self) -> Self:
        """Hold signals for the length of a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let signals through again; one that came before was for the command."""
        while self.read():
            pass
        os.close(self.fd)
        signal.signal(signal.SIGCHLD, self._children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _signalfd(numbers: set[signal.Signals]) -> int:
    bits = 8 * ctypes.sizeof(ctypes.c_ulong)
    words = (ctypes.c_ulong * (1024 // bits))()
    for number in numbers:
        words[(number - 1) // bits] |= 1 << (number - 1) % bits
    fd: int = ctypes.CDLL(None, use_errno=True).signalfd(-1, words, _SFD_NONBLOCK_CLOEXEC)
    if fd < 0:
        raise ScoperunError(f"signalfd: {os.strerror(ctypes.get_errno())}")
    return fd


def _received(info: bytes) -> Received:
    number, _, code, pid, *_ = _SIGINFO.unpack(info)
    return Received(
        number=number,
        sender=pid,
        from_terminal=code == _SI_KERNEL and number in _FROM_TERMINAL,
        raised_in_us=number in _RAISED_IN_US and (code > 0 or pid == os.getpid()),
    )
