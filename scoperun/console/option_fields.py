"""Sorts the values of options by the objects that they belong to. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.console.option import Option


def fields_of(options: Iterable[Option], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values by the object that they belong to (limits, context, request, output) and by field.

    values: by long name. Those of options that belong to no object are left out.
    """
    fields: dict[str, dict[str, Any]] = {"limits": {}, "context": {}, "request": {}, "output": {}}
    for option in options:
        if option.field is not None and option.name in values:
            whole, _, name = option.field.partition(".")
            fields[whole][name] = values[option.name]
    return fields
