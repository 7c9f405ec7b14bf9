"""What a run needs of the process that it is about, be it a child of this one or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scoperun.evidence.events import WorkloadExited


class Workload(Protocol):
    """The command's own process."""

    @property
    def pid(self) -> int:
        """Its PID, which no other process gets before `wait` has returned."""

    async def wait(self) -> WorkloadExited:
        """Return how it ended, once it has; raise ScoperunError if that will never be known."""

    def send(self, number: int) -> bool:
        """Send it signal `number`, if it still runs, and tell whether that was permitted."""

    def kill(self) -> None:
        """Kill it, if that is permitted."""
