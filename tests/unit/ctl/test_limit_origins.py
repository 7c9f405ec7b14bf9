"""The origin of a limit is the last of systemd's files that has the value in force."""

import pytest

from scoperun.ctl.limit_origins import Limit, UnitFile, above, own_limits
from scoperun.spec.limits import LimitsInForce
from scoperun.spec.sizes import INFINITY

MIB = 1 << 20
RUN = "/run/user/1000/systemd/transient"
START = UnitFile(f"{RUN}/a.scope", {"MemoryMax": str(20 * MIB), "MemorySwapMax": "0", "TasksMax": "65"})
SET = UnitFile(f"{RUN}/a.scope.d/50-MemoryMax.conf", {"MemoryMax": str(30 * MIB)})
KEPT = UnitFile("/home/u/.config/systemd/user.control/app.slice.d/50-MemoryHigh.conf", {"MemoryHigh": "300M"})
DROP_IN = UnitFile("/home/u/.config/systemd/user/a-.scope.d/50-x.conf", {"MemoryMax": "40M"})


def origins(in_force: LimitsInForce, *files: UnitFile) -> dict[str, tuple[str | None, str | None]]:
    return {limit.setting: (limit.how, limit.file) for limit in own_limits("a.scope", in_force, files)}


@pytest.mark.parametrize(
    ("memory", "files", "origin"),
    [
        (20 * MIB, [START], ("start", START.path)),
        (30 * MIB, [START, SET], ("set-property", SET.path)),
        (40 * MIB, [START, DROP_IN], ("file", DROP_IN.path)),
        (40 * MIB, [START, SET, DROP_IN], ("file", DROP_IN.path)),
        (30 * MIB, [START, SET, DROP_IN], ("set-property", SET.path)),
        (50 * MIB, [START, SET, DROP_IN], (None, None)),
        (20 * MIB, [], (None, None)),
    ],
    ids=["start", "set", "drop-in", "drop-in after set", "set while it ran", "another program's", "no file"],
)
def test_the_last_file_with_the_value_in_force(
    memory: int, files: list[UnitFile], origin: tuple[str | None, str | None]
) -> None:
    assert origins(LimitsInForce(memory_max=memory), *files) == {"MemoryMax": origin}


def test_a_property_that_was_set_for_good_is_not_called_a_file() -> None:
    assert origins(LimitsInForce(memory_high=300 * MIB), KEPT) == {"MemoryHigh": ("set-property", KEPT.path)}


def test_the_kernel_keeps_whole_pages() -> None:
    file = UnitFile(START.path, {"MemoryMax": str(20 * MIB + 4095)})
    assert origins(LimitsInForce(memory_max=20 * MIB), file) == {"MemoryMax": ("start", START.path)}


def test_a_share_of_memory_is_taken_to_be_the_value() -> None:
    file = UnitFile(START.path, {"MemoryMax": "50%"})
    assert origins(LimitsInForce(memory_max=123 * MIB), file) == {"MemoryMax": ("start", START.path)}


@pytest.mark.parametrize(("default", "how"), [(4915, "default"), (4916, None), (None, None)])
def test_tasks_without_a_file_have_the_default_if_it_is_that(default: int | None, how: str | None) -> None:
    (limit,) = own_limits("a.scope", LimitsInForce(tasks_max=4915), [SET], default_tasks=default)
    assert limit.how == how


def test_processors_are_compared_as_a_share_of_one() -> None:
    file = UnitFile(START.path, {"CPUQuota": "50%"})
    assert origins(LimitsInForce(cpu_quota=0.5), file) == {"CPUQuota": ("start", START.path)}
    assert origins(LimitsInForce(cpu_quota=0.7), file) == {"CPUQuota": (None, None)}


def test_no_limit_is_left_out() -> None:
    assert origins(LimitsInForce(memory_max=INFINITY, tasks_max=None, memory_swap_max=0), START) == {
        "MemorySwapMax": ("start", START.path)
    }


def test_only_lower_limits_above_hold_and_of_these_the_lowest() -> None:
    own = own_limits("a.scope", LimitsInForce(memory_max=20 * MIB), [START])
    levels = [
        ("app.slice", LimitsInForce(memory_max=30 * MIB, memory_high=300 * MIB)),
        ("user.slice", LimitsInForce(memory_max=10 * MIB, memory_high=400 * MIB)),
    ]
    found = above(own, levels, {"app.slice": [KEPT]})
    assert [(limit.unit, limit.text, limit.how) for limit in found] == [
        ("app.slice", "MemoryHigh=300M", "set-property"),
        ("user.slice", "MemoryMax=10M", None),
    ]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(setting="MemoryMax", value=1, unit="a.scope", how="start", file="f"), "asked for at its start"),
        (Limit(setting="MemoryMax", value=1, unit="a.scope", how="file", file="/f.conf"), "/f.conf"),
        (Limit(setting="MemoryMax", value=1, unit="a.scope", how=None, file=None), "of unknown origin"),
        (Limit(setting="MemoryMax", value=1, unit="b.slice", how=None, file=None), "of b.slice, above"),
        (
            Limit(setting="MemoryMax", value=1, unit="b.slice", how="set-property", file="f"),
            "of b.slice, above: set-property",
        ),
    ],
)
def test_the_origin_in_words(limit: Limit, words: str) -> None:
    assert limit.origin(of="a.scope") == words


def test_limits_are_written_as_systemd_writes_them() -> None:
    limits = own_limits("a.scope", LimitsInForce(memory_max=20 * MIB, tasks_max=65, cpu_quota=0.5), [])
    assert [limit.text for limit in limits] == ["MemoryMax=20M", "TasksMax=65", "CPUQuota=50%"]
