"""A round does not wait long for what systemd says of new units, and says so; the answer is in a later one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.ctl.rounds import Rounds
from scoperun.ctl.sampling import Sampler
from scoperun.errors import ManagerError
from scoperun.kernel.held_cgroup import Room

from .fake_cgroups import FakeCgroups
from .fake_manager import FakeManager

NAME = r"app-a\x2db.scope"


@pytest.fixture
def manager() -> FakeManager:
    manager = FakeManager()
    manager.units = {NAME: "make all"}
    return manager


@pytest.fixture
def cgroups(tmp_path: Path) -> FakeCgroups:
    return FakeCgroups(tmp_path)


@pytest.fixture
def rounds(cgroups: FakeCgroups, manager: FakeManager) -> Iterator[Rounds]:
    cgroups.unit(f"app.slice/{NAME}")
    rounds = Rounds(Sampler(cgroups.manager, lambda _: True, Room(100)), manager)  # type: ignore[arg-type]
    yield rounds
    rounds.close()


async def commands(rounds: Rounds, patience: float) -> list[str | None]:
    return [usage.command for usage in (await rounds.next(patience)).units]


async def test_the_first_round_has_what_systemd_says_in_time(rounds: Rounds) -> None:
    assert await commands(rounds, 20) == ["make all"]
    assert rounds.trouble is None


async def test_an_answer_that_is_late_is_in_a_later_round(rounds: Rounds, manager: FakeManager) -> None:
    manager.lists.clear()
    assert await commands(rounds, 0.01) == [None]
    assert rounds.trouble == "systemd has not answered yet"
    manager.lists.set()
    assert await commands(rounds, 20) == ["make all"]
    assert rounds.trouble is None


async def test_a_refusal_is_told_and_asked_again(rounds: Rounds, manager: FakeManager) -> None:
    manager.refusal = ManagerError("no", name="x")
    assert await commands(rounds, 20) == [None]
    assert rounds.trouble == "no"
    manager.refusal = None
    assert await commands(rounds, 20) == ["make all"]
    assert rounds.trouble is None


async def test_of_several_cgroups_with_a_units_name_systemd_names_the_units(
    rounds: Rounds, cgroups: FakeCgroups, manager: FakeManager
) -> None:
    cgroups.unit(f"aa.slice/{NAME}", memory=7)
    manager.cgroups = {NAME: f"{cgroups.manager.name}/app.slice/{NAME}"}
    (usage,) = (await rounds.next(20)).units
    assert (usage.slice, usage.memory) == ("app.slice", 0)
    cgroups.unit(f"zz.slice/{NAME}", memory=7)
    manager.lists.clear()
    (usage,) = (await rounds.next(0.01)).units
    assert (usage.slice, rounds.trouble) == ("app.slice", "systemd has not answered yet")
    manager.lists.set()
    (usage,) = (await rounds.next(20)).units
    assert (usage.slice, rounds.trouble) == ("app.slice", None)
