"""The processes in a cgroup and in those below, each with its memory. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.ctl.branches import Branch
from scoperun.ctl.reading import size_text
from scoperun.evidence.events import Task
from scoperun.kernel.process_table import is_hidden, task
from scoperun.printable import utf8
from scoperun.record import dataclass
from scoperun.report.layout import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.kernel.cgroup import Cgroup


@dataclass(frozen=True, slots=True)
class Inside:
    """A cgroup: its name without those above, its processes, and the cgroups in it, which can be nested very deeply."""

    name: str
    processes: Sequence[Task]
    below: list[Inside]

    def branches(self, *more: str) -> list[Branch]:
        """Return it as the parts of a tree: processes before cgroups, as systemd-cgls(1) has them.

        The cell to the right of a process is its memory (RSS), followed by those of `more`.
        """
        top: list[Branch] = []
        waiting = [(self, top)]
        while waiting:
            found, parts = waiting.pop()
            for process in found.processes:
                name = "(hidden)" if process.name is None else quoted(process.name)
                parts.append(Branch(f"{process.pid} {name}", (size_text(process.rss), *more)))
            for each in found.below:
                inner: list[Branch] = []
                parts.append(Branch(each.name, ("", *more), inner))
                waiting.append((each, inner))
        return top

    def to_json(self) -> list[dict[str, Any]]:
        """Return the processes; cgroup: the path of each one's below the unit, empty for the unit's own."""
        rows: list[dict[str, Any]] = []
        waiting = [(self, "")]
        while waiting:
            found, path = waiting.pop()
            rows += [{"pid": each.pid, "name": each.name, "rss": each.rss, "cgroup": path} for each in found.processes]
            waiting += [(each, f"{path}/{each.name}") for each in reversed(found.below)]
        return rows


def inside(cgroup: Cgroup) -> Inside:
    """Return what is in a cgroup; processes that are ending are left out."""
    top = _alone(cgroup)
    waiting = [(cgroup, top)]
    while waiting:
        parent, found = waiting.pop()
        for each in parent.directly_below():
            found.below.append(_alone(each))
            waiting.append((each, found.below[-1]))
    return top


def _alone(cgroup: Cgroup) -> Inside:
    """Return a cgroup and its processes, without what is below."""
    return Inside(name=utf8(cgroup.name.rpartition("/")[2]), processes=tuple(_tasks(cgroup)), below=[])


def _tasks(cgroup: Cgroup) -> Iterator[Task]:
    for pid in sorted(cgroup.pids() or ()):
        found = task(pid) or (Task(pid=pid, name=None) if is_hidden(pid) else None)
        if found is not None:
            yield found
