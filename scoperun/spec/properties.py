"""A property of a scope as a value, and how NAME=VALUE becomes one, as systemd-run -p takes it. No I/O.

-p MemoryMax=20M -p TasksMax=100 -p KillSignal=SIGINT; which there are is in scoperun/spec/settings.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace
from scoperun.spec import values
from scoperun.spec.sizes import parse_size
from scoperun.spec.values import Value, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.spec.settings import Setting

__all__ = [
    "Property", "Value", "combined", "in_bytes", "microseconds", "parse_property", "parse_setting", "property_lines",
    "that_count",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One name and value of StartTransientUnit.

    `asked` tells whether the caller wants it: a systemd that does not know a property is an error if so,
    and otherwise the property is left out.
    """

    name: str
    signature: str
    value: Value
    asked: bool = True

    @property
    def sets(self) -> str:
        """The name of what it sets: TasksMaxScale is TasksMax as a share, and systemd takes the later of the two."""
        return self.name.removesuffix("Scale")


def parse_property(text: str, *, physical_memory: int | None = None) -> Property:
    """Return the property that NAME=VALUE stands for; raise InvalidValue if scopes have none such.

    physical_memory: the bytes of which MemoryMax= and its like may be a percentage, None if they may not.
    """
    name, value = _split(text)
    try:
        return parse_setting(name, value, physical_memory=physical_memory)
    except InvalidValue as error:
        if _found(name, value) is None:
            raise
        raise InvalidValue(f"{name}={value}: {error.message}", hint=error.hint) from None


def parse_setting(name: str, value: str, *, physical_memory: int | None = None) -> Property:
    """Return the property that the setting `name` of a unit file with that value stands for."""
    setting = _found(name, value)
    if setting is None:
        raise _unknown(name)
    dbus_name = setting.dbus_name or name
    if not _is_share(setting, value):
        return Property(name=dbus_name, signature=setting.signature, value=setting.parse(value))
    if setting.share == "scale":
        return Property(name=f"{dbus_name}Scale", signature="u", value=values.scale(value))
    # systemd would take a Scale here too, but a limit is to be compared with what the kernel holds.
    return Property(name=dbus_name, signature="t", value=setting.parse(_bytes(value, physical_memory)))


def in_bytes(text: str, *, physical_memory: int) -> str:
    """Return NAME=VALUE, parsed to see that it can be, with a percentage of the physical memory written as bytes."""
    parsed = parse_property(text, physical_memory=physical_memory)
    name, value = _split(text)
    setting = _found(name, value)
    if setting and setting.share == "bytes" and _is_share(setting, value):
        return f"{name}={parsed.value!r}"
    return text


def property_lines(text: str) -> list[str]:
    """Return the lines of a file of properties, one NAME=VALUE each, without blank lines and # and ; comments."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line[0] not in "#;"]


def combined(properties: Iterable[Property]) -> list[Property]:
    """Return each thing that is set once, where it last stood, with the sum of what counts."""
    return [_sum([each for _, each in group]) for group in that_count(properties)]


def that_count(properties: Iterable[Property]) -> list[list[tuple[int, Property]]]:
    """Return the properties that count, each with its position: those together that set the same, where it last stood.

    Lists add up, and an empty one begins anew; of all else the last counts.
    """
    kept: dict[str, list[tuple[int, Property]]] = {}
    for position, each in enumerate(properties):
        group = kept.pop(each.sets, [])
        if group and not _adds(each, group[-1][1]):
            group = []
        group.append((position, each))
        kept[each.sets] = group
    return list(kept.values())


def _adds(after: Property, before: Property) -> bool:
    are_lists = isinstance(before.value, list) and isinstance(after.value, list)
    return after.signature.startswith("a") and are_lists and bool(after.value)


def _sum(group: list[Property]) -> Property:
    if len(group) == 1:
        return group[0]
    lists = [each.value for each in group if isinstance(each.value, list)]
    return replace(group[-1], value=[entry for entries in lists for entry in entries])


def _found(name: str, value: str) -> Setting | None:
    from scoperun.spec.settings import find_setting  # noqa: PLC0415  the table is for -p alone

    return find_setting(name, value)


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidValue(f"{text!r} is not of the form NAME=VALUE", hint="as MemoryHigh=15M")
    return name, value


def _is_share(setting: Setting, value: str) -> bool:
    return setting.share is not None and value.endswith("%")


def _bytes(value: str, physical_memory: int | None) -> str:
    if physical_memory is None:
        raise InvalidValue("a share of a memory whose size is not known here", hint="bytes, as 512M")
    return str(parse_size(value, whole=physical_memory))


def _unknown(name: str) -> InvalidValue:
    if name in _OURS:
        return InvalidValue(f"{name}= is set by scoperun itself")
    if name in _OWNERS:
        return InvalidValue(f"{name}= of a scope owns its cgroup and runs nothing", hint=_OWNERS[name])
    if name in _LEGACY:
        return InvalidValue(f"{name}= is of cgroup v1, and nothing comes of it", hint=f"write {_LEGACY[name]}=")
    for pattern, instead in _EXEC_SETTINGS.items():
        if re.fullmatch(pattern, name):
            return InvalidValue(
                f"{name}= does not exist for scopes: a scope's processes are started by scoperun, not by systemd",
                hint=instead,
            )
    import difflib  # noqa: PLC0415  3 ms, for a mistake alone

    from scoperun.spec.settings import SETTINGS  # noqa: PLC0415  as in _found

    near = difflib.get_close_matches(name, SETTINGS, n=1)
    hint = f"did you mean {near[0]}=?" if near else "see systemd.scope(5) and systemd.resource-control(5)"
    return InvalidValue(f"unknown property {name!r}", hint=hint)


_OURS = frozenset({"PIDs", "PIDFDs", "AddRef", "CollectMode", "Controller"})

# Whoever writes these means the command, which would run on as root.
_OWNERS = {
    "User": "`context.user=USER` runs the command as another",
    "Group": "`context.group=GROUP` runs the command as another",
}

_LEGACY = {
    "MemoryLimit": "MemoryMax",
    "CPUShares": "CPUWeight",
    "StartupCPUShares": "StartupCPUWeight",
    "BlockIOAccounting": "IOAccounting",
    "BlockIOWeight": "IOWeight",
    "StartupBlockIOWeight": "StartupIOWeight",
    "BlockIODeviceWeight": "IODeviceWeight",
    "BlockIOReadBandwidth": "IOReadBandwidthMax",
    "BlockIOWriteBandwidth": "IOWriteBandwidthMax",
}

_EXEC_SETTINGS = {
    "Environment|(Pass|Unset)Environment|EnvironmentFile": (
        "`context.environment=NAME=VALUE` sets a variable, env -u unsets one"
    ),
    "WorkingDirectory": "`context.working_directory=DIR`",
    "DynamicUser": "`context.user=USER`",
    "SupplementaryGroups": "`context.group=GROUP`",
    "Nice": "`context.nice=N`",
    "Limit[A-Z]+": "prlimit before the command, as in prlimit --nofile=100 COMMAND",
    "OOMScoreAdjust": "choom before the command, as in choom -n 500 -- COMMAND",
    "UMask": "a shell, as in sh -c 'umask 077; exec COMMAND'",
    "CPUAffinity|NUMA(Policy|Mask)": "AllowedCPUs= and AllowedMemoryNodes=, or taskset before the command",
    "CPUScheduling[A-Za-z]+": "chrt before the command",
    "IOScheduling[A-Za-z]+": "ionice before the command",
    "Standard(Input|Output|Error)|TTY[A-Za-z]+": "the shell's redirections: a command has scoperun's own streams",
    "NoNewPrivileges|CapabilityBoundingSet|AmbientCapabilities": "setpriv before the command",
    "Restart[A-Za-z]*|Exec[A-Za-z]+|Type|RemainAfterExit|TimeoutStartSec|WatchdogSec|SuccessExitStatus": (
        "systemd-run --user --wait --pipe runs a command as a service"
    ),
    "(Private|Protect|Root|Restrict|Lock|SystemCall|Bind|Temporary)[A-Za-z]+|(Read|Inaccessible|No|Exec)[A-Za-z]*Paths"
    "|(Runtime|State|Cache|Logs|Configuration)Directory|MemoryDenyWriteExecute|MemoryKSM|MemoryTHP": (
        "bwrap before the command, or systemd-run --user --wait --pipe, which runs it as a service"
    ),
}
