"""What set and cap warn of is what scoperun warns of, about what the user has given."""

from pathlib import Path

import pytest

from scoperun.ctl.limit_warnings import below, of_limits, of_unit
from scoperun.kernel.cgroup import Cgroup
from scoperun.spec.properties import parse_property

from .fake_cgroups import MANAGER, MIB, FakeCgroups

HIGH = "MemoryHigh=30M does nothing: MemoryMax=20M is reached first and kills"


@pytest.fixture
def cgroups(tmp_path: Path) -> FakeCgroups:
    return FakeCgroups(tmp_path)


def unit(cgroups: FakeCgroups, path: str) -> Cgroup:
    return Cgroup(f"{MANAGER}/{path}", f"{cgroups.root}{MANAGER}/{path}")


def test_a_limit_is_seen_together_with_those_that_are_in_force(cgroups: FakeCgroups) -> None:
    cgroups.unit("a.scope", memory_high=30 * MIB, memory_swap_max=0)
    given = [parse_property("MemoryMax=20M")]
    assert of_unit(given, unit(cgroups, "a.scope")) == [HIGH]
    assert of_unit([parse_property("MemoryMax=40M")], unit(cgroups, "a.scope")) == []


def test_what_was_not_given_is_not_warned_of(cgroups: FakeCgroups) -> None:
    cgroups.unit("a.scope", memory_max=20 * MIB, memory_high=30 * MIB, memory_swap_max=0)
    assert of_unit([parse_property("TasksMax=5")], unit(cgroups, "a.scope")) == []
    assert of_unit([parse_property("MemoryHigh=30M")], unit(cgroups, "a.scope")) == [HIGH]


def test_what_is_above_a_unit_is_warned_of_but_not_its_own_limit(cgroups: FakeCgroups) -> None:
    cgroups.unit("app.slice", memory_max=60 * MIB)
    cgroups.unit("app.slice/a.service", memory_max=10 * MIB, memory_swap_max=0)
    service = unit(cgroups, "app.slice/a.service")
    assert of_unit([parse_property("MemoryMax=60M")], service) == []
    (line,) = of_unit([parse_property("MemoryMax=200M")], service)
    assert (
        line
        == "--mem 200M cannot be reached: app.slice, which the unit is in, allows 60M for everything in it together"
    )
    assert of_unit([parse_property("MemoryMax=infinity")], service) == []
    apps = unit(cgroups, "app.slice").levels()
    (line,) = below([parse_property("MemoryMax=200M")], apps, "applications are")
    assert line.startswith("--mem 200M cannot be reached: app.slice, which applications are in, allows 60M ")


def test_only_combinations_with_what_is_asked_about_are_told() -> None:
    limits = [parse_property(each) for each in ("MemoryMax=20M", "MemoryHigh=30M", "MemorySwapMax=0")]
    assert of_limits(limits, {"MemoryMax"}) == of_limits(limits, {"MemoryHigh"}) == [HIGH]
    assert of_limits(limits, {"MemorySwapMax"}) == of_limits(limits, set()) == []
