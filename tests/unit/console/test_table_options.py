"""Options of the table as parameters of a subcommand's function."""

from typing import Annotated, Any

import pytest
import typer

from scoperun.batch.columns import OFFERED
from scoperun.console.option import Option
from scoperun.console.table_options import by_long_name, with_options
from scoperun.ctl.declared import declared

FLAGS = (
    Option(("-q", "--quick"), "Be quick.", "Other", contrary="--no-quick", shows_default=True),
    Option(("--slow",), "Be slow.", "Other"),
)


def given(words: list[str], options: tuple[Option, ...], *, with_defaults: bool) -> dict[str, Any]:
    """Return what typer reads of these words, by the options' long names."""
    found: dict[str, Any] = {}

    @with_options(options, with_defaults=with_defaults)
    def function(_name: Annotated[str | None, typer.Argument()] = None, **given: Any) -> int:
        """Do."""
        found.update(by_long_name(given))
        return 0

    declared(function, help_line="Do.")(args=words, prog_name="x", standalone_mode=False)
    return found


def test_a_flag_that_is_not_given_has_its_default() -> None:
    assert given([], FLAGS, with_defaults=True) == {"quick": True, "slow": False}
    assert given(["--no-quick", "--slow"], FLAGS, with_defaults=True) == {"quick": False, "slow": True}


@pytest.mark.parametrize(
    ("words", "found"),
    [([], {}), (["-q"], {"quick": True}), (["--no-quick"], {"quick": False}), (["--slow"], {"slow": True})],
)
def test_a_flag_that_is_not_given_can_be_left_to_config_files(words: list[str], found: dict[str, Any]) -> None:
    assert given(words, FLAGS, with_defaults=False) == found


def test_the_options_of_a_batch_are_read() -> None:
    words = ["--mem", "auto", "-E", "A=1", "-E", "B=2", "--no-require-limits", "--mem-high=1G", "--no-config", "jobs"]
    assert given(words, OFFERED, with_defaults=False) == {
        "mem": "auto",
        "setenv": ["A=1", "B=2"],
        "require-limits": False,
        "mem-high": 1 << 30,
        "no-config": True,
    }
