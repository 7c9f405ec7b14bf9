"""The caps that there are, for `scopectl cap --list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.console.tables import Cell, Column, table
from scoperun.ctl.cap_files import CapFolder
from scoperun.ctl.cap_names import Names
from scoperun.ctl.cap_text import limits_in_words
from scoperun.ctl.errors import Status
from scoperun.ctl.output import on_terminal, print_json, print_text
from scoperun.ctl.session import COMMANDS, session
from scoperun.systemd import installed

if TYPE_CHECKING:
    from scoperun.ctl.cap_files import CapFile


async def list_caps(*, system: bool, json: bool, legend: bool) -> int:
    """Print the caps, and return the exit status. Raises ScoperunError."""
    async with session(system=system) as opened:
        folder = CapFolder.among(await installed.folders(opened.manager), system=opened.system)
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
    names = Names.of_folder(path.split("/")[-2])
    return names is not None and names.bind(unit)


def _row(told: dict[str, Any]) -> list[Cell]:
    if told["cap"] is None:
        return [Cell("-"), Cell("changed by hand"), Cell(", ".join(told["units"])), Cell(", ".join(told["files"]))]
    return [
        Cell(told["cap"]),
        Cell(limits_in_words(told["limits"])),
        Cell(", ".join(told["units"]) or "-"),
        Cell(_files(told)),
    ]


def _files(told: dict[str, Any]) -> str:
    """Return the one file, or how many they are."""
    files = told["files"]
    return str(files[0]) if len(files) == 1 else f"{len(files)}"
