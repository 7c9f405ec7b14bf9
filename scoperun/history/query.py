"""Which runs of the history are meant. No I/O."""

from __future__ import annotations

from scoperun.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the selected runs have in common; by default all runs are selected.

    names: the names that they were recorded as, None for any. manager: `user` or `system`, None for both.
    since, before: they ended at or after the one and before the other, in seconds since the epoch.
    is_oom: something in them ran out of memory. last: at most so many, the last ones.
    """

    names: tuple[str, ...] | None = None
    manager: str | None = None
    since: float | None = None
    before: float | None = None
    is_oom: bool = False
    last: int | None = None

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return a condition of SQL, and the values of its question marks."""
        parts: list[tuple[str, tuple[object, ...]]] = [("1", ())]
        if self.names is not None:
            parts.append((f"name IN ({', '.join('?' * len(self.names))})", self.names))
        if self.manager is not None:
            parts.append(("manager = ?", (self.manager,)))
        if self.since is not None:
            parts.append(("ended >= ?", (self.since,)))
        if self.before is not None:
            parts.append(("ended < ?", (self.before,)))
        if self.is_oom:
            parts.append(("verdict = ?", ("oom-kill",)))
        return " AND ".join(text for text, _ in parts), tuple(value for _, values in parts for value in values)
