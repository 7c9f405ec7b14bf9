"""The kernel's totals of waiting become seconds; what cannot be read is None, and never 0."""

from pathlib import Path

import pytest

from scoperun.evidence.pressure import Pressure
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.pressure import pressure
from scoperun.kernel.scope_cgroup import ScopeCgroup


def lines(some: int, full: int | None = None) -> str:
    """Return the text of a file of the kernel with these totals in microseconds."""
    averages = "avg10=1.50 avg60=0.00 avg300=0.00"
    whole = "" if full is None else f"full {averages} total={full}\n"
    return f"some {averages} total={some}\n{whole}"


def written(folder: Path, **texts: str) -> Cgroup:
    for name, text in texts.items():
        (folder / f"{name}.pressure").write_text(text, encoding="ascii")
    return Cgroup("/job.scope", str(folder))


ALL = {"memory": lines(3_100_000, 2_000_000), "cpu": lines(250_000, 1), "io": lines(0, 0)}


def test_totals_are_seconds(tmp_path: Path) -> None:
    assert pressure(written(tmp_path, **ALL)) == Pressure(
        memory_some=3.1, memory_full=2.0, cpu_some=0.25, cpu_full=0.000001, io_some=0.0, io_full=0.0
    )


@pytest.mark.parametrize("name", ALL)
def test_a_file_that_cannot_be_read_leaves_its_keys_unknown(tmp_path: Path, name: str) -> None:
    cgroup = written(tmp_path, **ALL)
    (tmp_path / f"{name}.pressure").unlink()
    found = pressure(cgroup)
    assert found is not None
    unknown = {key for key in ("memory", "cpu", "io") if getattr(found, f"{key}_some") is None}
    assert (unknown, getattr(found, f"{name}_full")) == ({name}, None)


def test_a_kernel_without_the_line_of_all_processes_leaves_that_unknown(tmp_path: Path) -> None:
    """cpu.pressure has it since Linux 5.13."""
    found = pressure(written(tmp_path, cpu=lines(5_000_000)))
    assert found == Pressure(cpu_some=5.0)


def test_without_any_file_nothing_is_known(tmp_path: Path) -> None:
    assert pressure(written(tmp_path)) is None


def test_it_is_one_of_the_counters(tmp_path: Path) -> None:
    scope = ScopeCgroup(written(tmp_path, **ALL), keeper=1)
    read = scope.counters().pressure
    assert read is not None
    assert read.memory_some == 3.1
