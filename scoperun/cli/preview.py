"""What a run would ask of systemd, where each value comes from, and the equivalent systemd-run line. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scoperun.console.options import OPTION_OF, OPTIONS
from scoperun.console.shell_words import quoted
from scoperun.printable import one_line
from scoperun.record import dataclass, replace
from scoperun.spec.guard import ANY_GUARD, bound_to
from scoperun.spec.properties import Property, parse_property, that_count
from scoperun.spec.scope import needed
from scoperun.spec.sizes import INFINITY, exact_size, format_size
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.cli.options import Output
    from scoperun.console.sources import Sources
    from scoperun.spec.request import RunRequest

OURS = "scoperun itself"
FOR_A_SHELL = "scoperun itself, for a shell at a terminal"

_UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}

_LONGEST = 60
"""In characters: a longer text does not widen the column for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A property that would be asked of systemd.

    property: its name and value on D-Bus. text: the same as a setting of a unit file. source: where it comes from.
    is_internal: scoperun adds it to every scope, for its own work.
    """

    property: Property
    text: str
    source: str
    is_internal: bool = False

    def to_text(self) -> str:
        """Return the setting for people: after a number of bytes also the size, e.g. MemoryMax=20971520 (20M)."""
        name, value = self.property.name, self.property.value
        is_size = name.startswith("Memory") and self.property.signature == "t" and not name.endswith("USec")
        if not is_size or not isinstance(value, int) or not self.text.endswith(f"={value}") or value < 1024:
            return self.text
        return f"{self.text} ({format_size(value)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An option that sets no property, e.g. --nice 5: its long name, its value, and where that comes from.

    value: a float is a time in seconds.
    """

    name: str
    value: bool | int | float | str
    source: str

    def to_text(self) -> str:
        """Return the option as it would be typed."""
        match self.value:
            case True:
                return f"--{self.name}"
            case False:
                return _contrary(self.name)
        between = "=" if next(option.is_optional for option in OPTIONS if option.name == self.name) else " "
        text = _time(round(self.value * 1e6)) if isinstance(self.value, float) else str(self.value)
        return f"--{self.name}{between}{quoted(text, keeps_bytes=True)}"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would ask of systemd, what else is decided, and the words of the equivalent systemd-run line."""

    asked: tuple[Asked, ...]
    chosen: tuple[Chosen, ...]
    systemd_run: tuple[str, ...]

    def to_text(self) -> str:
        """Return one line for each property and option, an empty line, and the systemd-run line, quoted for a shell.

        The properties that scoperun adds to every scope are left out.
        """
        shown: list[Asked | Chosen] = [*(each for each in self.asked if not each.is_internal), *self.chosen]
        texts = [one_line(each.to_text()) for each in shown]
        width = max((len(text) for text in texts if len(text) <= _LONGEST), default=0)
        rows = [f"{text:<{width}}  {one_line(each.source)}" for text, each in zip(texts, shown, strict=True)]
        command = " ".join(quoted(word, keeps_bytes=True) for word in self.systemd_run)
        return "\n".join([*rows, "", command])

    def to_json(self) -> str:
        """Return a JSON object.

        properties: a list of objects with name, signature, value and source. options: a list of objects with name,
        value and source, for options that set no property. systemd_run: a list of words.
        """
        properties = [
            {
                "name": each.property.name,
                "signature": each.property.signature,
                "value": each.property.value,
                "source": each.source,
            }
            for each in self.asked
        ]
        options = [{"name": each.name, "value": each.value, "source": each.source} for each in self.chosen]
        whole = {"properties": properties, "options": options, "systemd_run": self.systemd_run}
        return json.dumps(whole, default=list)


def preview(
    request: RunRequest, sources: Sources, *, output: Output | None = None, inherited_slice: str | None = None
) -> Preview:
    """Return what `request` would ask of systemd; TasksMax= is shown without the room for scoperun's keeper.

    sources: where the values of `request` and `output` come from.
    inherited_slice: the slice that the caller runs in, for slice_inherit.
    Raises InvalidValue.
    """
    asked = tuple(_asked(request, sources, inherited_slice))
    return Preview(asked, tuple(_chosen(request, output, sources)), tuple(_systemd_run(request, asked)))


def setting_text(wanted: Property) -> str:
    """Return a property in the notation of unit files and systemd-run -p, e.g. CPUQuota=50%, RuntimeMaxSec=90s."""
    value = wanted.value
    if wanted.name == "CPUQuotaPerSecUSec" and isinstance(value, int):
        return f"CPUQuota={_hundredths(value)}%"
    if wanted.name.endswith("USec") and isinstance(value, int):
        return f"{wanted.name.removesuffix('USec')}Sec={_time(value)}"
    if isinstance(value, bool):
        return f"{wanted.name}={'yes' if value else 'no'}"
    if isinstance(value, list):
        return f"{wanted.name}={' '.join(map(str, value))}"
    return f"{wanted.name}={'infinity' if value == INFINITY else value}"


def _asked(request: RunRequest, sources: Sources, inherited_slice: str | None) -> Iterable[Asked]:
    further = tuple(_further(request, sources))
    always = needed(each.property for each in further)
    asked = [*_own(request, sources, inherited_slice, always), *further, *_bound(request, sources)]
    count = that_count(each.property for each in asked)
    return [asked[position] for position in sorted(position for group in count for position, _ in group)]


def _own(
    request: RunRequest, sources: Sources, inherited_slice: str | None, always: Iterable[Property]
) -> Iterable[Asked]:
    """Yield the properties that options ask for, and `always`, those that scoperun itself needs."""
    for each in (*replace(request, properties=()).scope_properties(inherited_slice=inherited_slice), *always):
        option = OPTION_OF.get(each.name, "")
        if each.name == "Slice" and request.slice_inherit:
            option = "slice-inherit"
        if each.name == "MemoryHigh" and request.soft_memory is not None:
            option = "soft-mem"
        ours = FOR_A_SHELL if each.name == "OOMPolicy" else OURS
        source = sources.options.get(option, ours)
        yield Asked(property=each, text=setting_text(each), source=source, is_internal=each in always)


def _further(request: RunRequest, sources: Sources) -> Iterable[Asked]:
    """Yield the properties that -p asks for, in the user's words, which are a unit file's."""
    for text, source in zip(request.properties, sources.properties, strict=True):
        yield Asked(property=parse_property(text), text=text, source=source)


def _bound(request: RunRequest, sources: Sources) -> Iterable[Asked]:
    """Yield what binds the scope to a guard. systemd-run leaves nothing that could keep one: it becomes the command."""
    if request.die_with_scoperun:
        for each in bound_to(ANY_GUARD):
            source = sources.options.get("die-with-scoperun", OURS)
            yield Asked(property=each, text=setting_text(each), source=source)


def _chosen(request: RunRequest, output: Output | None, sources: Sources) -> Iterable[Chosen]:
    """Yield the options that set no property, in the order of the table; variables for the command come last."""
    wholes = {"request": request, "context": request.context, "output": output}
    for option in OPTIONS:
        if option.name not in sources.options or option.field is None or option.sets is not None:
            continue
        whole, _, name = option.field.partition(".")
        value = getattr(wholes.get(whole), name, None)
        if isinstance(value, SoftMemory):
            value = f"{exact_size(value.limit)}:{_signal(value)}"
        if isinstance(value, SoftPressure):
            value = f"{value.text}:{_signal(value)}"
        if value is not None and name != "dry_run":
            yield Chosen(name=option.name, value=value, source=sources.options[option.name])
    for text, source in zip(request.context.environment, sources.environment, strict=True):
        yield Chosen(name="setenv", value=text, source=source)


def _signal(soft: SoftMemory | SoftPressure) -> str:
    return "none" if soft.signal is None else signal_name(soft.signal)


def _contrary(name: str) -> str:
    """Return the option that turns off the flag of this long name, e.g. --no-wait."""
    return next(str(option.contrary) for option in OPTIONS if option.name == name)


def _systemd_run(request: RunRequest, asked: tuple[Asked, ...]) -> Iterable[str]:
    yield from ("systemd-run", "--system" if request.system else "--user", "--scope", "--collect")
    if request.unit is not None:
        yield f"--unit={request.unit}"
    yield from _context(request)
    for each in asked:
        # AddRef= is for a program that reads the result; CollectMode= is --collect; other properties that the user did
        # not ask for serve scoperun's own measurements, except the one with which a shell survives.
        is_wanted = each.property.asked or each.source == FOR_A_SHELL
        is_wanted = is_wanted and each.property.value != [ANY_GUARD]
        if is_wanted and each.property.name not in {"AddRef", "CollectMode"}:
            yield from _words(each)
    yield "--"
    if request.context.oom_score_adj is not None:  # systemd-run has OOMScoreAdjust= for services alone
        yield from ("choom", f"--adjust={request.context.oom_score_adj}", "--")
    if request.context.working_directory is not None:  # systemd-run takes --working-directory=/ for nothing
        yield from ("env", f"--chdir={request.context.working_directory}")
    yield from request.command


def _words(asked: Asked) -> Iterable[str]:
    name, _, value = asked.text.partition("=")
    if name in {"Slice", "Description"}:
        return (f"--{name.lower()}={value}",)
    return ("-p", asked.text)


def _context(request: RunRequest) -> Iterable[str]:
    context = request.context
    if context.user is not None:
        yield f"--uid={context.user}"
    if context.group is not None:
        yield f"--gid={context.group}"
    if context.nice is not None:
        yield f"--nice={context.nice}"
    yield from (f"--setenv={variable}" for variable in context.environment if "=" in variable)


def _time(microseconds: int) -> str:
    if microseconds == INFINITY:
        return "infinity"
    unit, length = next((unit, length) for unit, length in _UNITS.items() if microseconds % length == 0)
    return f"{microseconds // length}{unit}"


def _hundredths(microseconds: int) -> str:
    """Return a share of a processor in percent, with two decimals, which is the precision that systemd reads."""
    return f"{microseconds / 10_000:.2f}".rstrip("0").rstrip(".")
