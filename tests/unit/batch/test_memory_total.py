"""What other batches have reserved and do not use is not there for another one. The cgroups are folders here."""

from pathlib import Path

import pytest

from scoperun.batch.memory_total import promised, resumed_total
from scoperun.kernel.cgroup import Cgroup


def cgroup(folder: Path, **files: str) -> Cgroup:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(f"{text}\n")
    return Cgroup(f"/{folder.name}", str(folder))


def test_only_slices_of_batches_count_with_what_they_do_not_use(tmp_path: Path) -> None:
    cgroups = {
        "app-scoperun_batch_a.slice": cgroup(tmp_path / "a", memory_max="1000", memory_current="300"),
        "app-scoperun_batch_b.slice": cgroup(tmp_path / "b", memory_max="1000", memory_current="1200"),
        "app-scoperun_batch_c.slice": cgroup(tmp_path / "c", memory_max="max", memory_current="5"),
        "app-scoperun_batch_d.slice": cgroup(tmp_path / "d"),
        "app-other.slice": cgroup(tmp_path / "e", memory_max="1000", memory_current="0"),
        "scoperun-batch-a-1-1.scope": cgroup(tmp_path / "f", memory_max="1000", memory_current="0"),
    }
    assert promised(cgroups) == 700
    assert promised(cgroups, own="app-scoperun_batch_a.slice") == 0, "an earlier runner has left it"


@pytest.mark.parametrize(
    ("now", "before", "largest", "total"),
    [
        (100, 100, 0, 100),
        (95, 100, 0, 100),
        (90, 100, 0, 100),
        (89, 100, 0, 89),
        (150, 100, 0, 150),
        (50, 100, 80, 80),
        (50, 100, 900, 100),
        (150, 100, 900, 150),
    ],
)
def test_a_batch_that_is_resumed_has_what_it_had_unless_that_is_not_there(
    now: int, before: int, largest: int, total: int
) -> None:
    assert resumed_total(now, before, largest) == total
