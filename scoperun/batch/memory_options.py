"""The memory that the options of a batch mean: for all of its jobs together, and for each that says nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.batch.automatic import automatic
from scoperun.batch.batches import seen
from scoperun.batch.columns import AUTO
from scoperun.batch.ending import FAILURES
from scoperun.batch.memory_total import out_of_reach, resumed_total, usual_total
from scoperun.batch.recording import recorded_advice
from scoperun.batch.unit_names import slice_name
from scoperun.console.field_names import in_options
from scoperun.console.output import say
from scoperun.errors import ScoperunError
from scoperun.record import replace
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from scoperun.batch.limits import Common
    from scoperun.batch.options import Options


def total_of(options: Options) -> int:
    """Return the bytes that all jobs together may have. Raises ScoperunError.

    Without --mem-total, or if a limit above is lower, a new batch has the usual share of what is left. One that is
    resumed has what it had, by which jobs were given theirs, unless there is much less now, or more.
    """
    why = None if options.total is None else _out_of_reach(options.total, system=options.system)
    if options.total is not None and why is None:
        return options.total
    try:
        if options.is_resumed and options.path is not None:
            total = _resumed(options, options.path)
        else:
            total = asyncio.run(usual_total(system=options.system))
    except ScoperunError as error:
        if why is None:
            raise
        raise ScoperunError(in_options(why, {"memory_total": "--mem-total"}), hint=error.message) from None
    if why is not None:
        say(f"scopectl: warning: {in_options(why, {'memory_total': '--mem-total'})}; the total is {format_size(total)}")
    return total


def _out_of_reach(total: int, *, system: bool) -> str | None:
    """Return why --mem-total cannot be reached, None if it can: a job that has all of it would wait forever."""
    with suppress(ScoperunError):  # nothing is started if this lasts, and --dry-run starts nothing
        return asyncio.run(out_of_reach(total, system=system))
    return None


def _resumed(options: Options, path: str) -> int:
    with seen(path) as (_, state, batch):
        own, before = slice_name(batch.header.id, system=options.system), batch.header.total
        largest = state.largest(FAILURES if options.is_retry else ())
    now = asyncio.run(usual_total(system=options.system, own=own))
    total = resumed_total(now, before, 0 if largest is None or options.gives_memory else largest[1])
    return total if _out_of_reach(total, system=options.system) is None else now


def with_memory(options: Options, total: int) -> Common:
    """Return what jobs have in common, with the memory that --mem auto stands for if any job is to get that."""
    shared = options.shared
    if shared.memory != AUTO:
        return shared
    if options.is_resumed and not options.gives_memory:
        return replace(shared, memory=total)
    suggested = None if options.record is None else recorded_advice(options.record)
    memory, reason = automatic(suggested, total=total, slots=options.slots)
    say(f"scopectl: --mem auto is {reason}")
    return replace(shared, memory=memory)
