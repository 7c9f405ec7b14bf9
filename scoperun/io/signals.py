"""Signals sent to this process, held back and handed on to the command.

The command shares our process group, so that pipelines, Ctrl-C and Ctrl-Z work as without us. What the terminal sends
reaches it by itself; what somebody sends to scoperun alone has to be passed on. Only siginfo tells the two apart, and
only signalfd(2) gives siginfo without a moment in which Python would run a handler.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Self

from scoperun.dataclass import dataclass
from scoperun.errors import ScoperunError

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
"""Signals that ask a program to end."""

PASSED_ON = ENDING | {signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT}
"""Signals that are for the command; SIGCHLD is not, be it of a child that this process had before it was scoperun."""

# We stop when the command does, which SIGCHLD tells. If these stopped us as well, that news would wait for us, and stop
# us a second time after the shell's fg.
_STOPPING = {signal.SIGTTIN, signal.SIGTTOU}

_SI_KERNEL = 0x80
_CLD_STOPPED = 5
# struct signalfd_siginfo up to ssi_status: signo, errno, code, pid, uid, fd, tid, band, overrun, trapno, status
_SIGINFO = struct.Struct("=IiiIIiIIIIi")
_SIGINFO_SIZE = 128
_SFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One signal: its number, its sender's process (0 if outside of our PID namespace).

    from_terminal: the kernel sent it to the whole foreground process group. SIGHUP it may send to one process alone.
    stopped_by: for SIGCHLD, the signal that stopped the child.
    """

    number: int
    sender: int
    from_terminal: bool = False
    stopped_by: int | None = None


class HeldSignals:
    """Holds signals back from the moment it is made; read them from `fd`.

    A signal that was ignored when we started stays so, for us and for the command (nohup, a background job of a
    script). SIGCHLD must not be ignored, or the kernel throws the command's status away.
    """

    def __init__(self) -> None:
        """Block the signals; the kernel queues them."""
        kept = {number for number in PASSED_ON | _STOPPING if signal.getsignal(number) is not signal.SIG_IGN}
        self._children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        held = kept | {signal.SIGCHLD}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, held)
        self.fd = _signalfd(held)

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
        self.read()
        os.close(self.fd)
        signal.signal(signal.SIGCHLD, self._children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def stop_like_the_command(number: int) -> None:
    """Stop this process by signal `number`, so that the shell sees the job stop; return when it is continued."""
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


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
    number, _, code, pid, *_, status = _SIGINFO.unpack(info)
    if number == signal.SIGCHLD:
        return Received(number=number, sender=pid, stopped_by=status if code == _CLD_STOPPED else None)
    return Received(number=number, sender=pid, from_terminal=code == _SI_KERNEL and number != signal.SIGHUP)
