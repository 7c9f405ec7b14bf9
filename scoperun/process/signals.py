"""Signals sent to this process, held back and handed on to the command.

The command shares our process group, so that pipelines, Ctrl-C and Ctrl-Z work as without us. A signal from the
terminal reaches the command by itself; a signal to scoperun alone has to be passed on. Only siginfo distinguishes the
two, and only signalfd(2) gives siginfo without a moment in which Python would run a handler.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import TYPE_CHECKING, Self

from scoperun.errors import ScoperunError
from scoperun.record import dataclass

if TYPE_CHECKING:
    from types import FrameType

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
"""Signals that ask a program to end."""

STOPPING = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Signals that stop a process and can be blocked: we stop when the command does, see scoperun.process.job_control."""

# Sent to the whole foreground process group. Not SIGHUP, which the kernel can also send to one process alone.
_FROM_TERMINAL = STOPPING | {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGCONT}

# Raised by the kernel for something that this process has done itself: a fault, a write, its own processor time.
_RAISED_IN_US = {
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS),
    *(signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE),
}

# All that can be caught. A fault of our own still kills us although its signal is blocked: the kernel forces it.
_HELD = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

_SI_KERNEL = 0x80
# struct signalfd_siginfo up to ssi_pid: signo, errno, code, pid
_SIGINFO = struct.Struct("=IiiI")
_SIGINFO_SIZE = 128
_SFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One signal.

    number: the signal. sender: the sender's PID, 0 if the kernel sent it or the sender is outside our PID namespace.
    from_terminal: the kernel sent it to the whole foreground process group.
    raised_in_us: this process itself caused it, so it is not for the command.
    """

    number: int
    sender: int
    from_terminal: bool = False
    raised_in_us: bool = False


class HeldSignals:
    """Blocks all signals that can be caught, from the moment it is made; `read` returns them.

    Signals that were ignored when we started are held too: the command might have a handler for them by now.
    SIGCHLD must not be ignored, or the kernel discards the command's status.

    fd: the signalfd, readable when a signal is there. ending: the signals that end a run that has not begun, or a wait:
    ENDING without those ignored when we started (nohup, a script's background job).
    """

    def __init__(self) -> None:
        """Block the signals; the kernel queues them."""
        self.ending = frozenset(each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN)
        self._children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        # Else asyncio would set a handler of its own, and Python 3.11 imports inspect as soon as that is replaced.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        self.fd = _signalfd(_HELD)

    def undo_in_child(self) -> None:
        """Restore the dispositions and the mask that we were started with; for the child, after a fork."""
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, self._children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def read(self) -> list[Received]:
        """Return the signals that came since the last call, at most 32."""
        try:
            infos = os.read(self.fd, 32 * _SIGINFO_SIZE)
        except BlockingIOError:
            return []
        return [_received(infos[at : at + _SIGINFO.size]) for at in range(0, len(infos), _SIGINFO_SIZE)]

    def __enter__(self) -> Self:
        """Hold signals for the length of a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Discard the signals that are held, which were for the command, and let signals through again."""
        while self.read():
            pass
        os.close(self.fd)
        signal.signal(signal.SIGCHLD, self._children)
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Do what signal.default_int_handler does: another thread of a program that uses us can get the signal."""
    raise KeyboardInterrupt


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
