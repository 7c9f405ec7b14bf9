"""The text of a cap's drop-in. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.ctl.in_force import setting, text_of
from scoperun.record import dataclass, replace
from scoperun.spec.properties import parse_setting
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.spec.properties import Property

FILE = "40-scoperun-cap.conf"
"""Drop-ins are read in the order of their names, and the last one counts: systemd's own begin with 50."""

_OF = "# Of: "


@dataclass(frozen=True, slots=True)
class Cap:
    """A cap as its file has it. of: the application's ID, --session or --users. settings: lines NAME=VALUE."""

    of: str
    settings: tuple[str, ...]


def file_text(cap: Cap, section: str) -> str:
    """Return the text of a file, without the line by which it is recognized."""
    option = cap.of if cap.of.startswith("--") else f"-- {cap.of}"
    return "\n".join(
        [
            f'# "scopectl cap --remove {option}" removes it. If you change it, scopectl leaves it alone.',
            f"{_OF}{cap.of}",
            f"[{section}]",
            *cap.settings,
            "",
        ]
    )


def cap_in(text: str) -> Cap | None:
    """Return the cap in a file of scopectl's; None if it is not of a cap."""
    lines = text.split("\n")
    of = [line.removeprefix(_OF) for line in lines if line.startswith(_OF)]
    settings = tuple(line for line in lines if line and not line.startswith(("#", "[")))
    return Cap(of[0], settings) if of else None


def as_in_file(properties: Iterable[Property]) -> list[Property]:
    """Return the properties as lines of a file can set them: CPUQuota= has two decimals of a percent at most."""
    return [
        replace(each, value=round(each.value, -2))
        if each.name == "CPUQuotaPerSecUSec" and isinstance(each.value, int) and each.value != INFINITY
        else each
        for each in properties
    ]


def setting_line(wanted: Property) -> str:
    """Return the line of a unit file that sets a property of limits."""
    value = wanted.value
    if wanted.name == "CPUQuotaPerSecUSec":
        share = f"{int(str(value)) / 10_000:.2f}".rstrip("0").rstrip(".")
        return f"CPUQuota={'' if value == INFINITY else f'{share}%'}"
    return f"{wanted.name}={'infinity' if value == INFINITY else value}"


def settings_of(properties: Iterable[Property]) -> tuple[str, ...]:
    """Return the lines that set these properties."""
    return tuple(map(setting_line, properties))


def limits_in_words(settings: Iterable[str]) -> str:
    """Return the limits of lines NAME=VALUE for people, e.g. MemoryMax=4G TasksMax=50."""
    limits = []
    for line in settings:
        name, _, value = line.partition("=")
        limit = parse_setting(name, value or "infinity")
        shown = text_of(name, limit.value) if name.startswith("Memory") and isinstance(limit.value, int) else value
        limits.append(f"{setting(limit)}={shown}")
    return " ".join(limits)
