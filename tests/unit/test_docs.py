"""The documents name what the program has."""

import re
from pathlib import Path

import pytest
import typer

from scoperun import options

from .stories import STORIES, told

README = (Path(__file__).parents[2] / "README.md").read_text()


def option_names() -> list[str]:
    command = typer.main.get_command(options._app)  # noqa: SLF001  the declaration itself
    return [name for parameter in command.params if parameter.name != "command" for name in parameter.opts]


@pytest.mark.parametrize("name", [*option_names(), "-h", "--help", "--no-require-limits"])
def test_the_readme_names_every_option(name: str) -> None:
    assert re.search(rf"`{name}[ `]", README), f"{name} is not in README.md"


@pytest.mark.parametrize("name", re.findall(r"`(--?[a-z-]+)[ `]", README))
def test_the_readme_names_no_option_that_is_not_there(name: str) -> None:
    others = {"--user"}
    assert name in {*option_names(), "-h", "--help", "--no-require-limits", *others}


@pytest.mark.parametrize("key", told(STORIES[0].events).to_dict())
def test_the_readme_names_every_key_of_the_report(key: str) -> None:
    assert f"`{key}`" in README
