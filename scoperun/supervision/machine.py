"""What a run needs and what this machine has, as values: for `scoperun --check`, and for programs.

Nothing here is guessed from another check: the last one runs a command under a limit.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.kernel.facilities import Facilities
from scoperun.kernel.swap import has_swap
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scoperun.systemd.manager import Manager

OLDEST_SYSTEMD = 252
_PACKAGES = {"dbus-next": True, "tomli": False, "typer": False}
"""Packages that scoperun imports, and whether a run without a mistake and without a config file needs them."""

_MIB = 1 << 20
_TRIAL = 64 * _MIB

_KERNEL = "remove cgroup_disable= and systemd.unified_cgroup_hierarchy=0 from the kernel command line"
_DELEGATE = "systemctl edit user@.service, add [Service] and Delegate=cpu memory pids, and log in again"
_NO_BUS = "not known without the bus"


class State(enum.StrEnum):
    """What a check found.

    missing: without this, no run with limits works. limited: a run works, but something else does not.
    """

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a run needs or uses.

    name: what it is, e.g. "memory controller". found: what is there, or what is missing and which effect that has.
    remedy: how to get it, None if nothing is to be done or it is not known.
    """

    name: str
    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """All checks, in the order in which a run needs the things."""

    checks: tuple[Check, ...]

    @property
    def can_run(self) -> bool:
        """Whether a run with limits works."""
        return all(check.state is not State.MISSING for check in self.checks)


async def examine(environment: Mapping[str, str], *, system: bool = False) -> Machine:
    """Look what this machine has for a run, and run a command under a limit.

    environment: the variables that name the bus. system: ask the system's manager, not the user's.
    """
    kernel = Facilities()
    checks = [_python(), _cgroup(kernel)]
    if checks[0].state is State.MISSING:
        return Machine((*checks, *kernel_checks(kernel)))
    checks += await _manager_checks(environment, kernel, system=system)
    return Machine((*checks, *kernel_checks(kernel), await _limits(checks, system=system)))


def _python() -> Check:
    from importlib import metadata  # noqa: PLC0415  only for this

    found, missing = [f"Python {sys.version.split()[0]}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if not missing:
        return Check(name="Python", state=State.OK, found=", ".join(found))
    state = State.MISSING if any(_PACKAGES[package] for package in missing) else State.LIMITED
    said = f"{', '.join(found)}; missing: {', '.join(missing)}"
    return Check(name="Python", state=state, found=said, remedy=f"pip install {' '.join(missing)}")


def _cgroup(kernel: Facilities) -> Check:
    try:
        found = f"mounted at {kernel.mount_point()}"
        if "memory" in (kernel.controllers("") or ()):
            return Check(name="cgroup v2", state=State.OK, found=found)
        found = f"{found}, without the memory controller"
    except ScoperunError as error:
        found = error.message
    return Check(name="cgroup v2", state=State.MISSING, found=found, remedy=_KERNEL)


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
        return [Check(name="bus", state=State.MISSING, found=error.message, remedy=error.hint), *unknown]


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
    number = re.match("[0-9]+", version)
    if number is None or int(number[0]) >= OLDEST_SYSTEMD:
        return Check(name="systemd", state=State.OK, found=version)
    found = f"{version} is older than {OLDEST_SYSTEMD}, the oldest version that scoperun is tested with"
    return Check(name="systemd", state=State.LIMITED, found=found)


async def _controllers_of(manager: Manager, kernel: Facilities, *, system: bool) -> list[Check]:
    try:
        cgroup = await manager.control_group()
    except ScoperunError as error:
        return [Check(name="controllers", state=State.MISSING, found=error.message, remedy=error.hint)]
    return list(delegated(kernel, cgroup, system=system))


def delegated(kernel: Facilities, cgroup: str, *, system: bool) -> Iterator[Check]:
    """Yield a check for each controller that limits need, and for swap; without that of memory no run is limited.

    cgroup: the name of the manager's cgroup, empty for the root.
    """
    for controller, state, options in (
        ("memory", State.MISSING, "`memory_max`"),
        ("pids", State.LIMITED, "`tasks_max`"),
        ("cpu", State.LIMITED, "`cpu_quota` and `cpu_weight`"),
    ):
        name, effect = f"{controller} controller", f"{options} would be refused"
        if controller in (_controllers(kernel, cgroup) or ()):
            whose = "the system's manager has it" if system else "delegated to your manager"
            yield Check(name=name, state=State.OK, found=whose)
        elif controller in (_controllers(kernel, "") or ()):
            yield Check(name=name, state=state, found=f"not delegated to your manager: {effect}", remedy=_DELEGATE)
        else:
            yield Check(name=name, state=state, found=f"the kernel does not offer it: {effect}", remedy=_KERNEL)
    yield _swap_accounting(kernel, f"{cgroup}/system.slice" if system else cgroup)


def _swap_accounting(kernel: Facilities, cgroup: str) -> Check:
    name = "swap accounting"
    try:
        has_memory, has_limit = (kernel.has_file(cgroup, f"memory.{file}") for file in ("max", "swap.max"))
    except ScoperunError as error:
        return Check(name=name, state=State.MISSING, found=error.message)
    if has_limit:
        swap = "the machine has swap" if has_swap() else "the machine has no swap"
        return Check(name=name, state=State.OK, found=f"on; {swap}")
    if not has_memory:
        return Check(name=name, state=State.MISSING, found="not known without the memory controller")
    found = "off: `memory_max` alone, which sets `memory_swap_max=0`, would be refused"
    return Check(name=name, state=State.MISSING, found=found, remedy="boot with swapaccount=1")


def _controllers(kernel: Facilities, cgroup: str) -> Sequence[str] | None:
    try:
        return kernel.controllers(cgroup)
    except ScoperunError:  # cgroup v2 is not mounted, which another check says
        return None


def kernel_checks(kernel: Facilities) -> Iterator[Check]:
    """Yield what a run uses if it is there."""
    match kernel.zswap_is_on():
        case True:
            yield Check(name="zswap", state=State.OK, found="on")
        case False:
            remedy = "as root: echo Y >/sys/module/zswap/parameters/enabled"
            yield Check(name="zswap", state=State.LIMITED, found="off: `memory_zswap_max` has no effect", remedy=remedy)
        case None:
            found = "the kernel does not have it: `memory_zswap_max` has no effect"
            yield Check(name="zswap", state=State.LIMITED, found=found)
    try:
        yield Check(name="kernel log", state=State.OK, found=f"readable: {kernel.readable_log()}")
    except KernelLogUnreadable as error:
        reason, _, remedy = str(error).partition(": ")
        found = f"{reason}; victims are named from what was seen before the kill"
        yield Check(name="kernel log", state=State.LIMITED, found=found, remedy=remedy or None)
    if kernel.has_pressure():
        yield Check(name="pressure (PSI)", state=State.OK, found="measured")
    else:
        yield Check(name="pressure (PSI)", state=State.LIMITED, found="not measured", remedy="boot with psi=1")


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
