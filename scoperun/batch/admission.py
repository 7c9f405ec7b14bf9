"""Which waiting job starts next. No I/O, no clock.

The law of this file:

1. What runs never has more jobs than slots, nor more memory reserved than the total: a job reserves its limit, whatever
   it uses. Where it is known what the machine has available (MemAvailable), and what the limits above the batch leave,
   a job starts only if the least of that is enough for it and for what the others have reserved and do not use yet.
2. As long as the jobs that the free slots would take next fit together, they start in their order. Otherwise memory is
   what is short, and the largest job that fits starts, of equal ones the first.
3. The first job that waits is passed over at most PATIENCE times for each job that runs. Then nothing else starts until
   it has. This is given up, and begins anew, if nothing runs any more: then other programs have the memory, and no
   end of a job of ours can make room.
4. A job that has to be alone starts when nothing runs, before the others, and nothing starts beside it. Rule 3 holds
   for it too.

Why not the first that fits: a large job would have to wait until rule 3 clears the machine for it, because small ones
take each gap before it is large enough; each time, memory lies idle. The largest that fits takes the gap that another
large job has left, and the small ones take what remains. Simulated with 350 jobs of up to half the total, the first
that fits keeps 88 to 97 % of the total reserved while a job waits, the largest that fits 94 to 99 %. It is not better
at the very end: small jobs are left then, and if just these run long, the batch ends later than with the other rule.
"""

from __future__ import annotations

import enum
from itertools import islice
from typing import TYPE_CHECKING, Generic

from scoperun.batch.by_size import BySize, C
from scoperun.errors import InvalidValue
from scoperun.record import dataclass
from scoperun.spec.sizes import exact_size, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.batch.by_size import Candidate
    from scoperun.batch.job import Job

PATIENCE = 10
"""How often the first job is passed over for each job that runs. Clearing the machine for it leaves memory idle for
about the time of one job; in between, each slot has run this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What there is room for. Sizes are bytes.

    slots: how many jobs run at once at most. running: how many run. total: what all may have reserved together.
    reserved: the sum of the limits of those that run. used: what they use and the kernel cannot take back.
    available: what programs can still get of the machine's memory and below the limits above, None if it is not to be
    looked at.
    """

    slots: int
    running: int
    total: int
    reserved: int
    used: int = 0
    available: int | None = None

    @property
    def of_total(self) -> int:
        """The bytes of the total that are not reserved."""
        return self.total - self.reserved

    @property
    def of_machine(self) -> int:
        """The bytes that are left for others when those that run use all that they have reserved."""
        if self.available is None:
            return self.of_total
        return self.available - (self.reserved - min(self.used, self.reserved))

    @property
    def free(self) -> int:
        """The bytes that the next job can have."""
        return min(self.of_total, self.of_machine)


class Hold(enum.Enum):
    """Why no job starts."""

    NOTHING = enum.auto()
    """None waits."""
    SLOTS = enum.auto()
    MEMORY = enum.auto()
    """The total is reserved."""
    MACHINE = enum.auto()
    """The total would be enough, but the machine has no more memory, or a limit above leaves no more."""
    ALONE = enum.auto()
    """A job is alone, or is to be."""


class Admission(Generic[C]):
    """Decides which job starts next. Each job that it chooses has to be counted in the next room."""

    def __init__(self) -> None:
        """Begin with a batch of which nothing runs."""
        self._waiting: BySize[C] = BySize()
        self._passed: dict[int, int] = {}
        self._is_one_alone = False

    def choose(self, waiting: Sequence[C], room: Room) -> C | Hold:
        """Return the job that starts now, or why none does. waiting: in the order in which they should start."""
        if room.running == 0:
            self._is_one_alone = False
        if not waiting:
            return Hold.NOTHING
        if room.running >= room.slots:
            return Hold.SLOTS
        if self._is_one_alone:
            return Hold.ALONE
        self._waiting.see(waiting)
        chosen = self._chosen(room)
        if not isinstance(chosen, Hold):
            self._note(chosen)
        return chosen

    def _chosen(self, room: Room) -> C | Hold:
        first = self._waiting.jobs[0]
        if self._is_due(first, room):
            if _fits(first, room):
                return first
            if room.running:
                return Hold.ALONE if first.alone else _lack(first.memory, room)
            self._passed[first.seq] = 0
        alone = next((each for each in self._waiting.alone if _fits(each, room)), None)
        return alone or self._next_in_order(room) or self._waiting.largest(room.free) or self._hold(room)

    def _is_due(self, first: Candidate, room: Room) -> bool:
        return self._passed.get(first.seq, 0) >= PATIENCE * max(1, room.running)

    def _next_in_order(self, room: Room) -> C | None:
        """Return the first job if those that the free slots would take fit together; None if they do not."""
        left, first = room.free, None
        for each in islice((each for each in self._waiting.jobs if not each.alone), room.slots - room.running):
            first = first or each
            left -= each.memory
            if left < 0:
                return None
        return first

    def _hold(self, room: Room) -> Hold:
        """Return why no job fits: what the one lacks that asks for the least."""
        sizes = [] if room.running else [each.memory for each in self._waiting.alone]
        if self._waiting.least is not None:
            sizes.append(self._waiting.least)
        return _lack(min(sizes), room) if sizes else Hold.ALONE

    def _note(self, chosen: C) -> None:
        first = self._waiting.jobs[0]
        self._is_one_alone = chosen.alone
        self._passed.pop(chosen.seq, None)
        if chosen is not first:
            self._passed[first.seq] = self._passed.get(first.seq, 0) + 1
        self._waiting.take(chosen)


def see_that_it_fits(job: Job, total: int) -> None:
    """Raise InvalidValue if a job could never start, because all jobs together may not have as much memory."""
    if job.memory > total:
        asked, most = _distinct(job.memory, total)
        hint = f"less for the job, or --mem-total {exact_size(job.memory)} where no limit above is lower"
        raise InvalidValue(f"job {job.seq} asks for {asked}, and all together may have {most}: {job.text!r}", hint=hint)


def _distinct(size: int, other: int) -> tuple[str, str]:
    """Return two sizes as text, exactly if they would look the same."""
    texts = format_size(size), format_size(other)
    return texts if texts[0] != texts[1] else (f"{size}", f"{other}")


def _fits(job: Candidate, room: Room) -> bool:
    return job.memory <= room.free and not (job.alone and room.running)


def _lack(memory: int, room: Room) -> Hold:
    return Hold.MACHINE if memory <= room.of_total else Hold.MEMORY
