"""What is in force of a unit's properties, as values and as text: by the kernel's account, or else by systemd's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.kernel.readback import file_of
from scoperun.printable import one_line
from scoperun.record import replace
from scoperun.spec.limits import KEEPER_TASKS, READ_BACK
from scoperun.spec.sizes import INFINITY, format_size, format_time
from scoperun.spec.values import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.properties import Property

    Value = int | float | str | None


def limits_in_force(cgroup: Cgroup, *, has_keeper: bool) -> LimitsInForce:
    """Return the limits that the kernel holds a cgroup to; of its tasks, those without the keeper."""
    limits = cgroup.limits()
    if not has_keeper or limits.tasks_max in {None, INFINITY}:
        return limits
    return replace(limits, tasks_max=max(int(limits.tasks_max or 0) - KEEPER_TASKS, 0))


def in_force(
    properties: Iterable[Property], cgroup: Cgroup, *, has_keeper: bool, systemd: Mapping[str, Any]
) -> dict[str, Value]:
    """Return what is in force of each of these properties, by its setting's name; None if it is not known.

    A number, times in seconds, INFINITY for no limit, or the text of the cgroup's file. systemd: what that says of the
    properties, which counts if the kernel has no file for one.
    """
    limits = limits_in_force(cgroup, has_keeper=has_keeper)
    return {setting(each): _value(each, cgroup, limits, systemd) for each in properties}


def setting(wanted: Property) -> str:
    """Return the name by which unit files have a property, e.g. CPUQuota."""
    name = wanted.sets.removesuffix("PerSecUSec")
    return f"{name.removesuffix('USec')}Sec" if name.endswith("USec") else name


def text_of(name: str, value: Value) -> str:
    """Return a value of `in_force` as text for people."""
    if value is None:
        return "-"
    if value == INFINITY:
        return "infinity"
    if isinstance(value, int) and name.startswith("Memory"):
        return format_size(value)
    if name == "CPUQuota" and isinstance(value, float):
        return f"{value * 100:g}%"
    if name.endswith("Sec") and isinstance(value, int | float):
        return format_time(value)
    return one_line(str(value))


def _value(wanted: Property, cgroup: Cgroup, limits: LimitsInForce, systemd: Mapping[str, Any]) -> Value:
    if wanted.sets in READ_BACK:
        return getattr(limits, READ_BACK[wanted.sets])  # type: ignore[no-any-return]
    file = file_of(wanted.name)
    if file is None:
        return _said(wanted, systemd.get(wanted.sets))
    text = cgroup.text(file)
    if text is None:
        return None
    text = " ".join(text.split())
    return int(text) if text.isdecimal() else INFINITY if text == "max" else text


def _said(wanted: Property, value: object) -> Value:
    """Return what systemd says of a property, times in seconds."""
    if isinstance(value, int) and wanted.sets.endswith("USec"):
        return INFINITY if value == INFINITY else seconds(value)
    return value if isinstance(value, int | float | str) or value is None else str(value)
