"""The table of scopectl's subcommands, from which dispatch, help and completion are made. No I/O."""

from __future__ import annotations

from scoperun.record import dataclass


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand.

    name: as the user types it. module: the module with its function `command`, imported when the subcommand is named.
    help: its line in --help. alias: another name.
    takes_command: what follows -- is a command, which the function gets unread.
    failure: the exit status if scopectl itself fails, None for those that all subcommands have.
    """

    name: str
    module: str
    help: str
    alias: str | None = None
    takes_command: bool = False
    failure: int | None = None


SUBCOMMANDS = (
    Subcommand("list", "ctl.listing", "List what runs in scopes of scoperun, or in every unit.", alias="ps"),
    Subcommand("status", "ctl.status", "Show a unit in depth: processes, limits, events, journal."),
    Subcommand("tree", "ctl.tree", "Draw slices and units with their memory, limits and tasks."),
    Subcommand("top", "ctl.top", "Show live what runs and what it uses; change and end it."),
    Subcommand("wait", "ctl.waiting", "Wait until units have ended, and print how they did."),
    Subcommand("watch", "ctl.watch", "Tell of every OOM kill in your session, as it happens."),
    Subcommand("set", "ctl.setting", "Change the limits of units, until they end."),
    Subcommand("cap", "ctl.cap", "Cap an application or your session, at each start of it."),
    Subcommand("freeze", "ctl.freeze", "Suspend every process of units, until they are thawed."),
    Subcommand("thaw", "ctl.thaw", "Resume every process of frozen units."),
    Subcommand("stop", "ctl.stop", "Stop units, and wait until they have ended."),
    Subcommand("kill", "ctl.kill", "Send a signal to every process of units."),
    Subcommand("attach", "ctl.attach", "Put running processes into a new scope with limits."),
    Subcommand("history", "ctl.history", "List runs of scoperun --record: their ends, peaks and durations."),
    Subcommand("advise", "ctl.advise", "Suggest a limit on memory from the peaks of earlier runs."),
    Subcommand("plot", "ctl.plot", "Draw timelines of scoperun in the terminal, or as a picture."),
    Subcommand("doctor", "ctl.doctor", "Show what this machine lacks for a run, and how to get it."),
    Subcommand("units", "ctl.units", "Install the slices and the watch as units of your systemd."),
    Subcommand(
        "batch",
        "batch.command",
        "Run many jobs, each in a scope with a limit, as memory allows.",
        takes_command=True,
        failure=125,
    ),
)

NAMES = {name: each for each in SUBCOMMANDS for name in (each.name, each.alias) if name is not None}
"""The subcommands by the names that the user can type."""
