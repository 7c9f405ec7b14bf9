"""The line of --live."""

import pytest

from scoperun.evidence.events import Sampled
from scoperun.report.live_text import LiveText
from scoperun.spec.sizes import INFINITY
from tests.unit.stories import MIB, START


def sample(after: float, **values: object) -> Sampled:
    return Sampled(at=START.monotonic + after, interval=1.0, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (sample(2.5), None, "memory -  swap -  cpus -  tasks -  2s  job.scope"),
        (
            sample(2.0, memory=10 * MIB, memory_max=20 * MIB, swap=0, cpu=1.5, tasks=3),
            sample(1.0, cpu=0.5),
            "memory 10M of 20M  swap 0B  cpus 1.00  tasks 3  2s  job.scope",
        ),
        (
            sample(90.0, memory=10 * MIB, memory_max=INFINITY, cpu=1.0, tasks=1, events={"oom_kill": 2}),
            sample(1.0),
            "OUT OF MEMORY  memory 10M  swap -  cpus -  tasks 1  1min 30s  job.scope",
        ),
    ],
)
def test_the_line_says_what_is_known(now: Sampled, before: Sampled | None, expected: str) -> None:
    text = LiveText(START)
    if before is not None:
        text.of(before)
    assert text.of(now) == expected
