"""The options of a batch: what all its jobs have in common, and what a job has for itself, as a column or a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console import option_values
from scoperun.console.options import OPTIONS
from scoperun.errors import InvalidValue
from scoperun.record import replace
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from scoperun.console.option import Option

AUTO = "auto"
"""The value of --mem that has the memory of a job found from earlier runs, or from the number of jobs at once."""

MEMORY = "mem"


def memory(text: str) -> int:
    """Return a job's limit on memory in bytes. Raises InvalidValue, also for no limit: jobs are admitted by it."""
    size = option_values.memory(text)
    if size == INFINITY:
        raise InvalidValue(f"{text!r} is not a limit, and each job of a batch has one", hint="e.g. 2G")
    return size


def memory_or_auto(text: str) -> int | str:
    """Return a limit on memory in bytes, or AUTO. Raises InvalidValue."""
    return AUTO if text == AUTO else memory(text)


_OF_ITS_PROCESS = frozenset({"nice", "oom-score-adj"})
_IN_COMMON = frozenset(
    {"profile", "config", "no-config", "property", "require-limits", "system", "setenv", "working-directory"}
)

COLUMNS = {
    each.name: replace(each, parse=memory) if each.name == MEMORY else each
    for each in OPTIONS
    if each.is_limit or each.name in _OF_ITS_PROCESS
}
"""The options that a job can have for itself, by their long names without dashes."""


def _offered(option: Option) -> Option:
    if option.name != MEMORY:
        return replace(option, help=option.help.replace("COMMAND", "each job"), unit_help=None)
    text = "Memory for each job without a limit of its own; auto: from earlier runs, or an equal share of the total."
    return replace(option, parse=memory_or_auto, metavar="SIZE|auto", help=text, unit_help=None)


OFFERED = tuple(_offered(each) for each in OPTIONS if each.name in COLUMNS or each.name in _IN_COMMON)
"""The options that all jobs of a batch have in common. Its slice and the names of its scopes are its own."""
