"""An OOM score adjustment is tried in a child, so that this process keeps its own."""

import os
from pathlib import Path

from scoperun.console.field_names import in_options
from scoperun.errors import InvalidValue
from scoperun.process.oom_score import see_settable, set_oom_score_adj
from tests.child import in_child

OWN = Path("/proc/self/oom_score_adj")
NOBODY = 65534


def test_it_is_set_for_this_process() -> None:
    def adjustment_once_set() -> str:
        set_oom_score_adj(1000)
        return OWN.read_text()

    assert in_child(adjustment_once_set) == "1000\n"


def test_what_can_be_set_is_not_set_here() -> None:
    before = OWN.read_text()
    see_settable(1000)
    assert OWN.read_text() == before


def test_what_the_kernel_refuses_is_refused_with_the_reason() -> None:
    def refusal() -> str:
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            see_settable(-1000)
        except InvalidValue as error:
            return in_options(str(error))
        return ""

    reason = f"Permission denied (it is {OWN.read_text().strip()} now; lowering it takes CAP_SYS_RESOURCE)"
    assert in_child(refusal) == f"--oom-score-adj -1000 cannot be set by this user: {reason}"
