"""The counts of units are compared with those of the look before."""

from pathlib import Path

from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.kill_trigger import BURST, PAUSE, Pace
from scoperun.kernel.unit_kills import Rise, UnitKills

EVENTS = "low 0\nhigh 0\nmax 9\noom 3\noom_kill {}\noom_group_kill 0\n"


def put(folder: Path, kills: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.events").write_text(EVENTS.format(kills))
    return folder


class Tree:
    """The cgroups of a user with a manager."""

    def __init__(self, path: Path) -> None:
        self.top, self.manager = path / "user-1.slice", path / "user-1.slice" / "user@1.service"
        put(self.manager / "app.slice", 5)
        self.app = put(self.manager / "app.slice" / "a.scope", 2)

    def kills(self) -> UnitKills:
        manager = Cgroup("/user-1.slice/user@1.service", str(self.manager))
        return UnitKills(Cgroup("/user-1.slice", str(self.top)), manager)


def test_only_what_is_more_than_before_counts(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    kills = tree.kills()
    assert kills.look() == {}
    put(tree.app, 3)
    put(tree.manager / "app.slice", 6)  # a slice counts what its units count
    put(tree.manager / "app.slice" / "new.service", 4)
    assert kills.look() == {"a.scope": Rise(1, None), "new.service": Rise(4, None)}
    assert kills.look() == {}
    assert kills.names == {"a.scope", "new.service"}


def test_all_cgroups_of_a_units_name_count(tmp_path: Path) -> None:
    """One of them is the unit's, and another process can have made the others."""
    tree = Tree(tmp_path)
    others = [put(tree.manager / slice_name / "a.scope", 1) for slice_name in ("aa.slice", "zz.slice")]
    kills = tree.kills()
    put(tree.app, 4)
    assert kills.look() == {"a.scope": Rise(2, None)}
    for other in others:
        put(other, 2)
    put(tree.app, 5)
    assert kills.look() == {"a.scope": Rise(3, None)}


def test_a_unit_that_has_started_again_begins_at_nothing(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    kills = tree.kills()
    tree.app.rename(tmp_path / "gone")
    put(tree.app, 1)
    assert kills.look() == {"a.scope": Rise(1, None)}


def test_sessions_beside_the_manager_count_and_their_end_is_noticed(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    session = put(tree.top / "session-2.scope", 0)
    kills = tree.kills()
    put(session, 1)
    assert (kills.look(), kills.beside, kills.ended) == ({"session-2.scope": Rise(1, None)}, {"session-2.scope"}, set())
    session.rename(tmp_path / "gone")
    kills.look()
    assert kills.ended == {"session-2.scope"}
    kills.forget_ended()
    kills.look()
    assert kills.ended == set()


def test_a_unit_without_counts_is_noticed(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    (tree.manager / "b.service").mkdir()
    assert not tree.kills().is_complete


def test_there_are_never_more_than_ten_looks_in_a_second() -> None:
    pace, now, looks = Pace(), 100.0, [100.0]
    for _ in range(100):
        now += pace.took(now)
        looks.append(now)
    assert looks[:BURST] == [100.0] * BURST
    assert max(sum(at <= other < at + 1 for other in looks) for at in looks) <= 10
    assert pace.took(now + BURST * PAUSE) == 0.0  # after a rest there can be a burst again
