"""Draws a tree as systemctl(1) and systemd-cgls(1) do, with lines of UTF-8 or ASCII. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UTF8 = ("├─", "└─", "│ ", "  ")
_ASCII = ("|-", "`-", "| ", "  ")


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a tree: its text, the cells to the right of that, and the parts in it."""

    text: str
    cells: tuple[str, ...] = ()
    parts: Sequence[Branch] = ()


def drawn(branches: Sequence[Branch], *, utf8: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each line of a tree and its cells, from the top."""
    tee, corner, bar, blank = _UTF8 if utf8 else _ASCII
    waiting = _last_first(branches, "")
    while waiting:
        branch, before, is_last = waiting.pop()
        yield f"{before}{corner if is_last else tee}{branch.text}", branch.cells
        waiting += _last_first(branch.parts, f"{before}{blank if is_last else bar}")


def _last_first(branches: Sequence[Branch], before: str) -> list[tuple[Branch, str, bool]]:
    """Return the parts, each with what begins its line and whether it is the last one, in the order of a stack."""
    return [(branch, before, number == 0) for number, branch in enumerate(reversed(branches))]
