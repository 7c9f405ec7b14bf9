"""Jobs from a table: a header, and a row per job with its cells between tabs.

A column named as an option sets it, `id`, `command` and `cwd` are the job's own, and all of them fill {name}. An empty
cell sets nothing. There are no quotes and no escapes: a cell has no tab and no line end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.columns import COLUMNS
from scoperun.batch.draft import Draft
from scoperun.batch.job import SHELL
from scoperun.batch.lines import in_place
from scoperun.batch.templates import Argv, Names, filled_text
from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scoperun.batch.lines import Line

_COMMAND = "command"
_OWN = frozenset({"id", "cwd", _COMMAND})


def table_jobs(lines: Iterable[Line], command: Sequence[str]) -> Iterator[Draft]:
    """Yield the jobs of the rows. Raises InvalidValue, with the line.

    command: words with placeholders; without any words there is a column `command`.
    """
    rows = iter(lines)
    header = next(rows, None)
    if header is None:
        return
    try:
        table = _Table(header.text.split("\t"), command)
    except InvalidValue as error:
        raise in_place(header.place, error) from None
    for row in rows:
        try:
            yield table.draft(row)
        except InvalidValue as error:
            raise in_place(row.place, error) from None


class _Table:
    """The columns of a table, and the command that they fill."""

    def __init__(self, columns: Sequence[str], command: Sequence[str]) -> None:
        _check_header(columns)
        self._columns = columns
        sets_something = [each in COLUMNS or each in _OWN for each in columns]
        pairs = list(zip(columns, sets_something, strict=True))
        self._names = Names(
            tuple(each for each, sets in pairs if not sets), tuple(each for each, sets in pairs if sets)
        )
        if command and _COMMAND in columns:
            raise InvalidValue("a column is named command, and a command follows --", hint="leave one of them out")
        if not command and _COMMAND not in columns:
            raise InvalidValue("no column is named command", hint="or a command with {NAME} follows --")
        self._argv = Argv(command, self._names) if command else None

    def draft(self, row: Line) -> Draft:
        """Return the job of a row. Raises InvalidValue."""
        cells = row.text.split("\t")
        if len(cells) != len(self._columns):
            raise InvalidValue(f"{_count(len(cells))} where the header has {len(self._columns)}")
        values = dict(zip(self._columns, cells, strict=True))
        command = self._command(values)
        return Draft(
            place=row.place,
            command=command,
            tag=" ".join(values[name] for name in self._names.loose) if self._argv else command[-1],
            name=values.get("id") or None,
            settings=tuple((name, text) for name, text in values.items() if name in COLUMNS and text),
            cwd=values.get("cwd") or None,
        )

    def _command(self, values: Mapping[str, str]) -> tuple[str, ...]:
        if self._argv is not None:
            return self._argv.filled(values)
        if not values[_COMMAND].strip():
            raise InvalidValue("command: it is empty")
        return (*SHELL, filled_text(values[_COMMAND], self._names, values))


def _check_header(columns: Sequence[str]) -> None:
    for number, name in enumerate(columns, 1):
        if not name.strip() or not name.isprintable():
            raise InvalidValue(f"the name of column {number} is {name!r}", hint="printable text")
        if columns.index(name) < number - 1:
            raise InvalidValue(f"two columns are named {name!r}")
        option = name.strip().lower().replace("_", "-")
        if option != name and option in COLUMNS:
            raise InvalidValue(f"the column {name!r} would set nothing", hint=f"did you mean {option}?")


def _count(cells: int) -> str:
    return "1 column" if cells == 1 else f"{cells} columns"
