"""Limits become systemd's properties, and are in force only if the kernel says so."""

import dataclasses
import math
from dataclasses import replace
from typing import Any

import pytest

from scoperun.errors import InvalidValue
from scoperun.spec.limits import Ceiling, Limits, LimitsInForce, OOMPolicy, describe, not_in_force
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.spec.traps import low_ceiling

MIB = 1024**2
PAGE = 4096


def asked(limits: Limits) -> dict[str, object]:
    return {each.name: each.value for each in limits.properties()}


def limit(name: str, value: int) -> Property:
    return Property(name=name, signature="t", value=value)


def missing(properties: list[Property], **in_force: int | None) -> list[str]:
    refused = not_in_force(properties, LimitsInForce(**in_force), page_size=PAGE)
    return [each.name for each in refused]


def test_no_limits_are_no_properties() -> None:
    assert asked(Limits()) == {}


def test_every_limit_has_its_property() -> None:
    limits = Limits(
        memory_max=20 * MIB,
        memory_high=15 * MIB,
        memory_swap_max=MIB,
        memory_zswap_max=2 * MIB,
        cpu_quota=1.5,
        cpu_weight=50,
        tasks_max=100,
        runtime_max=1.5,
        timeout_stop=5,
        oom_policy=OOMPolicy.CONTINUE,
    )
    numbers = {
        "MemoryMax": 20 * MIB, "MemoryHigh": 15 * MIB, "MemorySwapMax": MIB, "MemoryZSwapMax": 2 * MIB,
        "CPUQuotaPerSecUSec": 1_500_000, "CPUWeight": 50, "TasksMax": 100, "RuntimeMaxUSec": 1_500_000,
        "TimeoutStopUSec": 5_000_000,
    }  # fmt: skip
    assert limits.properties() == [
        *(limit(name, number) for name, number in numbers.items()),
        Property(name="OOMPolicy", signature="s", value="continue"),
    ]


def test_every_field_becomes_a_property() -> None:
    """A new field that is not passed on would be a limit without effect."""
    fields = {field.name for field in dataclasses.fields(Limits)}
    given: dict[str, Any] = dict.fromkeys(fields, 7) | {"oom_policy": OOMPolicy.KILL}
    assert len(asked(Limits(**given))) == len(fields)


@pytest.mark.parametrize(
    ("field", "value", "name", "number"),
    [
        ("memory_high", INFINITY, "MemoryHigh", INFINITY),
        ("memory_swap_max", INFINITY, "MemorySwapMax", INFINITY),
        ("memory_zswap_max", 0, "MemoryZSwapMax", 0),
        ("cpu_quota", 0.0001, "CPUQuotaPerSecUSec", 100),
        ("cpu_quota", 64, "CPUQuotaPerSecUSec", 64_000_000),
        ("cpu_weight", 1, "CPUWeight", 1),
        ("cpu_weight", 10_000, "CPUWeight", 10_000),
        ("tasks_max", 1, "TasksMax", 1),
        ("tasks_max", INFINITY, "TasksMax", INFINITY),
        ("timeout_stop", 0, "TimeoutStopUSec", 0),
        ("timeout_stop", math.inf, "TimeoutStopUSec", INFINITY),
    ],
)
def test_the_ends_of_a_range_are_valid(field: str, value: float, name: str, number: int) -> None:
    assert asked(Limits(**{field: value})) == {name: number}


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("memory_high", 0, "at least 1; INFINITY means no limit"),
        ("memory_zswap_max", -1, "at least 0; INFINITY means no limit"),
        ("tasks_max", 0, "at least 1; INFINITY means no limit"),
        ("cpu_weight", 0, "from 1 to 10000"),
        ("cpu_weight", 10_001, "from 1 to 10000"),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(field: str, value: float, hint: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Limits(**{field: value})
    assert str(refused.value) == f"`{field}={value}` is out of range ({hint})"


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("memory_max", "40M", "bytes as an int, e.g. 40 * scoperun.MiB"),
        ("memory_swap_max", 1.5, "bytes as an int, e.g. 40 * scoperun.MiB"),
        ("memory_max", True, "bytes as an int, e.g. 40 * scoperun.MiB"),
        ("tasks_max", 2.0, "an int"),
        ("tasks_max", "2", "an int"),
        ("cpu_weight", True, "an int"),
        ("cpu_quota", "50%", "a number of processors, e.g. 2 or 0.5"),
        ("runtime_max", "5min", "a number of seconds"),
        ("timeout_stop", True, "a number of seconds"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_one_that_is_wanted(field: str, value: object, wanted: str) -> None:
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(InvalidValue) as refused:
        Limits(**wrong)
    assert str(refused.value) == f"`{field}` has to be {wanted}, not {value!r}"


@pytest.mark.parametrize("processors", [0, -1, 0.00001, math.inf, math.nan, 1e14])
def test_an_invalid_number_of_processors_is_refused(processors: float) -> None:
    with pytest.raises(InvalidValue) as refused:
        Limits(cpu_quota=processors)
    assert str(refused.value) == f"`cpu_quota={processors}` is out of range (e.g. 2 or 0.5)"


@pytest.mark.parametrize("seconds", [-1, math.nan, 1e14])
def test_an_invalid_time_to_stop_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidValue, match=r"^`timeout_stop=.*` is out of range \(seconds; math.inf means no limit\)$"):
        Limits(timeout_stop=seconds)


def test_a_memory_limit_alone_implies_no_swap() -> None:
    assert asked(Limits(memory_max=20 * MIB)) == {"MemoryMax": 20 * MIB, "MemorySwapMax": 0}


def test_no_memory_limit_implies_nothing_about_swap() -> None:
    assert asked(Limits(memory_max=INFINITY)) == {"MemoryMax": INFINITY}


def test_a_swap_limit_needs_no_memory_limit() -> None:
    assert asked(Limits(memory_swap_max=0)) == {"MemorySwapMax": 0}


def test_no_time_limit_sets_no_property() -> None:
    assert asked(Limits(runtime_max=math.inf)) == {}


@pytest.mark.parametrize("size", [0, -1, 2**64])
def test_an_invalid_memory_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidValue) as refused:
        Limits(memory_max=size)
    assert str(refused.value) == f"`memory_max={size}` is out of range (at least 1; INFINITY means no limit)"


@pytest.mark.parametrize("size", [-1, 2**64])
def test_an_invalid_swap_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidValue, match=f"^`memory_swap_max={size}` is out of range"):
        Limits(memory_swap_max=size)


@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, math.nan])
def test_an_invalid_time_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidValue, match=r"^`runtime_max=.*` is out of range \(seconds; math.inf means no limit\)$"):
        Limits(runtime_max=seconds)


@pytest.mark.parametrize("seconds", [1e-7, 1e14, 1e300])
def test_a_time_that_d_bus_cannot_carry_is_refused(seconds: float) -> None:
    """RuntimeMaxUSec= is microseconds in 64 bits, and a command cannot run for 0 of them."""
    with pytest.raises(InvalidValue, match=r"^`runtime_max="):
        Limits(runtime_max=seconds)


def test_a_limit_that_the_kernel_has_is_in_force() -> None:
    properties = [limit("MemoryMax", 20 * MIB), limit("MemorySwapMax", 0), limit("TasksMax", 101)]
    assert missing(properties, memory_max=20 * MIB, memory_swap_max=0, tasks_max=100) == []


def test_the_kernel_limits_memory_in_whole_pages() -> None:
    assert missing([limit("MemoryMax", 20 * MIB + 1)], memory_max=20 * MIB) == []
    assert missing([limit("MemoryHigh", PAGE - 1)], memory_high=0) == []


def test_tasks_are_compared_exactly() -> None:
    """The requested number includes the keeper, the number in force does not."""
    assert missing([limit("TasksMax", 101)], tasks_max=100) == []
    assert missing([limit("TasksMax", 101)], tasks_max=99) == ["TasksMax"]
    assert missing([limit("TasksMax", 101)], tasks_max=101) == ["TasksMax"]
    assert missing([limit("TasksMax", PAGE + 2)], tasks_max=PAGE) == ["TasksMax"]


@pytest.mark.parametrize("held", [None, INFINITY])
def test_tasks_that_the_kernel_does_not_count_are_not_limited(held: int | None) -> None:
    assert missing([limit("TasksMax", 101)], tasks_max=held) == ["TasksMax"]
    assert missing([limit("TasksMax", INFINITY)], tasks_max=held) == []


@pytest.mark.parametrize("held", [None, INFINITY, 21 * MIB, 0])
def test_a_limit_that_the_kernel_does_not_have_is_not_in_force(held: int | None) -> None:
    """None stands for a scope without the controller, or a kernel without swap accounting."""
    assert missing([limit("MemoryMax", 20 * MIB)], memory_max=held) == ["MemoryMax"]


@pytest.mark.parametrize("held", [None, INFINITY])
def test_infinity_is_in_force_without_a_limit(held: int | None) -> None:
    assert missing([limit("MemorySwapMax", INFINITY)], memory_swap_max=held) == []


def test_infinity_is_not_in_force_under_a_limit() -> None:
    assert missing([limit("MemoryMax", INFINITY)], memory_max=MIB) == ["MemoryMax"]


@pytest.mark.parametrize("name", ["MemoryMax", "MemoryHigh", "MemorySwapMax", "MemoryZSwapMax", "TasksMax"])
def test_each_limit_is_read_back_from_its_own_file(name: str) -> None:
    held = LimitsInForce(memory_max=1 * MIB, memory_high=2 * MIB, memory_swap_max=3 * MIB, memory_zswap_max=4 * MIB,
                         tasks_max=5 * MIB - 1)  # fmt: skip
    values = {"MemoryMax": 1, "MemoryHigh": 2, "MemorySwapMax": 3, "MemoryZSwapMax": 4, "TasksMax": 5}
    assert not_in_force([limit(name, values[name] * MIB)], held, page_size=PAGE) == []
    assert not_in_force([limit(name, 6 * MIB)], held, page_size=PAGE) == [limit(name, 6 * MIB)]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MemoryMax", 20 * MIB, "MemoryMax=20M"),
        ("MemorySwapMax", 0, "MemorySwapMax=0B"),
        ("MemoryHigh", INFINITY, "MemoryHigh=infinity"),
        ("TasksMax", 101, "TasksMax=100"),
        ("TasksMax", INFINITY, "TasksMax=infinity"),
    ],
)
def test_a_limit_is_described_as_in_a_unit_file(name: str, value: int, shown: str) -> None:
    assert describe(limit(name, value)) == shown


def test_a_property_that_the_kernel_does_not_limit_is_not_read_back() -> None:
    assert missing([limit("RuntimeMaxUSec", 1), limit("CPUWeight", 100)]) == []


@pytest.mark.parametrize(("held", "is_in_force"), [(0.5, True), (0.496, True), (None, False), (2.0, False)])
def test_a_processor_quota_is_in_force_within_the_kernels_rounding(held: float, is_in_force: bool) -> None:
    (quota,) = Limits(cpu_quota=0.5).properties()
    missing = not_in_force([quota], LimitsInForce(cpu_quota=held), page_size=4096)
    assert missing == ([] if is_in_force else [quota])
    assert describe(quota) == "CPUQuota=50%"


SLICE = Ceiling(limit=60 * MIB, cgroup="/user.slice/a.slice/a-b.slice", is_known=True)


def test_a_limit_above_that_is_lower_is_warned_of() -> None:
    assert low_ceiling(200 * MIB, SLICE) == (
        "`memory_max=200M` cannot be reached: a-b.slice, which the scope is in, allows 60M "
        "for everything in it together"
    )


@pytest.mark.parametrize(
    ("limit", "ceiling"),
    [
        (60 * MIB, SLICE),
        (20 * MIB, replace(SLICE, limit=20 * MIB)),
        (INFINITY, SLICE),  # not asked for
        (None, SLICE),
        (200 * MIB, replace(SLICE, limit=INFINITY)),
        (200 * MIB, None),
    ],
)
def test_no_other_limit_above_is(limit: int | None, ceiling: Ceiling | None) -> None:
    assert low_ceiling(limit, ceiling) is None
