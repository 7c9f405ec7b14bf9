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


def drawn(branches: Sequence[Branch], *, utf8: bool, before: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each line of a tree and its cells, from the top; before: begins each line."""
    tee, corner, bar, blank = _UTF8 if utf8 else _ASCII
    for number, branch in enumerate(branches, start=1):
        is_last = number == len(branches)
        yield f"{before}{corner if is_last else tee}{branch.text}", branch.cells
        yield from drawn(branch.parts, utf8=utf8, before=f"{before}{blank if is_last else bar}")
