"""A soft limit on memory: at how many bytes the command is sent which signal. No I/O."""

from __future__ import annotations

from signal import NSIG, SIGKILL, SIGSTOP, SIGTERM

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY
from scoperun.spec.values import signal_name


@dataclass(frozen=True, slots=True)
class SoftMemory:
    """A limit at which the command is told, before the kernel kills.

    limit: bytes of what it needs, see MemorySnapshot.needed.
    signal: the number of the signal that all of its processes get then.
    """

    limit: int
    signal: int = SIGTERM

    def __post_init__(self) -> None:
        """Refuse what could not be told."""
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or not 1 <= self.limit < INFINITY:
            raise InvalidValue(f"a soft limit of {self.limit!r} bytes is out of range", hint="at least 1, and finite")
        if not 1 <= self.signal < NSIG:
            raise InvalidValue(f"{self.signal!r} is no signal", hint="as signal.SIGTERM")
        if self.signal in {SIGKILL, SIGSTOP}:
            raise InvalidValue(
                f"{signal_name(self.signal)} tells a command nothing, since it cannot be handled",
                hint="`memory_max` kills at a limit; to be told of one take SIGTERM or SIGUSR1",
            )
