"""Batches that do not exist: jobs with sizes and durations, and a machine on which they run."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import islice
from operator import attrgetter

from scoperun.batch.admission import Hold, Room
from scoperun.record import dataclass

TOTAL = 64 << 30
WINDOW = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits: the least that is a candidate."""

    seq: int
    memory: int
    alone: bool = False


Choose = Callable[[list[Waiting], Room], Waiting | Hold]


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs in their order, with how long each runs, by its number."""

    jobs: list[Waiting]
    durations: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of a load.

    share: of the total that was reserved on average while a job waited. most: the jobs that ran at once at most.
    passed: how many younger jobs were started at most while a job was the first that waits. order: of the starts.
    """

    share: float
    most: int
    passed: int
    order: list[int]


def load(size: Callable[[random.Random], float], seconds: Callable[[random.Random, float], float], count: int) -> Load:
    """Make jobs; size: share of the total of one, seconds: how long it runs, by its size."""
    source = random.Random(1)  # noqa: S311  not a secret
    sizes = [size(source) for _ in range(count)]
    jobs = [Waiting(seq, int(each * TOTAL)) for seq, each in enumerate(sizes)]
    return Load(jobs, [seconds(source, each) for each in sizes])


def run(load: Load, choose: Choose, *, slots: Iterable[int]) -> Course:
    """Run a load. slots: how many jobs can run at once, one number for each time that a job has ended."""
    machine = _Machine(load)
    for free in slots:
        while machine.start(choose, free):
            pass
        if not machine.running:
            break
        machine.end_one()
    assert sorted(machine.order) == [each.seq for each in load.jobs]
    share = machine.area / machine.span / TOTAL if machine.span else 1.0
    return Course(share=share, most=machine.most, passed=machine.passed, order=machine.order)


class _Machine:
    def __init__(self, load: Load) -> None:
        self.running: list[tuple[float, int]] = []
        self.order: list[int] = []
        self.area = self.span = 0.0
        self.most = self.passed = 0
        self._load = load
        self._waiting, self._later = load.jobs[:WINDOW], iter(load.jobs[WINDOW:])
        self._now = 0.0
        self._reserved = self._passes = 0

    def start(self, choose: Choose, slots: int) -> bool:
        """Start the job that is chosen, if any."""
        room = Room(slots=slots, running=len(self.running), total=TOTAL, reserved=self._reserved)
        chosen = choose(self._waiting, room)
        if isinstance(chosen, Hold):
            return False
        self._passes = 0 if chosen is self._waiting[0] else self._passes + 1
        self.passed = max(self.passed, self._passes)
        del self._waiting[bisect_left(self._waiting, chosen.seq, key=attrgetter("seq"))]
        self._waiting.extend(islice(self._later, 1))
        self.order.append(chosen.seq)
        self._reserved += chosen.memory
        heapq.heappush(self.running, (self._now + self._load.durations[chosen.seq], chosen.memory))
        self.most = max(self.most, len(self.running))
        assert self._reserved <= TOTAL
        assert len(self.running) <= slots
        return True

    def end_one(self) -> None:
        """Let time pass until the next job ends."""
        until, memory = heapq.heappop(self.running)
        if self._waiting:
            self.area += self._reserved * (until - self._now)
            self.span += until - self._now
        self._now, self._reserved = until, self._reserved - memory
