"""How much memory a cgroup has taken so far, from its memory.stat and the sizes of this machine's pages. Reads only."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from scoperun.kernel.files import contents

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = os.sysconf("SC_PAGE_SIZE")

_HUGE_PAGE = _PAGE * _PAGE // 8
"""Bytes that one entry of a page directory maps: as many pages as pointers of eight bytes fit in a page."""

UNCOUNTED = 64 * (os.cpu_count() or 1) * _PAGE
"""Bytes of page faults that memory.stat might lack: so many updates wait (MEMCG_CHARGE_BATCH of each processor)."""

_TAKEN_WITHOUT_FAULTS = ("shmem", "sock", "kernel", "file_dirty", "file_writeback")
_KERNEL = ("slab", "kernel_stack", "pagetables", "percpu")
"""What `kernel` in memory.stat is the sum of, since Linux 5.18."""


def taken_memory(stat: Mapping[str, int] | None) -> int | None:
    """Return `taken` of a snapshot, from memory.stat; None if page faults are not counted."""
    if stat is None or "pgfault" not in stat:
        return None
    huge = stat.get("thp_fault_alloc", 0) + stat.get("thp_collapse_alloc", 0)
    kernel = () if "kernel" in stat else _KERNEL
    others = sum(stat.get(name, 0) for name in (*_TAKEN_WITHOUT_FAULTS, *kernel))
    return stat["pgfault"] * most_per_fault() + huge * _HUGE_PAGE + others


@cache
def most_per_fault(folder: str = "/sys/kernel/mm/transparent_hugepage") -> int:
    """Return the most bytes that a page fault takes, but for huge pages: since Linux 6.8 there are sizes in between.

    folder: has a folder for each size.
    """
    sizes = [_PAGE]
    with suppress(OSError):
        for name in os.listdir(folder):
            size = re.fullmatch("hugepages-([0-9]{1,9})kB", name)
            if size and int(size[1]) * 1024 < _HUGE_PAGE and b"[never]" not in contents(f"{folder}/{name}/enabled"):
                sizes.append(int(size[1]) * 1024)
    return max(sizes)
