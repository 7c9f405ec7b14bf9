"""Of several cgroups with a unit's name, the unit's is the one that systemd names."""

from pathlib import Path
from typing import Any

import pytest

from scoperun.ctl.tree import tree_of
from scoperun.ctl.unit_places import placed
from scoperun.errors import BusLost, ManagerError
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.unit_cgroups import unit_cgroups
from scoperun.spec.scope import unit_at


class Manager:
    """A systemd with units. units: the cgroup of each one. asked: about which it was asked."""

    def __init__(self, units: dict[str, str] | None = None) -> None:
        self.units = units or {}
        self.asked: set[str] = set()

    async def get(self, path: str, interface: str, name: str) -> Any:
        unit = unit_at(path) or ""
        assert (interface, name) == (f"org.freedesktop.systemd1.{unit.rpartition('.')[2].capitalize()}", "ControlGroup")
        self.asked.add(unit)
        if unit not in self.units:
            raise ManagerError("Unknown object", name="org.freedesktop.DBus.Error.UnknownObject")
        return self.units[unit]


class Place:
    """The folder of a manager's cgroup, which is called /m."""

    def __init__(self, path: Path) -> None:
        self.top = Cgroup("/m", str(path))

    def make(self, *folders: str) -> None:
        for folder in folders:
            Path(self.top.path, folder).mkdir(parents=True)

    async def units(self, manager: Manager, *doubted: str) -> dict[str, str]:
        """Return the name of each unit's cgroup, of which a tree can be made."""
        units = await placed(manager, unit_cgroups(self.top), doubted=doubted)  # type: ignore[arg-type]
        tree_of(self.top, units)
        return {unit: cgroup.name for unit, cgroup in units.items()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_without_doubt_systemd_is_not_asked(place: Place) -> None:
    place.make("app.slice/a.scope", "app.slice/_a.scope", "init.scope")
    manager = Manager()
    assert await place.units(manager) == {
        "app.slice": "/m/app.slice",
        "_a.scope": "/m/app.slice/_a.scope",
        "a.scope": "/m/app.slice/a.scope",
        "init.scope": "/m/init.scope",
    }
    assert manager.asked == set()


@pytest.mark.parametrize("slice_name", ["aa", "app", "zz"])
async def test_a_cgroup_in_another_slice_is_not_the_units(place: Place, slice_name: str) -> None:
    """It can be the last one with its slice, which no unit can come before."""
    place.make("aa.slice/a.scope", "app.slice/a.scope", "zz.slice/a.scope", "app.slice/b.scope")
    manager = Manager({"a.scope": f"/m/{slice_name}.slice/a.scope"})
    units = await place.units(manager)
    assert [*units] == sorted(units, key=lambda unit: units[unit].split("/"))
    assert units["a.scope"] == f"/m/{slice_name}.slice/a.scope"
    assert units["b.scope"] == "/m/app.slice/b.scope"
    assert manager.asked == {"a.scope"}


async def test_a_unit_that_has_ended_has_no_cgroup(place: Place) -> None:
    place.make("app.slice/a.service", "app.slice/b.service", "aa.slice/gone.scope", "app.slice/gone.scope")
    manager = Manager({"a.service": "", "b.service": "/m/app.slice/b.service"})
    assert await place.units(manager, "a.service", "b.service", "not-there.scope") == {
        "aa.slice": "/m/aa.slice",
        "app.slice": "/m/app.slice",
        "b.service": "/m/app.slice/b.service",
    }
    assert manager.asked == {"a.service", "b.service", "gone.scope"}


async def test_what_is_in_the_other_cgroup_of_a_slice_is_left_out(place: Place) -> None:
    place.make("memory.slice/memory-x.slice/a.scope", "_memory.slice/b.scope", "_memory.slice/c.scope")
    manager = Manager({"memory.slice": "/m/_memory.slice"})
    assert await place.units(manager) == {
        "memory.slice": "/m/_memory.slice",
        "b.scope": "/m/_memory.slice/b.scope",
        "c.scope": "/m/_memory.slice/c.scope",
    }


async def test_a_systemd_that_does_not_answer_is_an_error(place: Place) -> None:
    place.make("aa.slice/a.scope", "app.slice/a.scope")
    manager = Manager()

    async def lost(*_: str) -> Any:
        raise BusLost("gone")

    manager.get = lost  # type: ignore[method-assign]
    with pytest.raises(BusLost):
        await place.units(manager)
