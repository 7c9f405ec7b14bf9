"""A scope has a name that systemd accepts, a path that D-Bus accepts, and each property once."""

import math
from typing import Any

import pytest

from scoperun.errors import InvalidValue
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property, parse_property
from scoperun.spec.scope import (
    folder_of,
    generated_unit_name,
    live_properties,
    scope_request,
    unit_at,
    unit_name,
    unit_path,
    units_of,
)
from scoperun.spec.sizes import INFINITY


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("job", "job.scope"),
        ("job.scope", "job.scope"),
        ("a.services", "a.services.scope"),
        ("a-b_c:d.e\\x2df", "a-b_c:d.e\\x2df.scope"),
        ("a" * 249, "a" * 249 + ".scope"),
    ],
)
def test_a_unit_name_gets_its_suffix_once(name: str, full: str) -> None:
    assert unit_name(name) == full


def test_a_slice_has_its_own_suffix() -> None:
    assert unit_name("app-heavy", suffix=".slice") == "app-heavy.slice"
    assert unit_name("job.1", suffix=".slice") == "job.1.slice"


@pytest.mark.parametrize(("name", "suffix"), [("a.service", ".slice"), ("a.scope", ".slice"), ("a.service", ".scope")])
def test_the_name_of_a_unit_of_another_type_is_refused(name: str, suffix: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        unit_name(name, suffix=suffix)
    assert refused.value.message == f"{name!r} is not the name of a {suffix.removeprefix('.')}"
    assert f"it ends in {suffix}" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["", ".scope", "a b", "a\n", "é", "a*", "a%i", "a" * 250])
def test_an_invalid_unit_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        unit_name(name)
    assert refused.value.message == f"{name!r} is not a valid name for a scope"
    assert "at most 255 characters" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["a/b", "/", "/srv/x.scope"])
def test_a_slash_is_refused_with_the_tool_that_escapes_it(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        unit_name(name)
    assert (
        str(refused.value) == f"{name!r} is not a unit name: it has a slash (systemd-escape(1) turns a path into one)"
    )


def test_a_refused_slice_is_called_a_slice() -> None:
    with pytest.raises(InvalidValue, match=r"^'' is not a valid name for a slice"):
        unit_name("", suffix=".slice")


@pytest.mark.parametrize("suffix", [".scope", ".slice"])
@pytest.mark.parametrize("name", ["job@", "@1", "user@1000"])
def test_scopes_and_slices_have_no_templates(name: str, suffix: str) -> None:
    with pytest.raises(InvalidValue):
        unit_name(name, suffix=suffix)


@pytest.mark.parametrize("name", ["init", "init.scope"])
def test_the_scope_of_systemd_is_not_for_others(name: str) -> None:
    """StartTransientUnit changes it, and a limit on its memory kills the manager."""
    with pytest.raises(InvalidValue, match=r"^init\.scope is the scope of systemd itself"):
        unit_name(name)


@pytest.mark.parametrize("name", ["a-b", "-", "a-b-c.slice", "-.slice", "a_-_b"])
def test_a_slices_name_has_the_slices_that_it_is_in(name: str) -> None:
    assert unit_name(name, suffix=".slice").endswith(".slice")


@pytest.mark.parametrize("name", ["a--b", "a-", "-a", "a-.slice", "--", "-a.slice"])
def test_a_slice_without_a_name_between_dashes_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="a dash stands between the names of slices"):
        unit_name(name, suffix=".slice")


@pytest.mark.parametrize(
    ("unit", "escaped"),
    [
        ("foo.scope", "foo_2escope"),
        ("a-b.scope", "a_2db_2escope"),
        ("a_b.scope", "a_5fb_2escope"),
        ("a@b:c\\d.scope", "a_40b_3ac_5cd_2escope"),
        ("9lives.scope", "_39lives_2escope"),
        ("a9.scope", "a9_2escope"),
        ("0123456789abcdef0123456789abcdef", "_30123456789abcdef0123456789abcdef"),
        ("-.slice", "_2d_2eslice"),
        ("é.scope", "_c3_a9_2escope"),
    ],
)
def test_an_object_path_escapes_everything_but_letters_and_digits(unit: str, escaped: str) -> None:
    assert unit_path(unit) == f"/org/freedesktop/systemd1/unit/{escaped}"


@pytest.mark.parametrize(
    ("folder", "unit"),
    [
        ("job.scope", "job.scope"),
        ("_memory.service", "memory.service"),
        ("_memory.x.scope", "memory.x.scope"),
        ("_io.slice", "io.slice"),
        ("_bpf-socket-bind.service", "bpf-socket-bind.service"),
        ("_cgroup.service", "cgroup.service"),
        ("__job.scope", "_job.scope"),
        ("_.job.scope", ".job.scope"),
        ("app.slice", "app.slice"),
    ],
)
def test_a_unit_has_a_folder_that_no_file_of_the_kernels_can_have(folder: str, unit: str) -> None:
    assert folder_of(unit) == folder
    assert units_of(f"/{folder}/{folder}") == (unit, unit)


@pytest.mark.parametrize("folder", ["_job.scope", "_app.slice", "_memories.service", "_memory-x.slice", "_tasks"])
def test_an_underscore_that_systemd_does_not_put_there_makes_another_name(folder: str) -> None:
    """Anybody who may make cgroups there can have chosen it."""
    assert units_of(f"/{folder}") == (folder,)


@pytest.mark.parametrize("folder", ["memory.x.scope", "memory.service"])
def test_systemd_252_has_fewer_underscores(folder: str) -> None:
    """There it is only before a name that is a controller's up to its last dot."""
    assert units_of(f"/{folder}") == (folder,)


@pytest.mark.parametrize(
    "command", ["sleep", "/usr/bin/sleep", "./a b/c", "x;y", "prog-é", "\udcff", "", "b/", "c" * 300]
)
def test_a_generated_name_is_valid_for_any_command(command: str) -> None:
    name = generated_unit_name(command, 4_194_304, "0123abcd")
    assert unit_name(name) == name


def test_a_generated_name_contains_the_commands_name() -> None:
    assert generated_unit_name("/usr/bin/make", 42, "beef") == "scoperun-make-42-beef.scope"


def test_a_request_has_the_properties_that_scoperun_needs() -> None:
    request = scope_request("job.scope", [])
    accounting = {"MemoryAccounting": True, "TasksAccounting": True}
    kept = {"AddRef": True, "CollectMode": "inactive-or-failed"}
    ours = {"Documentation": ["man:scoperun(1)"]}
    assert {each.name: each.value for each in request.properties} == accounting | kept | ours
    assert request.path == "/org/freedesktop/systemd1/unit/job_2escope"


def test_the_last_property_with_a_name_counts() -> None:
    low, high = (Property(name="MemoryMax", signature="t", value=value) for value in (1, 2))
    request = scope_request("job.scope", [low, high])
    assert [each for each in request.properties if each.name == "MemoryMax"] == [high]


def test_requested_documentation_replaces_ours() -> None:
    """Otherwise systemd would append to ours."""
    asked = [parse_property("Documentation=man:true(1)"), parse_property("Documentation=man:false(1)")]
    assert scope_request("job.scope", asked).value("Documentation") == ["man:true(1)", "man:false(1)"]


def test_documentation_is_left_out_if_systemd_does_not_know_it() -> None:
    (ours,) = [each for each in scope_request("job.scope", []).properties if each.name == "Documentation"]
    assert not ours.asked


@pytest.mark.parametrize(
    ("texts", "name", "value"),
    [(["TasksMax=5", "TasksMax=50%"], "TasksMaxScale", 2_147_483_648), (["TasksMax=50%", "TasksMax=5"], "TasksMax", 6)],
)
def test_a_number_and_a_share_count_as_the_same_property(texts: list[str], name: str, value: int) -> None:
    """Systemd takes the one that is sent last, and the limit sent is then compared with the kernel's."""
    request = scope_request("job.scope", map(parse_property, texts))
    assert {each.name: each.value for each in request.properties if each.name.startswith("TasksMax")} == {name: value}


def test_the_caller_can_turn_accounting_off() -> None:
    off = Property(name="MemoryAccounting", signature="b", value=False)
    assert scope_request("job.scope", [off]).value("MemoryAccounting") is False


@pytest.mark.parametrize(("asked", "sent"), [(1, 2), (50, 51), (INFINITY, INFINITY)])
def test_the_tasks_limit_that_is_sent_includes_the_keeper(asked: int, sent: int) -> None:
    """The keeper is a task of the scope too, and the command gets the requested number."""
    limit = Property(name="TasksMax", signature="t", value=asked)
    assert scope_request("job.scope", [limit]).value("TasksMax") == sent


def test_the_keeper_is_added_once_even_if_properties_are_left_out() -> None:
    asked = [Property(name="TasksMax", signature="t", value=value) for value in (7, 50)]
    assert scope_request("job.scope", asked).without("AddRef").value("TasksMax") == 51


def test_the_keeper_does_not_change_other_limits() -> None:
    limit = Property(name="MemoryMax", signature="t", value=50)
    assert scope_request("job.scope", [limit]).value("MemoryMax") == 50


def test_a_property_can_be_left_out() -> None:
    request = scope_request("job.scope", [Property(name="OOMPolicy", signature="s", value="kill")])
    assert request.value("OOMPolicy") == "kill"
    less = request.without("OOMPolicy")
    assert less.value("OOMPolicy") is None
    assert less.unit == request.unit
    assert len(less.properties) == len(request.properties) - 1


@pytest.mark.parametrize(("usec", "seconds"), [(1_500_000, 1.5), (INFINITY, None)])
def test_the_requested_time_limit_is_in_seconds(usec: int, seconds: float | None) -> None:
    asked = Property(name="RuntimeMaxUSec", signature="t", value=usec)
    assert scope_request("job.scope", [asked]).runtime_max == seconds


def test_without_a_requested_time_limit_it_is_none() -> None:
    assert scope_request("job.scope", []).runtime_max is None


def live(**limits: Any) -> dict[str, object]:
    return {each.name: each.value for each in live_properties(Limits(**limits))}


def test_a_new_memory_limit_does_not_change_swap() -> None:
    """A memory limit implies no swap only at the start."""
    assert live(memory_max=2**30) == {"MemoryMax": 2**30}
    assert live(memory_max=2**30, memory_swap_max=0) == {"MemoryMax": 2**30, "MemorySwapMax": 0}
    assert live(memory_swap_max=INFINITY) == {"MemorySwapMax": INFINITY}


def test_a_new_tasks_limit_includes_the_keeper() -> None:
    assert live(tasks_max=5, cpu_weight=7) == {"CPUWeight": 7, "TasksMax": 6}


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("runtime_max", 1, "RuntimeMaxUSec"),
        ("runtime_max", math.inf, "RuntimeMaxUSec"),
        ("timeout_stop", math.inf, "TimeoutStopUSec"),
        ("oom_policy", "continue", "OOMPolicy"),
    ],
)
def test_a_property_that_is_fixed_at_the_start_is_refused_later(field: str, value: Any, name: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{name}= cannot be changed while the scope runs$"):
        live(**{field: value})


@pytest.mark.parametrize("unit", ["a.scope", "3d-x@1.service", r"app-a\x2db_c.scope", "run-p1-i2.scope"])
def test_the_unit_of_an_object_path(unit: str) -> None:
    assert unit_at(unit_path(unit)) == unit


@pytest.mark.parametrize("path", ["", "/", "/org/freedesktop/systemd1", "/org/freedesktop/systemd1/unit/a_zz"])
def test_other_object_paths_are_of_no_unit(path: str) -> None:
    assert unit_at(path) is None
