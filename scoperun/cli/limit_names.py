"""What the user calls the limits of a run, e.g. `--mem 20M`, `profile build` or `-p MemoryMax=`. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console.options import OPTION_OF, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.console.sources import Sources

_FIELDS = {
    option.name: option.field.rpartition(".")[2]
    for option in OPTIONS
    if option.field is not None and (option.field.startswith("limits.") or option.field == "request.soft_memory")
}
"""The fields of limits by their options' long names."""


def limit_names(sources: Sources, properties: Sequence[str]) -> dict[str, str]:
    """Return what the user calls the limits that options, config files and -p set, by their fields.

    properties: those of -p, for which `sources` has the sources.
    """
    names = {
        field: _name(sources.options[option], sources.texts.get(option))
        for option, field in _FIELDS.items()
        if option in sources.options
    }
    return names | dict(_further(sources, properties))


def _further(sources: Sources, properties: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the limits that -p sets, which overrides the options."""
    if not properties:
        return
    from scoperun.spec.properties import parse_property  # noqa: PLC0415  most runs have no -p

    for text, source in zip(properties, sources.properties, strict=True):
        option = OPTION_OF.get(parse_property(text).name)
        if option in _FIELDS:
            yield _FIELDS[option], f"-p {text.partition('=')[0]}=" if source == "-p" else _name(source, None)


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
