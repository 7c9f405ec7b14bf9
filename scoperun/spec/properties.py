"""A property of a scope as a value, and the parser of NAME=VALUE, as in systemd-run -p. No I/O.

E.g. -p MemoryMax=20M -p TasksMax=100 -p KillSignal=SIGINT; scoperun/spec/settings.py lists the known names.
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
    """One property for StartTransientUnit.

    name: its name on D-Bus.
    signature: its D-Bus type.
    value: its value as plain Python of that type.
    asked: the caller asked for it, so it is an error if systemd does not know it. If False, the property is left out
        then.
    """

    name: str
    signature: str
    value: Value
    asked: bool = True

    @property
    def sets(self) -> str:
        """The name of the setting: TasksMaxScale is TasksMax as a share, and for systemd the later of the two wins."""
        return self.name.removesuffix("Scale")


def parse_property(text: str, *, physical_memory: int | None = None) -> Property:
    """Return the property that NAME=VALUE sets; raise InvalidValue if scopes lack it or the value is not valid.

    physical_memory: the bytes of which MemoryMax= and similar can be a percentage, None if percentages are not allowed.
    """
    name, value = _split(text)
    try:
        return parse_setting(name, value, physical_memory=physical_memory)
    except InvalidValue as error:
        if _found(name, value) is None:
            raise
        raise InvalidValue(f"{name}={value}: {error.message}", hint=error.hint) from None


def parse_setting(name: str, value: str, *, physical_memory: int | None = None) -> Property:
    """Return the property that `name`=`value` in a unit file sets; arguments and errors as in parse_property."""
    setting = _found(name, value)
    if setting is None:
        raise _unknown(name)
    dbus_name = setting.dbus_name or name
    if not _is_share(setting, value):
        return Property(name=dbus_name, signature=setting.signature, value=setting.parse(value))
    if setting.share == "scale":
        return Property(name=f"{dbus_name}Scale", signature="u", value=values.scale(value))
    # systemd would accept a Scale here too, but the limit is compared in bytes with the kernel's.
    return Property(name=dbus_name, signature="t", value=setting.parse(_bytes(value, physical_memory)))


def in_bytes(text: str, *, physical_memory: int) -> str:
    """Return NAME=VALUE with a percentage of `physical_memory` replaced by bytes; raise InvalidValue if not valid."""
    parsed = parse_property(text, physical_memory=physical_memory)
    name, value = _split(text)
    setting = _found(name, value)
    if setting and setting.share == "bytes" and _is_share(setting, value):
        return f"{name}={parsed.value!r}"
    return text


def property_lines(text: str) -> list[str]:
    """Return the NAME=VALUE lines of a file of properties, without blank lines and comments that begin with # or ;."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line[0] not in "#;"]


def combined(properties: Iterable[Property]) -> list[Property]:
    """Return one property for each setting, at its last position; the lists that count are joined."""
    return [_sum([each for _, each in group]) for group in that_count(properties)]


def that_count(properties: Iterable[Property]) -> list[list[tuple[int, Property]]]:
    """Return the properties that take effect, each with its position, grouped by setting, in order of last positions.

    Lists add up, and an empty list clears those before it; of other properties only the last takes effect.
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
    from scoperun.spec.settings import find_setting  # noqa: PLC0415  only -p needs the table

    return find_setting(name, value)


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidValue(f"{text!r} is not of the form NAME=VALUE", hint="e.g. MemoryHigh=15M")
    return name, value


def _is_share(setting: Setting, value: str) -> bool:
    return setting.share is not None and value.endswith("%")


def _bytes(value: str, physical_memory: int | None) -> str:
    if physical_memory is None:
        raise InvalidValue("a percentage of memory whose size is not known here", hint="write bytes, e.g. 512M")
    return str(parse_size(value, whole=physical_memory))


def _unknown(name: str) -> InvalidValue:
    if name in _OURS:
        return InvalidValue(f"{name}= is set by scoperun itself")
    if name in _OWNERS:
        return InvalidValue(
            f"{name}= of a scope is the owner of its cgroup and does not affect the command", hint=_OWNERS[name]
        )
    if name in _LEGACY:
        return InvalidValue(f"{name}= belongs to cgroup v1 and has no effect", hint=f"write {_LEGACY[name]}=")
    for pattern, instead in _EXEC_SETTINGS.items():
        if re.fullmatch(pattern, name):
            return InvalidValue(
                f"{name}= does not exist for scopes: a scope's processes are started by scoperun, not by systemd",
                hint=instead,
            )
    import difflib  # noqa: PLC0415  3 ms, only after a mistake

    from scoperun.spec.settings import SETTINGS  # noqa: PLC0415  as in _found

    near = difflib.get_close_matches(name, SETTINGS, n=1)
    hint = f"did you mean {near[0]}=?" if near else "see systemd.scope(5) and systemd.resource-control(5)"
    return InvalidValue(f"unknown property {name!r}", hint=hint)


_OURS = frozenset({"PIDs", "PIDFDs", "AddRef", "CollectMode", "Controller"})

# User= and Group= are usually meant for the command, which would still run as root.
_OWNERS = {
    "User": "`context.user=USER` runs the command as another user",
    "Group": "`context.group=GROUP` runs the command with another group",
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
    "Limit[A-Z]+": "put prlimit before the command, e.g. prlimit --nofile=100 COMMAND",
    "OOMScoreAdjust": "`context.oom_score_adj=N`",
    "UMask": "use a shell, e.g. sh -c 'umask 077; exec COMMAND'",
    "CPUAffinity|NUMA(Policy|Mask)": "write AllowedCPUs= or AllowedMemoryNodes=, or put taskset before the command",
    "CPUScheduling[A-Za-z]+": "put chrt before the command",
    "IOScheduling[A-Za-z]+": "put ionice before the command",
    "Standard(Input|Output|Error)|TTY[A-Za-z]+": "use the shell's redirections: the command has scoperun's own streams",
    "NoNewPrivileges|CapabilityBoundingSet|AmbientCapabilities": "put setpriv before the command",
    "Restart[A-Za-z]*|Exec[A-Za-z]+|Type|RemainAfterExit|TimeoutStartSec|WatchdogSec|SuccessExitStatus": (
        "systemd-run --user --wait --pipe runs a command as a service"
    ),
    "(Private|Protect|Root|Restrict|Lock|SystemCall|Bind|Temporary)[A-Za-z]+|(Read|Inaccessible|No|Exec)[A-Za-z]*Paths"
    "|(Runtime|State|Cache|Logs|Configuration)Directory|MemoryDenyWriteExecute|MemoryKSM|MemoryTHP": (
        "put bwrap before the command, or use systemd-run --user --wait --pipe, which runs it as a service"
    ),
}
