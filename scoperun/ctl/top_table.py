"""The table of `scopectl top` on the screen: only lines that have changed are drawn again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from scoperun.ctl.top_layout import Text, places, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from scoperun.ctl.ordering import Line
    from scoperun.ctl.sampling import Round, Usage

_MOST = 60
"""Rounds of which the memory is kept for the graph, more than the widest one shows."""


class UnitTable(Widget):
    """Lines of units, one of them selected; the first line is the heading."""

    DEFAULT_CSS = "UnitTable { height: 1fr; width: 1fr; }"

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__()
        self.lines: Sequence[Line] = ()
        self._selected: str | None = None
        self._first = 0
        self._columns = places(80)
        self._base = Style()
        self._history: dict[str, deque[int | None]] = {}
        self._drawn: list[tuple[bool, tuple[Text, ...]] | None] = []

    def note(self, taken: Round) -> None:
        """Add what memory the units used in a round to the graphs."""
        before, self._history = self._history, {}
        for usage in (*taken.units, *taken.slices):
            kept = self._history[usage.cgroup] = before.get(usage.cgroup) or deque(maxlen=_MOST)
            kept.append(usage.memory)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; the selected unit stays selected as long as it is there."""
        row = self._row
        self.lines = lines
        names = [line.usage.unit for line in lines]
        if self._selected not in names:
            self._selected = names[min(row, len(names) - 1)] if names else None
        self._update()

    @property
    def selected(self) -> Usage | None:
        """What the selected line is about."""
        return self.lines[self._row].usage if self.lines else None

    def move(self, by: int) -> None:
        """Select another line, so many further down."""
        if self.lines:
            row = min(max(self._row + by, 0), len(self.lines) - 1)
            self._selected = self.lines[row].usage.unit
            self._update()

    @property
    def page(self) -> int:
        """How many units fit on the screen."""
        return max(self.size.height - 1, 1)

    @property
    def _row(self) -> int:
        for row, line in enumerate(self.lines):
            if line.usage.unit == self._selected:
                return row
        return 0

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns that fit."""
        self._columns = places(event.size.width)
        self._drawn = []
        self._update()
        self.refresh()

    def _update(self) -> None:
        """Have those lines drawn again that differ from what was drawn."""
        self._base = self.rich_style  # takes a tenth of a millisecond, too much for each line
        row = self._row
        self._first = max(min(self._first, row, len(self.lines) - self.page), row - self.page + 1, 0)
        before, self._drawn = self._drawn, [self._content(y) for y in range(self.page)]
        before = [*before, *[None] * (self.page - len(before))]
        for y, content in enumerate(self._drawn):
            if content != before[y]:
                self.refresh(Region(0, y + 1, self.size.width, 1))

    def _content(self, y: int) -> tuple[bool, tuple[Text, ...]] | None:
        number = self._first + y
        if number >= len(self.lines):
            return None
        line = self.lines[number]
        history = self._history.get(line.usage.cgroup, ())
        return line.usage.unit == self._selected, tuple(texts(line, tuple(history), self._columns))

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        width = self.size.width
        if y == 0:
            titles = (Text("" if place.title == "BAR" else place.title) for place in self._columns)
            return self._strip(tuple(titles), "bold reverse").adjust_cell_length(width)
        content = self._drawn[y - 1] if y <= len(self._drawn) else None
        if content is None:
            return Strip.blank(width, self._base)
        is_selected, cells = content
        return self._strip(cells, "reverse" if is_selected else "").adjust_cell_length(width)

    def _strip(self, cells: tuple[Text, ...], look: str) -> Strip:
        base = self._base + Style.parse(look)
        segments = []
        for place, cell in zip(self._columns, cells, strict=True):
            text = _fitted(cell.text, place.width, is_right=place.is_right)
            segments += [Segment(text, base + Style.parse(cell.colour) if cell.colour else base), Segment(" ", base)]
        return Strip(segments)


def _fitted(text: str, width: int, *, is_right: bool) -> str:
    """Return a text that takes `width` cells, with an ellipsis if it is cut."""
    if text.isascii():
        if len(text) > width:
            return f"{text[: max(width - 1, 0)]}…"[:width]
        return text.rjust(width) if is_right else text.ljust(width)
    if set_cell_size(text, width).rstrip() != text.rstrip() and width:
        return f"{set_cell_size(text, width - 1)}…"
    return set_cell_size(text, width)
