"""What is said when a batch is told to end."""

import pytest

from scoperun.batch.progress_text import ending_text
from scoperun.batch.runner import Stage


@pytest.mark.parametrize(
    ("stage", "one", "two"),
    [
        (Stage.RUNNING, None, None),
        (
            Stage.DRAINING,
            "no more jobs are started; 1 job runs on; again to stop it",
            "no more jobs are started; 2 jobs run on; again to stop them",
        ),
        (Stage.STOPPING, "1 job is being stopped; again to kill it", "2 jobs are being stopped; again to kill them"),
        (Stage.KILLING, "1 job is being killed", "2 jobs are being killed"),
    ],
)
def test_it_speaks_of_one_job_and_of_several(stage: Stage, one: str | None, two: str | None) -> None:
    assert (ending_text(stage, 0), ending_text(stage, 1), ending_text(stage, 2)) == (None, one, two)
