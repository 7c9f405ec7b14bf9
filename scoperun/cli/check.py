"""`scoperun --check`: what a run needs and what this machine has, one line for each thing, or as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from typing import TYPE_CHECKING

from scoperun.console.field_names import in_options
from scoperun.errors import ScoperunError
from scoperun.printable import one_line
from scoperun.supervision.machine import examine

if TYPE_CHECKING:
    from scoperun.supervision.check import Check, Machine

_WORKS = "A run with limits works here."
_FAILS = "A run with limits would not work here."


def check_machine(*, system: bool, json: bool) -> int:
    """Print the checks on standard output; return 0 if a run with limits works, else 125."""
    machine = asyncio.run(examine(os.environ, system=system))
    try:
        with open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as stdout:
            stdout.write(f"{to_json(machine) if json else to_text(machine)}\n")
    except OSError as error:
        raise ScoperunError(f"cannot print the checks: {error.strerror}") from None
    return 0 if machine.can_run else ScoperunError.exit_status


def to_text(machine: Machine) -> str:
    """Return a row for each check, and a line that says whether a run with limits works."""
    longest = max(len(check.name) for check in machine.checks)
    rows = [_row(f"{check.state:<7}  {check.name:<{longest}}  ", _found(check)) for check in machine.checks]
    return "\n".join([*rows, "", _WORKS if machine.can_run else _FAILS])


def to_json(machine: Machine) -> str:
    """Return one object: can_run, and checks, a list of objects with name, state, found, why, remedy and commands.

    It is indented for a terminal.
    """
    return json.dumps(machine.to_dict(in_options), indent=2 if os.isatty(1) else None)


def _row(beginning: str, text: str) -> str:
    """Return the lines of a row, at most 80 columns wide except for long words, e.g. paths."""
    indented = " " * len(beginning)
    return textwrap.fill(
        text, 80, initial_indent=beginning, subsequent_indent=indented, break_long_words=False, break_on_hyphens=False
    )


def _found(check: Check) -> str:
    remedy = f" ({check.remedy})" if check.remedy else ""
    return one_line(in_options(f"{check.found}{remedy}"))
