"""What a run needs and what this machine has, as values: for `scoperun --check`, and for programs.

Nothing here is guessed from another check: the last one runs a command under a limit.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.kernel.facilities import Facilities
from scoperun.supervision.check import Check, Machine, State
from scoperun.supervision.machine_kernel import UNIFIED_REMEDY, delegated, kernel_checks, offering
from scoperun.supervision.machine_services import linger_check, oomd_check, wake_commands
from scoperun.supervision.version_gaps import kernel_check, systemd_check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.systemd.manager import Manager

_PACKAGES = {"dbus-next": True, "tomli": False, "typer": False, "rich": False, "textual": False}
"""Packages that scoperun imports, and whether a run without a mistake and without a config file needs them."""

_MIB = 1 << 20
_TRIAL = 64 * _MIB

_NO_BUS = "not known without the bus"


async def examine(environment: Mapping[str, str], *, system: bool = False) -> Machine:
    """Look what this machine has for a run, and run a command under a limit.

    environment: the variables that name the bus. system: ask the system's manager, not the user's.
    """
    kernel = Facilities()
    checks = [_python(), kernel_check(os.uname().release), _cgroup(kernel)]
    others = [*kernel_checks(kernel), oomd_check(), *([] if system else [linger_check()])]
    if checks[0].state is State.MISSING:
        return Machine((*checks, *others))
    checks += await _manager_checks(environment, kernel, system=system)
    return Machine((*checks, *others, await _limits(checks, system=system)))


def _python() -> Check:
    from importlib import metadata  # noqa: PLC0415  only for this

    found, missing = [f"Python {sys.version.split()[0]}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if not missing:
        return _dbus_next(", ".join(found))
    state = State.MISSING if any(_PACKAGES[package] for package in missing) else State.LIMITED
    said = f"{', '.join(found)}; missing: {', '.join(missing)}"
    return Check(name="Python", state=state, found=said, remedy=f"pip install {' '.join(missing)}")


def _dbus_next(found: str) -> Check:
    """Return the check of Python by importing dbus-next: an old version of it does not fit a new Python."""
    try:
        import scoperun.systemd.dbus  # noqa: F401, PLC0415  only for this
    except Exception as error:
        said = f"{found}; dbus-next cannot be imported: {type(error).__name__}: {error}"
        return Check(name="Python", state=State.MISSING, found=said, remedy="pip install 'dbus-next>=0.2.3,<0.3'")
    return Check(name="Python", state=State.OK, found=found)


def _cgroup(kernel: Facilities) -> Check:
    try:
        found = f"mounted at {kernel.mount_point()}"
        if "memory" in (kernel.controllers("") or ()):
            return Check(name="cgroup v2", state=State.OK, found=found)
        found, remedy = f"{found}, without the memory controller", offering(kernel, "memory")
    except ScoperunError as error:
        found, remedy = error.message, UNIFIED_REMEDY
    return Check(name="cgroup v2", state=State.MISSING, found=found, remedy=remedy)


async def _manager_checks(environment: Mapping[str, str], kernel: Facilities, *, system: bool) -> list[Check]:
    """Return what can be known only from systemd."""
    from scoperun.systemd.shared import shared_manager  # noqa: PLC0415  it imports dbus-next, which might be missing

    try:
        async with shared_manager(environment, system=system) as manager:
            return [
                Check(name="bus", state=State.OK, found=f"{manager.description} answers"),
                await _pid_namespace(manager),
                await _systemd(manager),
                *await _controllers_of(manager, kernel, system=system),
            ]
    except ScoperunError as error:
        unknown = [Check(name=name, state=State.MISSING, found=_NO_BUS) for name in ("PID namespace", "systemd")]
        commands = () if system else wake_commands()
        bus = Check(name="bus", state=State.MISSING, found=error.message, remedy=error.hint, commands=commands)
        return [bus, *unknown]


async def _pid_namespace(manager: Manager) -> Check:
    try:
        await manager.see_same_numbers(os.getpid())
    except ScoperunError as error:
        return Check(name="PID namespace", state=State.MISSING, found=error.message, remedy=error.hint)
    return Check(name="PID namespace", state=State.OK, found="the same as systemd's")


async def _systemd(manager: Manager) -> Check:
    try:
        version = await manager.version()
    except ScoperunError as error:
        return Check(name="systemd", state=State.MISSING, found=error.message, remedy=error.hint)
    return systemd_check(version)


async def _controllers_of(manager: Manager, kernel: Facilities, *, system: bool) -> list[Check]:
    try:
        cgroup = await manager.control_group()
    except ScoperunError as error:
        return [Check(name="controllers", state=State.MISSING, found=error.message, remedy=error.hint)]
    return list(delegated(kernel, cgroup, system=system))


async def _limits(before: Sequence[Check], *, system: bool) -> Check:
    """Run a command under a limit on memory."""
    if any(check.name == "bus" and check.state is State.MISSING for check in before):
        return Check(name="limits", state=State.MISSING, found="not tried without the bus")
    from scoperun.evidence.verdict import Verdict  # noqa: PLC0415  as in _manager_checks
    from scoperun.spec.limits import Limits  # noqa: PLC0415
    from scoperun.supervision.launch import run  # noqa: PLC0415

    command = [sys.executable, "-I", "-S", "-c", ""]
    try:
        report = await run(command, limits=Limits(memory_max=_TRIAL), description="scoperun --check", system=system)
    except ScoperunError as error:
        return Check(name="limits", state=State.MISSING, found=error.message, remedy=error.hint)
    if report.verdict is not Verdict.SUCCESS or report.limits.memory_max != _TRIAL:
        found = f"a command under MemoryMax=64M ended with {report.verdict}"
        return Check(name="limits", state=State.MISSING, found=found)
    return Check(name="limits", state=State.OK, found="enforced: a command ran under MemoryMax=64M")
