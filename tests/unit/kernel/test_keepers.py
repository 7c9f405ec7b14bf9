"""A keeper is known by what it is, and no ordinary process is taken for one."""

from __future__ import annotations

import os
import select
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.keepers import living_keeper
from scoperun.process.keeper import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def other(*, leads_session: bool) -> Iterator[int]:
    """Run another cat, without blocked signals."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=leads_session) as process:
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("leaf", ["", "keeper"])
def test_a_keeper_is_found_in_its_scope_or_in_a_leaf_below_until_it_ends(leaf: str, tmp_path: Path) -> None:
    (tmp_path / "keeper").mkdir()
    scope = Cgroup("/job.scope", str(tmp_path))
    with closing(spawn()) as keeper, other(leads_session=False) as one, other(leads_session=True) as two:
        (tmp_path / "cgroup.procs").write_text(f"{one}\n{two}\n")
        assert living_keeper(scope) is None
        with (tmp_path / leaf / "cgroup.procs").open("a") as file:
            file.write(f"{keeper.pid}\n")
        assert living_keeper(scope) == keeper.pid
        pidfd = os.pidfd_open(keeper.pid)
        keeper.end()
        select.select([pidfd], [], [])
        os.close(pidfd)
        assert living_keeper(scope) is None


def test_a_scope_that_is_gone_has_none(tmp_path: Path) -> None:
    assert living_keeper(Cgroup("/job.scope", str(tmp_path / "none"))) is None
