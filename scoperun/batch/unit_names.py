"""The names of a batch's units. No I/O."""

from __future__ import annotations

_OF_BATCH = "-scoperun_batch_"


def parent(*, system: bool) -> str:
    """Return the slice that the slices of batches are in. system: in the system's manager."""
    return "system.slice" if system else "app.slice"


def slice_name(batch: str, *, system: bool) -> str:
    """Return the name of a batch's slice: in app.slice or system.slice, which are there anyway."""
    return f"{parent(system=system).removesuffix('.slice')}{_OF_BATCH}{batch}.slice"


def is_slice(unit: str) -> bool:
    """Tell whether a unit is the slice of a batch."""
    return _OF_BATCH in unit and unit.endswith(".slice")


def scope_name(batch: str, seq: int, number: int) -> str:
    """Return the name of an attempt's scope. It follows from the job: systemd refuses a second one."""
    return f"scoperun-batch-{batch}-{seq}-{number}.scope"


def scopes_of(batch: str) -> str:
    """Return a glob for the scopes of a batch."""
    return f"scoperun-batch-{batch}-*.scope"
