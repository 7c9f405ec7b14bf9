"""The process with which a run ends: the parent of this one, or another that the user names.

It is held by a pidfd, which tells of its end without a signal. PDEATHSIG (prctl(2)) would send one, but also at the end
of the thread that has started us, and many programs start processes from a pool of threads.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.kernel.process_facts import process_facts
from scoperun.kernel.wait import has_ended, readable

if TYPE_CHECKING:
    from typing import Self


class Parent:
    """A process that is held, for the length of a with statement. pid: its PID."""

    def __init__(self, pid: int, *, name: str) -> None:
        """Hold a process that lives. name: what messages call it. Raises ScoperunError."""
        self.pid = pid
        self._name = name
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise ScoperunError(f"{name} has ended already") from None
        except OSError as error:
            raise ScoperunError(f"the end of {name} cannot be watched: {error.strerror}") from None

    def see_alive(self, when: str = "already") -> None:
        """Raise ScoperunError if it has ended."""
        if has_ended(self._pidfd):
            raise ScoperunError(f"{self._name} has ended {when}")

    async def ended(self) -> None:
        """Return when it has ended."""
        await readable(self._pidfd)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._pidfd)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()


def own_parent(first: int) -> Parent:
    """Hold the parent of this process; raise ScoperunError if it has ended, or cannot be seen.

    first: what getppid() returned when this process began. If it returns another now, the parent has ended, and its PID
    can be another process's by now. Only a parent that had ended by then is not noticed.
    """
    if first == 0:
        raise ScoperunError(
            "the parent is outside of this PID namespace, where its end cannot be seen",
            hint="with a PID, a process inside is watched",
        )
    held = Parent(first, name="the parent")
    try:
        if os.getppid() != first:
            raise ScoperunError("the parent has ended already")
        held.see_alive()
    except ScoperunError:
        held.close()
        raise
    return held


def process(pid: int) -> Parent:
    """Hold any process of this user, or as root of any user; raise ScoperunError if there is none."""
    facts = process_facts(pid)
    if facts is None:
        raise ScoperunError(f"there is no process {pid}", hint="or it is hidden from this user")
    if facts.leader != pid:
        raise ScoperunError(f"{pid} is a thread of process {facts.leader}, and not a process")
    if pid == os.getpid():
        raise ScoperunError(f"process {pid} is scoperun itself")
    held = Parent(pid, name=f"process {pid}")
    try:
        held.see_alive()
        # Read again: before, it could have been another process that had the PID.
        facts = process_facts(pid)
        if os.geteuid() != 0 and (facts is None or facts.uids[0] != os.getuid()):
            raise ScoperunError(f"process {pid} is another user's")
    except ScoperunError:
        held.close()
        raise
    return held
