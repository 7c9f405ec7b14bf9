"""Swap: whether this machine has any, and whether it compresses what would go there."""

from __future__ import annotations


def has_swap(file: str = "/proc/swaps") -> bool:
    """Tell whether there is swap; True if `file` cannot be read, because there might be some."""
    try:
        with open(file, encoding="utf-8", errors="replace") as swaps:
            return len(swaps.readlines()) > 1  # the first is the heading
    except OSError:
        return True


def has_zswap(file: str = "/sys/module/zswap/parameters/enabled") -> bool | None:
    """Tell whether zswap is switched on; None if the kernel does not have it."""
    try:
        with open(file, encoding="utf-8", errors="replace") as enabled:
            return enabled.read().strip() == "Y"
    except OSError:
        return None
