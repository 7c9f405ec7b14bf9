"""In which order and in which form `scopectl top` shows the units of a round. No I/O."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scoperun.ctl.sampling import Round, Usage


class Key(enum.StrEnum):
    """What units are sorted by: numbers from the highest down, names from a to z."""

    MEMORY = "memory"
    SWAP = "swap"
    BOTH = "memory+swap"
    CPU = "cpu"
    TASKS = "tasks"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a user wants to see.

    key: what units are sorted by. is_reversed: in the other direction. is_tree: below the slices that they are in.
    words: only units whose name or command contains this, in upper or lower case; all if it is empty.
    """

    key: Key = Key.MEMORY
    is_reversed: bool = False
    is_tree: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A unit, or in a tree a slice, and how many slices it is in."""

    usage: Usage
    depth: int = 0


def arranged(taken: Round, view: View) -> list[Line]:
    """Return the units of a round that are wanted, in the order that is wanted."""
    units = [usage for usage in taken.units if _matches(usage, view.words.lower())]
    if not view.is_tree:
        return [Line(usage) for usage in _sorted(units, view)]
    below: dict[str | None, list[Usage]] = {}
    for usage in (*units, *_slices_around(units, taken.slices)):
        below.setdefault(usage.slice, []).append(usage)
    return list(_branches(None, 0, below, view))


def _branches(parent: str | None, depth: int, below: dict[str | None, list[Usage]], view: View) -> Iterator[Line]:
    for usage in _sorted(below.get(parent, ()), view):
        yield Line(usage, depth)
        if usage.unit in below:
            yield from _branches(usage.unit, depth + 1, below, view)


def _slices_around(units: Iterable[Usage], slices: Sequence[Usage]) -> list[Usage]:
    needed = {usage.slice for usage in units}
    found = []
    for usage in reversed(slices):  # inner ones before those around them
        if usage.unit in needed:
            needed.add(usage.slice)
            found.append(usage)
    return found


def _sorted(units: Iterable[Usage], view: View) -> list[Usage]:
    """Return the units sorted: equal ones by name, and those whose number is not known at the end."""
    named = sorted(units, key=lambda usage: usage.unit, reverse=view.key is Key.NAME and view.is_reversed)
    if view.key is Key.NAME:
        return named
    known = [usage for usage in named if _number(usage, view.key) is not None]
    known.sort(key=lambda usage: _number(usage, view.key) or 0, reverse=not view.is_reversed)
    return known + [usage for usage in named if _number(usage, view.key) is None]


def _number(usage: Usage, key: Key) -> float | None:
    match key:
        case Key.SWAP:
            return usage.swap
        case Key.BOTH:
            return usage.memory_and_swap
        case Key.CPU:
            return usage.cpu
        case Key.TASKS:
            return usage.tasks
    return usage.memory


def _matches(usage: Usage, words: str) -> bool:
    return words in usage.unit.lower() or words in (usage.command or "").lower()
