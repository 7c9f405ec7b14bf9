"""A page fault takes a page, of whichever size."""

import os
from pathlib import Path

from scoperun.kernel.memory_stat import most_per_fault


def test_a_page_fault_can_take_as_much_as_the_largest_size_that_is_enabled(tmp_path: Path) -> None:
    for size, enabled in {
        64: "always inherit [madvise] never", 512: "always inherit madvise [never]", 2048: "always [inherit] never"
    }.items():  # fmt: skip
        (tmp_path / f"hugepages-{size}kB").mkdir()
        (tmp_path / f"hugepages-{size}kB" / "enabled").write_text(enabled)
    (tmp_path / "enabled").touch()
    assert most_per_fault(str(tmp_path)) == 64 * 1024
    assert most_per_fault(str(tmp_path / "missing")) == os.sysconf("SC_PAGE_SIZE")
