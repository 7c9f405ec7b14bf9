"""A round says what each shown unit uses, from its cgroup's files, and what cannot be known is None."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.ctl.sampling import Round, Sampler, Usage
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.held_cgroup import HeldCgroup, Room
from scoperun.kernel.unit_cgroups import unit_cgroups
from scoperun.spec.sizes import INFINITY

from .fake_cgroups import MIB, FakeCgroups


@pytest.fixture
def cgroups(tmp_path: Path) -> FakeCgroups:
    return FakeCgroups(tmp_path)


@pytest.fixture(params=[1000, 0], ids=["held open", "no room"])
def sampler(cgroups: FakeCgroups, request: pytest.FixtureRequest) -> Iterator[Sampler]:
    """Return a sampler of all units but the hidden ones; it reads the same whether files are kept open or not."""
    room = Room(request.param)
    sampler = Sampler(cgroups.manager, lambda unit: not unit.startswith("hidden"), room)
    yield sampler
    sampler.close()
    assert room.taken == 0


def taken_by(sampler: Sampler) -> Round:
    sampler.find({unit: cgroup for unit, (cgroup,) in unit_cgroups(sampler.manager).items()})
    return sampler.read()


def units(taken: Round) -> dict[str, Usage]:
    return {usage.unit: usage for usage in taken.units}


def test_the_numbers_are_those_of_the_files(cgroups: FakeCgroups, sampler: Sampler) -> None:
    files = {"memory_swap_current": 4096, "pids_current": 7, "memory_max": 20 * MIB}
    cgroups.unit("app.slice/x.scope", memory=5, cpu=1, **files)
    usage = units(taken_by(sampler))["x.scope"]
    assert (usage.memory, usage.swap, usage.tasks, usage.limit, usage.limited_by) == (
        5 * MIB,
        4096,
        7,
        20 * MIB,
        "x.scope",
    )
    assert (usage.share, usage.memory_and_swap, usage.is_frozen) == (0.25, 5 * MIB + 4096, False)
    assert (usage.slice, usage.cgroup) == ("app.slice", f"{cgroups.manager.name}/app.slice/x.scope")


def test_processors_in_use_are_known_from_the_second_round(cgroups: FakeCgroups, sampler: Sampler) -> None:
    cgroups.unit("app.slice/x.scope", cpu=1)
    assert units(taken_by(sampler))["x.scope"].cpu is None
    cgroups.unit("app.slice/x.scope", cpu=3600)
    assert (units(taken_by(sampler))["x.scope"].cpu or 0) > 1
    assert units(taken_by(sampler))["x.scope"].cpu == 0


def test_the_limit_is_the_least_of_all_above_and_the_outermost_of_equals(
    cgroups: FakeCgroups, sampler: Sampler
) -> None:
    cgroups.unit("app.slice", memory_max=10 * MIB)
    cgroups.unit("app.slice/x.scope", memory_max=10 * MIB)
    cgroups.unit("app.slice/y.scope", memory_max=9 * MIB)
    cgroups.unit("z.scope")
    found = {name: (usage.limit, usage.limited_by) for name, usage in units(taken_by(sampler)).items()}
    assert found == {
        "x.scope": (10 * MIB, "app.slice"),
        "y.scope": (9 * MIB, "y.scope"),
        "z.scope": (INFINITY, None),
    }


def test_a_limit_above_the_manager_counts(cgroups: FakeCgroups, sampler: Sampler) -> None:
    (cgroups.root / "user.slice/memory.max").write_text("4096\n")
    cgroups.unit("x.scope")
    usage = units(taken_by(sampler))["x.scope"]
    assert (usage.limit, usage.limited_by) == (4096, "user.slice")


def test_what_a_cgroup_has_no_file_for_is_not_known(cgroups: FakeCgroups, sampler: Sampler) -> None:
    missing = dict.fromkeys(("memory_max", "memory_swap_current", "pids_current", "cpu_stat"))
    cgroups.unit("x.scope", memory=None, **missing)
    usage = units(taken_by(sampler))["x.scope"]
    numbers = (usage.memory, usage.swap, usage.tasks, usage.limit, usage.limited_by, usage.cpu, usage.share)
    assert numbers == (None,) * 7


def test_only_shown_units_and_the_slices_around_them_are_read(cgroups: FakeCgroups, sampler: Sampler) -> None:
    cgroups.unit("app.slice/app-a.slice/x.scope")
    cgroups.unit("app.slice/app-a.slice")
    cgroups.unit("app.slice/hidden.scope")
    cgroups.unit("other.slice")
    cgroups.unit("other.slice/hidden2.service")
    cgroups.unit("app.slice/a.socket")
    taken = taken_by(sampler)
    assert [usage.unit for usage in taken.units] == ["x.scope"]
    assert [(usage.unit, usage.slice) for usage in taken.slices] == [("app.slice", None), ("app-a.slice", "app.slice")]


def test_units_come_and_go_between_rounds(cgroups: FakeCgroups, sampler: Sampler) -> None:
    cgroups.unit("app.slice/x.scope")
    taken_by(sampler)
    cgroups.unit("app.slice/y.service")
    assert set(units(taken_by(sampler))) == {"x.scope", "y.service"}
    cgroups.end("app.slice/x.scope")
    assert set(units(taken_by(sampler))) == {"y.service"}


def test_a_description_is_asked_for_once(cgroups: FakeCgroups, sampler: Sampler) -> None:
    cgroups.unit("app.slice/x.scope")
    assert units(taken_by(sampler))["x.scope"].command is None
    assert sampler.nameless() == ["x.scope"]
    sampler.describe({"x.scope": "sleep 9", "gone.scope": "?"})
    assert sampler.nameless() == []
    assert units(taken_by(sampler))["x.scope"].command == "sleep 9"


def test_a_frozen_unit_is_told(cgroups: FakeCgroups, sampler: Sampler) -> None:
    cgroups.unit("x.scope", cgroup_events="populated 1\nfrozen 1")
    assert units(taken_by(sampler))["x.scope"].is_frozen


def test_another_cgroup_of_that_name_is_another_unit(cgroups: FakeCgroups) -> None:
    """Without room for descriptors only the folder's inode tells them apart."""
    cgroups.unit("app.slice/x.scope", memory=5)
    folder = cgroups.root / cgroups.manager.name[1:] / "app.slice/x.scope"
    held = HeldCgroup(Cgroup("/x.scope", str(folder)), Room(0))
    assert not held.is_there()
    assert held.numbers() is not None
    assert held.is_there()
    folder.rename(folder.with_name("before"))
    assert (held.is_there(), held.numbers()) == (False, None)
    cgroups.unit("app.slice/x.scope", memory=7)
    assert (held.is_there(), held.numbers()) == (False, None)
