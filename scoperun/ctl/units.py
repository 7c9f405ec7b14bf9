"""`scopectl units`: the slices and the watch, installed as units of your own systemd."""

from __future__ import annotations

import asyncio
import enum
import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console import own_files
from scoperun.console.output import print_json, print_text, say
from scoperun.console.own_files import State
from scoperun.console.tables import Cell, Column, table
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.errors import Status
from scoperun.ctl.session import session
from scoperun.ctl.unit_texts import DELEGATION, UNITS, WATCH, unit_text
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line
from scoperun.record import dataclass
from scoperun.systemd import installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scoperun.systemd.manager import Manager


class Verb(enum.StrEnum):
    """What is to be done with the units."""

    LIST = "list"
    INSTALL = "install"
    UNINSTALL = "uninstall"


Action = Annotated[
    Verb, typer.Argument(metavar="[VERB]", show_default=False, help="list (default), install or uninstall.")
]
Now = Annotated[
    bool, typer.Option("--now", help="With install: start the watch, now and in every session.", show_default=False)
]
PrintDelegation = Annotated[
    bool,
    typer.Option(
        "--print-delegation",
        help="Print a script for root that lets users limit disks and choose processors.",
        show_default=False,
    ),
]

_COLUMNS = tuple(Column(title=title) for title in ("UNIT", "FILE", "ENABLED", "STATE", "PATH"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A unit. path: of its file, None if there is none.

    file: `installed`, `outdated` (by another version or from another place), `changed` (by a person), `elsewhere` (not
    in the user's folder), `missing`. enabled: systemd's word for the file, active: its ActiveState=; None if unknown.
    did: what was done: installed, updated, unchanged, removed, missing, left; None for the list.
    """

    unit: str
    path: str | None
    file: str
    enabled: str | None = None
    active: str | None = None
    did: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {name: getattr(self, name) for name in ("unit", "path", "file", "enabled", "active", "did")}


def command(  # noqa: PLR0913  each is an option
    verb: Action = Verb.LIST,
    *,
    now: Now = False,
    print_delegation: PrintDelegation = False,
    json: Json = False,
    legend: Legend = True,
    system: System = False,
) -> int:
    """List, install or remove the units of scoperun.

    They are scoperun.slice and scoperun-batch.slice, to cap many runs together, and scoperun-watch.service, which runs
    "scopectl watch" in every session once it is enabled: "scopectl units install --now".

    They are written to your own folder of units, with the path of this scopectl. A file that was changed since is left
    alone. uninstall stops the watch, and removes what install has written.
    """
    if system:
        raise InvalidValue("the units are for users' own systemd: there is none for --system")
    if now and verb is not Verb.INSTALL:
        raise InvalidValue("--now is for install", hint="scopectl units install --now")
    if print_delegation:
        if json:
            raise InvalidValue("--print-delegation prints a script, not JSON")
        print_text(DELEGATION.rstrip("\n"))
        return Status.OK
    folder = unit_folder(os.environ)
    rows = asyncio.run(_done(verb, folder, now=now))
    if json:
        print_json([row.to_json() for row in rows])
    elif verb is Verb.LIST:
        print_text(table(_COLUMNS, [[*map(Cell, _cells(row))] for row in rows], legend=legend))
    else:
        for row in rows:
            print_text(one_line(f"{row.unit}: {row.did}{f': {row.path}' if row.path else ''}"))
    left = [row for row in rows if row.did == "left"]
    for row in left:
        say(f"scopectl: {row.path} is not as scopectl has written it, and was left alone")
    return Status.FAILED if left else Status.OK


def unit_folder(environment: Mapping[str, str]) -> str:
    """Return the user's own folder of units; raise InvalidValue if the environment does not say where that is."""
    config = environment.get("XDG_CONFIG_HOME", "")
    if not config.startswith("/"):
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            raise InvalidValue("neither XDG_CONFIG_HOME nor HOME is the path of a folder")
        config = f"{home.rstrip('/')}/.config"
    return f"{config.rstrip('/')}/systemd/user"


def own_path() -> str:
    """Return the path by which this scopectl can be started. Raises ScoperunError.

    A link to it stays, as pipx makes one: it leads to the next version too.
    """
    beside = os.path.join(os.path.dirname(sys.executable), "scopectl")
    for path in (os.path.abspath(sys.argv[0]), beside, shutil.which("scopectl") or ""):
        if os.path.basename(path) == "scopectl" and os.access(path, os.X_OK):
            return path
    raise ScoperunError("the path of scopectl is not known", hint="start it as scopectl, not as python3 -m")


async def _done(verb: Verb, folder: str, *, now: bool) -> list[Row]:
    async with session(system=False) as opened:
        manager = opened.manager
        if verb is Verb.LIST:
            return await _listed(manager, folder)
        if verb is Verb.UNINSTALL:
            return await _uninstalled(manager, folder)
        return await _installed(manager, folder, now=now)


async def _listed(manager: Manager, folder: str) -> list[Row]:
    files = await installed.files(manager, list(UNITS))
    states = await installed.active_states(manager, list(UNITS))
    rows = []
    for unit in UNITS:
        path, enabled = files.get(unit, (None, None))
        own = f"{folder}/{unit}"
        file = _file_state(own)
        if file == "missing" and path is not None:
            file = "elsewhere"
        found = own if file not in {"missing", "elsewhere"} else path
        rows.append(Row(unit=unit, path=found, file=file, enabled=enabled, active=states.get(unit)))
    return rows


def _file_state(path: str) -> str:
    state, text = _content_of(path)
    if state is State.OURS:
        try:
            is_current = text == own_files.signed(unit_text(os.path.basename(path), program=own_path()))
        except ScoperunError:  # started as python3 -m: only install has to know its path
            is_current = True
        return "installed" if is_current else "outdated"
    return "changed" if state is State.FOREIGN else "missing"


async def _see_it_is_searched(manager: Manager, folder: str) -> None:
    """Raise ScoperunError if systemd does not look for units in a folder."""
    if folder not in await installed.folders(manager):
        raise ScoperunError(
            f"your systemd does not look for units in {folder}",
            hint="check: systemctl --user show -P UnitPath; XDG_CONFIG_HOME is what it was started with",
        )


async def _installed(manager: Manager, folder: str, *, now: bool) -> list[Row]:
    await _see_it_is_searched(manager, folder)
    program = own_path()
    rows = [_written(f"{folder}/{unit}", own_files.signed(unit_text(unit, program=program))) for unit in UNITS]
    await installed.reload(manager)
    if now and rows[-1].did != "left":
        await installed.enable(manager, WATCH)
        await installed.reload(manager)
        result = await installed.restart(manager, WATCH)
        if result != "done":
            raise ScoperunError(
                f"{WATCH} was installed, but not started: its job ended as {result!r}",
                hint=f"check: systemctl --user status {WATCH}",
            )
    return rows


def _written(path: str, text: str) -> Row:
    state, before = _content_of(path)
    unit = os.path.basename(path)
    if state is State.FOREIGN:
        return Row(unit=unit, path=path, file="changed", did="left")
    if before != text:
        try:
            own_files.write(path, text)
        except OSError as error:
            raise _cannot("write", path, error) from None
    did = "installed" if state is State.MISSING else "unchanged" if before == text else "updated"
    return Row(unit=unit, path=path, file="installed", did=did)


def _is_enabled(folder: str) -> bool:
    """Tell whether the watch is enabled in a folder of units, perhaps without a file there any more."""
    return os.path.lexists(f"{folder}/default.target.wants/{WATCH}")


async def _uninstalled(manager: Manager, folder: str) -> list[Row]:
    await _see_it_is_searched(manager, folder)
    state, _ = _content_of(f"{folder}/{WATCH}")
    if state is State.OURS or (state is State.MISSING and _is_enabled(folder)):
        await installed.disable(manager, WATCH)
        if (await installed.active_states(manager, [WATCH])).get(WATCH) not in {None, "inactive", "failed"}:
            await installed.stop(manager, WATCH)
    rows = [*_removed(folder)]
    await installed.reload(manager)
    return rows


def _removed(folder: str) -> Iterator[Row]:
    for unit in UNITS:
        path = f"{folder}/{unit}"
        state, _ = _content_of(path)
        if state is State.FOREIGN:
            yield Row(unit=unit, path=path, file="changed", did="left")
            continue
        try:
            is_removed = own_files.remove(path)
        except OSError as error:
            raise _cannot("remove", path, error) from None
        yield Row(unit=unit, path=path, file="missing", did="removed" if is_removed else "missing")


def _content_of(path: str) -> tuple[State, str]:
    try:
        return own_files.content_of(path)
    except OSError as error:
        raise _cannot("read", path, error) from None


def _cannot(verb: str, path: str, error: OSError) -> ScoperunError:
    return ScoperunError(f"cannot {verb} {path}: {error.strerror}")


def _cells(row: Row) -> list[str]:
    return [one_line(each) if each else "-" for each in (row.unit, row.file, row.enabled, row.active, row.path)]
