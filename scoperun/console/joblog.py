"""One run as a line of a log: GNU parallel's columns, the verdict and the memory. No I/O.

The first nine columns are those of `parallel --joblog`. A command is quoted for bash; what could break its line or the
terminal is an escape in $'...'.
"""

from __future__ import annotations

from scoperun.console.shell_words import quoted
from scoperun.printable import one_line
from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY

COLUMNS = (
    *("Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"),
    *("Verdict", "MemoryPeak", "MemoryMax"),
)

HEADER = "\t".join(COLUMNS) + "\n"

_UNKNOWN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run in the log; None is what is not known.

    pid: scoperun's own process, which is also in the name of the scope. host: the machine's name.
    started: seconds since 1970. runtime: seconds.
    command: its words.
    exit_status: what scoperun exits with. signal: the signal that killed the command, 0 if none did.
    verdict: in the words of the report, None if the command did not start.
    memory_peak, memory_max: bytes; INFINITY means no limit.
    """

    pid: int
    host: str
    started: float
    command: tuple[str, ...]
    runtime: float | None = None
    exit_status: int = 0
    signal: int = 0
    verdict: str | None = None
    memory_peak: int | None = None
    memory_max: int | None = None

    def line(self) -> str:
        """Return the line, with its newline."""
        values = (
            f"{self.pid}",
            host_name(self.host),
            f"{self.started:.3f}",
            _UNKNOWN if self.runtime is None else f"{self.runtime:.3f}",
            "0",
            "0",
            f"{self.exit_status}",
            f"{self.signal}",
            " ".join(map(quoted, self.command)),
            self.verdict or _UNKNOWN,
            _bytes(self.memory_peak),
            _bytes(self.memory_max),
        )
        return "\t".join(values) + "\n"


def host_name(host: str) -> str:
    """Return the name of a machine as a column: without blanks, by which parallel separates columns."""
    return "".join(one_line(host).split()) or _UNKNOWN


def _bytes(size: int | None) -> str:
    return _UNKNOWN if size is None else "infinity" if size == INFINITY else f"{size}"
