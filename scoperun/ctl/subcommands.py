"""The table of scopectl's subcommands, from which dispatch, help and completion are made. No I/O."""

from __future__ import annotations

from scoperun.record import dataclass


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand.

    name: as the user types it. module: the module with its function `command`, imported when the subcommand is named.
    help: its line in --help. alias: another name.
    """

    name: str
    module: str
    help: str
    alias: str | None = None


SUBCOMMANDS = (
    Subcommand("list", "listing", "List what runs in scopes of scoperun, or with --all in every unit.", alias="ps"),
    Subcommand("top", "top", "Show live what runs and what it uses; change, freeze and end it."),
    Subcommand("doctor", "doctor", "Show what a run needs, what this machine has, and how to fix it."),
)

NAMES = {name: each for each in SUBCOMMANDS for name in (each.name, each.alias) if name is not None}
"""The subcommands by the names that the user can type."""
