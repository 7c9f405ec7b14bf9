"""The watch leaves a scope to its scoperun for as long as there is one."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from scoperun.ctl.reported_scopes import ReportedScopes
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.wait import readable
from scoperun.process.keeper import Keeper, spawn
from scoperun.systemd.unit_files import ATTACHED, OURS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCOPE = "job.scope"


class Place:
    """A manager's cgroup and its folder of transient units, as files; seen: what is looked at."""

    def __init__(self, path: Path) -> None:
        self.folder = path / "transient"
        self.top = path / "top"
        self.folder.mkdir()
        self.top.mkdir()
        self.seen = ReportedScopes(str(self.folder), Cgroup("/top", str(self.top)))
        self.keepers: list[Keeper] = []

    def start(self, unit: str, *pids: int, by: str = OURS) -> None:
        """Have a scope appear with these processes in it."""
        (self.folder / unit).write_text(f"[Unit]\nDocumentation={OURS}\nDocumentation={by}\n")
        (self.top / unit).mkdir(exist_ok=True)
        self.put(unit, *pids)

    def put(self, unit: str, *pids: int) -> None:
        """Have these processes in the scope, and no others."""
        (self.top / unit / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def start_with_keeper(self, *others: int) -> None:
        """Have a scope of scoperun's appear."""
        self.keepers.append(spawn())
        self.start(SCOPE, *others, self.keepers[-1].pid)

    async def end_keeper(self) -> None:
        """End the keeper, and return once that can have been noticed."""
        pidfd = os.pidfd_open(self.keepers[-1].pid)
        self.keepers[-1].end()
        await readable(pidfd)
        os.close(pidfd)
        await asyncio.sleep(0)  # the loop tells of all descriptors that are readable, one after the other


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    made.seen.close()
    for keeper in made.keepers:
        keeper.close()


@pytest.mark.parametrize("is_left", [True, False])
async def test_a_scope_is_left_to_its_scoperun_until_that_is_gone_and_processes_are_left(
    place: Place, *, is_left: bool
) -> None:
    """If none is left, the scope ends with its scoperun, which reports on it."""
    place.start_with_keeper(os.getpid())
    place.seen.look([SCOPE])
    assert place.seen.names == {SCOPE}
    place.put(SCOPE, *([os.getpid()] if is_left else []))
    await place.end_keeper()
    assert place.seen.names == (set() if is_left else {SCOPE})
    place.seen.look([SCOPE])
    assert place.seen.names == (set() if is_left else {SCOPE})


async def test_the_keeper_can_be_in_any_cgroup_of_the_scopes_name(place: Place) -> None:
    place.start_with_keeper(os.getpid())
    (place.top / "aa.slice" / SCOPE).mkdir(parents=True)
    place.seen.look([SCOPE])
    assert place.seen.names == {SCOPE}
    place.put(SCOPE, os.getpid())
    await place.end_keeper()
    assert place.seen.names == set()


async def test_the_next_scoperun_with_the_same_name_is_left_its_own(place: Place) -> None:
    place.start_with_keeper(os.getpid())
    place.seen.look([SCOPE])
    place.put(SCOPE, os.getpid())
    await place.end_keeper()
    place.start_with_keeper(os.getpid())
    place.seen.look([SCOPE])
    assert place.seen.names == {SCOPE}


async def test_what_was_attached_without_a_keeper_has_no_scoperun_also_after_its_end(place: Place) -> None:
    unit = "scoperun-work-1-2.scope"
    place.start(unit, os.getpid(), by=ATTACHED)
    place.seen.look([unit])
    (place.folder / unit).unlink()
    place.seen.look([unit])
    assert place.seen.names == set()


async def test_of_a_scope_that_was_never_seen_the_name_decides(place: Place) -> None:
    place.seen.look(["scoperun-work-1-2.scope", "other.scope", "scoperun-watch.service"])
    assert place.seen.names == {"scoperun-work-1-2.scope"}
