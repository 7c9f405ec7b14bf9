"""The waiting jobs in the order of their sizes, so that the largest that fits is found without a look at each. No I/O.

Between two calls hardly more changes than that the job which was taken is gone. Comparing the lists tells that, and is
much faster than a search; only if something else has changed, the jobs are sorted again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class Candidate(Protocol):
    """A job that waits. seq: its number. memory: bytes that it reserves. alone: nothing runs beside it."""

    @property
    def seq(self) -> int: ...

    @property
    def memory(self) -> int: ...

    @property
    def alone(self) -> bool: ...


C = TypeVar("C", bound=Candidate)


class BySize(Generic[C]):
    """The jobs that wait. jobs: in their order. alone: those of them that have to be alone; the others have sizes."""

    def __init__(self) -> None:
        """Begin without a job."""
        self.jobs: list[C] = []
        self.alone: list[C] = []
        self._all: list[C] = []
        self._left: list[int] = []
        self._numbers: dict[int, int] = {}
        self._sizes: list[tuple[int, int]] = []

    def see(self, waiting: Sequence[C]) -> None:
        """Take in which jobs wait now."""
        if self.jobs != [*waiting]:
            self._sort(waiting)

    @property
    def least(self) -> int | None:
        """The least size, None if there is none."""
        return self._sizes[0][0] if self._sizes else None

    def largest(self, most: int) -> C | None:
        """Return the largest job that is not larger than that, of equal ones the first; None if none is."""
        at = bisect_right(self._sizes, (most, 0))
        return self._all[-self._sizes[at - 1][1]] if at else None

    def take(self, job: C) -> None:
        """Remove one of `jobs`."""
        number = self._numbers[id(job)]
        at = bisect_left(self._left, number)
        del self.jobs[at], self._left[at]
        if job.alone:
            self.alone = [each for each in self.alone if each is not job]
        else:
            del self._sizes[bisect_left(self._sizes, (job.memory, -number))]

    def _sort(self, waiting: Sequence[C]) -> None:
        """Give the jobs numbers, and put them in order: of equal sizes the first job comes last."""
        self.jobs, self._all, self._left = [*waiting], [*waiting], [*range(len(waiting))]
        self._numbers = {id(each): number for number, each in enumerate(self._all)}
        self.alone = [each for each in self._all if each.alone]
        self._sizes = sorted((each.memory, -number) for number, each in enumerate(self._all) if not each.alone)
