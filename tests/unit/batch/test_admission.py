"""Jobs are admitted by what they reserve: never above the total, nearly all of it, and none waits forever."""

import random
from collections.abc import Sequence
from itertools import repeat

import pytest

from scoperun.batch.admission import PATIENCE, Admission, Hold, Room, see_that_it_fits
from scoperun.batch.by_size import BySize
from scoperun.batch.job import Job
from scoperun.errors import InvalidValue
from tests.unit.batch.load import TOTAL, Course, Load, Waiting, load, run

MANY = 10**6
"""Slots that do not matter."""

SIZES = {
    "heavy tail": lambda source: min(0.02 * source.paretovariate(1.2), 0.5),
    "log-normal": lambda source: min(0.05 * source.lognormvariate(0, 1), 0.5),
    "few large ones": lambda source: source.choice([0.03] * 17 + [0.1, 0.2, 0.4]),
    "even": lambda source: source.uniform(0.01, 0.25),
    "equal": lambda source: 0.05,
}
SECONDS = {
    "independent": lambda source, size: source.expovariate(1.0),
    "longer if larger": lambda source, size: size * source.uniform(0.5, 1.5),
    "few long ones": lambda source, size: (10.0 if source.random() < 0.03 else 0.5) * source.uniform(0.5, 1.5),
}


def room(**values: int) -> Room:
    return Room(**{"slots": 10, "running": 0, "total": 100, "reserved": 0} | values)


def first_fit(waiting: Sequence[Waiting], room: Room) -> Waiting | Hold:
    return next((each for each in waiting if each.memory <= room.free), Hold.MEMORY)


def course(sizes: str, seconds: str) -> Course:
    return run(load(SIZES[sizes], SECONDS[seconds], 1500), Admission().choose, slots=repeat(MANY))


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("sizes", SIZES)
def test_nearly_all_of_the_total_is_reserved_while_a_job_waits(sizes: str, seconds: str) -> None:
    found = course(sizes, seconds)
    assert found.share >= 0.95
    assert found.passed <= PATIENCE * found.most


def test_the_first_that_fits_would_leave_more_idle() -> None:
    few = load(SIZES["few large ones"], SECONDS["longer if larger"], 350)
    assert run(few, first_fit, slots=repeat(MANY)).share < 0.95
    assert run(few, Admission().choose, slots=repeat(MANY)).share >= 0.95


def test_jobs_start_in_their_order_as_long_as_memory_is_not_short() -> None:
    found = run(
        load(lambda source: source.uniform(0.01, 0.1), SECONDS["independent"], 200), Admission().choose, slots=repeat(8)
    )
    assert found.order == [*range(200)]
    assert course("equal", "few long ones").order == [*range(1500)]


@pytest.mark.parametrize("seed", range(20))
def test_neither_the_total_nor_the_slots_are_ever_exceeded(seed: int) -> None:
    """-j changes at each end of a job, and the sizes reach up to the total; `run` sees to the limits."""
    source = random.Random(seed)  # noqa: S311  not a secret
    jobs = load(lambda each: min(0.02 * source.paretovariate(0.8), 1.0), SECONDS["independent"], 300)
    found = run(jobs, Admission().choose, slots=iter(lambda: source.randint(1, 30), None))
    assert found.passed <= PATIENCE * 30


def test_a_large_job_waits_for_a_bounded_number_of_small_ones() -> None:
    """Without rule 3 it would wait until no small one is left."""
    jobs = [Waiting(0, TOTAL // 2), Waiting(1, TOTAL), *(Waiting(seq, TOTAL // 10) for seq in range(2, 900))]
    durations = [1.0 + seq % 7 for seq in range(900)]
    found = run(Load(jobs, durations), Admission().choose, slots=repeat(MANY))
    assert found.order[0] == 1
    jobs[0], jobs[1] = Waiting(0, TOTAL // 10), Waiting(1, TOTAL // 2)
    durations[0] = 1000.0
    found = run(Load(jobs, durations), Admission().choose, slots=repeat(MANY))
    assert found.order.index(1) <= PATIENCE * 10


def passed_over(admission: Admission[Waiting], waiting: list[Waiting], now: Room) -> int:
    """Return how many others are chosen before nothing starts any more; the first one does not fit."""
    count = 0
    while isinstance(chosen := admission.choose(waiting, now), Waiting):
        assert chosen is not waiting[0]
        waiting.remove(chosen)
        count += 1
    return count


def small_ones(count: int) -> list[Waiting]:
    return [Waiting(seq, 1) for seq in range(1, 1 + count)]


def test_the_first_job_is_passed_over_ten_times_for_each_that_runs() -> None:
    admission: Admission[Waiting] = Admission()
    waiting = [Waiting(0, 90), *small_ones(100)]
    now = room(running=3, reserved=50)
    assert passed_over(admission, waiting, now) == 3 * PATIENCE
    assert admission.choose(waiting, now) is Hold.MEMORY
    assert admission.choose(waiting, room(running=1, reserved=11)) is Hold.MEMORY
    assert admission.choose(waiting, room(running=1, reserved=10)) is waiting[0]


def test_an_earlier_job_that_waits_again_does_not_make_the_count_begin_anew() -> None:
    admission: Admission[Waiting] = Admission()
    waiting, now = [Waiting(5, 90), *(Waiting(seq, 1) for seq in range(6, 100))], room(running=1, reserved=50)
    for _ in range(PATIENCE):
        again = Waiting(1, 2)
        assert admission.choose([again, *waiting], now) is again
        waiting.remove(chosen_of(admission, waiting, now))
    assert admission.choose(waiting, now) is Hold.MEMORY


def test_neither_does_one_that_does_not_fit_either() -> None:
    admission: Admission[Waiting] = Admission()
    waiting, now = [Waiting(5, 90), *(Waiting(seq, 1) for seq in range(6, 100))], room(running=1, reserved=50)
    for _ in range(PATIENCE - 1):
        waiting.remove(chosen_of(admission, waiting, now))
    again = Waiting(1, 95)
    waiting.remove(chosen_of(admission, [again, *waiting], now))
    waiting.remove(chosen_of(admission, waiting, now))
    assert admission.choose(waiting, now) is Hold.MEMORY


def chosen_of(admission: Admission[Waiting], waiting: list[Waiting], now: Room) -> Waiting:
    chosen = admission.choose(waiting, now)
    assert isinstance(chosen, Waiting)
    return chosen


def test_a_job_that_waits_for_another_attempt_is_counted_anew() -> None:
    admission: Admission[Waiting] = Admission()
    waiting, now = [Waiting(0, 90), *small_ones(100)], room(running=1, reserved=50)
    assert passed_over(admission, waiting, now) == PATIENCE
    assert admission.choose(waiting, room()) is waiting[0]
    assert passed_over(admission, waiting, now) == PATIENCE


def test_a_reservation_is_given_up_if_no_end_of_a_job_can_make_room() -> None:
    """Other programs have the memory: the small jobs go on."""
    admission: Admission[Waiting] = Admission()
    waiting = [Waiting(0, 90), *small_ones(100)]
    assert passed_over(admission, waiting, room(running=1, reserved=20, available=60)) == PATIENCE
    assert admission.choose(waiting, room(running=1, reserved=1, available=60)) is Hold.MACHINE
    chosen = admission.choose(waiting, room(available=60))
    assert chosen is waiting[1]
    del waiting[1]
    assert admission.choose(waiting, room(running=1, reserved=1, available=60)) is waiting[1]
    assert admission.choose(waiting, room(available=90)) is waiting[0]


@pytest.mark.parametrize(
    ("now", "hold"),
    [
        (room(slots=2, running=2), Hold.SLOTS),
        (room(slots=1, running=2), Hold.SLOTS),
        (room(running=1, reserved=61), Hold.MEMORY),
        (room(available=39), Hold.MACHINE),
        (room(running=1, reserved=50, used=20, available=69), Hold.MACHINE),
        (room(running=1, reserved=50, used=60, available=39), Hold.MACHINE),
        (room(running=1, reserved=61, available=0), Hold.MEMORY),
        (room(running=1, reserved=61, available=1000), Hold.MEMORY),
    ],
)
def test_nothing_starts_without_a_slot_the_total_and_the_machine(now: Room, hold: Hold) -> None:
    assert Admission().choose([Waiting(1, 40), Waiting(2, 41)], now) is hold


@pytest.mark.parametrize(
    "now",
    [
        room(slots=2, running=1),
        room(running=1, reserved=60),
        room(available=40),
        room(running=1, reserved=50, used=20, available=70),
        room(running=1, reserved=50, used=60, available=40),
    ],
)
def test_a_job_starts_if_there_is_just_enough(now: Room) -> None:
    waiting = [Waiting(1, 40), Waiting(2, 41)]
    assert Admission().choose(waiting, now) is waiting[0]


def test_if_none_waits_nothing_starts() -> None:
    assert Admission().choose([], room(slots=0)) is Hold.NOTHING


def test_a_job_that_has_to_be_alone_starts_first_when_nothing_runs_and_nothing_starts_beside_it() -> None:
    admission: Admission[Waiting] = Admission()
    alone, other = Waiting(2, 10, alone=True), Waiting(1, 20)
    assert admission.choose([other, alone], room()) is alone
    assert admission.choose([other], room(running=1, reserved=10)) is Hold.ALONE
    assert admission.choose([other], room()) is other
    assert admission.choose([alone], room(running=1, reserved=20)) is Hold.ALONE
    assert admission.choose([alone], room(available=9)) is Hold.MACHINE
    assert admission.choose([alone], room(available=10)) is alone


def test_a_job_that_has_to_be_alone_does_not_wait_forever() -> None:
    admission: Admission[Waiting] = Admission()
    waiting = [Waiting(0, 1, alone=True), *small_ones(100)]
    now = room(running=2, reserved=2)
    assert passed_over(admission, waiting, now) == 2 * PATIENCE
    assert admission.choose(waiting, now) is Hold.ALONE
    assert admission.choose(waiting, room()) is waiting[0]


@pytest.mark.parametrize("seed", range(10))
def test_what_changes_between_two_calls_is_taken_in(seed: int) -> None:
    """Jobs come, go and come back; the largest that fits is always the one that a search finds."""
    source = random.Random(seed)  # noqa: S311  not a secret
    order: BySize[Waiting] = BySize()
    waiting = [Waiting(seq, source.randint(1, 50), alone=source.random() < 0.1) for seq in range(60)]
    gone: list[Waiting] = []
    for _ in range(300):
        order.see(waiting)
        most = source.randint(0, 60)
        fitting = [each for each in waiting if each.memory <= most and not each.alone]
        assert order.largest(most) == max(fitting, key=lambda each: each.memory, default=None)
        assert order.least == min((each.memory for each in waiting if not each.alone), default=None)
        assert order.alone == [each for each in waiting if each.alone]
        if waiting and source.random() < 0.7:
            taken = source.choice(waiting)
            if source.random() < 0.7:
                order.take(taken)
            waiting.remove(taken)
            gone.append(taken)
        if gone and source.random() < 0.4:
            waiting.insert(source.randint(0, len(waiting)), gone.pop())


def test_a_job_above_the_total_is_refused() -> None:
    job = Job(seq=3, command=("./leak", "a b"), memory=4 << 30)
    see_that_it_fits(job, 4 << 30)
    with pytest.raises(InvalidValue) as caught:
        see_that_it_fits(job, 3 << 30)
    assert str(caught.value) == (
        "job 3 asks for 4G, and all together may have 3G: \"./leak 'a b'\" "
        "(less for the job, or --mem-total 4G where no limit above is lower)"
    )
    larger = Job(seq=4, command=("true",), memory=(4 << 30) + 1)
    with pytest.raises(InvalidValue, match="asks for 4294967297, and all together may have 4294967296"):
        see_that_it_fits(larger, 4 << 30)
