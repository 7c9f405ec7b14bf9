"""Tables: aligned and in colour on a terminal, lines with tabs elsewhere.

rich is imported only for a terminal. Cells are text of strangers: nothing is markup, and nothing moves a cursor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    title: its heading. is_right: its cells are aligned right. is_flexible: it is cut where the terminal is too narrow.
    """

    title: str
    is_right: bool = False
    is_flexible: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and how it looks on a terminal: a style of rich, e.g. "red" or "bold"."""

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

    console = Console(width=width, force_terminal=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(_table(columns, rows, legend=legend))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, legend: bool = True) -> str:
    """Return the rows as standard output wants them: aligned on a terminal, else with tabs."""
    if not os.isatty(1):
        return tabbed(columns, rows, legend=legend)
    return aligned(columns, rows, legend=legend, width=os.get_terminal_size(1).columns or 80)


def _table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, legend: bool) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=None, pad_edge=False, show_header=legend, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(
            column.title,
            justify="right" if column.is_right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=None,
            min_width=8 if column.is_flexible else None,
        )
    for row in rows:
        made.add_row(*(Text(one_line(cell.text), style=cell.style, end="") for cell in row))
    return made
