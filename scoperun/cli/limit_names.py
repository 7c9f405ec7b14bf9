"""What the user calls the limits of a run, e.g. `--mem 20M`, `profile build` or `-p MemoryMax=`. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console.options import OPTION_OF, OPTIONS
from scoperun.report.names import LimitName
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.console.sources import Sources
    from scoperun.spec.properties import Property
    from scoperun.spec.request import RunRequest

_FIELDS = {
    option.name: option.field.rpartition(".")[2]
    for option in OPTIONS
    if option.field is not None and option.field.startswith(("limits.", "request.soft_", "request.cpu_time"))
}
"""The fields of limits by their options' long names."""


def limit_names(sources: Sources, request: RunRequest) -> dict[str, LimitName]:
    """Return what the user calls the limits that options, config files and -p set, by their fields."""
    names = {}
    for option, field in _FIELDS.items():
        if option in sources.options:
            text = _name(sources.options[option], sources.texts.get(option))
            names[field] = LimitName(text, _number(getattr(request.limits, field, None)))
    return names | dict(_further(sources, request.properties))


def _further(sources: Sources, properties: Sequence[str]) -> Iterator[tuple[str, LimitName]]:
    """Yield the limits that -p sets, which overrides the options."""
    if not properties:
        return
    from scoperun.spec.properties import parse_property  # noqa: PLC0415  most runs have no -p

    for text, source in zip(properties, sources.properties, strict=True):
        parsed = parse_property(text)
        option = OPTION_OF.get(parsed.sets)
        if option in _FIELDS:
            name = f"-p {text.partition('=')[0]}=" if source == "-p" else _name(source, None)
            yield _FIELDS[option], LimitName(name, _in_our_unit(parsed))


def _in_our_unit(wanted: Property) -> float | None:
    """Return the value of a property as limits in force have it; None for a share of what is there, and for a word."""
    value = _number(wanted.value)
    if value is None or wanted.name.endswith("Scale"):
        return None
    return value / 1e6 if wanted.name.endswith("USec") and value != INFINITY else value


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _name(source: str, text: str | None) -> str:
    """Return the name of a limit by its source.

    source: an option, or a place: `config.toml:12 [profiles.build]`, or a line of -p @FILE, `limits:3`.
    """
    if source.startswith("--"):
        return source if text is None else f"{source} {text}"
    if not source.endswith("]"):
        return f"-p @{source}"
    section = source.rpartition(" [")[2].removesuffix("]")
    kind, _, name = section.partition(".")
    return f"profile {name}" if kind == "profiles" else f"[{section}] in the configuration"
