"""A soft limit on memory: the signal to send to the command, and at how many bytes. No I/O."""

from __future__ import annotations

from signal import NSIG, SIGKILL, SIGSTOP, SIGTERM

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY
from scoperun.spec.values import signal_name


@dataclass(frozen=True, slots=True)
class SoftMemory:
    """A limit at which the command gets a signal, before the kernel kills. Raises InvalidValue for wrong values.

    After a signal that does not help, the processes are killed. Without a signal the first passing is only reported,
    and from then on the limit has no effect.

    limit: bytes that the scope needs, see MemorySnapshot.needed.
    signal: the number of the signal, sent to all processes of the scope; None for no signal and no kill.
    """

    limit: int
    signal: int | None = SIGTERM

    def __post_init__(self) -> None:
        """Refuse limits that cannot be passed and signals that cannot be handled."""
        if isinstance(self.limit, bool) or not isinstance(self.limit, int):
            raise InvalidValue(f"a soft limit has to be bytes as an int, e.g. 40 * scoperun.MiB, not {self.limit!r}")
        if not 1 <= self.limit < INFINITY:
            raise InvalidValue(f"a soft limit of {self.limit!r} bytes is out of range", hint="at least 1, and finite")
        check_signal(self.signal)


def check_signal(number: int | None) -> None:
    """Raise InvalidValue for a number that is not a signal, or is one that cannot be handled; None means no signal."""
    if number is None:
        return
    if not isinstance(number, int) or not 1 <= number < NSIG:
        raise InvalidValue(f"{number!r} is not a signal", hint="e.g. signal.SIGTERM")
    if number in {SIGKILL, SIGSTOP}:
        raise InvalidValue(
            f"{signal_name(number)} cannot be handled, so it cannot warn a command",
            hint="take SIGTERM or SIGUSR1; `memory_max` kills at a limit",
        )
