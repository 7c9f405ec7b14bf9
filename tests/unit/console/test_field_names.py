"""Errors of the library name fields, and the command line prints the options in their place."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import scoperun
from scoperun.console.field_names import MARKED, OPTION_OF_FIELD, in_options
from scoperun.spec.limits import Limits
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.supervision import replay  # a program with an option of its own
from tests.unit.declared import takes_value
from tests.unit.strings import strings

LIBRARY = ("spec", "evidence", "report", "systemd", "kernel", "process", "supervision")
OTHER_PROGRAMS = {"--system", "--user", "--unit", "--wait"}
"""Our options that systemctl, systemd-run and journalctl have too."""


def texts() -> Iterator[str]:
    """Yield all strings of the library's modules except docstrings."""
    for folder in LIBRARY:
        for file in set((Path(scoperun.__file__).parent / folder).rglob("*.py")) - {Path(replay.__file__)}:
            yield from strings(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("`slice`", "--slice"),
        ("a slice, or `slice`", "a slice, or --slice"),
        ("`system=True` is for root", "--system is for root"),
        ("`require_limits=False` runs it", "--no-require-limits runs it"),
        ("`soft_memory=15M` is not below `memory_max=10M`", "--soft-mem 15M is not below --mem 10M"),
        ("`properties=MemoryHigh=`", "-p MemoryHigh="),
        ("`context.environment=NAME=VALUE` sets", "-E NAME=VALUE sets"),
        ("`no_field` and `no_field=1`", "`no_field` and `no_field=1`"),
        ("memory_max and slice=", "memory_max and slice="),
    ],
)
def test_a_marked_field_is_printed_as_its_option(text: str, printed: str) -> None:
    assert in_options(text) == printed


def test_every_name_is_a_field_and_every_option_is_declared() -> None:
    request = {each.name for each in fields(RunRequest)} | {each.name for each in fields(Limits)}
    context = {f"context.{each.name}" for each in fields(ExecContext)}
    assert OPTION_OF_FIELD.keys() <= request | context
    assert set(OPTION_OF_FIELD.values()) <= takes_value().keys()


def test_the_library_marks_only_fields() -> None:
    marked = {found[1] for text in texts() for found in re.finditer(MARKED, text)}
    assert marked
    assert marked <= OPTION_OF_FIELD.keys()


def test_the_library_names_no_options() -> None:
    ours = "|".join(sorted({name for name in takes_value() if name.startswith("--")} - OTHER_PROGRAMS))
    option = re.compile(rf"(?<![\w-])({ours})(?![\w-])")
    assert not [text for text in texts() if option.search(text) and "scoperun --" not in text], "but in a whole command"


def test_the_program_prints_options() -> None:
    words = ["--soft-mem", "15M", "--mem", "10M", "--", "true"]
    program = [sys.executable, "-m", "scoperun", "--no-config", *words]
    ended = subprocess.run(program, check=False, capture_output=True, text=True)
    hint = "the kernel kills there; take less, so that the command is warned before"
    assert (ended.returncode, ended.stderr) == (125, f"scoperun: --soft-mem 15M is not below --mem 10M ({hint})\n")
