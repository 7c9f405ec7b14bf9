"""The scope to request from systemd: its unit name, its object path, its properties. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace
from scoperun.spec.limits import KEEPER_TASKS, Limits
from scoperun.spec.properties import Property, combined
from scoperun.spec.sizes import INFINITY
from scoperun.spec.values import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIT_NAME_MAX = 255
GENERATED_PREFIX = "scoperun-"
"""What the names begin with that scoperun gives to scopes."""

UNIT_TYPES = frozenset(
    ("automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer")
)
"""The endings of units' names."""

_UNIT_NAME = r"[A-Za-z0-9:_.\\-]+"
_SLICE = r"-|[^-]+(-[^-]+)*"
"""A slice's name without its suffix: the path of slices that it is in, with dashes; - is the root."""

MANAGERS_OWN = "init.scope"
"""The scope of systemd itself. Only it and the root slice are active without an invocation ID. A start changes it."""

ROOT_SLICE = "-.slice"
"""The slice that all others are in: its cgroup is the manager's own."""

_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9]", re.ASCII)
_ESCAPE = re.compile(r"[0-9a-f]{2}")

_LIKE_A_FILE = re.compile(r"[_.]|(cgroup|cpu|cpuacct|cpuset|io|blkio|memory|devices|pids|bpf-[a-z-]+)\.")
"""How the names of units begin that the kernel's files could have: see cg_needs_escape() in src/basic/cgroup-util.c.

With systemd 252 a controller is such a beginning only before the last dot: memory.service, not memory.x.service.
"""

_ALWAYS = (
    # memory.events needs it, and its default depends on the manager's configuration (DefaultMemoryAccounting=).
    Property(name="MemoryAccounting", signature="b", value=True, asked=False),
    Property(name="TasksAccounting", signature="b", value=True, asked=False),
    # Together these keep the result readable after the end without blocking the name: our reference keeps the unit
    # until we disconnect, and then systemd unloads it, failed or not.
    Property(name="AddRef", signature="b", value=True),
    Property(name="CollectMode", signature="s", value="inactive-or-failed"),
    # Lets other programs recognise a scope of scoperun.
    Property(name="Documentation", signature="as", value=["man:scoperun(1)"], asked=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRequest:
    """The arguments of StartTransientUnit.

    unit: the scope's full name.
    properties: its properties, each name once.
    """

    unit: str
    properties: tuple[Property, ...]

    @property
    def path(self) -> str:
        """The unit's D-Bus object path."""
        return unit_path(self.unit)

    @property
    def runtime_max(self) -> float | None:
        """RuntimeMaxSec= in seconds, None if there is no such limit."""
        usec = self.value("RuntimeMaxUSec")
        return seconds(usec) if isinstance(usec, int) and usec != INFINITY else None

    @property
    def timeout_stop(self) -> float | None:
        """TimeoutStopSec= in seconds, math.inf for no limit; None if it is not set."""
        usec = self.value("TimeoutStopUSec")
        return seconds(usec) if isinstance(usec, int) else None

    @property
    def is_delegated(self) -> bool:
        """Whether the command may create cgroups below the scope's (Delegate=)."""
        return bool(self.value("Delegate")) or self.value("DelegateControllers") is not None

    def mentions_unit_in(self, text: str) -> bool:
        """Tell whether a text, e.g. systemd's error, is about another unit that a property names (BindsTo=, After=)."""
        lists = [each.value for each in self.properties if isinstance(each.value, list)]
        return any(isinstance(unit, str) and unit in text.split() for units in lists for unit in units)

    def value(self, name: str) -> object | None:
        """Return the requested value of property `name`, None if it is not set."""
        return next((each.value for each in self.properties if each.name == name), None)

    def without(self, name: str) -> ScopeRequest:
        """Return the same request without property `name`."""
        kept = tuple(each for each in self.properties if each.name != name)
        return ScopeRequest(unit=self.unit, properties=kept)


def scope_request(unit: str, properties: Iterable[Property], *, has_keeper: bool = True) -> ScopeRequest:
    """Return the request for scope `unit` with `properties` (the last of a name wins) and those that scoperun adds.

    has_keeper: a keeper will be in the scope, for which TasksMax= needs room.
    """
    asked = tuple(properties)
    whole = combined((*needed(asked), *asked))
    return ScopeRequest(unit=unit, properties=tuple(map(with_keeper, whole) if has_keeper else whole))


def needed(asked: Iterable[Property]) -> tuple[Property, ...]:
    """Return the properties that every scope gets, except those in `asked`: a list would be added to theirs."""
    names = {each.name for each in asked}
    return tuple(each for each in _ALWAYS if each.name not in names)


def live_properties(limits: Limits, further: Iterable[Property] = ()) -> tuple[Property, ...]:
    """Return the properties that set `limits`, and `further` ones, on a running scope; the last of a name wins.

    Raises InvalidValue for those that systemd fixes at the start.
    """
    further = tuple(further)
    for name, field in AT_START.items():
        if getattr(limits, field) is not None or any(each.name == name for each in further):
            raise InvalidValue(f"{name}= cannot be changed while the scope runs")
    # A limit on memory implies MemorySwapMax=0 only at the start: here, what is not given stays unchanged.
    left_alone = "MemorySwapMax" if limits.memory_swap_max is None else None
    asked = [each for each in limits.properties() if each.name != left_alone]
    return tuple(map(with_keeper, combined((*asked, *further))))


AT_START = {"RuntimeMaxUSec": "runtime_max", "TimeoutStopUSec": "timeout_stop", "OOMPolicy": "oom_policy"}
"""The properties of limits that systemd fixes when a scope starts, with their fields in Limits."""


def with_keeper(wanted: Property) -> Property:
    """Add the keeper's task to TasksMax=; return other properties unchanged."""
    if wanted.name != "TasksMax" or not isinstance(wanted.value, int) or wanted.value == INFINITY:
        return wanted
    return replace(wanted, value=wanted.value + KEEPER_TASKS)


def without_keeper(asked: Property) -> Property:
    """Undo `with_keeper`."""
    if asked.name != "TasksMax" or not isinstance(asked.value, int) or asked.value == INFINITY:
        return asked
    return replace(asked, value=asked.value - KEEPER_TASKS)


def unit_name(name: str, *, suffix: str = ".scope") -> str:
    """Return the full name of a unit with this suffix, adding it if `name` lacks it; raise InvalidValue."""
    full = name if name.endswith(suffix) else name + suffix
    kind = suffix.removeprefix(".")
    if "/" in name:
        raise InvalidValue(
            f"{name!r} is not a unit name: it has a slash", hint="systemd-escape(1) turns a path into one"
        )
    if full != name and name.rpartition(".")[2] in UNIT_TYPES:
        raise InvalidValue(f"{name!r} is not the name of a {kind}", hint=f"it ends in {suffix}, or has no such ending")
    prefix = full.removesuffix(suffix)
    if not prefix or len(full) > UNIT_NAME_MAX or not re.fullmatch(_UNIT_NAME, full):
        hint = "only letters, digits and :-_.\\, at most 255 characters"
        raise InvalidValue(f"{name!r} is not a valid name for a {kind}", hint=hint)
    if kind == "slice" and not re.fullmatch(_SLICE, prefix):
        hint = "a dash stands between the names of slices, e.g. a-b.slice is in a.slice"
        raise InvalidValue(f"{name!r} is not a valid name for a slice", hint=hint)
    if full == MANAGERS_OWN:
        raise InvalidValue(f"{full} is the scope of systemd itself", hint="another name")
    return full


def generated_unit_name(command: str, pid: int, salt: str) -> str:
    """Return a unique name that shows people what runs: scoperun-COMMAND-PID-SALT.scope."""
    word = re.sub(r"[^A-Za-z0-9_.]", "_", command.rpartition("/")[2], flags=re.ASCII)[:64]
    return f"{GENERATED_PREFIX}{word}-{pid}-{salt}.scope"


def units_of(cgroup: str) -> tuple[str, ...]:
    """Return the units that the path of a cgroup consists of, the outermost first; none for the root.

    The name of a folder that is not a unit's stays as it is.
    """
    return tuple(map(unit_in, filter(None, cgroup.split("/")[1:])))


def unit_in(folder: str) -> str:
    """Return the unit whose cgroup has a folder of this name: undo `folder_of`."""
    name = folder.removeprefix("_")
    return name if _LIKE_A_FILE.match(name) else folder


def folder_of(unit: str) -> str:
    """Return the name of the folder of a unit's cgroup.

    systemd puts an underscore before a name that could be that of a file of the kernel's, e.g. _memory.service.
    """
    return f"_{unit}" if _LIKE_A_FILE.match(unit) else unit


def unit_path(unit: str) -> str:
    """Return the D-Bus object path of `unit`, escaped as sd_bus_path_encode(3) does."""
    escaped = _NOT_IN_PATHS.sub(lambda match: "".join(f"_{byte:02x}" for byte in match[0].encode()), unit)
    if escaped[0].isdigit():
        escaped = f"_{ord(escaped[0]):02x}{escaped[1:]}"
    return f"/org/freedesktop/systemd1/unit/{escaped}"


def unit_at(path: str) -> str | None:
    """Return the unit whose D-Bus object path this is, None if it is not that of a unit."""
    _, prefix, escaped = path.rpartition("/org/freedesktop/systemd1/unit/")
    parts = escaped.split("_")
    if not prefix or not all(_ESCAPE.match(part) for part in parts[1:]):
        return None
    rest = (bytes.fromhex(part[:2]).decode("latin-1") + part[2:] for part in parts[1:])
    return parts[0] + "".join(rest) or None
