"""What has to be right before `scopectl cap` changes anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.ctl import cap_names
from scoperun.ctl.desktop_apps import identifiers
from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.in_force import setting
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.spec.scope import unit_path
from scoperun.supervision.enforcement import unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_done import Done
    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.cap_request import Asked
    from scoperun.ctl.session import Seen, Session
    from scoperun.spec.properties import Property

_SLICE = "org.freedesktop.systemd1.Slice"
"""Slices have the limits that all units have."""


def see_it_exists(asked: Asked, meant: Sequence[Seen], done: Done) -> None:
    """See that units can have such a name: an application of that ID is installed, or runs. Raises NoSuchUnit."""
    target = asked.target
    if meant or not target.is_app:
        return
    installed = identifiers(os.environ)
    if target.of in installed:
        return
    message = f"no application with the ID {target.of!r} is installed, and no unit that runs has a name of it"
    near = _near(target.of, installed)
    hint = f"did you mean {', '.join(near)}?" if near else "its ID is the name of its .desktop file"
    if asked.only_shows or asked.force:
        done.complaints.append(f"{message} ({hint})")
        return
    raise NoSuchUnit(message, hint=f"{hint}; --force caps it all the same")


def see_only_its_own(asked: Asked, names: Sequence[Names], meant: Sequence[Seen]) -> None:
    """Raise InvalidValue if units of other applications would be bound."""
    others = cap_names.of_others(names, [each.name for each in meant]) if asked.target.is_app else []
    if others:
        raise InvalidValue(
            f"not capped: {others[0]} would be bound too, so {asked.target.of!r} is not one application",
            hint=f"scopectl cap {asked.target.of} lists what would be; --force caps it all the same",
        )


def _near(identifier: str, installed: Sequence[str]) -> list[str]:
    import difflib  # noqa: PLC0415  it takes 5 ms

    word = identifier.lower()
    having = [each for each in installed if word in each.lower()]
    return (having or difflib.get_close_matches(identifier, installed))[:3]


async def see_available(opened: Session, wanted: Sequence[Property]) -> None:
    """Raise ScoperunError if this systemd does not know a limit, or if the manager's units lack a controller."""
    known = await opened.manager.get_all(unit_path("-.slice"), _SLICE, {each.sets for each in wanted})
    for each in wanted:
        if each.sets not in known:
            raise ScoperunError(f"this systemd has no {setting(each)}=", hint="scopectl doctor has its version")
    for error in unavailable(wanted, await opened.manager.control_group()):
        remedy = (error.hint or "").rpartition("; ")[0]
        raise ScoperunError(error.message, hint=f"{remedy}; --force caps it all the same")
