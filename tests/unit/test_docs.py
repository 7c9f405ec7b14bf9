"""The documents name what the program has, and nothing that it does not have."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from scoperun.batch.ending import FAILURES, Ending
from scoperun.batch.library import BatchResult
from scoperun.cli.options import parse
from scoperun.console.options import OPTIONS as DECLARED
from scoperun.errors import LimitNotEnforced
from scoperun.evidence.events import Process, Task
from scoperun.evidence.kernel_report import KernelReport
from scoperun.evidence.last_seen import Victim
from scoperun.evidence.pressure import Pressure
from scoperun.evidence.verdict import Evidence, Verdict
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.report.oom_report import Oom
from scoperun.report.report import Cpu, Io, Memory, Report
from scoperun.report.soft_memory_report import Passing, SoftMemoryReport
from scoperun.report.soft_pressure_report import PressurePassing, SoftPressureReport
from scoperun.report.timeline_report import TimelineReport
from scoperun.spec.limits import Limits, LimitsInForce
from scoperun.supervision.enforcement import check_limits
from tests.documents import (
    CHECKOUT,
    MANUAL,
    README,
    command_lines,
    configurations,
    library_examples,
    section,
    sessions,
    terms,
)
from tests.subcommands import subcommands
from tests.unit.declared import ENVIRONMENT, PROPERTIES, takes_value
from tests.unit.test_shape import ROWS, SOURCES, documentation, package

OPTION = r"(?<![\w-])--?[A-Za-z][a-z-]*"
OPTIONS = sorted(takes_value())
KEYS = sorted(
    {field.name for part in (Report, LimitsInForce, Memory, SoftMemoryReport, SoftPressureReport, Oom, Cpu, Io,
                             Pressure, TimelineReport)
     for field in dataclasses.fields(part)} - {"timed_out", "unread_log", "has_other_limits"}  # status and text alone
)  # fmt: skip
IN_LISTS = sorted(
    {field.name for part in (Process, Task, Passing, PressurePassing, Victim, KernelReport, Evidence)
     for field in dataclasses.fields(part)} - {"forked"}  # for the evidence alone
)  # fmt: skip


ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_architecture_has_every_package_and_its_imports() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]*\?[^|]*\|([^|]*)\|$", ARCHITECTURE, flags=re.MULTILINE)
    assert [(name, set(re.findall(r"\w+", imports))) for name, imports in rows] == list(ROWS.items())


def test_the_architecture_names_the_ground_modules() -> None:
    (ground,) = re.findall(r"^The ground is (.*?)\.\s`scoperun/", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)
    modules = {name.removeprefix("scoperun.") for name in SOURCES if name.count(".") == 1 and not package(name)}
    assert set(re.findall(r"`(\w+)`", ground)) == modules - {"__main__"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_/]+\.py)`", ARCHITECTURE))))
def test_the_architecture_names_only_existing_files(path: str) -> None:
    found = [file for file in CHECKOUT.rglob(f"*/{path}") if ".venv" not in file.parts]
    assert (CHECKOUT / path).exists() or found


def test_the_architecture_names_every_file_that_opens_with_its_law() -> None:
    laws = {file.name for module, file in SOURCES.items() if "The law of this file" in documentation(module)}
    named = set(re.findall(r"^\* `(\w+\.py)`", ARCHITECTURE, flags=re.MULTILINE))
    assert named == laws


def test_the_architecture_is_short() -> None:
    assert len(ARCHITECTURE.splitlines()) <= 190


@pytest.mark.parametrize("name", OPTIONS)
def test_the_readme_names_every_option(name: str) -> None:
    assert re.search(rf"`{name}[ `]", README), f"{name} is not in README.md"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(--?[A-Za-z-]+)[ `]", README))))
def test_the_readme_names_only_existing_options(name: str) -> None:
    of_scopectl = {word for each in subcommands() for option in each.options for word in option.names}
    assert name in {*OPTIONS, *of_scopectl}


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Report) if field.name in KEYS])
def test_the_readme_names_every_key_of_the_report(key: str) -> None:
    assert f"`{key}`" in README


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(BatchResult)])
def test_the_readme_names_every_field_of_a_result_of_a_batch(field: str) -> None:
    (text,) = re.findall(r"^A `scoperun\.BatchResult` has .*(?:\n.+)*", README, flags=re.MULTILINE)
    assert f"`{field}`" in text


def test_the_readme_names_every_end_of_a_job() -> None:
    (text,) = re.findall(r"^A `scoperun\.BatchResult` has .*(?:\n.+)*", README, flags=re.MULTILINE)
    assert [end for end in (*FAILURES, Ending.DONE) if f"`{end}`" not in text] == []


def test_the_manual_explains_exactly_the_existing_options() -> None:
    assert sorted(re.findall(OPTION, "\n".join(terms("OPTIONS")))) == OPTIONS


def test_the_manual_has_every_option_in_its_section() -> None:
    _, *parts = re.split(r"^\.SS (.*)\n", section("OPTIONS"), flags=re.MULTILINE)
    explained = {
        heading: set(re.findall(OPTION, " ".join(re.findall(r"^\.TP\n(.*)$", text, flags=re.MULTILINE))))
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    declared: dict[str, set[str]] = {"Other": {"-h", "--help"}}
    for option in DECLARED:
        declared.setdefault(option.panel, set()).update(option.names, [option.contrary] if option.contrary else [])
    assert explained == declared


def test_the_manual_mentions_only_existing_options() -> None:
    text = MANUAL.partition(".SH EXAMPLES")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= set(OPTIONS)


@pytest.mark.parametrize(("option", "setting"), PROPERTIES.items())
def test_the_manual_names_each_options_property(option: str, setting: str) -> None:
    (explained,) = re.findall(rf"^\.B\S* --{option}(?: .*)?\n(\S+=)", section("OPTIONS"), flags=re.MULTILINE)
    assert explained == f"{setting}="


def test_the_manual_explains_exactly_the_existing_verdicts() -> None:
    assert terms("VERDICTS") == [str(verdict) for verdict in Verdict]


def test_the_manual_explains_exactly_the_keys_of_the_report() -> None:
    explained = {key for line in terms("REPORT") for key in re.split("[ ,]+", line)}
    assert sorted(explained) == KEYS


@pytest.mark.parametrize("key", IN_LISTS)
def test_the_manual_explains_the_keys_of_list_items(key: str) -> None:
    """It does so below the list that contains them."""
    assert re.search(rf"^\.BR? {key}( [,;.])?$", section("REPORT"), flags=re.MULTILINE)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_manual_names_the_environment_variables(name: str) -> None:
    assert name in terms("ENVIRONMENT")


def test_the_manual_tells_how_to_fix_a_limit_that_is_not_enforced(tmp_path: Path) -> None:
    """It is in the section that the error names."""
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    limits = Limits(memory_max=20 << 20).properties()
    with pytest.raises(LimitNotEnforced, match=r"scoperun\(1\), REQUIREMENTS, explains how to fix that"):
        check_limits(limits, ScopeCgroup(Cgroup("/job.scope", str(tmp_path)), keeper=1))
    remedies = ("cgroup.controllers", "cgroup_disable=memory", "Delegate=cpu memory pids", "--no-require-limits")
    assert [remedy for remedy in remedies if remedy not in section("REQUIREMENTS")] == []


def test_the_manual_has_the_exit_status_before_the_options() -> None:
    assert MANUAL.index(".SH EXIT STATUS") < MANUAL.index(".SH OPTIONS")


def test_there_are_sessions_to_run() -> None:
    """tests/guest runs them; this test only checks that they are found."""
    assert len(sessions()) == README.count("```console") + section("EXAMPLES").count(".EX\n")
    assert len(library_examples()) == README.count("```python")


@pytest.mark.parametrize("line", command_lines())
def test_the_readme_has_only_command_lines_that_are_understood(line: str) -> None:
    asked = parse(shlex.split(line))
    assert asked is not None
    assert asked.request.command
    assert asked.request.limits.memory_max


def test_the_readme_has_command_lines() -> None:
    assert {shlex.split(line.partition(" -- ")[2])[0] for line in command_lines()} >= {
        "bash",
        "bwrap",
        "$HOME/bin/backup",
    }


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", README))))
def test_the_readme_links_only_to_its_own_headings(anchor: str) -> None:
    headings = re.findall(r"^##+ (.*)$", README, flags=re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./]+)\)", README))))
def test_the_readme_links_only_to_existing_files(path: str) -> None:
    assert (CHECKOUT / path).exists()


@pytest.mark.parametrize("configuration", configurations())
def test_an_example_configuration_has_the_described_effect(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scoperun").mkdir()
    (tmp_path / "scoperun" / "config.toml").write_text(configuration)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    by_name, by_rule, by_default = (parse(words) for words in (["-P", "build", "true"], ["make"], ["true"]))
    assert by_name is not None
    assert by_rule is not None
    assert by_default is not None
    assert by_name.request.limits == by_rule.request.limits != by_default.request.limits
    assert by_name.request.limits.memory_max == 4 << 30
    assert by_default.request.limits.oom_policy == "continue"


def test_the_wheel_installs_the_manual_and_the_completions() -> None:
    pyproject = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    for file in (*(CHECKOUT / "man").iterdir(), *(CHECKOUT / "completions").iterdir()):
        assert f'"{file.relative_to(CHECKOUT)}" = "share/' in pyproject
