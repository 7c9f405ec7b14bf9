r"""Which unit names an application can have, and the folders of drop-ins that bind them. No I/O.

systemd reads, for a unit app-gnome-firefox-42.scope, also app-gnome-firefox-.scope.d, app-gnome-.scope.d and
app-.scope.d (systemd.unit(5)): a drop-in of a prefix binds scopes that a desktop starts under ever new names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

LAUNCHERS = ("gnome", "KDE", "flatpak")
"""What stands between `app-` and the ID in names that desktops give: https://systemd.io/DESKTOP_ENVIRONMENTS."""

_PLAIN = re.compile(r"[A-Za-z0-9:_.]")
_SECTIONS = {".scope": "Scope", ".service": "Service", ".slice": "Slice"}
_RANDOM = re.compile(r"[0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST = 255
"""The bytes that the name of a folder can have."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of units that one folder of drop-ins binds.

    beginning: what they begin with, or the whole name without its kind. kind: what they end with, e.g. `.scope`.
    """

    beginning: str
    kind: str

    @classmethod
    def of_folder(cls, folder: str) -> Names | None:
        """Return those that a folder of drop-ins binds; None if it is not one of scopes, services or slices."""
        beginning, dot, kind = folder.removesuffix(".d").rpartition(".")
        return cls(beginning, f"{dot}{kind}") if beginning and f"{dot}{kind}" in _SECTIONS else None

    @property
    def folder(self) -> str:
        """The name of the folder."""
        return f"{self.beginning}{self.kind}.d"

    @property
    def section(self) -> str:
        """The section that the drop-in has, without brackets."""
        return _SECTIONS[self.kind]

    @property
    def glob(self) -> str:
        """The names as a glob for people; the one name if it is one."""
        return f"{self.beginning}{'*' if self._is_prefix else ''}{self.kind}"

    def bind(self, unit: str) -> bool:
        """Tell whether a unit has such a name."""
        if not self._is_prefix:
            return unit == f"{self.beginning}{self.kind}"
        inner = unit.removesuffix(self.kind).removeprefix(self.beginning)
        return unit.endswith(self.kind) and unit.startswith(self.beginning) and bool(inner)

    @property
    def _is_prefix(self) -> bool:
        return self.beginning[-1] in "-@"


SESSION = (Names("app", ".slice"),)
"""Where a desktop starts applications."""

USERS = (Names("user-", ".slice"),)
"""Where the system's systemd has all that each user runs."""


def checked(app: str) -> str:
    """Return the ID of an application without .desktop; raise InvalidValue for what cannot be one."""
    identifier = app.removesuffix(".desktop")
    if identifier[:1] in {"", "-"} or set("/%") & set(identifier) or not identifier.isprintable():
        raise InvalidValue(
            f"{app!r} is not the ID of an application",
            hint="the name of its .desktop file, e.g. firefox or org.gnome.Nautilus, without slashes and %",
        )
    if identifier.lower() in {each.lower() for each in LAUNCHERS}:
        raise InvalidValue(
            f"{app!r} is what starts applications, and a cap would bind each of them",
            hint="scopectl cap --session caps all applications together",
        )
    if identifier.endswith((".scope", ".service", ".slice")):
        raise InvalidValue(
            f"{app!r} is the name of a unit, not of an application", hint="scopectl set changes one unit, until it ends"
        )
    if len(max((each.folder for each in names(identifier)), key=len)) > _MOST:
        raise InvalidValue(f"{app!r} is too long for the name of a unit")
    return identifier


def names(identifier: str) -> tuple[Names, ...]:
    """Return the names that the units of an application can have on GNOME and KDE, as a flatpak and as a snap."""
    word = escaped(identifier)
    scopes = [f"app-{word}-", *(f"app-{launcher}-{word}-" for launcher in LAUNCHERS), f"flatpak-{word}-"]
    snap, _, app = identifier.partition("_")  # a snap's .desktop file is SNAP_APP.desktop
    snaps = [f"snap.{snap}.{app or snap}-"] if re.fullmatch(r"[a-z0-9-]+(_[A-Za-z0-9-]+)?", identifier) else []
    services = [f"app-{word}", *(f"app-{launcher}-{word}" for launcher in LAUNCHERS)]
    return (
        *(Names(each, ".scope") for each in (*scopes, *snaps)),
        *(Names(f"{each}{end}", ".service") for each in services for end in ("@", "")),
    )


def of_others(names: Iterable[Names], units: Iterable[str]) -> list[str]:
    """Return the units of other applications that an application's names would bind too."""
    beginnings = [each for each in names if each.kind == ".scope"]
    return [
        unit for unit in units if any(each.bind(unit) and _is_of_another(each.beginning, unit) for each in beginnings)
    ]


def _is_of_another(beginning: str, unit: str) -> bool:
    """Tell whether a scope whose name begins so is another program's.

    What a desktop puts behind an ID has no `-`: in app-niri-firefox-42.scope, niri is what started firefox. Snaps have
    a UUID there, and old flatpaks a number: snap.foo.foo-bar-UUID.scope is the program foo-bar of the snap.
    """
    rest = unit.removeprefix(beginning).removesuffix(".scope")
    return "-" in rest if beginning.startswith("app-") else not _RANDOM.fullmatch(rest)


def names_with(identifier: str, units: Iterable[str]) -> tuple[Names, ...]:
    """Return `names`, and those of units that other launchers have started, e.g. app-niri-ID-42.scope."""
    usual = names(identifier)
    word = rf"app-[A-Za-z0-9]+-{re.escape(escaped(identifier))}"
    kinds = (rf"({word}-)[^-]+(\.scope)", rf"({word}@)[^@]+(\.service)", rf"({word})(\.service)")
    others = {Names(found[1], found[2]) for unit in units for kind in kinds if (found := re.fullmatch(kind, unit))}
    return (*usual, *sorted(others - set(usual), key=lambda each: each.folder))


def escaped(text: str) -> str:
    r"""Return a text as systemd-escape(1) has it in the name of a unit, e.g. google\x2dchrome."""
    return "".join(
        each if _PLAIN.fullmatch(each) and (index or each != ".") else _in_bytes(each)
        for index, each in enumerate(text)
    )


def _in_bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))
