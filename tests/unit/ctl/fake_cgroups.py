"""A tree of cgroups in a folder, as files: what a user's manager has, and units in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from scoperun.kernel.cgroup import Cgroup

MANAGER = "/user.slice/user-1000.slice/user@1000.service"
MIB = 1 << 20


class FakeCgroups:
    """The cgroups of a manager. root: the folder that stands for the mount point."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manager = Cgroup(MANAGER, f"{root}{MANAGER}")
        for name in ("/user.slice", "/user.slice/user-1000.slice", MANAGER):
            self._write(name, {"memory.max": "max"})
        self.unit("app.slice", memory=0)

    def unit(self, path: str, *, memory: int | None = 0, cpu: float = 0, **files: object) -> None:
        """Make a unit at a path below the manager, or change it; memory in MiB, cpu in seconds."""
        texts = {
            "memory.max": "max",
            "memory.swap.current": 0,
            "pids.current": 1,
            "cgroup.events": "populated 1\nfrozen 0",
            "memory.current": None if memory is None else memory * MIB,
            "cpu.stat": f"usage_usec {int(cpu * 1e6)}\nuser_usec 0",
            **{name.replace("_", "."): value for name, value in files.items()},
        }
        self._write(f"{MANAGER}/{path}", texts)

    def end(self, path: str) -> None:
        """Remove a unit's cgroup."""
        shutil.rmtree(f"{self.root}{MANAGER}/{path}")

    def _write(self, name: str, texts: dict[str, object]) -> None:
        folder = Path(f"{self.root}{name}")
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            if text is None:
                (folder / file).unlink(missing_ok=True)
            else:
                (folder / file).write_text(f"{text}\n", encoding="utf-8")
