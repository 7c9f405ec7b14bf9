r"""Which desktop application a unit is, by its name and the .desktop files. Reads only.

Desktops name units app[-LAUNCHER]-ID-RANDOM.scope, app[-LAUNCHER]-ID@RANDOM.service or app[-LAUNCHER]-ID.service,
with `-` in ID as \x2d: https://systemd.io/DESKTOP_ENVIRONMENTS. Some do not escape it. The files are described in
https://specifications.freedesktop.org/desktop-entry-spec/latest/.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from scoperun import regular_file
from scoperun.printable import utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCOPE = re.compile(r"app-(.+)-[^-]+\.scope")
_SERVICE = re.compile(r"app-([^@].*?)(?:@[^@]*)?\.service")
_MOST = 1 << 17
"""Bytes of a .desktop file that are read."""


def app_name(unit: str, environment: Mapping[str, str]) -> str | None:
    """Return the Name= of the application that a unit is, None if it is none or has no .desktop file."""
    for identifier in _identifiers(unit):
        for folder in _folders(environment):
            name = _name_in(f"{folder}/applications", identifier)
            if name is not None:
                return name
    return None


def likely_id(unit: str) -> str | None:
    """Return the ID that the unit's name most likely stands for, None if it is not an application's."""
    return next(_identifiers(unit), None)


def _identifiers(unit: str) -> Iterator[str]:
    """Yield the IDs that the unit's name can stand for, the most likely first."""
    match = _SCOPE.fullmatch(unit) or _SERVICE.fullmatch(unit)
    parts = match[1].split("-") if match else []
    for count in range(1, len(parts) + 1):
        identifier = _unescaped("-".join(parts[-count:]))
        # A slash would lead out of the folder, and so would "..": each `-` can stand for a slash.
        leads_out = {"/", "\0"} & set(identifier) or ".." in identifier.split("-")
        if identifier and not identifier.startswith(".") and not leads_out:
            yield identifier


def _unescaped(text: str) -> str:
    """Undo systemd-escape(1)."""
    return re.sub(r"((?:\\x[0-9a-f]{2})+)", lambda found: _decoded(found[1]), text)


def _decoded(escapes: str) -> str:
    return os.fsdecode(bytes.fromhex(escapes.replace("\\x", "")))


def _folders(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders of the XDG base directory specification, in their order; it asks to ignore relative ones."""
    home = environment.get("XDG_DATA_HOME") or f"{environment.get('HOME', '')}/.local/share"
    others = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    yield from (folder for folder in (home, *others.split(":")) if folder.startswith("/"))


def _name_in(folder: str, identifier: str) -> str | None:
    """Return the Name= in the application's file; in the ID of a file in a subfolder, `-` stands for each slash."""
    for count in range(identifier.count("-") + 1):
        name = _name(f"{folder}/{identifier.replace('-', '/', count)}.desktop")
        if name is not None:
            return name
    return None


def _name(file: str) -> str | None:
    try:
        fd = regular_file.opened(file, follow=True)
    except OSError:
        return None
    try:
        text = os.fsdecode(os.read(fd, _MOST))
    except OSError:
        return None
    finally:
        os.close(fd)
    return _name_of_entry(text)


def _name_of_entry(text: str) -> str | None:
    group = ""
    for line in text.split("\n"):
        if line.startswith("["):
            group = line.strip()
        elif group == "[Desktop Entry]":
            key, equals, value = line.partition("=")
            if equals and key.strip() == "Name":
                return utf8(value.strip()) or None
    return None


def identifiers(environment: Mapping[str, str]) -> list[str]:
    """Return the IDs of the applications that are installed, flatpaks and snaps too, in their order."""
    home = environment.get("HOME", "")
    flatpaks = [f"{home}/.local/share/flatpak/exports/share"] if home.startswith("/") else []
    found: set[str] = set()
    for folder in (*_folders(environment), *flatpaks, "/var/lib/flatpak/exports/share", "/var/lib/snapd/desktop"):
        top = f"{folder}/applications"
        for path, _, files in os.walk(top):
            below = os.path.relpath(path, top)
            beginning = "" if below == "." else f"{below.replace('/', '-')}-"
            found |= {f"{beginning}{name.removesuffix('.desktop')}" for name in files if name.endswith(".desktop")}
    return sorted(found)
