"""The ends of processes that are not our children are known if they are held in time, with spare descriptors."""

import os
import resource
import subprocess
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.endings import Endings
from scoperun.kernel.scope_cgroup import ScopeCgroup


@pytest.fixture
def sleepers() -> Iterator[set[int]]:
    """Run ten processes."""
    processes = [subprocess.Popen(["sleep", "1000"]) for _ in range(10)]
    yield {process.pid for process in processes}
    for process in processes:
        process.kill()
        process.wait()


class Reaped(Endings):
    """A parent that reaps a process just when it begins to be held."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        super().__init__()
        self.process = process

    def hold(self, pids: AbstractSet[int]) -> bool:
        is_held = super().hold(pids)
        self.process.kill()
        self.process.wait()
        return is_held


def test_a_process_is_held_before_a_snapshot_shows_it_alive(tmp_path: Path) -> None:
    """If it were held afterwards, its parent could have reaped it by then, and nobody knew how it ended."""
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    with subprocess.Popen(["sleep", "1000"]) as process:
        (tmp_path / "cgroup.procs").write_text(f"{process.pid}\n")
        endings = Reaped(process)
        snapshot = ScopeCgroup(Cgroup("/job.scope", str(tmp_path)), keeper=1).snapshot(endings=endings)
        endings.close()
    assert snapshot is not None
    assert snapshot.places == {process.pid: "/job.scope"}
    assert snapshot.tasks == ()


@pytest.mark.parametrize(("limit", "most"), [(64, 0), (84, 5), (1024, 10)])
def test_if_there_are_too_few_descriptors_no_process_is_watched(limit: int, most: int, sleepers: set[int]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
    try:
        endings = Endings()
        before = len(os.listdir("/proc/self/fd"))
        assert endings.watch(sleepers) == (most == len(sleepers))
        assert len(os.listdir("/proc/self/fd")) == before + most
        assert endings.watch(set(list(sleepers)[:most]))
        endings.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
