"""The examples that are no programs ask for what scoperun understands."""

import configparser
import re
import shlex

import pytest

from scoperun.batch.command import command
from scoperun.batch.job import SHELL
from scoperun.batch.job_files import asked, jobs
from scoperun.batch.limits import Common
from scoperun.cli.options import parse
from scoperun.ctl.declared import declared
from tests.documents import CHECKOUT

EXAMPLES = CHECKOUT / "examples"


def words(name: str, section: str, key: str) -> list[str]:
    """Return the words of the command line in an INI file, with its %-codes as they are."""
    file = configparser.RawConfigParser(strict=True)
    file.optionxform = str  # type: ignore[assignment,method-assign]  # keys have capitals
    file.read_string((EXAMPLES / name).read_text(encoding="utf-8"))
    return shlex.split(file[section][key])


@pytest.mark.parametrize(
    ("name", "section", "key", "command"),
    [
        ("browser.desktop", "Desktop Entry", "Exec", ("firefox", "%u")),
        ("backup.service", "Service", "ExecStart", ("%h/bin/backup",)),
    ],
)
def test_its_command_line_is_right(name: str, section: str, key: str, command: tuple[str, ...]) -> None:
    program, *options = words(name, section, key)
    asked = parse(options)
    assert program == "scoperun"
    assert asked is not None
    assert asked.request.command == command
    assert asked.request.limits.memory_max


BATCH = EXAMPLES / "batch"
COMMANDS = re.findall(r"^    scopectl (batch .*)$", (BATCH / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
MIB = 1 << 20


def test_the_table_has_jobs_with_and_without_memory_of_their_own() -> None:
    (words,) = {line.partition(" -- ")[2] for line in COMMANDS if " -- " in line}
    found = [*jobs(asked(str(BATCH / "jobs.tsv"), shlex.split(words)), Common(memory=40 * MIB))]
    assert [(each.name, each.memory // MIB) for each in found] == [
        ("coarse", 40),
        ("medium", 40),
        ("fine", 40),
        ("finest", 120),
    ]
    assert found[2].command == ("./simulate", "fine", "50", "3")


def test_the_objects_are_jobs_with_commands_of_their_own() -> None:
    first, second, third = jobs(asked(str(BATCH / "jobs.jsonl"), ()), Common())
    assert first.command == ("./simulate", "alone", "15", "5")
    assert (second.command[:2], second.environment) == (SHELL, ("SIZE=20",))
    assert third.settings == (("timeout", "1min"),)


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_lines_for_jobs_are_understood(line: str) -> None:
    name, *options = shlex.split(line.partition(" -- ")[0])
    declared(command, help_line="").make_context(name, options)
    assert [word for word in options if word.startswith("jobs.") and not (BATCH / word).exists()] == []


def test_there_are_command_lines_for_both_files() -> None:
    assert {word for line in COMMANDS for word in line.split()} >= {"jobs.tsv", "jobs.jsonl", "--resume"}
