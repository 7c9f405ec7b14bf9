"""A soft limit on pressure: the signal to send to the command, and at which share of time spent waiting. No I/O."""

from __future__ import annotations

import math
import re
from signal import SIGTERM

from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import parse_positive_time
from scoperun.spec.soft_memory import check_signal

_SHARE = r"[0-9]{1,3}(?:\.[0-9]{1,6})?"
_EXAMPLE = "e.g. 30%/2s"


@dataclass(frozen=True, slots=True)
class SoftPressure:
    """A share of time spent waiting for memory at which the command gets a signal. Raises InvalidValue.

    After a signal that does not help, the processes are killed. Without a signal it is only reported.

    share: of `window`, above 0 and at most 1, in which at least one process of the scope waits for memory.
    window: seconds. The kernel accepts a multiple of 2 up to 10, from root also others up to 10, but older kernels not
        less than 0.5.
    signal: the number of the signal, sent to all processes of the scope; None for no signal and no kill.
    """

    share: float
    window: float
    signal: int | None = SIGTERM

    def __post_init__(self) -> None:
        """Refuse shares and times that do not exist, and signals that cannot be handled."""
        if not _is_number(self.share) or not 0 < self.share <= 1:
            raise InvalidValue(f"a share of {self.share!r} is out of range", hint="above 0 and at most 1, e.g. 0.3")
        if not _is_number(self.window) or not 0 < self.window < math.inf:
            raise InvalidValue(f"a time of {self.window!r} seconds is out of range", hint="e.g. 2")
        if self.stall_usec < 1:
            raise InvalidValue(f"{self.text} is less than 1 microsecond of waiting", hint=_EXAMPLE)
        check_signal(self.signal)

    @property
    def stall_usec(self) -> int:
        """The microseconds of waiting in a window at which the command gets the signal."""
        return round(self.share * self.window * 1e6)

    @property
    def window_usec(self) -> int:
        """The microseconds of the window."""
        return round(self.window * 1e6)

    @property
    def text(self) -> str:
        """The share and the window as they are written, e.g. 30%/2s."""
        return format_pressure(self.share, self.window)


def parse_pressure(text: str) -> tuple[float, float]:
    """Return the share and the seconds that a text such as `30%/2s` stands for; raise InvalidValue."""
    share, slash, window = text.partition("/")
    if not slash or not re.fullmatch(f"{_SHARE}%", share):
        raise InvalidValue(f"{text!r} is not a share of a time", hint=_meant(share, window) or _EXAMPLE)
    percent = float(share.removesuffix("%"))
    if not 0 < percent <= 100:
        raise InvalidValue(f"a share of {share} is out of range", hint=f"above 0% and at most 100%, {_EXAMPLE}")
    seconds = parse_positive_time(window)
    if seconds == math.inf:
        raise InvalidValue(f"{text!r} is not a share of a time", hint=f"{_EXAMPLE}; infinity alone means no limit")
    return percent / 100, seconds


def format_pressure(share: float, window: float) -> str:
    """Return a share and seconds as text, e.g. 30%/2s, which parse_pressure reads."""
    return f"{share * 100:.9g}%/{window:.9g}s"


def _meant(share: str, window: str) -> str | None:
    """Return what to write for a share without a % sign, None if it is not one."""
    if not re.fullmatch(_SHARE, share) or not window:
        return None
    number = float(share)
    return f"write {number * 100 if number <= 1 else number:.9g}%/{window}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
