"""Only the first jobs that wait are looked at, in their order, and none is missed."""

import random
from pathlib import Path

from scoperun.batch.rows import Ended
from scoperun.batch.state import State
from scoperun.batch.window import Window
from tests.unit.batch.jobs import MiB, attempt, begun, job, state


def drained(kept: State, window: Window, *, again: set[int], chooser: random.Random) -> list[int]:
    """Take any of the first three jobs until none waits; those in `again` come back once."""
    order = []
    while places := window.places():
        place = chooser.choice(places[:3])
        window.take(place)
        order.append(place.seq)
        kept.begin(begun(place.seq, kept.begun(place.seq) + 1))
        number = kept.begun(place.seq)
        is_back = place.seq in again and number == 1
        kept.end(Ended(attempt(place.seq, number), "waiting" if is_back else "done", 100 * MiB))
        if is_back:
            window.put_back(place)
    return order


def test_every_job_is_found_once_and_again_after_it_was_put_back(tmp_path: Path) -> None:
    with state(tmp_path, *map(job, range(1, 101))) as kept:
        again = {1, 50, 51, 100}
        order = drained(kept, Window(kept, size=7), again=again, chooser=random.Random(1))  # noqa: S311
    assert sorted(order) == sorted([*range(1, 101), *again])


def test_the_window_is_small_and_in_order(tmp_path: Path) -> None:
    with state(tmp_path, *map(job, range(1, 101))) as kept:
        window = Window(kept, size=10)
        for _ in range(90):
            places = window.places()
            assert len(places) <= 10
            assert [each.seq for each in places] == sorted(each.seq for each in places)
            window.take(places[-1])


def test_a_job_that_comes_back_is_among_the_first(tmp_path: Path) -> None:
    with state(tmp_path, *map(job, range(1, 31))) as kept:
        window = Window(kept, size=10)
        first = window.places()[0]
        window.take(first)
        window.put_back(first)
        assert window.places()[0] == first
