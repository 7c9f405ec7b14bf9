"""A request is checked before anything is started."""

from typing import Any

import pytest

from scoperun.errors import InvalidValue
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.spec.soft_memory import SoftMemory


def properties(request: RunRequest) -> dict[str, object]:
    return {each.name: each.value for each in request.scope_properties()}


def test_a_command_alone_gets_a_description_if_systemd_has_one() -> None:
    described = Property(name="Description", signature="s", value="sleep 1", asked=False)
    assert list(RunRequest(command=("sleep", "1")).scope_properties()) == [described]


def test_names_are_completed() -> None:
    request = RunRequest(command=("true",), unit="job", slice="heavy")
    assert (request.unit, request.slice) == ("job.scope", "heavy.slice")
    assert properties(request)["Slice"] == "heavy.slice"


def test_properties_come_after_limits_and_override_them() -> None:
    request = RunRequest(command=("true",), limits=Limits(memory_max=4096), properties=("MemoryMax=8K",))
    assert [each.value for each in request.scope_properties() if each.name == "MemoryMax"] == [4096, 8192]


def test_the_callers_description_is_used() -> None:
    request = RunRequest(command=("true",), properties=("Description=mine",))
    assert properties(request)["Description"] == "mine"


@pytest.mark.parametrize("command", [(), ("",), ("", "x")])
def test_a_missing_command_is_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"^no command to run"):
        RunRequest(command=command)


def test_an_empty_argument_is_valid() -> None:
    assert RunRequest(command=("printf", "")).command == ("printf", "")


def test_a_nul_byte_in_an_argument_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^argument 'a\\x00b' has a NUL byte$"):
        RunRequest(command=("echo", "a\0b"))


def test_a_surrogate_that_is_not_an_escaped_byte_is_refused() -> None:
    """U+DC80 to U+DCFF stand for bytes that are not UTF-8 (PEP 383); other surrogates cannot be executed or sent."""
    with pytest.raises(InvalidValue, match=r"^argument "):
        RunRequest(command=("echo", "\ud800"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "a/b"}, "'a/b' is not a unit name: it has a slash"),
        ({"unit": ""}, "'' is not a valid name for a scope"),
        ({"slice": "a b"}, "'a b' is not a valid name for a slice"),
        ({"properties": ("MemoryMax=20Q",)}, "MemoryMax=20Q: '20Q' is not a valid size"),
        ({"properties": ("MemoryMax=1M", "LimitAS=1")}, "LimitAS= does not exist for scopes"),
    ],
)
def test_bad_values_are_refused_when_the_request_is_made(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        RunRequest(command=("true",), **wrong)
    assert refused.value.message.startswith(message)


def test_a_command_with_any_bytes_is_described_in_text() -> None:
    request = RunRequest(command=("cat", "caf\udce9"))
    assert properties(request)["Description"] == "cat caf\\xe9"


@pytest.mark.parametrize(
    ("words", "description"),
    [
        (("sh", "-c", "sleep 20\n[ -e foo ] && bar"), "sh -c sleep 20 [ -e foo ] && bar"),
        (("printf", "a\rb\tc\x1b[m"), "printf a b c [m"),
        (("echo", "\u2028\x85"), "echo   "),
        (("findstr", "c:\\\\"), "findstr c:"),
        (("echo", "a" * 195), "echo " + "a" * 195),
        (("echo", "a" * 196), "echo " + "a" * 194 + "…"),
    ],
)
def test_a_description_is_one_line_of_limited_length(words: tuple[str, ...], description: str) -> None:
    """Systemd writes it into the unit's file, where a second line would be another setting."""
    assert properties(RunRequest(command=words))["Description"] == description


@pytest.mark.parametrize("text", ["a\n[Scope]", "a\r", "a\\"])
@pytest.mark.parametrize("name", ["Description", "ConditionHost"])
def test_a_value_that_is_not_one_line_of_a_unit_file_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        RunRequest(command=("true",), properties=(f"{name}={text}", f"{name}=fine"))
    assert refused.value.message == f"{name}: {text!r} is not one line of a unit file"


def test_a_list_can_have_several_lines_but_not_in_a_word() -> None:
    assert properties(RunRequest(command=("true",), properties=("Wants=a\nb",)))["Wants"] == ["a", "b"]
    with pytest.raises(InvalidValue, match=r"^Wants: 'a\\nb' is not one line of a unit file"):
        RunRequest(command=("true",), properties=("Wants='a\nb'",))


def test_a_description_that_is_not_one_line_of_a_unit_file_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^`description`: 'a\\nb' is not one line of a unit file"):
        RunRequest(command=("true",), description="a\nb")


@pytest.mark.parametrize(
    ("inherited", "asked", "slice_name"),
    [
        ("app.slice", None, "app.slice"),
        ("app.slice", "heavy", "app-heavy.slice"),
        ("app-heavy.slice", "job.slice", "app-heavy-job.slice"),
        ("-.slice", "heavy", "heavy.slice"),
        ("-.slice", None, "-.slice"),
        (None, "heavy", "heavy.slice"),
    ],
)
def test_an_inherited_slice_is_the_callers_or_one_below_it(
    inherited: str | None, asked: str | None, slice_name: str
) -> None:
    request = RunRequest(command=("true",), slice=asked, slice_inherit=True)
    shown = {each.name: each.value for each in request.scope_properties(inherited_slice=inherited)}
    assert shown["Slice"] == slice_name


def test_without_a_requested_slice_systemd_chooses_it() -> None:
    assert "Slice" not in properties(RunRequest(command=("true",)))
    inherited = list(RunRequest(command=("true",)).scope_properties(inherited_slice="app.slice"))
    assert "Slice" not in {each.name for each in inherited}


def test_a_requested_description_is_sent_even_if_systemd_does_not_know_it() -> None:
    described = Property(name="Description", signature="s", value="nightly build", asked=True)
    assert list(RunRequest(command=("make",), description="nightly build").scope_properties()) == [described]


@pytest.mark.parametrize("command", ["ls -l", "ls"])
def test_a_command_of_one_string_is_refused(command: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        RunRequest(command=command)  # type: ignore[arg-type]
    assert str(refused.value) == f"command {command!r} is one string (pass a list of words: no shell splits it)"


def test_by_default_a_command_runs_in_its_callers_context() -> None:
    context = RunRequest(command=("true",)).context
    assert context == ExecContext(environment=(), working_directory=None, user=None, group=None, nice=None)


@pytest.mark.parametrize("wrong", [-1001, 1001, 5.0, True, "5"])
def test_an_oom_score_adjustment_that_no_kernel_takes_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^`context.oom_score_adj=.*` is out of range \(from -1000 to 1000\)$"):
        ExecContext(oom_score_adj=wrong)


def test_lists_of_properties_add_up_and_other_properties_are_sent_once() -> None:
    texts = ("After=a.service", "TasksMax=5", "After=b.service", "TasksMax=6")
    request = RunRequest(command=("true",), description="d", properties=texts)
    assert [(each.name, each.value) for each in request.scope_properties()] == [
        ("Description", "d"), ("After", ["a.service", "b.service"]), ("TasksMax", 6),
    ]  # fmt: skip


def test_a_share_of_memory_is_refused_if_the_size_of_memory_is_unknown() -> None:
    with pytest.raises(InvalidValue, match=r"^MemoryMax=50%: a percentage of memory whose size is not known here"):
        RunRequest(command=("true",), properties=("MemoryMax=50%",))


def test_an_empty_working_directory_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^`context.working_directory` is empty"):
        ExecContext(working_directory="")


def test_the_hard_limit_that_a_soft_one_is_not_below_is_named_as_it_was_given() -> None:
    soft = SoftMemory(10 << 20)
    with pytest.raises(InvalidValue, match=r"is not below `memory_max=5M`"):
        RunRequest(command=("true",), soft_memory=soft, limits=Limits(memory_max=5 << 20))
    with pytest.raises(InvalidValue, match=r"is not below `properties=MemoryMax=5M`"):
        RunRequest(command=("true",), soft_memory=soft, properties=("MemoryMax=5M",))
