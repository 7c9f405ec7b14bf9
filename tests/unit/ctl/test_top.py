"""The table of `scopectl top`: what it shows for which keys, and what is done after which answer."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from scoperun.ctl.ordering import View
from scoperun.ctl.rounds import Rounds
from scoperun.ctl.sampling import Sampler
from scoperun.ctl.top_screen import TopApp
from scoperun.ctl.top_table import UnitTable
from scoperun.errors import ManagerError
from scoperun.kernel.held_cgroup import Room

from .fake_cgroups import MIB, FakeCgroups
from .fake_manager import FakeManager

IDENTIFIER = "01" * 16


class Screen:
    """The table with three units, and what is to be seen of it."""

    def __init__(self, pilot: Pilot[int | None], cgroups: FakeCgroups, manager: FakeManager) -> None:
        self.pilot = pilot
        self.cgroups = cgroups
        self.manager = manager

    @property
    def app(self) -> TopApp:
        assert isinstance(self.pilot.app, TopApp)
        return self.pilot.app

    @property
    def lines(self) -> list[str]:
        """The table as text, without its heading."""
        table = self.app.query_one(UnitTable)
        return [line for y in range(1, table.size.height) if (line := table.render_line(y).text.rstrip())]

    @property
    def heading(self) -> str:
        return self.app.query_one(UnitTable).render_line(0).text

    @property
    def units(self) -> list[str]:
        return [line.split()[0] for line in self.lines]

    @property
    def bottom(self) -> str:
        return str(self.app.query_one("#bottom", Static).content)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await self.pilot.pause(0.01)


@asynccontextmanager
async def opened(folder: Path, *, width: int = 120, height: int = 40, units: int = 0) -> AsyncIterator[Screen]:
    """Open the table: a.scope is the largest, c.scope the busiest."""
    cgroups, manager = FakeCgroups(folder), FakeManager()
    cgroups.unit("app.slice/a.scope", memory=30, memory_max=40 * MIB, pids_current=2)
    cgroups.unit("app.slice/b.scope", memory=20, memory_swap_current=50 * MIB, pids_current=3)
    cgroups.unit("c.scope", memory=10, pids_current=9)
    for number in range(units):
        cgroups.unit(f"app.slice/n{number:03}.scope", memory=1)
    manager.units = {"a.scope": "sleep 1", "b.scope": "sleep 2", "c.scope": "make \x1b[2J[bold]all"}
    sampler = Sampler(cgroups.manager, lambda _: True, Room(4000))
    rounds = Rounds(sampler, manager)  # type: ignore[arg-type]
    app = TopApp(rounds, manager.session(), View(), 0.1)
    async with app.run_test(size=(width, height)) as pilot:
        screen = Screen(pilot, cgroups, manager)
        await screen.until(lambda: len(screen.lines) >= 3)
        yield screen
    rounds.close()
    assert app.failure is None


async def test_the_largest_is_first_and_strangers_text_is_only_text(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        assert screen.units == ["a.scope", "b.scope", "c.scope"]
        unit, memory, bar, limit, swap, _, tasks, *_ = screen.lines[0].split()
        assert (unit, memory, bar, limit, swap, tasks) == ("a.scope", "30M", "██████", "40M", "0B", "2")
        assert screen.lines[2].endswith(r"make \x1b[2J[bold]all")


@pytest.mark.parametrize(
    ("keys", "units"),
    [
        ("s", ["b.scope", "a.scope", "c.scope"]),
        ("b", ["b.scope", "a.scope", "c.scope"]),
        ("t", ["c.scope", "b.scope", "a.scope"]),
        ("n", ["a.scope", "b.scope", "c.scope"]),
        ("nr", ["c.scope", "b.scope", "a.scope"]),
        ("mr", ["c.scope", "b.scope", "a.scope"]),
        ("T", ["app.slice", "a.scope", "b.scope", "c.scope"]),
    ],
)
async def test_a_key_sorts(keys: str, units: list[str], tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        screen.cgroups.unit("app.slice", memory=50)
        await screen.press(*keys)
        await screen.until(lambda: screen.units == units)


async def test_the_busiest_is_first_if_that_is_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("c")
        used = 0
        while screen.units[0] != "c.scope":
            used += 1000
            screen.cgroups.unit("c.scope", memory=10, cpu=used)
            await screen.pilot.pause(0.01)


async def test_a_filter_that_is_pasted_with_its_enter_is_taken(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("slash")
        for key in ("L", "E", "E", "P"):
            screen.app.post_message(events.Key(key, key))
        screen.app.post_message(events.Key("enter", None))
        await screen.until(lambda: screen.bottom.startswith("q quit"))
        await screen.pilot.pause()
        assert "filter: LEEP" in str(screen.app.query_one("#summary", Static).content)


async def test_a_filter_shows_what_contains_it_until_it_is_dropped(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("slash", *"LEEP 2")
        await screen.until(lambda: screen.units == ["b.scope"])
        await screen.press("enter")
        assert "filter: LEEP 2" in str(screen.app.query_one("#summary", Static).content)
        await screen.press("escape")
        await screen.until(lambda: len(screen.units) == 3)


async def test_a_unit_stays_selected_when_the_order_changes_and_the_next_is_when_it_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("down", "n", "r")
        table = screen.app.query_one(UnitTable)
        assert table.selected is not None
        assert table.selected.unit == "b.scope"
        screen.cgroups.end("app.slice/b.scope")
        await screen.until(lambda: len(screen.units) == 2)
        assert table.selected.unit == "a.scope"


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("F", ("Freeze",)),
        ("W", ("Thaw",)),
        ("X", ("Stop", "replace")),
        ("K", ("Kill", "all", 9)),
    ],
)
async def test_an_action_is_done_to_the_invocation_after_a_yes(
    key: str, call: tuple[object, ...], tmp_path: Path
) -> None:
    async with opened(tmp_path) as screen:
        await screen.press(key)
        await screen.until(lambda: screen.bottom.startswith("y: "))
        assert "a.scope" in screen.bottom
        assert screen.manager.done == []
        await screen.press("y")
        await screen.until(lambda: screen.manager.done != [])
        path, *done = screen.manager.done[0]
        assert (path, tuple(done)) == (f"/org/freedesktop/systemd1/unit/_3{IDENTIFIER}", call)
        await screen.until(lambda: screen.bottom.startswith("a.scope"))


@pytest.mark.parametrize("answer", ["n", "enter", "escape", "X"])
async def test_nothing_is_done_after_any_other_answer(answer: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("K")
        await screen.until(lambda: screen.bottom.startswith("y: "))
        await screen.press(answer, "y")
        assert screen.manager.done == []


async def test_a_question_that_comes_late_is_not_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        screen.manager.identifies.clear()
        await screen.press("K", "down")
        screen.manager.identifies.set()
        await screen.press("y", "y")
        assert screen.bottom.startswith("q quit")
        assert screen.manager.done == []


async def test_a_question_stays_visible_when_something_else_has_happened(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("F")
        await screen.until(lambda: screen.bottom.startswith("y: Freeze a.scope"))
        screen.manager.acts.clear()
        await screen.press("y", "down", "W")
        await screen.until(lambda: screen.bottom.startswith("y: Let the processes of b.scope run again"))
        screen.cgroups.unit("app.slice/a.scope", cgroup_events="populated 1\nfrozen 1")
        screen.manager.acts.set()
        await screen.until(lambda: screen.bottom.endswith("; a.scope is frozen"))
        assert screen.bottom.startswith("y: Let the processes of b.scope run again")


async def test_a_limit_is_asked_for_and_one_below_what_is_used_is_told_in_the_question(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("L", *"29M", "enter")
        await screen.until(lambda: screen.bottom.startswith("y: "))
        assert screen.bottom.startswith("y: Limit the memory of a.scope to 29M; it uses more, so the kernel will kill")
        await screen.press("y")
        await screen.until(lambda: screen.manager.done != [])
        _, member, runtime, ((name, value),) = screen.manager.done[0]
        assert (member, runtime, name, value.value) == ("SetProperties", True, "MemoryMax", 29 * MIB)
        # Nothing has changed the file: what systemd accepted is not said to be in force.
        await screen.until(lambda: "memory.max says 40M" in screen.bottom)


async def test_keys_that_come_all_at_once_are_not_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        for key, character in [("L", "L"), ("3", "3"), ("5", "5"), ("M", "M"), ("enter", "\r")]:
            screen.app.post_message(events.Key(key, character))
        await screen.until(lambda: screen.bottom.startswith("y: Limit the memory of a.scope to 35M"))


async def test_a_limit_that_is_not_a_size_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press("L", *"many", "enter")
        await screen.until(lambda: "'many' is not a valid size" in screen.bottom)
        await screen.press("y")
        assert screen.manager.done == []


async def test_what_systemd_refuses_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        screen.manager.refusal = ManagerError("Cannot \x1b[2J", name="x")
        await screen.press("X")
        await screen.until(lambda: screen.bottom.startswith("y: "))
        await screen.press("y")
        await screen.until(lambda: screen.bottom == r"a.scope: Cannot \x1b[2J")


async def test_a_slice_is_not_acted_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        screen.cgroups.unit("app.slice", memory=50)
        await screen.press("T")
        await screen.until(lambda: screen.lines[0].split()[:2] == ["app.slice", "50M"])
        await screen.press("home", "K")
        await screen.until(lambda: screen.bottom.startswith("app.slice is a slice"))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (30, 5), (10, 3), (1, 1)])
async def test_it_fits_every_size(width: int, height: int, tmp_path: Path) -> None:
    async with opened(tmp_path, width=120, units=100) as screen:
        await screen.pilot.resize_terminal(width, height)
        await screen.press("end", "pageup", "T")
        table = screen.app.query_one(UnitTable)
        assert {table.render_line(y).cell_length for y in range(table.size.height)} <= {width}
        if width >= 80:
            assert len(screen.lines) == height - 3
            assert ("COMMAND" in screen.heading) == (width >= 100)


async def test_the_selected_unit_is_always_on_the_screen(tmp_path: Path) -> None:
    async with opened(tmp_path, height=10, units=100) as screen:
        for key, unit in [
            ("end", "n099.scope"),
            ("pageup", "n092.scope"),
            ("home", "a.scope"),
            ("pagedown", "n004.scope"),
        ]:
            await screen.press(key)
            selected = screen.app.query_one(UnitTable).selected
            assert selected is not None
            assert selected.unit == unit
            assert unit in screen.units


async def test_help_is_shown_until_a_key(tmp_path: Path) -> None:
    async with opened(tmp_path, width=80, height=24) as screen:
        await screen.press("question_mark")
        assert screen.app.query_one("#help").display
        await screen.press("K")
        assert not screen.app.query_one("#help").display
        assert screen.bottom.startswith("q quit")
        assert screen.manager.done == []


async def test_a_frozen_unit_that_cannot_be_stopped_is_told_with_the_way_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        screen.manager.refusal = ManagerError("Cannot perform operation on frozen unit", name="x")
        await screen.press("X")
        await screen.until(lambda: screen.bottom.startswith("y: "))
        await screen.press("y")
        await screen.until(lambda: screen.bottom.endswith("on frozen unit (thaw it first)"))


def test_textual_is_imported_only_for_the_table() -> None:
    program = "import sys, scoperun.ctl.top; print({'textual', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_it_is_closed(key: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as screen:
        await screen.press(key)
        await screen.until(lambda: not screen.app.is_running)
