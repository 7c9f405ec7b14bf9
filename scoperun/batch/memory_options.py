"""The memory that the options of a batch mean: for all of its jobs together, and for each that says nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.batch.automatic import automatic
from scoperun.batch.batches import seen
from scoperun.batch.columns import AUTO
from scoperun.batch.ending import FAILURES
from scoperun.batch.memory_total import resumed_total, usual_total
from scoperun.batch.recording import recorded_advice
from scoperun.batch.unit_names import slice_name
from scoperun.console.output import say
from scoperun.record import replace

if TYPE_CHECKING:
    from scoperun.batch.limits import Common
    from scoperun.batch.options import Options


def total_of(options: Options) -> int:
    """Return the bytes that all jobs together may have. Raises ScoperunError.

    Without --mem-total, a new batch has the usual share of what is left.
    One that is resumed has what it had, by which jobs were given theirs, unless there is much less now, or more.
    """
    if options.total is not None:
        return options.total
    if options.path is None or not options.is_resumed:
        return asyncio.run(usual_total(system=options.system))
    with seen(options.path) as (_, state, batch):
        own, before = slice_name(batch.header.id, system=options.system), batch.header.total
        largest = state.largest(FAILURES if options.is_retry else ())
    now = asyncio.run(usual_total(system=options.system, own=own))
    return resumed_total(now, before, 0 if largest is None or options.gives_memory else largest[1])


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
