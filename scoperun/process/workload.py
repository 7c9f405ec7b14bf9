"""What a run needs from the command's process, which need not be our child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scoperun.evidence.events import WorkloadExited


class Workload(Protocol):
    """The command's own process."""

    @property
    def pid(self) -> int:
        """Its PID, which cannot be reused before `wait` has returned."""

    @property
    def ended(self) -> bool:
        """Whether it has ended, even if it has not been waited for."""

    async def wait(self) -> WorkloadExited:
        """Wait for its end and return how it ended; raise ScoperunError if that cannot be known."""

    def send(self, number: int) -> bool:
        """Send it signal `number` if it still runs; tell whether that was permitted."""

    def kill(self) -> None:
        """Kill it if that is permitted."""
