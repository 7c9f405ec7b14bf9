"""Swap: whether this machine has any."""

from __future__ import annotations


def has_swap(file: str = "/proc/swaps") -> bool:
    """Tell whether there is swap; True if `file` cannot be read, because there might be some."""
    try:
        with open(file, encoding="utf-8", errors="replace") as swaps:
            return len(swaps.readlines()) > 1  # the first is the heading
    except OSError:
        return True
