"""scopectl set: which options it takes, what it refuses, and what it shows as in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scoperun.console.options import OPTIONS
from scoperun.ctl.declared import declared
from scoperun.ctl.in_force import in_force, limits_in_force, setting, text_of
from scoperun.ctl.setting import LIVE, REFUSED, as_before, command
from scoperun.errors import InvalidValue
from scoperun.kernel.cgroup import Cgroup
from scoperun.spec.limits import Limits
from scoperun.spec.properties import parse_property
from scoperun.spec.scope import live_properties, without_keeper
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> None:
    declared(command, help_line="Set.")(args=list(words), standalone_mode=False)


@pytest.fixture
def cgroup(tmp_path: Path) -> Cgroup:
    """Return a cgroup with a limit of 20M, 51 tasks and half a processor."""
    files = {"memory.max": "20971520", "pids.max": "51", "cpu.max": "50000 100000", "cpu.weight": "100"}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    return Cgroup("/a.scope", str(tmp_path))


def test_every_limit_is_an_option_or_refused_with_a_reason() -> None:
    offered = {each.names[-1] for each in LIVE}
    assert offered - {"--property"} == {each.names[-1] for each in OPTIONS if each.is_live}
    assert offered.isdisjoint(REFUSED)
    assert {each.names[-1] for each in OPTIONS if each.is_limit} <= offered | set(REFUSED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--timeout", "5"), "--timeout: RuntimeMaxSec=: systemd fixes it when the unit starts"),
        (("--kill-after", "5"), "--kill-after: TimeoutStopSec=: systemd fixes it"),
        (("--oom-policy", "kill"), "--oom-policy: OOMPolicy=: systemd fixes it"),
        (("-p", "RuntimeMaxSec=5"), "-p RuntimeMaxSec=: systemd fixes it"),
        (("-p", "OOMPolicy=kill"), "-p OOMPolicy=: systemd fixes it"),
        (("--soft-mem", "5M"), "--soft-mem: scoperun keeps this limit itself"),
        (("--mem", "--swap"), "--mem needs a SIZE"),
        (("-p", "Nonsense=1"), "unknown property 'Nonsense'"),
        (("-p", "Description=a\nb"), "not one line of a unit file"),
        ((), "nothing to set"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_asked_of_systemd(
    words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(Exception, match=r".") as refusal:  # typer's own class has no public name
        run("a.scope", *words)
    assert message in getattr(refusal.value, "message", str(refusal.value))


def test_a_limit_on_memory_leaves_swap_as_it_is() -> None:
    assert [each.name for each in live_properties(Limits(memory_max=1 << 20))] == ["MemoryMax"]


def test_further_properties_come_last_and_those_of_the_start_are_refused() -> None:
    (only,) = live_properties(Limits(memory_max=1 << 20), [parse_property("MemoryMax=2M")])
    assert only.value == 2 << 20
    with pytest.raises(InvalidValue, match="OOMPolicy= cannot be changed"):
        live_properties(Limits(), [parse_property("OOMPolicy=kill")])


def test_a_unit_without_a_keeper_gets_as_many_tasks_as_were_asked_for() -> None:
    wanted = live_properties(Limits(tasks_max=50), [parse_property("MemoryLow=1M")])
    assert [each.value for each in wanted] == [51, 1 << 20]
    assert [without_keeper(each).value for each in wanted] == [50, 1 << 20]
    (unlimited,) = live_properties(Limits(tasks_max=INFINITY))
    assert without_keeper(unlimited).value == INFINITY


def test_what_is_in_force_is_read_from_the_kernel(cgroup: Cgroup) -> None:
    texts = ("MemoryMax=1M", "TasksMax=9", "CPUQuota=9%", "CPUWeight=9", "IOWeight=9", "Description=x")
    said = {"Description": "a\x1b[2J", "CPUWeight": 7}
    shown = in_force(map(parse_property, texts), cgroup, has_keeper=True, systemd=said)
    assert shown == {
        "MemoryMax": 20 << 20,
        "TasksMax": 50,
        "CPUQuota": 0.5,
        "CPUWeight": 100,
        "IOWeight": None,
        "Description": "a\x1b[2J",
    }
    assert [text_of(name, value) for name, value in shown.items()] == ["20M", "50", "50%", "100", "-", "a\\x1b[2J"]


def test_the_keeper_is_left_out_of_the_tasks_where_there_is_one(cgroup: Cgroup) -> None:
    assert limits_in_force(cgroup, has_keeper=True).tasks_max == 50
    assert limits_in_force(cgroup, has_keeper=False).tasks_max == 51


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CPUQuota=5%", "CPUQuota"),
        ("MemoryLow=5%", "MemoryLow"),
        ("IODeviceLatencyTargetSec=/ 5ms", "IODeviceLatencyTargetSec"),
        ("MemoryMax=5", "MemoryMax"),
    ],
)
def test_a_property_is_shown_under_its_settings_name(text: str, name: str) -> None:
    assert setting(parse_property(text)) == name


def test_no_limit_is_infinity() -> None:
    assert text_of("MemoryMax", INFINITY) == "infinity"


def test_a_list_is_emptied_before_it_is_set_back() -> None:
    """The entries of a list are added to those that systemd has."""
    wanted = parse_property("IOReadBandwidthMax=/dev/sda 1M")
    back = as_before(wanted, {"IOReadBandwidthMax": [["/dev/sda", 5]]})
    assert [each.value for each in back] == [[], [["/dev/sda", 5]]]
    assert [each.value for each in as_before(wanted, {"IOReadBandwidthMax": []})] == [[]]


def test_a_structure_is_set_back_as_it_was() -> None:
    """dbus-next gives a structure as a list, but it cannot be emptied."""
    (back,) = as_before(parse_property("RestrictNetworkInterfaces=lo"), {"RestrictNetworkInterfaces": [False, []]})
    assert (back.signature, back.value) == ("(bas)", [False, []])


def test_bytes_are_set_back_as_they_were() -> None:
    (back,) = as_before(parse_property("AllowedCPUs=0"), {"AllowedCPUs": b"\x03"})
    assert (back.signature, back.value) == ("ay", b"\x03")


def test_a_share_is_set_back_to_the_number_that_it_was() -> None:
    (back,) = as_before(parse_property("MemoryLow=5%"), {"MemoryLow": 4096})
    assert (back.name, back.signature, back.value) == ("MemoryLow", "t", 4096)
    assert as_before(parse_property("MemoryLow=5%"), {}) == []


def test_times_are_seconds_and_shown_as_systemd_writes_them(cgroup: Cgroup) -> None:
    wanted = [parse_property("RuntimeMaxSec=90"), parse_property("TimeoutStopSec=infinity")]
    said = {"RuntimeMaxUSec": 90_000_000, "TimeoutStopUSec": INFINITY}
    shown = in_force(wanted, cgroup, has_keeper=False, systemd=said)
    assert shown == {"RuntimeMaxSec": 90.0, "TimeoutStopSec": INFINITY}
    assert [text_of(name, value) for name, value in shown.items()] == ["1min 30s", "infinity"]
