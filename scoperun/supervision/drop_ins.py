"""A drop-in of systemd's that counts more than what a run asks for, e.g. one of `scopectl cap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import LimitNotEnforced
from scoperun.supervision.enforcement import unenforced
from scoperun.systemd.answers import UNIT
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.unit_files import unit_file

if TYPE_CHECKING:
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.systemd.unit import Unit


async def overridden(unit: Unit, scope: ScopeCgroup) -> LimitNotEnforced | None:
    """Return the error that names the file which keeps a limit of the scope from being in force; None if none does."""
    try:
        paths = await unit.manager.get(unit.request.path, UNIT, "DropInPaths")
    except UNANSWERED:
        return None
    files = [(path, unit_file(path)) for path in map(str, reversed(paths))] if isinstance(paths, list) else []
    for limit, _ in unenforced(unit.request.properties, scope, scope.limits()):
        setting = limit.partition("=")[0]
        for path, file in files:
            if file is not None and setting in file.settings:
                return _overridden(limit, f"{setting}={file.settings[setting]}", path)
    return None


def _overridden(limit: str, instead: str, path: str) -> LimitNotEnforced:
    error = LimitNotEnforced(
        f"{limit} would not be enforced: {path} has {instead}, and counts more",
        hint="another name of the unit is not bound by it; `require_limits=False` runs the command anyway",
    )
    error.is_about_machine = False
    return error
