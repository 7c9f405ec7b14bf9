"""scopectl watch and units with a systemd, and a server of notifications, that refuse, stall and leave."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant

from scoperun.ctl.watch import Teller
from scoperun.ctl.watch_texts import Told
from scoperun.evidence.session_kills import SessionKill
from scoperun.systemd import notifications
from scoperun.systemd.connecting import connect
from scoperun.systemd.unit_results import Heard, UnitResults
from tests import notifications as server
from tests.schema import told_by

from .ctl import Units, scopectl
from .fake_systemd import MANAGER, NAME, PATH, PROPERTIES, SCOPE
from .steps import answer, refusal, something_changed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbus_next.aio.message_bus import MessageBus

    from .fake_systemd import FakeSystemd

DENIED = refusal("org.freedesktop.DBus.Error.AccessDenied", "not yours")
WATCH = "scoperun-watch.service"


@asynccontextmanager
async def hearing(systemd: FakeSystemd) -> AsyncIterator[list[Heard]]:
    """Hear what systemd announces about all units."""
    heard: list[Heard] = []

    def take(each: Heard) -> None:
        heard.append(each)
        something_changed()

    systemd.at["Subscribe"] = answer
    async with connect(os.environ) as manager:
        await UnitResults(manager, take).begin()
        yield heard


@pytest.fixture
def units(systemd: FakeSystemd, runtime_dir: str) -> Units:
    return Units(systemd, runtime_dir)


async def test_results_and_removals_of_scopes_and_services_are_heard(systemd: FakeSystemd, units: Units) -> None:
    scope, service = units.add("a-b.scope"), units.add("c.service")
    async with hearing(systemd) as heard:
        for unit in ("d.mount", "a-b.scope"):
            systemd._emit(PATH, MANAGER, "UnitNew", "so", [unit, scope.path])  # noqa: SLF001
        systemd.result_changed(scope, "oom-kill")
        systemd._changed(service, f"{NAME}.Service", {"Result": Variant("s", "success")})  # noqa: SLF001
        systemd.state_changed(scope, "failed")  # of the interface Unit: it would wake us for every unit
        for unit in ("d.mount", "a-b.scope"):
            systemd._emit(PATH, MANAGER, "UnitRemoved", "so", [unit, scope.path])  # noqa: SLF001
        await until(lambda: heard and heard[-1].is_removed)
        assert heard == [
            Heard(unit="a-b.scope"),
            Heard(unit="a-b.scope", result="oom-kill"),
            Heard(unit="c.service", result="success"),
            Heard(unit="a-b.scope", is_removed=True),
        ]


async def test_what_a_stranger_says_is_not_heard(systemd: FakeSystemd, units: Units, other_client: MessageBus) -> None:
    unit = units.add("a.scope")
    async with hearing(systemd) as heard:
        changed = [SCOPE, {"Result": Variant("s", "oom-kill")}, []]
        await other_client.send(Message.new_signal(unit.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", changed))
        await other_client.call(
            Message(destination=NAME, path=PATH, interface="org.freedesktop.DBus.Peer", member="Ping")
        )
        systemd.result_changed(unit, "success")
        await until(lambda: heard)
        assert heard == [Heard(unit="a.scope", result="success")]


async def test_a_systemd_that_has_been_away_is_asked_again_to_announce(systemd: FakeSystemd, units: Units) -> None:
    unit = units.add("a.scope")
    async with hearing(systemd) as heard:
        systemd.reexecute()
        await until(lambda: systemd.steps.count("Subscribe") == 2)
        systemd.result_changed(unit, "oom-kill")
        await until(lambda: heard)


async def test_a_unit_that_failed_before_is_known(systemd: FakeSystemd, units: Units) -> None:
    for name, result in (("a.scope", "oom-kill"), ("b.scope", "timeout")):
        units.add(name, state="failed").result = result
    units.add("gone.scope", state="failed")
    del systemd.units["gone.scope"]
    systemd.at["Get InvocationID"] = lambda call: (
        systemd.honest(call) if any(unit.path == call.path for unit in systemd.units.values()) else DENIED(call)
    )
    async with connect(os.environ) as manager:
        assert await UnitResults(manager, lambda _: None).with_result("oom-kill") == {"a.scope"}


class Desktop:
    """A server of notifications. shown: the summary and the body of each."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def take(self, summary: str, body: str) -> None:
        self.shown.append((summary, body))
        something_changed()


def told(unit: str, app: str | None = None) -> Told:
    return Told(kill=SessionKill(unit=unit, kills=1), app=app)


async def test_a_notification_is_shown_once_in_a_while_and_not_for_what_is_muted(
    systemd: FakeSystemd, other_client: MessageBus, capfd: pytest.CaptureFixture[str]
) -> None:
    desktop = Desktop()
    await server.serve(other_client, desktop.take)
    teller = Teller(mute=["quiet*"], to_journal=False, notifies=True, json=False)
    showing = asyncio.create_task(teller.show())
    for each in (told("a.scope", "<b>A</b>"), told("a.scope"), told("quiet.scope"), told("b.scope")):
        teller.tell(each)
    await until(lambda: len(desktop.shown) == 2)
    showing.cancel()
    rest = "OOM kill of an unknown process; whose limit was reached is unknown"
    assert desktop.shown == [
        ("Out of memory", f"&lt;b&gt;A&lt;/b&gt;: {rest}"),
        ("Out of memory", f"b.scope: {rest}"),
    ]
    assert capfd.readouterr().out.count("\n") == 4


async def test_without_a_server_there_is_no_notification_and_no_error(systemd: FakeSystemd) -> None:
    assert not await notifications.notify(os.environ, summary="a", body="b")


async def test_without_a_bus_there_is_no_error(runtime_dir: str) -> None:
    assert not await notifications.notify(os.environ, summary="a", body="b")


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_keeps_silent_or_refuses_does_not_keep_the_next_notification(
    systemd: FakeSystemd, other_client: MessageBus
) -> None:
    actions = [lambda _: True, DENIED, lambda call: answer(call, "u", 1)]
    other_client.add_message_handler(lambda call: actions.pop(0)(call) if call.member == "Notify" else False)
    await other_client.request_name(server.NAME)
    assert [await notifications.notify(os.environ, summary="a", body="b") for _ in range(3)] == [False, False, True]


async def test_what_cannot_be_watched_is_said(units: Units) -> None:
    ended = await scopectl("watch")
    assert (ended.status, ended.out) == (1, "")
    assert ended.complaint.startswith("scopectl: ")
    ended = await scopectl("--system", "watch")
    assert (ended.status, ended.complaint.partition(" (")[0]) == (
        2,
        "scopectl: watch is for your own session: --system cannot be watched",
    )


class Folder:
    """The folder of units that systemd and scopectl use."""

    def __init__(self, systemd: FakeSystemd, path: Path) -> None:
        self.path = path / "systemd" / "user"
        self.folders = [str(self.path)]
        self.result = "done"
        self._systemd = systemd
        systemd.at |= {
            "Get UnitPath": lambda call: answer(call, "v", Variant("as", self.folders)),
            "ListUnitFilesByPatterns": self._list,
            "Reload": answer,
            "EnableUnitFiles": lambda call: answer(call, "ba(sss)", True, []),
            "DisableUnitFiles": lambda call: answer(call, "a(sss)", []),
            "RestartUnit": self._job,
            "StopUnit": self._job,
        }

    def _list(self, call: Message) -> Message:
        return answer(call, "a(ss)", [[str(file), "static"] for file in self.path.glob("*")])

    def _job(self, call: Message) -> Message:
        unit = self._systemd.units[call.body[0]]
        asyncio.get_running_loop().call_soon(self._systemd.job_removed, unit, self.result)
        return answer(call, "o", f"{PATH}/job/1")

    def names(self) -> list[str]:
        return sorted(file.name for file in self.path.glob("*"))


@pytest.fixture
def folder(units: Units, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    program = tmp_path / "bin" / "scopectl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return Folder(units.systemd, tmp_path)


async def test_units_are_installed_listed_and_removed(folder: Folder, units: Units) -> None:
    units.add(WATCH)
    ended = await scopectl("units", "install", "--now", "--json")
    assert {row["did"] for row in told_by("units", ended.out)} == {"installed"}
    assert [step for step in units.systemd.steps if "Unit" in step or step == "Reload"][-4:] == [
        "Reload", "EnableUnitFiles", "Reload", "RestartUnit",
    ]  # fmt: skip
    assert (await scopectl("units", "install")).out.count(": unchanged: ") == 3
    rows = {row["unit"]: row for row in told_by("units", (await scopectl("units", "--json")).out)}
    assert (rows[WATCH]["file"], rows[WATCH]["active"]) == ("installed", "active")
    assert (await scopectl("units", "uninstall")).out.count(": removed: ") == 3
    assert {"DisableUnitFiles", "StopUnit"} <= set(units.systemd.steps)
    assert folder.names() == []


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_watch_whose_file_was_removed_is_disabled_and_stopped_where_it_was_enabled(
    folder: Folder, units: Units, *, is_enabled: bool
) -> None:
    """A watch of the distribution's is left alone."""
    units.add(WATCH)
    wants = folder.path / "default.target.wants"
    wants.mkdir(parents=True)
    if is_enabled:
        (wants / WATCH).symlink_to(folder.path / WATCH)
    assert (await scopectl("units", "uninstall")).status == 0
    assert ({"DisableUnitFiles", "StopUnit"} <= set(units.systemd.steps)) is is_enabled


async def test_a_changed_file_is_left_alone(folder: Folder, units: Units) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / WATCH).write_text("[Service]\nExecStart=mine\n")
    ended = await scopectl("units", "install", "--now")
    assert (
        ended.status,
        ended.complaint.endswith(f"{WATCH} is not as scopectl has written it, and was left alone"),
    ) == (
        1,
        True,
    )
    assert "EnableUnitFiles" not in units.systemd.steps
    assert (await scopectl("units", "uninstall")).status == 1
    assert "DisableUnitFiles" not in units.systemd.steps
    assert folder.names() == [WATCH]


async def test_a_folder_that_systemd_does_not_read_is_refused(folder: Folder) -> None:
    folder.folders = ["/etc/systemd/user"]
    ended = await scopectl("units", "install")
    assert ended.status == 1
    assert ended.complaint.startswith(f"scopectl: your systemd does not look for units in {folder.path} (")
    assert (await scopectl("units", "uninstall")).complaint == ended.complaint
    assert folder.names() == []


async def test_a_watch_that_does_not_start_is_said(folder: Folder, units: Units) -> None:
    units.add(WATCH)
    folder.result = "failed"
    ended = await scopectl("units", "install", "--now")
    assert ended.status == 1
    assert "was installed, but not started: its job ended as 'failed'" in ended.complaint


async def test_the_script_for_root_needs_no_systemd(runtime_dir: str) -> None:
    ended = await scopectl("units", "--print-delegation")
    assert (ended.status, ended.out.splitlines()[0]) == (0, "#!/bin/sh")
    assert "Delegate=cpu cpuset io memory pids" in ended.out
    assert (await scopectl("units", "list", "--now")).status == 2
    ended = await scopectl("units", "--print-delegation", "--json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint == "scopectl: --print-delegation prints a script, not JSON"
