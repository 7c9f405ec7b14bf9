"""The caps that there are, for `scopectl cap --list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.console.output import on_terminal, print_json, print_text
from scoperun.console.tables import Cell, Column, table
from scoperun.ctl.acting import GONE
from scoperun.ctl.cap_files import CapFolder
from scoperun.ctl.cap_hold import said_of
from scoperun.ctl.cap_names import Names
from scoperun.ctl.cap_steps import with_old
from scoperun.ctl.cap_text import limits_in_words
from scoperun.ctl.capping import running
from scoperun.ctl.errors import Status
from scoperun.ctl.session import COMMANDS, session
from scoperun.errors import ManagerError
from scoperun.systemd import installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_files import CapFile
    from scoperun.ctl.capping import Running
    from scoperun.ctl.session import Seen, Session
    from scoperun.spec.properties import Property


async def list_caps(*, system: bool, json: bool, legend: bool) -> int:
    """Print the caps, and return the exit status. Raises ScoperunError."""
    async with session(system=system) as opened:
        folder = CapFolder.among(await installed.folders(opened.manager), system=opened.system)
        seen = [each for each in await opened.units((*COMMANDS, "*.slice")) if each.unit.is_active and each.cgroup]
        rows: dict[tuple[str | None, tuple[str, ...]], list[CapFile]] = {}
        for file in folder.all():
            rows.setdefault((file.cap.of, file.cap.settings) if file.cap else (None, (file.path,)), []).append(file)
        told = [
            await _told(opened, of, settings if of is not None else (), files, seen)
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


async def _told(
    opened: Session, of: str | None, settings: Sequence[str], files: Sequence[CapFile], seen: Sequence[Seen]
) -> dict[str, Any]:
    """Return what is known of a cap, as JSON has it. of: None if a person has changed its files."""
    limits = with_old((), files)
    meant = [each for each in seen if any(_binds(file.path, each.name) for file in files)]
    units = await running(opened, meant, limits)
    return {
        "cap": of,
        "limits": list(settings),
        "files": [each.path for each in files],
        "units": [each.name for each in units],
        "outside": [each.name for each in units if await _has_other_limits(each, limits)],
    }


async def _has_other_limits(unit: Running, cap: Sequence[Property]) -> bool:
    """Tell whether a unit has other limits than its cap: it is held at those, or a person has set them."""
    try:
        said = await said_of(unit.invocation, cap)
    except ManagerError as error:
        if error.name in GONE:  # it has ended meanwhile
            return False
        raise
    return any(said.get(each.sets, each.value) != each.value for each in cap)


def _binds(path: str, unit: str) -> bool:
    """Tell whether a drop-in is for a unit, by its folder."""
    names = Names.of_folder(path.split("/")[-2])
    return names is not None and names.bind(unit)


def _row(told: dict[str, Any]) -> list[Cell]:
    units = (
        ", ".join(f"{each} (has other limits)" if each in told["outside"] else each for each in told["units"]) or "-"
    )
    if told["cap"] is None:
        return [Cell("-"), Cell("changed by hand"), Cell(units), Cell(", ".join(told["files"]))]
    return [
        Cell(told["cap"]),
        Cell(limits_in_words(told["limits"])),
        Cell(units),
        Cell(_files(told)),
    ]


def _files(told: dict[str, Any]) -> str:
    """Return the one file, or how many they are."""
    files = told["files"]
    return str(files[0]) if len(files) == 1 else f"{len(files)}"
