"""A freeze that is not known to have been done is taken back."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.ctl.acting import Globs
from scoperun.ctl.freezing import freeze
from scoperun.errors import BusLost, ManagerError, ScoperunError
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.process_facts import cgroup_name

if TYPE_CHECKING:
    from pathlib import Path


class FakeInvocation:
    """Notes what is asked of it. failure: raised instead of an answer; None: it never answers."""

    name = "a.service"

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self._failure = failure

    async def freeze(self) -> None:
        self.asked.append("freeze")
        self.is_asked.set()
        if self._failure is not None:
            raise self._failure
        await asyncio.Event().wait()

    def post_thaw(self) -> None:
        self.asked.append("thaw")


def cgroup(folder: Path, *, frozen: int) -> Cgroup:
    (folder / "cgroup.events").write_text(f"populated 1\nfrozen {frozen}\n")
    return Cgroup("/x.scope", str(folder))


@pytest.mark.parametrize(("frozen", "asked"), [(0, ["freeze", "thaw"]), (1, ["freeze"])])
async def test_an_interrupted_freeze_leaves_the_unit_as_it_was(frozen: int, asked: list[str], tmp_path: Path) -> None:
    invocation = FakeInvocation()
    task = asyncio.create_task(freeze(invocation, cgroup(tmp_path, frozen=frozen)))  # type: ignore[arg-type]
    await invocation.is_asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert invocation.asked == asked


@pytest.mark.parametrize(
    ("failure", "asked"),
    [(BusLost("systemd did not answer"), ["freeze", "thaw"]), (ManagerError("refused", name="x"), ["freeze"])],
)
async def test_what_systemd_may_do_later_is_taken_back(failure: Exception, asked: list[str], tmp_path: Path) -> None:
    invocation = FakeInvocation(failure)
    with pytest.raises(type(failure)):
        await freeze(invocation, cgroup(tmp_path, frozen=0))  # type: ignore[arg-type]
    assert invocation.asked == asked


async def test_the_cgroup_that_we_are_in_is_not_frozen() -> None:
    invocation = FakeInvocation()
    with pytest.raises(ScoperunError, match="would be frozen too"):
        await freeze(invocation, Cgroup(cgroup_name(os.getpid()) or "/", "/nowhere"))  # type: ignore[arg-type]
    assert invocation.asked == []


@pytest.mark.parametrize("name", ["dbus.service", "dbus-broker.service"])
async def test_the_bus_is_not_frozen(name: str, tmp_path: Path) -> None:
    """Systemd could not be asked to thaw it."""
    invocation: Any = FakeInvocation()
    invocation.name = name
    with pytest.raises(ScoperunError, match=r"^it is the bus"):
        await freeze(invocation, cgroup(tmp_path, frozen=0))
    assert invocation.asked == []


@pytest.mark.parametrize(("every", "spare_own", "is_meant"), [(True, True, False), (True, False, True)])
def test_a_glob_does_not_mean_the_bus(*, every: bool, spare_own: bool, is_meant: bool) -> None:
    seen: Any = SimpleNamespace(name="dbus.service", is_ours=False, cgroup=None)
    assert Globs(every, spare_own=spare_own).mean(seen) is is_meant
