"""`scopectl doctor`: what a run needs and what this machine has, why it matters, and what would fix it."""

from __future__ import annotations

import asyncio
import os
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from scoperun.console.field_names import in_options
from scoperun.console.output import print_json, print_text
from scoperun.console.tables import Cell, Column, tabbed
from scoperun.ctl.declared import Json, System
from scoperun.ctl.errors import Status
from scoperun.errors import InvalidValue
from scoperun.printable import one_line
from scoperun.supervision.check import State
from scoperun.supervision.machine import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.supervision.check import Check, Machine

Fix = Annotated[
    bool, typer.Option("--fix", help="Print a shell script that would fix what can be; nothing is changed.")
]

_COLUMNS = tuple(Column(title=title) for title in ("STATE", "CHECK", "FOUND", "WHY", "REMEDY"))
_WIDEST = 100

_WORKS = "A run with limits works here."
_FAILS = "A run with limits would not work here."

_BEGINNING = """\
#!/bin/sh
# From scopectl doctor --fix. Read it first; then run it as root: sh FILE
# A line that begins with "# choice:" changes the machine for more than scoperun,
# so it is only for those who want that: remove the words to have it done.
set -e
"""


def command(*, fix: Fix = False, json: Json = False, system: System = False) -> int:
    """Print the checks, or a script with the remedies; return 0 if a run with limits works, else 1."""
    if fix and json:
        raise InvalidValue("--fix prints a script, not JSON", hint="--json alone has the commands too")
    machine = asyncio.run(examine(os.environ, system=system))
    if fix:
        print_text(script(machine))
    elif json:
        print_json(machine.to_dict(in_options))
    elif os.isatty(1):
        print_text(pages(machine, min(os.get_terminal_size(1).columns or 80, _WIDEST)))
    else:
        print_text(tabbed(_COLUMNS, [[Cell(text) for text in _cells(check)] for check in machine.checks], legend=True))
    return Status.OK if machine.can_run else Status.FAILED


def pages(machine: Machine, width: int) -> str:
    """Return a paragraph for each check, and a line that says whether a run with limits works."""
    paragraphs = ["\n".join(_paragraph(check, width)) for check in machine.checks]
    return "\n".join([*paragraphs, "", _WORKS if machine.can_run else _FAILS])


def script(machine: Machine) -> str:
    """Return a shell script: for each check that is not ok a comment, and the commands that fix it, each once."""
    done: set[tuple[str, ...]] = set()
    parts = []
    for check in machine.checks:
        if check.state is not State.OK:
            parts.append("\n".join(_part(check, done)))
            done.add(check.commands)
    return "\n".join([_BEGINNING, *parts]) if parts else "#!/bin/sh\n# scopectl doctor has found nothing to fix."


def _part(check: Check, done: set[tuple[str, ...]]) -> Iterator[str]:
    yield f"# {check.name}: {_said(check.found)}"
    if check.remedy and not (check.commands and check.commands[-1] in check.remedy):
        yield f"# {_said(check.remedy)}"
    for line in () if check.commands in done else check.commands:
        yield f"# choice: {line}" if check.is_choice else line
    yield ""


def _paragraph(check: Check, width: int) -> Iterator[str]:
    yield from _wrapped(f"{check.state:<7}  ", f"{check.name}: {_said(check.found)}", width)
    yield from _wrapped(" " * 9, _said(check.why), width)
    if check.state is not State.OK and check.remedy:
        yield from _wrapped("         fix: ", _said(check.remedy), width)


def _wrapped(beginning: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=beginning,
        subsequent_indent=" " * len(beginning),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cells(check: Check) -> list[str]:
    return [str(check.state), check.name, _said(check.found), _said(check.why), _said(check.remedy or "")]


def _said(text: str) -> str:
    """Return text for people: options in place of fields, and nothing that could end a comment's line."""
    return one_line(in_options(text))
