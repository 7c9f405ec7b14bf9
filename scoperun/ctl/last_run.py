"""The last recorded run in a unit, for `scopectl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console.output import say
from scoperun.console.shell_words import quoted
from scoperun.console.tables import Cell
from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.history_rows import Row, ended_text, recorded_size, recorded_time
from scoperun.ctl.names import one_shown
from scoperun.ctl.reading import age_text
from scoperun.ctl.recorded import history
from scoperun.ctl.status_text import section
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator


def last_run(unit: str, *, system: bool) -> Row | None:
    """Return the last recorded run in a unit, None if there is none; a history that cannot be read is a warning."""
    try:
        with history() as store:
            recorded = None if store is None else store.last_of_unit(unit, manager=_manager(system))
    except ScoperunError as error:
        say(f"scopectl: warning: {error}")
        return None
    return None if recorded is None else Row.of(recorded)


def ended_run(word: str, *, system: bool) -> Row | None:
    """Return the last recorded run in the one unit that `word` names; None if it names none, or several."""
    try:
        with history() as store:
            units = [] if store is None else store.units(manager=_manager(system))
        unit = one_shown(word, units)
    except (NoSuchUnit, InvalidValue):
        return None
    except ScoperunError as error:
        say(f"scopectl: warning: {error}")
        return None
    return last_run(unit, system=system)


def _manager(system: bool) -> str:
    return "system" if system else "user"


def summary(row: Row, *, now: float) -> str:
    """Return what is recorded of a run, as one line. now: seconds since the epoch."""
    ended = ended_text(row.recorded)
    when = "at an unknown time" if ended == "-" else f"{ended}; {age_text(max(0.0, now - row.recorded.ended))} ago"
    parts = [f"{row.report.get('verdict') or 'unknown'}, ended {when}"]
    peak, limit, runtime = (
        recorded_size(row.part("memory").get("peak")),
        recorded_size(row.part("limits").get("memory_max")),
        recorded_time(row.report.get("runtime")),
    )
    of = "" if limit in {"-", "infinity"} else f" of {limit}"
    parts.append(f"memory peak {'unknown' if peak == '-' else peak}{of}")
    if runtime != "-":
        parts.append(f"ran for {runtime}")
    if victims := row.victims():
        parts.append(f"killed: {', '.join(victims)}")
    return f"{'; '.join(parts)} (scopectl history {row.recorded.name})"


def lines_about_ended(row: Row, *, now: float, utf8: bool, width: int | None) -> Iterator[Cell]:
    """Yield the lines about a unit that is not there any more, as `scopectl status` prints them."""
    command = " ".join(map(quoted, row.command()))
    yield Cell(one_line(f"{'○' if utf8 else '*'} {row.report.get('unit')} - {command}"), "bold")
    yield from section("Active", ["inactive (it has ended, and systemd has unloaded it)"], width)
    yield from section("Recorded", [summary(row, now=now)], width)
