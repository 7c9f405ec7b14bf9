"""The keys of `scopectl top`, and its lines of text. Without a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.ctl.ordering import Key
from scoperun.ctl.top_actions import Action
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from scoperun.ctl.ordering import View
    from scoperun.ctl.sampling import Round

SORTED_BY = {"m": Key.MEMORY, "s": Key.SWAP, "b": Key.BOTH, "c": Key.CPU, "t": Key.TASKS, "n": Key.NAME}
ACTIONS = {"L": Action.LIMIT, "F": Action.FREEZE, "W": Action.THAW, "X": Action.STOP, "K": Action.KILL}

HINT = "q quit  / filter  m s b c t n sort  r reverse  T tree  L F W X K change  ? help"
HELP = """\
  q        quit                       up down, j k   select a unit
  /        filter by unit or command  page up, down  a screen further
  escape   no filter                  home end       the first, the last
  T        below their slices or not  r              the other direction

Sort by   m memory   s swap   b both   c CPU   t tasks   n name

The selected unit, after a question:
  L        set its limit on memory    X   stop it: SIGTERM, then SIGKILL
  F        freeze it                  K   kill it: SIGKILL
  W        thaw it: let it run again

MEMORY against the bar's LIMIT, the least of the unit and all that it is in.
CPU% is of one processor. The graph is relative to its highest column.
Any key leaves this page."""


def summary(taken: Round, view: View, trouble: str | None) -> str:
    """Return the top line. trouble: why systemd says nothing, None if it does."""
    known = [usage.memory for usage in taken.units if usage.memory is not None]
    parts = [
        f"{len(taken.units)} unit{'' if len(taken.units) == 1 else 's'}",
        f"memory {format_size(sum(known))}" if known else "memory -",
        f"sorted by {view.key}{', reversed' if view.is_reversed else ''}",
        *([f"filter: {view.words}"] if view.words else []),
        *([f"systemd: {trouble}"] if trouble else []),
    ]
    return "  ".join(parts)
