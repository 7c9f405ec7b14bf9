"""Options in place of fields: the library's errors name `memory_max`, a command line prints --mem. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.console.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTION_OF_FIELD = {
    **{
        re.sub(r"^(request|limits)\.", "", each.field): each.names[-1]
        for each in OPTIONS
        if each.field is not None and not each.field.startswith("output.")
    },
    "properties": "-p",
    "context.environment": "-E",
    "context.working_directory": "-d",
}
"""The option for each field of RunRequest, its Limits or its ExecContext, in the notation of messages."""

MARKED = r"`([a-z_.]+)(?:=([^`]*))?`"
"""A field in a message, alone or with a value; the backquotes tell the field `slice` from the word."""


def in_options(text: str, options: Mapping[str, str] = OPTION_OF_FIELD) -> str:
    """Return a message with options in place of fields: --nice 5 for `context.nice=5`, --system for `system=True`."""
    return re.sub(MARKED, lambda found: _in_options(found, options), text)


def _in_options(found: re.Match[str], options: Mapping[str, str]) -> str:
    option, value = options.get(found[1]), found[2]
    match option, value:
        case None, _:
            return found[0]
        case _, None | "True":
            return str(option)
        case _, "False":
            return f"--no-{str(option).removeprefix('--')}"
        case _:
            return f"{option} {value}"
