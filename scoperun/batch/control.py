"""`scopectl batch status|pause|resume|stop`: what other terminals see of a batch, and tell its runner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from scoperun.batch.batches import Batch, batches, meant, say_unread, seen
from scoperun.batch.ending import FAILED_ITSELF_STATUS, Ending
from scoperun.batch.rows import RUNNING, WAITING, Wanted
from scoperun.console.output import on_terminal, print_json, print_text, say
from scoperun.console.tables import Cell, Column, table
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line
from scoperun.record import replace
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.batch.state import State

VERBS = ("status", "pause", "resume", "stop")

_BATCHES = (
    *(Column(title=title) for title in ("ID", "STATE")),
    *(Column(title=title, is_right=True) for title in ("JOBS", "WAITING", "RUNNING", "DONE", "FAILED")),
    *(Column(title="SINCE"), Column(title="FOLDER", is_flexible=True, rank=1)),
)
_RUNNING = (
    *(Column(title=title, is_right=True) for title in ("SEQ", "ATTEMPT", "MEMORY", "SINCE")),
    *(Column(title="SCOPE", is_flexible=True, rank=1), Column(title="COMMAND", is_flexible=True)),
)
_SAID = {
    "pause": "starts no more jobs; scopectl batch resume lets it",
    "resume": "starts jobs",
    "stop": "stops its jobs, and can be resumed",
}


def control(verb: str, words: Sequence[str], *, slots: int | None, json: bool) -> int:
    """Do what is asked of a batch, and return the exit status. Raises ScoperunError.

    slots: how many jobs are to run at once from now on, with `resume`.
    """
    if len(words) > 1:
        raise InvalidValue(f"{words[1]!r} is one word too many", hint=f"scopectl batch {verb} [ID]")
    if slots is not None and verb != "resume":
        raise InvalidValue(f"-j is not for {verb}", hint="scopectl batch resume -j N [ID]")
    word = words[0] if words else None
    if verb == "status":
        return _print_status(json=json) if word is None else _print_one(word, json=json)
    _tell(meant(word, is_running=True), verb, slots=slots)
    return 0


def _tell(path: str, verb: str, *, slots: int | None) -> None:
    with seen(path) as (folder, state, batch):
        wanted = state.wanted()
        match verb:
            case "pause":
                wanted = replace(wanted, is_paused=True)
            case "resume":
                wanted = Wanted(slots=slots or wanted.slots, stops=wanted.stops)
            case "stop":
                wanted = replace(wanted, stops=wanted.stops + 1)
        state.want(wanted)
        if not folder.wake(goes_on=verb != "pause"):
            raise ScoperunError(
                f"batch {batch.header.id} does not run", hint=f"scopectl batch --resume --state {batch.path}"
            )
        at_once = f", {slots} at once" if slots is not None else ""
        say(f"batch {batch.header.id} {_SAID[verb]}{at_once}")


def _print_status(*, json: bool) -> int:
    found, unread = batches()
    if json:
        print_json([_as_json(each) for each in found])
    elif found or not on_terminal():
        print_text(table(_BATCHES, [_row(each) for each in found], legend=True))
    elif not unread:
        print_text("There are no batches.")
    say_unread(unread)
    return FAILED_ITSELF_STATUS if unread else 0


def _print_one(word: str, *, json: bool) -> int:
    with seen(meant(word, is_running=False)) as (_, state, batch):
        running = _running(state)
        if json:
            print_json(_as_json(batch) | {"jobs_running": running})
            return 0
        print_text(table(_BATCHES, [_row(batch)], legend=True))
        if running:
            rows = [[Cell(_text(name, value)) for name, value in each.items()] for each in running]
            print_text("\n" + table(_RUNNING, rows, legend=True))
    return 0


def _counted(batch: Batch) -> dict[str, int]:
    counts = batch.counts
    known = {name: counts.get(name, 0) for name in (WAITING, RUNNING, str(Ending.DONE))}
    return {"jobs": sum(counts.values()), **known, "failed": batch.failed}


def _row(batch: Batch) -> list[Cell]:
    numbers = [Cell(str(number)) for number in _counted(batch).values()]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(batch.header.created))
    return [Cell(batch.header.id), Cell(batch.state), *numbers, Cell(since), Cell(batch.path)]


def _as_json(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.header.id,
        "state": batch.state,
        **_counted(batch),
        "created": batch.header.created,
        "runner": batch.runner,
        "path": batch.path,
        "cwd": batch.header.cwd,
    }


def _running(state: State) -> list[dict[str, Any]]:
    found = []
    for begun in state.open_attempts():
        job = state.job(begun.seq)
        found.append(
            {
                "seq": begun.seq,
                "attempt": begun.number,
                "memory": state.memory(begun.seq),
                "started": begun.started,
                "unit": begun.unit,
                "command": job.text,
            }
        )
    return found


def _text(name: str, value: Any) -> str:
    match name:
        case "memory":
            return format_size(value)
        case "started":
            return time.strftime("%H:%M:%S", time.localtime(value))
    return one_line(str(value))
