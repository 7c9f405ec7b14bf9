"""`scopectl cap`: limits for an application that hold at each of its starts, by drop-ins of systemd's."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.options import OPTIONS
from scoperun.console.tables import Cell, Column, table
from scoperun.ctl import cap_names
from scoperun.ctl.cap_files import CapFolder
from scoperun.ctl.cap_text import Cap, settings_of
from scoperun.ctl.capping import Bound, above, bind, hold, running, see_can_wait, values
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.desktop_apps import identifiers
from scoperun.ctl.errors import NoSuchUnit, Status
from scoperun.ctl.in_force import setting, text_of
from scoperun.ctl.output import on_terminal, print_json, print_text, say
from scoperun.ctl.session import COMMANDS, Session, session
from scoperun.ctl.table_options import KEPT, limits_of, with_options
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line
from scoperun.record import dataclass, field
from scoperun.spec.properties import Property, parse_setting
from scoperun.spec.sizes import INFINITY, format_size
from scoperun.supervision.enforcement import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.ctl.cap_files import CapFile
    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.session import Seen

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
    apply them to what runs. They stay until "cap --remove APP". "--mem" alone
    allows no swap. Without limits: the names of units that the cap would bind,
    and those that run.

    What uses more than the cap keeps what it has, and is capped from its next
    start on; with --force it is capped now, and the kernel kills.

    --session: "--mem" is MemoryMax=, and MemoryHigh= is 90% of it if not given.
    """
    target = None if listed else _target(app, session=of_session, users=of_users, system=system)
    wanted = _properties(limits_of(LIMITS, given), has_app=app is not None, is_session=of_session)
    if listed:
        if app is not None or wanted or remove or of_session:
            raise InvalidValue("--list goes with no application and no limits")
        return asyncio.run(_list(system=system or of_users, json=json, legend=legend))
    assert target is not None  # noqa: S101  it is not listed
    if remove and wanted:
        raise InvalidValue("--remove goes with no limits")
    asked = Asked(target, wanted, remove=remove, dry_run=dry_run, force=force)
    done = asyncio.run(_done(asked))
    if json:
        print_json(done.json(target.of))
    else:
        print_text(done.text())
    for each in done.complaints:
        say(f"scopectl: {each}")
    return done.status


@dataclass(frozen=True, slots=True)
class Target:
    """What is capped. of: the ID of an application, --session or --users. system: the system's systemd has it."""

    of: str
    system: bool = False

    @property
    def is_app(self) -> bool:
        """Whether it is an application."""
        return not self.of.startswith("--")

    def names(self, units: Iterable[str]) -> tuple[Names, ...]:
        """Return the names of units that are meant. units: those that run."""
        if self.is_app:
            return cap_names.names_with(self.of, units)
        return cap_names.USERS if self.system else cap_names.SESSION


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. wanted: the limits; none to only show or remove."""

    target: Target
    wanted: tuple[Property, ...]
    remove: bool
    dry_run: bool
    force: bool

    @property
    def only_shows(self) -> bool:
        """Whether it changes nothing."""
        return not self.wanted and not self.remove


@dataclass(slots=True)
class Done:
    """What was done. names: globs. files: a path and what became of it. units: those that run."""

    names: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    units: list[Bound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    found_none: bool = False

    @property
    def status(self) -> int:
        """The exit status."""
        if self.found_none:
            return Status.NO_SUCH_UNIT
        return Status.FAILED if self.complaints or any(not each.is_bound for each in self.units) else Status.OK

    def text(self) -> str:
        """Return it for people: a line for each name, file and unit, and notes on a terminal."""
        units = [(each.unit, text) for each in self.units for text in each.texts]
        lines = [*_in_columns([*((each, "is bound") for each in self.names), *self.files]), *_in_columns(units)]
        return "\n".join([*lines, *(self.notes if on_terminal() else [])])

    def json(self, of: str) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "cap": of,
            "names": self.names,
            "files": [{"path": path, "state": state} for path, state in self.files],
            "units": [
                {"unit": each.unit, "is_bound": each.is_bound, "text": ", ".join(each.texts), "limits": each.limits}
                for each in self.units
            ],
            "notes": self.notes,
        }


def _in_columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return a line for each row: with a tab, or on a terminal with the second, short one first if names are long."""
    if not on_terminal():
        return [f"{one_line(name)}\t{one_line(text)}" for name, text in rows]
    if any(name.startswith("/") for name, _ in rows):
        rows = [(text, _from_home(name)) for name, text in rows]
    width = max((len(one_line(name)) for name, _ in rows), default=0)
    return [f"{one_line(name).ljust(width)}  {one_line(text)}" for name, text in rows]


def _from_home(path: str) -> str:
    home = os.environ.get("HOME", "").rstrip("/")
    return f"~{path.removeprefix(home)}" if home and path.startswith(f"{home}/") else path


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
        for each in limits.properties()
        if has_app or each.name != "MemorySwapMax" or limits.memory_swap_max is not None
    ]
    most = limits.memory_max
    if is_session and most not in {None, INFINITY} and limits.memory_high is None:
        found.insert(1, Property(name="MemoryHigh", signature="t", value=int(most * _HIGH)))
    return tuple(found)


async def _done(asked: Asked) -> Done:
    target = asked.target
    async with session(system=target.system) as opened:
        folder = await _folder(opened)
        seen = await opened.units(COMMANDS if target.is_app else ("*.slice",))
        names = target.names(each.name for each in seen if each.unit.is_active)
        meant = [each for each in seen if any(one.bind(each.name) for one in names)]
        done = Done()
        if not asked.remove:
            _see_it_exists(asked, meant, done)
        if asked.only_shows:
            return await _shown(opened, names, meant, done)
        if asked.remove:
            return await _removed(_Work(opened, folder, names, meant, asked, done))
        if not asked.force:
            _see_only_its_own(asked, names, meant)
            await _see_available(opened, asked.wanted)
        return await _capped(_Work(opened, folder, names, meant, asked, done))


async def _folder(opened: Session) -> CapFolder:
    return CapFolder.among(await opened.manager.unit_folders(), system=opened.system)


def _see_it_exists(asked: Asked, meant: Sequence[Seen], done: Done) -> None:
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


def _see_only_its_own(asked: Asked, names: Sequence[Names], meant: Sequence[Seen]) -> None:
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


async def _see_available(opened: Session, wanted: Sequence[Property]) -> None:
    """Raise ScoperunError if the manager's units lack a controller."""
    for error in unavailable(wanted, await opened.manager.control_group()):
        remedy = (error.hint or "").rpartition("; ")[0]
        raise ScoperunError(error.message, hint=f"{remedy}; --force caps it all the same")


async def _shown(opened: Session, names: Sequence[Names], meant: Sequence[Seen], done: Done) -> Done:
    done.names.extend(each.glob for each in names)
    memory = Property(name="MemoryMax", signature="t", value=INFINITY)
    for unit in await running(opened, meant, ()):
        used = unit.cgroup.number("memory.current")
        now = values(unit, [memory])
        limit = text_of("MemoryMax", now["MemoryMax"])
        text = f"runs: uses {'-' if used is None else format_size(used)}, MemoryMax={limit}"
        limits = {"MemoryMax": {"before": limit, "now": limit}}
        done.units.append(Bound(unit.name, [text], limits, True))
    done.found_none = bool(done.complaints)
    return done


@dataclass(frozen=True, slots=True)
class _Work:
    """What a change is made with. meant: the units that have one of the names."""

    opened: Session
    folder: CapFolder
    names: Sequence[Names]
    meant: Sequence[Seen]
    asked: Asked
    done: Done


async def _capped(work: _Work) -> Done:
    """Write the files of a cap, and have systemd apply them."""
    asked, done, cap = work.asked, work.done, work.asked.wanted
    units = await running(work.opened, work.meant, cap)
    if not asked.force:
        see_can_wait(units, cap)
    old = [file for each in work.names if (file := work.folder.read(work.folder.file(each))) is not None]
    read = _with_old(cap, old)
    before = {each.name: values(each, read) for each in units}
    held = [each for each in units if each.over is not None and not asked.force]
    if not asked.dry_run:
        for each in held:
            await hold(each, read)
    _write(work, old)
    if asked.dry_run:
        done.units.extend(Bound(each.name, ["would be capped"], {}, True) for each in units if each not in held)
    else:
        await work.opened.manager.reload()
        done.units.extend([await bind(each, before[each.name], cap, read) for each in units if each not in held])
    done.units.extend(
        Bound(each.name, [f"{above(each, cap)}: from its next start (--force: at once)"], {}, True) for each in held
    )
    _note(work, units)
    return done


def _write(work: _Work, old: Sequence[CapFile]) -> None:
    cap = Cap(work.asked.target.of, settings_of(work.asked.wanted))
    there = {each.path: each for each in old}
    for each in work.names:
        path = work.folder.file(each)
        file = there.get(path)
        if file is not None and file.cap is None:
            _leave_alone(work.done, path)
        elif file is not None and file.cap == cap:
            work.done.files.append((path, "unchanged"))
        elif work.asked.dry_run:
            work.done.files.append((path, "would be written"))
        else:
            work.folder.write(each, cap)
            work.done.files.append((path, "written"))


def _leave_alone(done: Done, path: str) -> None:
    done.files.append((path, "left alone"))
    done.complaints.append(f"{path}: left alone, because it is not as scopectl has written it; remove it yourself")


async def _removed(work: _Work) -> Done:
    """Remove the files of a cap, and have systemd apply what is left."""
    asked, done = work.asked, work.done
    own = {work.folder.file(each) for each in work.names}
    files = [
        each
        for each in work.folder.all()
        if (each.cap is not None and each.cap.of == asked.target.of) or (each.cap is None and each.path in own)
    ]
    if not files:
        raise NoSuchUnit(f"no cap for {asked.target.of}", hint="scopectl cap --list lists them")
    units = await running(work.opened, work.meant, ())
    read = _with_old((), files)
    before = {each.name: values(each, read) for each in units}
    for each in files:
        if each.cap is None:
            _leave_alone(done, each.path)
        elif asked.dry_run:
            done.files.append((each.path, "would be removed"))
        else:
            work.folder.remove(each)
            done.files.append((each.path, "removed"))
    if not asked.dry_run:
        await work.opened.manager.reload()
        done.units.extend([await bind(each, before[each.name], (), read) for each in units])
    return done


def _with_old(cap: Sequence[Property], files: Sequence[CapFile]) -> list[Property]:
    """Return the properties of a cap and those that its files had, each name once."""
    found = {each.name: each for each in cap}
    for line in (line for file in files if file.cap is not None for line in file.cap.settings):
        name, _, value = line.partition("=")
        old = parse_setting(name, value or "infinity")
        found.setdefault(old.name, old)
    return list(found.values())


def _note(work: _Work, units: Sequence[Any]) -> None:
    target, notes = work.asked.target, work.done.notes
    limit = next((each.value for each in work.asked.wanted if each.name == "MemoryMax"), None)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if target.of == "--session" and isinstance(limit, int) and limit != INFINITY:
        left = format_size(max(memory - limit, 0))
        notes.append(f"Leaves {left} of {format_size(memory)} for the desktop itself, the system and other users.")
    if target.of == "--users":
        notes.append("It binds user-0.slice too: root's own logins.")
    if target.is_app and not units:
        notes.append("Nothing of it runs: the cap holds from its next start.")


async def _list(*, system: bool, json: bool, legend: bool) -> int:
    async with session(system=system) as opened:
        folder = await _folder(opened)
        seen = [each for each in await opened.units((*COMMANDS, "*.slice")) if each.unit.is_active and each.cgroup]
    rows: dict[tuple[str | None, tuple[str, ...]], list[CapFile]] = {}
    for file in folder.all():
        rows.setdefault((file.cap.of, file.cap.settings) if file.cap else (None, (file.path,)), []).append(file)
    told = [
        {
            "cap": of,
            "limits": list(settings) if of is not None else [],
            "files": [each.path for each in files],
            "units": [each.name for each in seen if any(_binds(file.path, each.name) for file in files)],
        }
        for (of, settings), files in rows.items()
    ]
    if json:
        print_json(told)
    elif told or not on_terminal():
        columns = [
            Column(title="CAP"),
            Column(title="LIMITS"),
            Column(title="RUNS", is_flexible=True),
            Column(title="FILES", is_flexible=True),
        ]
        print_text(table(columns, [_row(each) for each in told], legend=legend))
    else:
        print_text("No caps.")
    return Status.OK


def _binds(path: str, unit: str) -> bool:
    """Tell whether a drop-in is for a unit, by its folder."""
    folder = path.split("/")[-2].removesuffix(".d")
    beginning, dot, kind = folder.rpartition(".")
    return cap_names.Names(beginning, f"{dot}{kind}").bind(unit)


def _row(told: dict[str, Any]) -> list[Cell]:
    if told["cap"] is None:
        return [Cell("-"), Cell("changed by hand"), Cell(", ".join(told["units"])), Cell(", ".join(told["files"]))]
    limits = []
    for line in told["limits"]:
        name, _, value = line.partition("=")
        limit = parse_setting(name, value or "infinity")
        shown = text_of(name, limit.value) if name.startswith("Memory") and isinstance(limit.value, int) else value
        limits.append(f"{setting(limit)}={shown}")
    return [Cell(told["cap"]), Cell(" ".join(limits)), Cell(", ".join(told["units"]) or "-"), Cell(_files(told))]


def _files(told: dict[str, Any]) -> str:
    """Return the one file, or how many they are."""
    files = told["files"]
    return str(files[0]) if len(files) == 1 else f"{len(files)}"
