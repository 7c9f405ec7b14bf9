"""What holds a unit while a cap is written is known later, and what a person has set is not changed."""

import asyncio
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from scoperun.ctl.cap_hold import Hold, Holds, hold, release
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.systemd.answers import UNIT

LOW, HIGH = Limits(memory_max=30).properties(), Limits(memory_max=200).properties()


class Unit:
    """A running scope. said: its properties. drop_ins: what systemd has written about those that were set."""

    name, identifier = "app-a-1.scope", "01" * 16

    def __init__(self) -> None:
        self.said: dict[str, Any] = {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY}
        self.drop_ins: list[str] = []

    async def properties(self, interface: str, wanted: Container[str]) -> dict[str, Any]:
        found = {"DropInPaths": self.drop_ins} if interface == UNIT else self.said
        return {name: value for name, value in found.items() if name in wanted}

    async def set_properties(self, properties: Iterable[Property]) -> None:
        for each in properties:
            self.said[each.name] = each.value
            self.drop_ins.append(f"/run/{self.name}.d/50-{each.name}.conf")


def held(folder: Path, unit: Any, cap: Any = LOW, before: Any = ()) -> Holds:
    holds = Holds(str(folder))
    is_releasable = asyncio.run(hold(holds, unit, cap, before))
    assert is_releasable == (unit.said["MemoryMax"] != 300), "a person has set 300"
    return holds


def test_a_held_unit_gets_a_later_cap_and_goes_back_when_none_is_left(tmp_path: Path) -> None:
    unit: Any = Unit()
    holds = held(tmp_path / "held", unit)
    for cap, limit in ((HIGH, 200), (LOW, 30), ((), INFINITY)):
        asyncio.run(release(holds, unit, cap))
        assert unit.said["MemoryMax"] == limit
    noted = holds.of_unit(unit)
    assert noted is not None
    assert noted.is_back


def test_what_was_of_the_old_cap_goes_back_to_no_limit_and_what_was_of_the_start_stays(tmp_path: Path) -> None:
    unit: Any = Unit()
    unit.said = {"MemoryMax": 200, "MemorySwapMax": 7}
    holds = held(tmp_path, unit, before=HIGH)
    held(tmp_path, unit)  # again, when the old cap is this one
    asyncio.run(release(holds, unit, ()))
    assert unit.said == {"MemoryMax": INFINITY, "MemorySwapMax": 7}


def test_what_a_person_has_set_before_or_after_stays(tmp_path: Path) -> None:
    unit: Any = Unit()
    asyncio.run(unit.set_properties([Property(name="MemoryMax", signature="t", value=300)]))
    holds = held(tmp_path, unit)
    asyncio.run(release(holds, unit, HIGH))
    assert unit.said == {"MemoryMax": 300, "MemorySwapMax": 0}
    unit.said["MemorySwapMax"] = 5
    held(tmp_path, unit)
    asyncio.run(release(holds, unit, ()))
    assert unit.said == {"MemoryMax": 300, "MemorySwapMax": 5}


def test_notes_are_of_one_invocation_and_end_with_it(tmp_path: Path) -> None:
    unit, other = Unit(), Unit()
    other.identifier = "02" * 16
    holds = held(tmp_path / "held", unit)
    assert holds.of_unit(unit) == Hold(  # type: ignore[arg-type]
        {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY}, {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY}
    )
    assert holds.of_unit(other) is None  # type: ignore[arg-type]
    holds.forget_others({unit.name})
    assert holds.of_unit(unit) is not None  # type: ignore[arg-type]
    holds.forget_others(())
    assert [*(tmp_path / "held").iterdir()] == []
    Holds(str(tmp_path / "none")).forget_others(())
