"""The processes in a cgroup and in those below, each with its memory. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.ctl.branches import Branch
from scoperun.ctl.reading import size_text
from scoperun.evidence.events import Task
from scoperun.kernel.process_table import is_hidden, task
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.kernel.cgroup import Cgroup


@dataclass(frozen=True, slots=True)
class Inside:
    """A cgroup: its name without those above, its processes, and the cgroups in it."""

    name: str
    processes: tuple[Task, ...]
    below: tuple[Inside, ...]

    def branches(self, *more: str) -> list[Branch]:
        """Return it as the parts of a tree: processes before cgroups, as systemd-cgls(1) has them.

        The cell to the right of a process is its memory (RSS), followed by those of `more`.
        """
        return [
            *(Branch(f"{each.pid} {each.name or '(hidden)'}", (size_text(each.rss), *more)) for each in self.processes),
            *(Branch(each.name, ("", *more), each.branches(*more)) for each in self.below),
        ]

    def to_json(self, path: str = "") -> list[dict[str, Any]]:
        """Return the processes; cgroup: the path of each one's below the unit, empty for the unit's own."""
        found = [{"pid": each.pid, "name": each.name, "rss": each.rss, "cgroup": path} for each in self.processes]
        return found + [row for each in self.below for row in each.to_json(f"{path}/{each.name}")]


def inside(cgroup: Cgroup) -> Inside:
    """Return what is in a cgroup; processes that are ending are left out."""
    return Inside(
        name=cgroup.name.rpartition("/")[2],
        processes=tuple(_tasks(cgroup)),
        below=tuple(inside(each) for each in cgroup.directly_below()),
    )


def _tasks(cgroup: Cgroup) -> Iterator[Task]:
    for pid in sorted(cgroup.pids() or ()):
        found = task(pid) or (Task(pid=pid, name=None) if is_hidden(pid) else None)
        if found is not None:
            yield found
