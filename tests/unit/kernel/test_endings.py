"""The ends of processes that are not our children are watched only while there are spare descriptors."""

import os
import resource
import subprocess
from collections.abc import Iterator

import pytest

from scoperun.kernel.endings import Endings


@pytest.fixture
def sleepers() -> Iterator[set[int]]:
    """Run ten processes."""
    processes = [subprocess.Popen(["sleep", "1000"]) for _ in range(10)]
    yield {process.pid for process in processes}
    for process in processes:
        process.kill()
        process.wait()


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
