"""The way to a manager: the bus that it is on, and whose bus that has to be."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable, InvalidValue
from scoperun.spec.sizes import parse_time
from scoperun.systemd import bus
from scoperun.systemd.bus_address import Surroundings, user
from scoperun.systemd.manager import Manager
from scoperun.time_namespace import monotonic_ahead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
"""Not taken from the environment, because root connects to it."""

DEFAULT_TIMEOUT = 25.0
"""Seconds to wait for one answer, as in libsystemd; $SYSTEMD_BUS_TIMEOUT overrides it."""


@asynccontextmanager
async def connect(
    environment: Mapping[str, str], *, system: bool = False, passes_descriptors: bool = False
) -> AsyncIterator[Manager]:
    """Connect to the user's or the system's manager.

    passes_descriptors: ask the bus to pass on descriptors; Manager.passes_descriptors tells whether it does.
    Raises BusUnavailable if that fails, InvalidValue if $SYSTEMD_BUS_TIMEOUT is not a time.
    """
    timeout = _bus_timeout(environment)
    if system:
        opened = bus.connect(SYSTEM_BUS, timeout=timeout, passes_descriptors=passes_descriptors)
    else:
        opened = _users_bus(Surroundings.of(environment), timeout=timeout, passes_descriptors=passes_descriptors)
    async with opened as connection:
        yield Manager(connection, system=system, ahead=monotonic_ahead())


@asynccontextmanager
async def _users_bus(
    surroundings: Surroundings, *, timeout: float, passes_descriptors: bool
) -> AsyncIterator[bus.Connection]:
    """Connect to the bus of this user.

    root can connect to any user's bus, but the manager on it does not accept root's processes. So the bus must belong
    to this user.
    """
    async with AsyncExitStack() as stack:
        try:
            address = surroundings.bus()
            connection = await stack.enter_async_context(
                bus.connect(address, timeout=timeout, passes_descriptors=passes_descriptors)
            )
            if connection.peer.uid != surroundings.uid:
                raise BusUnavailable(f"the bus at {address} belongs to {user(connection.peer.uid)}")
        except BusUnavailable as error:
            error.hint = error.hint or surroundings.remedy()
            raise
        yield connection


def _bus_timeout(environment: Mapping[str, str]) -> float:
    text = environment.get("SYSTEMD_BUS_TIMEOUT")
    try:
        return (parse_time(text) if text else 0) or DEFAULT_TIMEOUT
    except InvalidValue as error:
        raise InvalidValue(f"SYSTEMD_BUS_TIMEOUT: {error.message}", hint=error.hint) from None
