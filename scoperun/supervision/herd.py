"""Processes that are not our children, each held by a pidfd, so that no other one is taken for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from scoperun.errors import ScoperunError
from scoperun.kernel.process_facts import ProcessFacts, cgroup_name, descendants, is_reaped, process_facts
from scoperun.kernel.wait import has_ended
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_LOOKS = 10
"""The most times that descendants are looked for until no new one is found."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process. facts: from after its pidfd was opened."""

    facts: ProcessFacts
    pidfd: int

    @property
    def pid(self) -> int:
        """Its PID."""
        return self.facts.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return not has_ended(self.pidfd)

    def cgroup(self) -> str | None:
        """Return the name of the cgroup that it is in now; None if it has ended."""
        name = cgroup_name(self.pid)
        return None if is_reaped(self.pidfd) else name


class Herd:
    """The processes, by PID; leaving the context closes their pidfds."""

    def __init__(self) -> None:
        """Begin with none."""
        self.members: dict[int, Member] = {}

    def __enter__(self) -> Self:
        """Return the herd."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pidfds."""
        for member in self.members.values():
            os.close(member.pidfd)

    def add(self, pid: int) -> ProcessFacts | None:
        """Hold a process and return what is known of it; None if there is none, or it has just ended.

        A thread, which cannot be held, is only returned. Raises ScoperunError if a process cannot be held.
        """
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        except (OSError, OverflowError) as error:
            facts = process_facts(pid)
            if facts is None or facts.leader != pid:
                return facts
            raise ScoperunError(f"cannot hold process {pid}: {getattr(error, 'strerror', error)}") from None
        facts = process_facts(pid)
        if facts is None or is_reaped(pidfd):  # then the facts can be those of another process
            os.close(pidfd)
            return None
        if facts.leader != pid:  # since Linux 6.9 a thread can be held
            os.close(pidfd)
            return facts
        self.members[pid] = Member(facts, pidfd)
        return facts

    def add_descendants(self, *, leave_out: int, see: Callable[[ProcessFacts], None]) -> None:
        """Hold the living descendants of the living members; call `see` with each.

        leave_out: the PID of one that is left out with all below it.
        """
        for _ in range(_MOST_LOOKS):
            roots = {member.pid for member in self.living()}
            new = [pid for pid in descendants(roots, leave_out=leave_out) if pid not in self.members]
            if not new:
                return
            for pid in new:
                facts = self.add(pid)
                if facts is None:
                    continue
                if not self._is_child(facts):  # it ended meanwhile, and another one has its PID
                    self._let_go(pid)
                elif not facts.is_zombie:
                    see(facts)

    def _is_child(self, process: ProcessFacts) -> bool:
        """Tell whether a process is a child of a living member; its PID is that of the parent as long as that lives."""
        parent = self.members.get(process.parent)
        return process.leader == process.pid and parent is not None and parent.lives

    def _let_go(self, pid: int) -> None:
        """Hold a process no longer, if it is held."""
        member = self.members.pop(pid, None)
        if member is not None:
            os.close(member.pidfd)

    def living(self) -> list[Member]:
        """Return the members that have not ended."""
        return [member for member in self.members.values() if member.lives]

    def outside(self, cgroup: str) -> list[Member]:
        """Return the living members that are not in the cgroup of this name nor below it."""
        return [member for member in self.living() if not _is_within(member.cgroup(), cgroup)]

    def named(self, pids: Iterable[int]) -> str:
        """Return processes as text for people: 12 (sleep), 13 (sh)."""
        return ", ".join(f"{pid} ({self.members[pid].facts.name})" if pid in self.members else str(pid) for pid in pids)


def _is_within(name: str | None, cgroup: str) -> bool:
    return name is None or f"{name}/".startswith(f"{cgroup}/")
