"""Whether a unit is frozen. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup


def is_frozen(cgroup: Cgroup | None) -> bool | None:
    """Tell whether the kernel runs none of a cgroup's processes; None if it does not say."""
    events = None if cgroup is None else cgroup.table("cgroup.events")
    return None if events is None or "frozen" not in events else bool(events["frozen"])
