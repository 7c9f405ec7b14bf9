"""A slice that exists for as long as its maker needs it."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ManagerError, ScopeFailed, UnitExists
from scoperun.systemd import bus
from scoperun.systemd.jobs import job_ended
from scoperun.systemd.manager import UNANSWERED, Unfinished
from scoperun.systemd.units import list_units

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from scoperun.spec.properties import Property
    from scoperun.systemd.manager import Manager

_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"


@asynccontextmanager
async def transient_slice(
    connected: Callable[[], AbstractAsyncContextManager[Manager]], name: str, properties: Iterable[Property]
) -> AsyncIterator[None]:
    """Have systemd make a slice, and stop it, with all that is in it, when the context is left.

    If there is one of that name, it is stopped first.
    connected: gives a connection to systemd, another one if an earlier one was lost.
    Raises one of UNANSWERED, or ScopeFailed if its start job fails.
    """
    async with connected() as manager:
        await _made(manager, name, [*properties])
    try:
        yield
    finally:
        with suppress(*UNANSWERED):
            async with connected() as manager:
                await stop_unit(manager, name)


async def _made(manager: Manager, name: str, properties: Sequence[Property]) -> None:
    try:
        await _started(manager, name, properties)
    except (UnitExists, Unfinished):
        # It could not be stopped while systemd was away, and is still ending. Or systemd left the bus (daemon-reexec)
        # and has perhaps started this one.
        await stop_unit(manager, name)
        await _started(manager, name, properties)


async def _started(manager: Manager, name: str, properties: Sequence[Property]) -> None:
    async def queue() -> str:
        # systemd-run has nothing for slices: busctl --user call … StartTransientUnit
        values = [[each.name, bus.variant(each.signature, each.value)] for each in properties]
        job: str
        (job,) = await manager.call_once("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", values, [], answer="o")
        return job

    result = await job_ended(manager, name, queue, is_over=lambda: _is_active(manager, name))
    if result != "done":
        raise ScopeFailed(f"Failed to start slice {name!r}: its job ended as {result!r}")


async def stop_unit(manager: Manager, name: str) -> None:
    """Have systemd stop a unit, whatever its invocation, and wait for that; raises one of UNANSWERED.

    Units in a slice are stopped with it.
    """

    async def queue() -> str:
        job: str
        (job,) = await manager.call("StopUnit", "ss", name, "replace", answer="o")
        return job

    async def is_over() -> bool:
        return not await _is_active(manager, name)

    try:
        await job_ended(manager, name, queue, is_over=is_over)
    except ManagerError as error:
        if error.name != _NO_SUCH_UNIT:  # it has ended by itself
            raise


async def _is_active(manager: Manager, name: str) -> bool:
    return any(unit.is_active for unit in await list_units(manager, patterns=[name]))
