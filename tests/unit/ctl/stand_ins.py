"""Units with a folder in the place of a cgroup."""

from pathlib import Path
from typing import Any

from scoperun.ctl.reading import Moment, Reading
from scoperun.ctl.session import Seen
from scoperun.kernel.cgroup import Cgroup
from scoperun.systemd.unit_files import TransientFile
from scoperun.systemd.units import ListedUnit

NOW = 1_000_000.0


def cgroup(path: Path, name: str, **files: object) -> Cgroup:
    """Make a cgroup's folder with these files; memory_max is memory.max."""
    path.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (path / file.replace("_", ".")).write_text(f"{text}\n")
    return Cgroup(name, str(path))


def reading(path: Path, name: str = "a.scope", *, age: float | None = 5.0, **more: Any) -> Reading:
    """Make a unit whose cgroup, directly below the root, has these files; none if `path` is not there."""
    state, description = more.pop("state", "active"), more.pop("description", "./a")
    has_swap = more.pop("has_swap", True)
    there = cgroup(path, f"/{name}", **more) if more else None
    unit = ListedUnit(name=name, description=description, load="loaded", active=state, sub="running")
    file = None if age is None else TransientFile(NOW - age, "Documentation=man:scoperun(1)\n")
    return Reading(Seen(unit=unit, file=file, cgroup=there), Moment(now=NOW, has_swap=has_swap))
