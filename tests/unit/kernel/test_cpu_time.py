"""Processor time cannot be used up sooner than the processors and the quotas allow."""

import os
from pathlib import Path

import pytest

from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.cpu_time import soonest, used

ONLINE = os.sysconf("SC_NPROCESSORS_ONLN")


def scope(tmp_path: Path, **files: str) -> Cgroup:
    """Make a scope below a slice; a name such as slice_cpu_max is cpu.max of the slice."""
    folder = tmp_path / "a.slice" / "job.scope"
    folder.mkdir(parents=True)
    for name, text in files.items():
        place = folder.parent if name.startswith("slice_") else folder
        (place / name.removeprefix("slice_").replace("_", ".")).write_text(f"{text}\n", encoding="ascii")
    return Cgroup("/a.slice/job.scope", str(folder))


def test_what_all_processes_have_used_is_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    assert used(Cgroup("/job.scope", str(tmp_path))) == 1.5


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert used(Cgroup("/job.scope", str(tmp_path))) is None


def test_without_more_knowledge_every_processor_can_be_used(tmp_path: Path) -> None:
    assert soonest(scope(tmp_path), 6.0) == 6.0 / ONLINE


@pytest.mark.parametrize(("cpus", "count"), [("0", 1), ("0-3", 4), ("0-1,5", 3), ("0,2-3,7-8", 5)])
def test_a_set_of_processors_is_a_bound(tmp_path: Path, cpus: str, count: int) -> None:
    assert soonest(scope(tmp_path, cpuset_cpus_effective=cpus), 6.0) == 6.0 / count


def test_the_set_of_the_slice_is_one_too(tmp_path: Path) -> None:
    assert soonest(scope(tmp_path, slice_cpuset_cpus_effective="1-3"), 6.0) == 2.0


def test_the_innermost_set_is_the_one_that_counts(tmp_path: Path) -> None:
    both = scope(tmp_path, cpuset_cpus_effective="1", slice_cpuset_cpus_effective="1-3")
    assert soonest(both, 6.0) == 6.0


def test_a_quota_is_a_bound_but_for_one_period(tmp_path: Path) -> None:
    """That of one period can be used at its end, and that of the next at once."""
    quota = scope(tmp_path, cpuset_cpus_effective="0-3", cpu_max="50000 100000")
    assert soonest(quota, 6.0) == pytest.approx(12.0 - 0.1)


def test_the_smallest_quota_of_all_counts(tmp_path: Path) -> None:
    files = {"cpuset_cpus_effective": "0-3", "cpu_max": "200000 100000", "slice_cpu_max": "500000 1000000"}
    assert soonest(scope(tmp_path, **files), 6.0) == pytest.approx(12.0 - 1.0)


@pytest.mark.parametrize("text", ["max 100000", "900000 100000"])
def test_a_quota_of_more_than_there_is_is_no_bound(tmp_path: Path, text: str) -> None:
    assert soonest(scope(tmp_path, cpuset_cpus_effective="0-3", cpu_max=text), 6.0) == 1.5
