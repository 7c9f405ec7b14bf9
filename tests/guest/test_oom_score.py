"""The command's OOM score adjustment is set before it starts, or refused before anything starts."""

from pathlib import Path

import pytest

from .story import GENEROUS, Story, pids_of
from .waiting import line_from

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

OWN = "/proc/self/oom_score_adj"

# The shell alone: another process in the scope could end while it is looked at.
TELL = "read -r cgroup </proc/self/cgroup; read -r adj </proc/self/oom_score_adj; echo $cgroup; echo $adj; read -r x"


def test_the_oom_score_adjustment_is_the_commands_and_the_keeper_has_its_own(story: Story) -> None:
    own = Path(OWN).read_text()
    run = story.start("--oom-score-adj", "600", "--", "sh", "-c", TELL)
    cgroup, command = line_from(run).removeprefix("0::"), line_from(run)
    inside = {int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids_of(cgroup)}
    run.communicate(b"on\n", timeout=GENEROUS)
    assert command == "600"
    assert inside == {600, int(own)}
    assert Path(OWN).read_text() == own


def test_an_oom_score_adjustment_that_takes_root_is_refused_before_anything_starts(story: Story) -> None:
    own = int(Path(OWN).read_text())
    line = story.refused("--oom-score-adj", str(own - 1), "--", "true")
    assert line == (
        f"scoperun: --oom-score-adj {own - 1} cannot be set by this user: Permission denied (it is {own} now; "
        "lowering it takes CAP_SYS_RESOURCE)\n"
    )


def test_what_runs_out_of_memory_had_it(story: Story) -> None:
    ending = story.run("--oom-score-adj", "600", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert [task["oom_score_adj"] for task in ending.report["oom"]["tasks"]] == [600]
