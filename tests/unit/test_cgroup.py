"""What is read of a cgroup is what its files say, without the keeper, and None where they say nothing."""

import errno
import os
from pathlib import Path

import pytest

from scoperun.io.cgroup import Cgroup
from scoperun.limits import not_in_force
from scoperun.properties import parse_property
from scoperun.scope import scope_request
from scoperun.sizes import INFINITY

KEEPER = 4241


def cgroup(path: Path, **files: str) -> Cgroup:
    """Make a cgroup of files, pids_max for pids.max."""
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(f"{text}\n", encoding="ascii")
    return Cgroup("/job.scope", path)


@pytest.mark.parametrize(("pids_max", "tasks_max"), [("51", 50), ("2", 1), ("max", INFINITY)])
def test_the_tasks_in_force_are_those_without_the_keeper(tmp_path: Path, pids_max: str, tasks_max: int) -> None:
    assert cgroup(tmp_path, pids_max=pids_max).limits().tasks_max == tasks_max


def test_the_most_tasks_are_those_without_the_keeper(tmp_path: Path) -> None:
    assert cgroup(tmp_path, pids_peak="3").counters(keeper=KEEPER).tasks_peak == 2


def test_tasks_that_are_not_counted_are_none(tmp_path: Path) -> None:
    assert cgroup(tmp_path).limits().tasks_max is None
    assert cgroup(tmp_path).counters(keeper=KEEPER).tasks_peak is None


def test_the_tasks_asked_for_are_those_in_force(tmp_path: Path) -> None:
    """TasksMax=50 is 51 for systemd and for the kernel, and 50 again in the report."""
    request = scope_request("job.scope", [parse_property("TasksMax=50")])
    assert request.value("TasksMax") == 51
    in_force = cgroup(tmp_path, pids_max="51").limits()
    assert in_force.tasks_max == 50
    assert not_in_force(request.properties, in_force, page_size=4096) == []


def test_the_kills_of_systemd_oomd_are_an_attribute_of_the_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = {(tmp_path, "user.oomd_ooms"): b"2"}
    monkeypatch.setattr(os, "getxattr", lambda path, name: attributes[path, name])
    assert cgroup(tmp_path).counters(keeper=KEEPER).oomd_kills == 2


@pytest.mark.parametrize(
    ("error", "kills"),
    [(errno.ENODATA, 0), (errno.ENOTSUP, None), (errno.ENOENT, None), (errno.ENODEV, None), (errno.EACCES, None)],
)
def test_no_attribute_is_no_kill_and_an_unreadable_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, kills: int | None
) -> None:
    """A kernel before 5.7 has no such attributes, and a cgroup that is gone has none any more."""

    def refuse(*_: object) -> bytes:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "getxattr", refuse)
    assert cgroup(tmp_path).counters(keeper=KEEPER).oomd_kills is kills


def test_a_cgroup_that_is_gone_says_nothing_of_systemd_oomd(tmp_path: Path) -> None:
    assert Cgroup("/job.scope", tmp_path / "gone").counters(keeper=KEEPER).oomd_kills is None


@pytest.mark.parametrize(("own", "known"), [(2, 2), (0, None), (None, None)])
def test_of_a_cgroup_that_is_gone_what_was_read_just_before_stands_unless_it_is_nothing(
    tmp_path: Path, own: int | None, known: int | None
) -> None:
    """That it had not run into its limit then does not say that it has not since."""
    assert Cgroup("/job.scope", tmp_path / "gone").ooms(own) == {"/job.scope": known}


def test_what_can_be_read_still_goes_before_it(tmp_path: Path) -> None:
    (tmp_path / "memory.events.local").write_text("oom 3\n", encoding="ascii")
    assert Cgroup("/job.scope", tmp_path).ooms(2) == {"/job.scope": 3}


def test_a_kill_in_the_midst_of_a_snapshot_has_it_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory from before a kill beside counters from after it, or some of each, is nothing that ever was."""
    job = cgroup(tmp_path, memory_current="20000000", cgroup_procs="", memory_events="oom_kill 0")
    cgroup(tmp_path, memory_stat="anon 20000000")
    read_bytes = Path.read_bytes

    def kill_after_stat(path: Path) -> bytes:
        text = read_bytes(path)
        if path.name == "memory.stat" and text != b"anon 0\n":
            cgroup(tmp_path, memory_stat="anon 0", memory_current="100000", memory_events="oom_kill 1")
        return text

    monkeypatch.setattr(Path, "read_bytes", kill_after_stat)
    snapshot = job.snapshot(keeper=KEEPER)
    assert snapshot is not None
    assert (snapshot.stat, snapshot.current, snapshot.oom_kill) == ({"anon": 0}, 100_000, 1)
