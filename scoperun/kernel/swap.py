"""Swap: whether this machine has any."""

from __future__ import annotations


def has_swap(file: str = "/proc/swaps") -> bool:
    """Tell whether there is swap; where that is not told there may be."""
    try:
        with open(file, encoding="utf-8", errors="replace") as swaps:
            return len(swaps.readlines()) > 1  # below the heading
    except OSError:
        return True
