"""scopectl(1), README.md and --help say the same about scopectl."""

import re
import shlex
from importlib import import_module

import pytest

from scoperun.ctl.declared import declared
from scoperun.ctl.subcommands import NAMES, SUBCOMMANDS
from tests.documents import CHECKOUT, README, manual
from tests.subcommands import subcommands

MANUAL = manual("scopectl")
OPTION = r"(?<![\w-])--?[A-Za-z][a-z-]*"
EVERYWHERE = {"--system", "--user", "--json", "-h", "--help", "--version"}
OPTIONS = EVERYWHERE | {name for each in subcommands() for option in each.options for name in option.names}
OF_OTHERS = {
    "--no-delegate",
    "--timeout",
    "--kill-after",
    "--oom-policy",
    "--report",
    "--report-fd",
    "--record",
    "--timeline",
}
"""Options of scoperun that the page mentions."""

TERMS = re.findall(r"^\.TP\n\.[BIR]+ (.*)$", MANUAL, flags=re.MULTILINE)


def explained(name: str) -> str:
    """Return the manual page's term and text about a subcommand."""
    (found,) = re.findall(rf"^\.TP\n(\.BR? {name}\b.*?)(?=^\.TP$|^\.S[HS] |\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", [row.name for row in SUBCOMMANDS if row.name not in {"thaw", "batch"}])
def test_the_manual_explains_every_option_of_a_subcommand(name: str) -> None:
    """Of batch, which has a page of its own, tests/unit/batch/test_documents.py sees to that."""
    (subcommand,) = [each for each in subcommands() if each.row.name == name]
    options = {name for option in subcommand.options for name in option.names}
    text = MANUAL.partition(".SH SUBCOMMANDS")[0] + explained(name)
    if name == "attach":
        text += explained("set")  # it has the same limits
    assert [name for name in sorted(options) if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)] == []


def command_lines() -> list[str]:
    """Return the command lines of scopectl in both documents, without what belongs to the shell."""
    text = README + MANUAL.partition(".SH EXAMPLES")[2]
    found = re.findall(r"(?:`|^|&& |; )(scopectl [a-z][^`\n;&>]*)", text, flags=re.MULTILINE)
    return [re.sub(r"\$\(.*?\)", "4242", line).strip() for line in found]


@pytest.mark.parametrize("line", command_lines())
def test_the_documents_have_only_command_lines_that_are_understood(line: str) -> None:
    _, name, *words = shlex.split(line)
    row = NAMES[name]
    if row.takes_command and "--" in words:
        del words[words.index("--") :]
    declared(import_module(f"scoperun.{row.module}").command, help_line="").make_context(name, words)


def test_the_documents_have_command_lines() -> None:
    assert {row.name for row in SUBCOMMANDS} <= {line.split()[1] for line in command_lines()}


def test_the_manual_has_every_subcommand_in_the_order_of_the_help() -> None:
    named = [term.split()[0].strip('",') for term in TERMS]
    assert [name for name in named if name in NAMES] == [row.name for row in SUBCOMMANDS if row.name != "thaw"]


def test_the_manual_mentions_only_existing_options() -> None:
    text = MANUAL.partition(".SH EXAMPLES")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= OPTIONS | OF_OTHERS


def test_the_manual_refers_to_the_page_of_batch() -> None:
    assert ".BR scopectl-batch (1)" in explained("batch")
    assert ".BR scopectl-batch (1)" in MANUAL.partition(".SH SEE ALSO")[2]


def test_the_readme_names_every_subcommand() -> None:
    assert [row.name for row in SUBCOMMANDS if not re.search(rf"scopectl {row.name}\b", README)] == []


def test_the_help_of_all_fits_into_80_columns() -> None:
    assert max(len(f"  {row.name:<8}  {row.help}") for row in SUBCOMMANDS) <= 80


def test_the_pictures_are_there() -> None:
    assert re.findall(r"\]\((docs/\w+\.svg)\)", README) == ["docs/plot.svg", "docs/list.svg", "docs/top.svg"]
    for name in ("plot", "list", "top"):
        picture = (CHECKOUT / "docs" / f"{name}.svg").read_text(encoding="utf-8")
        assert "http" not in picture.replace("http://www.w3.org", "")
