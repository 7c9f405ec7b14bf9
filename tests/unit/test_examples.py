"""The examples that are no programs ask for what scoperun understands."""

import configparser
import shlex

import pytest

from scoperun.cli.options import parse
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
