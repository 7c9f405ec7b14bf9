"""Tables: aligned and in colour on a terminal, lines with tabs elsewhere.

rich is imported only for a terminal. Cells are text of strangers: nothing is markup, and nothing moves a cursor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from rich.table import Table

_GAP = 2
"""Blanks between columns."""

_LEAST = 3
"""Columns of the terminal that a text has in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    title: its heading. is_right: its cells are aligned right. is_flexible: it is cut where the terminal is too narrow.
    least: to how many columns of the terminal it can be cut then.
    rank: columns of the highest rank are left out first where cutting is not enough; those of rank 0 never.
    """

    title: str
    is_right: bool = False
    is_flexible: bool = False
    least: int = 12
    rank: int = 0


class Cell(NamedTuple):
    """A text and how it looks on a terminal: a style of rich, e.g. "red" or "bold". Lists have thousands."""

    text: str
    style: str = ""


def tabbed(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, legend: bool) -> str:
    """Return the rows as lines with tabs between the cells, with the headings if `legend`."""
    lines = ["\t".join(one_line(cell.text) for cell in row) for row in rows]
    heading = ["\t".join(column.title for column in columns)] if legend else []
    return "\n".join([*heading, *lines])


def aligned(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, legend: bool, width: int) -> str:
    """Return the rows as a table for a terminal of this width, with colours as the environment asks."""
    from rich.console import Console  # noqa: PLC0415

    made = [[Cell(one_line(cell.text), cell.style) for cell in row] for row in rows]
    widths = _widths(columns, made, legend=legend)
    kept = _kept(columns, widths, width)
    fitting = _cut([columns[each] for each in kept], [widths[each] for each in kept], width)
    console = Console(width=max(width, 1), force_terminal=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(
            _table([columns[each] for each in kept], [[row[each] for each in kept] for row in made], fitting, legend)
        )
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, legend: bool = True) -> str:
    """Return the rows as standard output wants them: aligned on a terminal, else with tabs."""
    width = terminal_width()
    if width is None:
        return tabbed(columns, rows, legend=legend)
    return aligned(columns, rows, legend=legend, width=width)


def terminal_width() -> int | None:
    """Return the width of the terminal that standard output is, in columns; None if it is not a terminal."""
    return (os.get_terminal_size(1).columns or 80) if os.isatty(1) else None


def styled(lines: Iterable[Cell]) -> str:
    """Return lines as standard output wants them: in colour and cut to its width on a terminal, else whole."""
    width = terminal_width()
    if width is None:
        return "\n".join(one_line(line.text) for line in lines)
    return aligned([Column(title="", is_flexible=True)], [[line] for line in lines], legend=False, width=width)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, legend: bool) -> list[int]:
    """Return how many columns of the terminal the longest cell of each column takes."""
    from rich.cells import cell_len  # noqa: PLC0415

    cells = [[column.title if legend else "", *(row[at].text for row in rows)] for at, column in enumerate(columns)]
    return [max(map(cell_len, texts)) for texts in cells]


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the numbers of the columns that fit if the flexible ones are cut as far as they can be."""
    kept = list(range(len(columns)))
    least = [
        min(each, column.least) if column.is_flexible else each for column, each in zip(columns, widths, strict=True)
    ]
    while sum(least[each] + _GAP for each in kept) - _GAP > width:
        most = max(columns[each].rank for each in kept)
        if most == 0:
            break
        kept = [each for each in kept if each != max(other for other in kept if columns[other].rank == most)]
    return kept


def _cut(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the widths with the flexible columns made as narrow as needed, the widest first.

    Where that is not enough, they become narrower still: a part of a number would say nothing.
    """
    cut = list(widths)
    flexible = [at for at, column in enumerate(columns) if column.is_flexible]
    for least in ([column.least for column in columns], [_LEAST] * len(columns)):
        while sum(cut) + _GAP * (len(cut) - 1) > width:
            wide = [at for at in flexible if cut[at] > least[at]]
            if not wide:
                break
            cut[max(wide, key=cut.__getitem__)] -= 1
    return cut


def _table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], widths: Sequence[int], legend: bool) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=None, pad_edge=False, show_header=legend, header_style="bold", padding=(0, _GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.is_right else "left"
        made.add_column(column.title, justify=justify, no_wrap=True, overflow="ellipsis", width=max(width, 1))
    for row in rows:
        made.add_row(*(Text(cell.text, style=cell.style, end="") for cell in row))
    return made
