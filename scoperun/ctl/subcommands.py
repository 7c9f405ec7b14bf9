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
    Subcommand("list", "listing", "List what runs in scopes of scoperun, or in every unit.", alias="ps"),
    Subcommand("status", "status", "Show a unit in depth: processes, limits, events, journal."),
    Subcommand("tree", "tree", "Draw slices and units with their memory, limits and tasks."),
    Subcommand("top", "top", "Show live what runs and what it uses; change and end it."),
    Subcommand("wait", "waiting", "Wait until units have ended, and print how they did."),
    Subcommand("watch", "watch", "Tell of every OOM kill in your session, as it happens."),
    Subcommand("set", "setting", "Change the limits of units, until they end."),
    Subcommand("cap", "cap", "Cap an application or your session, at each start of it."),
    Subcommand("freeze", "freeze", "Suspend every process of units, until they are thawed."),
    Subcommand("thaw", "thaw", "Resume every process of frozen units."),
    Subcommand("stop", "stop", "Stop units, and wait until they have ended."),
    Subcommand("kill", "kill", "Send a signal to every process of units."),
    Subcommand("attach", "attach", "Put running processes into a new scope with limits."),
    Subcommand("history", "history", "List runs of scoperun --record: their ends, peaks and durations."),
    Subcommand("advise", "advise", "Suggest a limit on memory from the peaks of earlier runs."),
    Subcommand("plot", "plot", "Draw timelines of scoperun in the terminal, or as a picture."),
    Subcommand("doctor", "doctor", "Show what this machine lacks for a run, and how to get it."),
    Subcommand("units", "units", "Install the slices and the watch as units of your systemd."),
)

NAMES = {name: each for each in SUBCOMMANDS for name in (each.name, each.alias) if name is not None}
"""The subcommands by the names that the user can type."""
