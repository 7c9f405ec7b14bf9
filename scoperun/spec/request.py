"""What a caller wants to run: a command, how it starts, and the scope to run it in. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.printable import utf8
from scoperun.record import dataclass, field
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property, combined, parse_property
from scoperun.spec.scope import unit_name
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scoperun.spec.limits import OOMPolicy
    from scoperun.spec.properties import Value
    from scoperun.spec.soft_memory import SoftMemory
    from scoperun.spec.soft_pressure import SoftPressure

_LINE_ENDS = frozenset("\n\r\0")
_DESCRIPTION_MAX = 200

SHORTEST_INTERVAL = 0.01
"""Seconds between two samples at least: one takes some 2 ms of processor time on a slow machine."""

LONGEST_INTERVAL = 86400.0
"""Seconds between two samples at most; the interval can double from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecContext:
    """How the command starts, where that differs from how its caller runs.

    environment: variables as NAME=VALUE, added to those that it inherits; a NAME alone keeps the inherited value.
    working_directory: where it starts; relative to the caller's; None for the caller's.
    user, group: names or numbers to run as, which requires root; None for the caller's.
    nice: its nice level, -20 to 19; None for the caller's.
    oom_score_adj: -1000 to 1000: how much the kernel prefers it as the victim of an OOM kill (proc(5)); None for the
        caller's.

    Raises InvalidValue for an oom_score_adj that is out of range, and for an empty working_directory.
    """

    environment: tuple[str, ...] = ()
    working_directory: str | None = None
    user: str | None = None
    group: str | None = None
    nice: int | None = None
    oom_score_adj: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the kernel would refuse whoever asks."""
        if self.working_directory == "":
            raise InvalidValue("`context.working_directory` is empty", hint="a folder; . is the caller's")
        adjustment = self.oom_score_adj
        if adjustment is None:
            return
        if isinstance(adjustment, bool) or not isinstance(adjustment, int) or not -1000 <= adjustment <= 1000:
            raise InvalidValue(f"`context.oom_score_adj={adjustment!r}` is out of range", hint="from -1000 to 1000")

    @property
    def changes_identity(self) -> bool:
        """Whether a user or a group is given, which requires root."""
        return self.user is not None or self.group is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A command and its scope, as the caller wants them.

    Raises InvalidValue for a value that cannot be used.

    command: the words of the command, at least one.
    limits: the limits on the scope.
    timeline_interval: seconds between the samples of what the scope uses, 0.01 to 86400; it doubles each time that
        there are 5000 more of them. None for no samples.
    unit: the scope's name, with or without .scope; None for a generated name that is not in use.
    slice: the slice to put the scope in, with or without .slice; None for the manager's default.
    slice_inherit: put the scope in the slice that the caller runs in, or in `slice` below that.
    description: a text for people; None for the command line.
    soft_memory: a limit at which the command gets a signal, before the kernel kills at the limit of `limits`.
    soft_pressure: a share of time spent waiting for memory at which the command gets a signal.
    cpu_time: seconds of processor time, all processes of the scope together, after which the scope is stopped; None or
        math.inf for no limit.
    properties: further properties as NAME=VALUE; they override `limits`.
    oom_policy_default: OOMPolicy= if neither `limits` nor `properties` set it and systemd knows it; None for systemd's
        default.
    require_limits: refuse to run the command if the kernel does not enforce the scope's limits.
    system: ask the system's manager, not the user's.
    context: how the command starts.
    wait: report only when nothing is left in the scope.
    kill_leftovers: stop the processes that are left in the scope when the command has ended.
    die_with_scoperun: have systemd stop the scope when this process ends, even by SIGKILL, or its guard does.
    """

    command: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    soft_memory: SoftMemory | None = None
    soft_pressure: SoftPressure | None = None
    cpu_time: float | None = None
    timeline_interval: float | None = None
    unit: str | None = None
    slice: str | None = None
    slice_inherit: bool = False
    description: str | None = None
    properties: tuple[str, ...] = ()
    oom_policy_default: OOMPolicy | None = None
    require_limits: bool = True
    system: bool = False
    context: ExecContext = field(default_factory=ExecContext)
    wait: bool = False
    kill_leftovers: bool = False
    die_with_scoperun: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot be used, before anything is started."""
        if isinstance(self.command, str):
            raise InvalidValue(
                f"command {self.command!r} is one string", hint="pass a list of words: no shell splits it"
            )
        if not self.command or not self.command[0]:
            raise InvalidValue("no command to run", hint="scoperun [OPTIONS] [--] COMMAND [ARGS...]")
        for word in self.command:
            _check_word(word)
        if self.unit is not None:
            object.__setattr__(self, "unit", unit_name(self.unit))
        if self.slice is not None:
            object.__setattr__(self, "slice", unit_name(self.slice, suffix=".slice"))
        if self.description is not None:
            _check_line("`description`", self.description)
        object.__setattr__(self, "cpu_time", _checked_cpu_time(self.cpu_time))
        if self.timeline_interval is not None:
            _check_timeline_interval(self.timeline_interval)
        further = {each.name: each.value for each in parsed(self.properties)}
        if self.soft_memory is not None:
            _check_soft_memory(self.soft_memory, self.limits, further)

    @property
    def stops_leftovers(self) -> bool:
        """Whether what the command leaves is stopped; nothing of it may outlive this process if that is wanted."""
        return self.kill_leftovers or (self.die_with_scoperun and not self.wait)

    def scope_properties(self, *, inherited_slice: str | None = None) -> Iterable[Property]:
        """Yield the properties to request for the scope; a later one overrides an earlier one of the same name.

        inherited_slice: the slice that the caller runs in, for slice_inherit.
        """
        text = self.description or _in_one_line(self.command)
        yield Property(name="Description", signature="s", value=text, asked=self.description is not None)
        if self.oom_policy_default is not None:
            yield Property(name="OOMPolicy", signature="s", value=str(self.oom_policy_default), asked=False)
        yield from self.limits.properties()
        if self.soft_memory is not None:  # the kernel notifies when MemoryHigh= is passed
            yield Property(name="MemoryHigh", signature="t", value=self.soft_memory.limit)
        slice_name = _joined(inherited_slice, self.slice) if self.slice_inherit else self.slice
        if slice_name is not None:
            yield Property(name="Slice", signature="s", value=slice_name)
        yield from combined(map(parse_property, self.properties))


def parsed(properties: Iterable[str]) -> list[Property]:
    """Return the properties that NAME=VALUE texts set; raise InvalidValue for a value that cannot be used."""
    found = []
    for text in properties:
        found.append(parse_property(text))
        _check_line(text.partition("=")[0], found[-1].value)
    return found


def words(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command's words as a tuple; a string is returned as it is, and RunRequest refuses it."""
    return command if isinstance(command, str) else tuple(command)  # type: ignore[return-value]


def _in_one_line(command: Sequence[str]) -> str:
    """Return a command as text for people that fits on one line of a unit file: see `_check_line`."""
    text = utf8(" ".join(command))
    text = "".join(each if each.isprintable() else " " for each in text[: _DESCRIPTION_MAX + 1])
    return (text if len(text) <= _DESCRIPTION_MAX else text[: _DESCRIPTION_MAX - 1] + "…").rstrip("\\")


def _check_line(name: str, value: Value) -> None:
    """Refuse text that contains the end of a line, or that would continue on the next line, in the unit's file.

    systemd writes it there unescaped, and at the next daemon-reload reads the rest as settings, or fails to read any.
    """
    if isinstance(value, str):
        if _LINE_ENDS & set(value) or value.endswith("\\"):
            hint = "without line feeds, and without a backslash at the end"
            raise InvalidValue(f"{name}: {value!r} is not one line of a unit file", hint=hint)
    elif isinstance(value, list):
        for each in value:
            _check_line(name, each)


def _check_word(word: str) -> None:
    if "\0" in word:
        raise InvalidValue(f"argument {word!r} has a NUL byte")
    try:
        word.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise InvalidValue(f"argument {word!r} cannot be passed to a command") from None


def _checked_cpu_time(seconds: float | None) -> float | None:
    """Return a limit on processor time, None for no limit."""
    if seconds is None or seconds == math.inf:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidValue(f"`cpu_time` {seconds!r} is not a time above 0 seconds", hint="e.g. 90; None means no limit")
    return seconds


def _check_timeline_interval(seconds: float) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        hint = f"from {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:g} seconds; None means no timeline"
        raise InvalidValue(f"`timeline_interval` {seconds!r} is not a time between two samples", hint=hint)


def _check_soft_memory(soft: SoftMemory, limits: Limits, further: Mapping[str, Value]) -> None:
    """Refuse a soft limit that another setting overrides, or that is not below the hard limit."""
    if limits.memory_high not in {None, INFINITY} or "MemoryHigh" in further:
        raise InvalidValue(
            f"`soft_memory={format_size(soft.limit)}` excludes `memory_high` and `properties=MemoryHigh=`",
            hint="the soft limit sets MemoryHigh= itself",
        )
    most = further.get("MemoryMax", limits.memory_max)
    if isinstance(most, int) and soft.limit >= most:
        name = "properties=MemoryMax=" if "MemoryMax" in further else "memory_max="
        raise InvalidValue(
            f"`soft_memory={format_size(soft.limit)}` is not below `{name}{format_size(most)}`",
            hint="the kernel kills there; take less, so that the command is warned before",
        )


def _joined(outer: str | None, inner: str | None) -> str | None:
    """Return slice `inner` below slice `outer`, as systemd names it: a.slice and b.slice make a-b.slice."""
    if outer is None or inner is None or outer == "-.slice":
        return inner or outer
    return f"{outer.removesuffix('.slice')}-{inner}"
