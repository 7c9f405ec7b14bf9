"""scopectl changes, freezes, thaws, signals and stops what runs, on a real systemd and kernel."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.schema import told_by

from .here import lab_only
from .life import running
from .story import GENEROUS, Story, systemctl, transient_units
from .waiting import process_gone

pytestmark = lab_only

MIB = 1 << 20
ALLOWS = "allows 60M for everything in it together"
GROWS = "exec python3 -c 'data = bytearray(40 << 20); print(len(data), flush=True); input()'"


@dataclass(frozen=True)
class Done:
    """How scopectl ended."""

    status: int
    out: str
    err: str
    subcommand: str

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        return told_by(self.subcommand, self.out)


def scopectl(*words: str) -> Done:
    """Run `scopectl WORDS` to its end."""
    done = subprocess.run(["scopectl", *words], capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert "internal error" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr, words[0])


def has(cgroup: str, file: str) -> str:
    return Path(f"/sys/fs/cgroup{cgroup}/{file}").read_text().strip()


def test_limits_are_changed_read_back_and_shown(story: Story) -> None:
    with running(story, "--mem", "200M", "--tasks", "50", name="change") as life:
        done = scopectl("set", "change", "--mem", "100M", "--tasks", "40", "-p", "MemoryLow=1M")
        assert (done.status, done.err) == (0, "")
        assert done.rows == [
            ["change.scope", "MemoryMax 200M -> 100M"],
            ["change.scope", "TasksMax 50 -> 40"],
            ["change.scope", "MemoryLow 0B -> 1M"],
        ]
        assert has(life.cgroup, "memory.max") == str(100 * MIB)
        assert has(life.cgroup, "memory.swap.max") == "0", "it is left as it is"
        assert has(life.cgroup, "pids.max") == "41", "the keeper has one"
        (told,) = scopectl("set", "--json", "change.scope", "--mem", "infinity", "--cpus", "0.5").json
        assert told["limits"]["MemoryMax"] == {"before": 100 * MIB, "now": "infinity"}
        assert told["limits"]["CPUQuota"]["now"] == 0.5
        status, report = life.end()
    assert (status, report["limits"]["tasks_max"], report["limits_changed"]["tasks_max"]) == (3, 40, 50)


def test_what_cannot_be_in_force_changes_nothing_without_force(story: Story) -> None:
    with running(story, "--mem", "200M", name="void") as life:
        manager = systemctl("show", "-P", "ControlGroup").strip()
        if "cpuset" not in has(manager, "cgroup.controllers"):
            done = scopectl("set", "void", "--mem", "100M", "-p", "AllowedCPUs=0")
            assert (done.status, done.out) == (1, "")
            assert "not changed: AllowedCPUs= would have no effect: " in done.err
            assert has(life.cgroup, "memory.max") == str(200 * MIB)
            done = scopectl("set", "--force", "void", "--mem", "100M", "-p", "AllowedCPUs=0")
            assert done.status == 0
            assert any("AllowedCPUs= would have no effect" in text for _, text in done.rows)
        done = scopectl("set", "void", "-p", "KillMode=none")
        assert done.status == 1
        assert "KillMode= cannot be changed" in done.err
        life.end()


def test_a_limit_below_what_is_used_needs_force(story: Story) -> None:
    with running(story, "--mem", "200M", "--oom-policy", "continue", name="below", then=GROWS) as life:
        life.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        life.scoperun.stdin.flush()  # type: ignore[union-attr]
        assert life.scoperun.stdout.readline() == b"41943040\n"  # type: ignore[union-attr]
        refused = scopectl("set", "below", "--mem", "20M")
        assert (refused.status, refused.out) == (1, "")
        assert "not changed: it uses " in refused.err
        assert has(life.cgroup, "memory.max") == str(200 * MIB)
        done = scopectl("set", "--force", "below", "--mem", "20M")
        assert done.status in {0, 3}, done
        life.scoperun.communicate(timeout=GENEROUS)
        assert life.report()["limits"]["memory_max"] == 20 * MIB or life.report()["verdict"] == "oom-kill"


def test_freeze_thaw_kill_and_stop(story: Story) -> None:
    with running(story, name="a-1", then="exit 3") as life:
        assert scopectl("freeze", "a-*").rows == [["a-1.scope", "frozen"]]
        assert "frozen 1" in has(life.cgroup, "cgroup.events")
        stopped = scopectl("stop", "--no-block", "a-1")
        if stopped.status:  # since systemd 257
            assert "it is frozen, and this systemd does not stop a frozen unit" in stopped.err
            assert "first: scopectl thaw a-1.scope" in stopped.err
            assert scopectl("thaw", "a-1").rows == [["a-1.scope", "thawed"]]
            assert "frozen 0" in has(life.cgroup, "cgroup.events")
            assert scopectl("stop", "a-1").rows == [["a-1.scope", "stopped"]]
        process_gone(life.pid)
        life.scoperun.communicate(timeout=GENEROUS)
        assert life.report()["signal"] == signal.SIGTERM
    assert scopectl("kill", "a-1").status == 4
    with running(story, name="b-1", then="exit 3") as life:
        assert scopectl("kill", "-s", "INT", "b-1.scope").rows == [["b-1.scope", "SIGINT sent"]]
        life.scoperun.communicate(timeout=GENEROUS)
        assert life.report()["signal"] == signal.SIGINT


def test_a_limit_of_a_frozen_unit_is_changed_now_or_never(story: Story) -> None:
    """Systemd 257 would only change it at the next daemon-reload, and then the kernel would kill."""
    with running(story, "--mem", "50M", name="still", then="exit 3") as life:
        assert scopectl("freeze", "still").status == 0
        done = scopectl("set", "still", "--mem", "40M", "--force")
        if done.status:
            assert (
                "not changed: it is frozen, and this systemd would change its limits at some later moment" in done.err
            )
            assert "first: scopectl thaw still.scope" in done.err
        assert scopectl("thaw", "still").status == 0
        systemctl("daemon-reload")
        assert has(life.cgroup, "memory.max") == str((50 if done.status else 40) * MIB)


def test_systemds_own_scope_is_left_alone() -> None:
    for words in (["wait", "init.scope"], ["stop", "init.scope"]):
        done = scopectl(*words)
        assert (done.status != 0, "systemd itself" in done.err) == (True, True), done


def test_a_limit_that_cannot_be_reached_or_does_nothing_is_warned_of_when_it_is_set(story: Story) -> None:
    systemctl("set-property", "--runtime", "warned.slice", "MemoryMax=60M")
    try:
        with running(story, "--slice", "warned", "--mem", "50M", name="warned") as life:
            done = scopectl("set", "warned", "--mem", "200M", "--mem-high", "250M")
            assert (done.status, has(life.cgroup, "memory.max")) == (0, str(200 * MIB)), done
            assert [line.removeprefix("scopectl: warning: warned.scope: ") for line in done.err.splitlines()] == [
                "MemoryHigh=250M does nothing: MemoryMax=200M is reached first and kills",
                f"--mem 200M cannot be reached: warned.slice, which the unit is in, {ALLOWS}",
            ]
            (told,) = scopectl("set", "warned", "--mem", "40M", "--mem-high", "infinity", "--json").json
            assert told["warnings"] == []
            assert life.end()[0] == 3
    finally:
        systemctl("stop", "warned.slice")
        systemctl("revert", "warned.slice")


@pytest.mark.guest(suite="trixie")
def test_wait_has_a_limit_after_which_the_units_run_on(story: Story) -> None:
    with running(story, name="long-1") as life:
        subprocess.run(["systemd-run", "--user", "--unit=long-2", "false"], check=True, capture_output=True)
        done = scopectl("wait", "long-*", "--timeout", "2s")
        assert (done.status, done.err) == (124, "scopectl: not ended after --timeout 2s: long-1.scope\n"), done
        assert [row[:2] for row in done.rows] == [["long-2.service", "exit-code"]]
        assert has(life.cgroup, "cgroup.procs")
        (left,) = scopectl("wait", "long-1", "--timeout", "100ms", "--json").json
        assert (left["unit"], left["result"], len(left["invocation_id"])) == ("long-1.scope", None, 32)
        assert life.end()[0] == 3
    systemctl("reset-failed", "long-2.service")


def test_a_word_that_names_no_unit_is_told_by_a_list_as_nothing_else_is() -> None:
    assert [(done.status, done.err) for done in map(scopectl, ["list"] * 2, ["nope*", "--all"])] == [(0, "")] * 2
    done = scopectl("list", "nope", "--no-legend")
    assert (done.status, done.out) == (4, "")
    assert done.err == "scopectl: no unit 'nope' (scopectl list --all shows what runs)\n"


def test_stop_waits_until_the_unit_has_ended(story: Story) -> None:
    """A command that ignores SIGTERM is killed after TimeoutStopSec=."""
    with running(story, "--kill-after", "1s", name="stubborn", then="trap '' TERM; echo; sleep 1000") as life:
        life.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        life.scoperun.stdin.flush()  # type: ignore[union-attr]
        assert life.scoperun.stdout.readline() == b"\n"  # type: ignore[union-attr]
        assert scopectl("stop", "stubborn").rows == [["stubborn.scope", "stopped"]]
        assert not Path(f"/sys/fs/cgroup{life.cgroup}").exists()
        life.scoperun.communicate(timeout=GENEROUS)
    assert "stubborn.scope" not in transient_units()


@pytest.mark.guest(suite="trixie")
def test_a_glob_leaves_alone_what_scopectl_runs_in(story: Story) -> None:
    """Its full name does not."""
    with running(story, name="inside-other") as life:
        for act, done in ("freeze", "frozen"), ("thaw", "thawed"), ("kill", "SIGTERM sent"):
            ended = story.run("--unit", "inside-own", "-q", "--", "scopectl", act, "inside-*")
            rows = dict(line.split("\t") for line in ended.stdout.decode().splitlines())
            assert rows["inside-other.scope"] == done
            is_spared = "inside-own.scope is left alone: scopectl itself runs in it" in ended.stderr
            assert ("inside-own.scope" in rows, is_spared) == (act == "thaw", act != "thaw")
            assert ended.status == 0
        life.scoperun.communicate(timeout=GENEROUS)
    ended = story.run("--unit", "inside-own", "-q", "--", "scopectl", "stop", "inside-own")
    assert ended.report["signal"] == signal.SIGTERM
