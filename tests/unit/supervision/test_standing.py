"""A limit on processor time is in force only where the processor time can be read."""

from pathlib import Path

import pytest

from scoperun.console.field_names import in_options
from scoperun.errors import LimitNotEnforced
from scoperun.kernel.cgroup import NOWHERE, Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.supervision.standing import with_cpu_time
from tests.unit.stories import LIMITS

UNREADABLE = ScopeCgroup(NOWHERE, keeper=1)


def test_it_is_in_force_where_the_use_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 0\n")
    scope = ScopeCgroup(Cgroup("/job.scope", str(tmp_path)), keeper=1)
    assert with_cpu_time(LIMITS, 1.5, scope, is_required=True).cpu_time == 1.5


def test_it_is_refused_where_the_use_cannot_be_read() -> None:
    with pytest.raises(LimitNotEnforced) as refused:
        with_cpu_time(LIMITS, 1.5, UNREADABLE, is_required=True)
    assert in_options(str(refused.value)) == (
        "--cpu-time would not be enforced: the scope's cpu.stat cannot be read "
        "(--no-require-limits runs the command anyway)"
    )


def test_it_is_not_in_force_there_if_that_is_not_required() -> None:
    assert with_cpu_time(LIMITS, 1.5, UNREADABLE, is_required=False).cpu_time is None
