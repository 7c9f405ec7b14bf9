"""`scopectl cap`: limits for an application that hold at each of its starts, by drop-ins of systemd's."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.options import OPTIONS
from scoperun.console.output import print_json, print_text, say
from scoperun.console.table_options import KEPT, limits_of, with_options
from scoperun.ctl import cap_names
from scoperun.ctl.cap_list import list_caps
from scoperun.ctl.cap_request import Asked, Target
from scoperun.ctl.cap_text import as_in_file
from scoperun.ctl.cap_work import done
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.one_at_a_time import one_at_a_time
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_done import Done
    from scoperun.spec.limits import Limits

LIMITS = tuple(each for each in OPTIONS if each.is_limit and each.is_live)
REFUSED = KEPT | {
    name: "a cap has limits on memory, processors and tasks only"
    for each in OPTIONS
    if each.is_limit and not each.is_live and each.sets is not None
    for name in each.names
}

App = Annotated[
    str | None,
    typer.Argument(
        metavar="[APP]", show_default=False, help="Its ID, the name of its .desktop file: firefox, org.gnome.Maps."
    ),
]
OfSession = Annotated[
    bool, typer.Option("--session", help="All applications of your desktop together.", show_default=False)
]
OfUsers = Annotated[
    bool, typer.Option("--users", help="As root: each user, root's own logins too.", show_default=False)
]
Listed = Annotated[bool, typer.Option("--list", help="List the caps.", show_default=False)]
Remove = Annotated[bool, typer.Option("--remove", help="Remove the cap.", show_default=False)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the files and units that it would change.", show_default=False)
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Also where the kernel will kill what uses more now, where no application or more than one has the ID, "
        "and where systemd cannot apply the limits.",
        show_default=False,
    ),
]

_HIGH = 0.9
"""MemoryHigh= of the session, as a share of MemoryMax=: from there on the kernel slows it down, before it kills."""


@with_options(LIMITS, refused=REFUSED)
def command(  # noqa: PLR0913  each is an option
    app: App = None,
    *,
    of_session: OfSession = False,
    of_users: OfUsers = False,
    listed: Listed = False,
    remove: Remove = False,
    dry_run: DryRun = False,
    force: Force = False,
    json: Json = False,
    legend: Legend = True,
    system: System = False,
    **given: Any,
) -> int:
    """Cap an application.

    Writes files that systemd reads when the application starts, and has it
    apply them to what runs. They stay until "cap --remove APP", or until
    another cap of APP takes their place, as a whole. For an application "--mem"
    alone allows no swap. Without limits: the names of units that the cap would
    bind, and those that run.

    What uses more than the cap keeps what it has, and is capped from its next
    start on; with --force it is capped now, and the kernel kills.

    --session: "--mem" is MemoryMax=, and MemoryHigh= is 90% of it if not given.
    """
    target = None if listed else _target(app, session=of_session, users=of_users, system=system)
    limits = limits_of(LIMITS, given)
    wanted = _properties(limits, has_app=app is not None, is_session=of_session)
    if listed:
        if app is not None or wanted or remove or of_session:
            raise InvalidValue("--list goes with no application and no limits")
        return asyncio.run(list_caps(system=system or of_users, json=json, legend=legend))
    assert target is not None  # noqa: S101  it is not listed
    if remove and wanted:
        raise InvalidValue("--remove goes with no limits")
    asked = Asked(
        target,
        wanted,
        remove=remove,
        dry_run=dry_run,
        force=force,
        about=_about(limits, wanted, has_app=app is not None),
    )
    with one_at_a_time(os.environ, system=target.system):
        told = asyncio.run(done(asked))
    return _tell(told, target, json=json)


def _tell(told: Done, target: Target, *, json: bool) -> int:
    """Print what was done, and return the exit status."""
    if json:
        print_json(told.json(target.of))
    else:
        print_text(told.text())
    for each in told.warnings:
        say(f"scopectl: warning: {each}")
    for each in told.complaints:
        say(f"scopectl: {each}")
    return told.status


def _target(app: str | None, *, session: bool, users: bool, system: bool) -> Target:
    if (app is not None) + session + users != 1:
        raise InvalidValue(
            "name one application, or --session, or --users", hint="e.g. scopectl cap firefox --mem 4G; or cap --list"
        )
    if system and not users:
        raise InvalidValue("--system goes with --users only: applications run in the users' own systemd")
    if users and os.geteuid() != 0:
        raise ScoperunError("--users: only root can cap all users", hint="--session caps your own applications")
    if app is not None:
        return Target(cap_names.checked(app))
    return Target("--users", system=True) if users else Target("--session")


def _properties(limits: Any, *, has_app: bool, is_session: bool) -> tuple[Property, ...]:
    """Return the properties of the limits: only for an application does a limit on memory imply one on swap."""
    found = [
        each
        for each in as_in_file(limits.properties())
        if has_app or each.name != "MemorySwapMax" or limits.memory_swap_max is not None
    ]
    most = limits.memory_max
    if is_session and most not in {None, INFINITY} and limits.memory_high is None:
        found.insert(1, Property(name="MemoryHigh", signature="t", value=int(most * _HIGH)))
    return tuple(found)


def _about(limits: Limits, wanted: Sequence[Property], *, has_app: bool) -> frozenset[str]:
    """Return the limits that are warned of if they do not go together.

    Applications together are to use swap at their limit, and MemoryHigh= is ours if it was not given.
    """
    names = frozenset(each.name for each in wanted)
    ours = {"MemoryMax"} if limits.memory_high is not None else {"MemoryMax", "MemoryHigh"}
    return names if has_app else names - ours
