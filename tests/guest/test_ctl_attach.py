"""scopectl attach: running processes in a new scope with limits, on a real systemd and kernel."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .here import lab_only
from .life import running
from .story import GENEROUS, Story, cgroup_of, pids_of, systemctl, transient_units
from .test_ctl_acting import Done, scopectl
from .waiting import cgroup_gone, process_gone

pytestmark = lab_only

MIB = 1 << 20
WAITS = "print(flush=True); input(); "
HOLDS = "held = bytearray(30 << 20); "


@contextmanager
def process(program: str = "", **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program that waits for a line of input."""
    with subprocess.Popen(
        [sys.executable, "-c", program + WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
    ) as running_program:
        assert running_program.stdout is not None
        try:
            assert running_program.stdout.readline() == b"\n"
            yield running_program
        finally:
            running_program.kill()


def attach(*words: str) -> Done:
    return scopectl("attach", *words)


def test_running_processes_get_a_limit_and_keep_what_they_have(story: Story) -> None:
    with process(HOLDS) as first, process() as second:
        was = cgroup_of(first.pid)
        gone = subprocess.Popen(["true"])
        gone.wait()
        done = attach(
            "--json", "--unit", "moved", "--mem", "20M", "--tasks", "9", *map(str, (first.pid, gone.pid, second.pid))
        )
        assert (done.status, done.err) == (0, f"scopectl: there is no process {gone.pid} any more\n")
        told = done.json
        assert (told["unit"], told["ended"], told["outside"]) == ("moved.scope", [gone.pid], [])
        assert pids_of(told["cgroup"]) == {first.pid, second.pid}
        assert told["limits"] == {"MemoryMax": 20 * MIB, "MemorySwapMax": 0, "TasksMax": 9}
        assert Path(f"/sys/fs/cgroup{told['cgroup']}/pids.max").read_text() == "9\n"
        assert 30 * MIB < told["charged_elsewhere"][was] < 80 * MIB
        assert "moved.scope" in scopectl("list", "--no-legend").out
        text = scopectl("set", "moved", "--tasks", "8")
        assert text.rows == [["moved.scope", "TasksMax 9 -> 8"]], "it has no keeper"
        again = attach("--unit", "again", "--mem", "300M", str(second.pid))
        assert again.status == 0, "out of one scope into another"
        twice = attach("--unit", "again", "--mem", "300M", str(second.pid))
        assert (twice.status, "already exists" in twice.err, "moved" in twice.err) == (1, True, False)
        assert ["process", f"{second.pid} ({Path(f'/proc/{second.pid}/comm').read_text().strip()})"] in again.rows
    cgroup_gone(told["cgroup"])


def test_a_process_without_a_name_is_attached_and_shown(story: Story) -> None:
    """Its name and the first word of its command line are empty."""
    words = ["", "-c", r"printf '\0' >/proc/$$/comm; echo; read word"]
    with subprocess.Popen(words, executable="sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nameless:
        try:
            assert nameless.stdout is not None
            assert nameless.stdout.readline() == b"\n"
            done = attach("--json", "--unit", "nameless", "--mem", "50M", str(nameless.pid))
            assert (done.status, done.err) == (0, "")
            assert f"{nameless.pid} ''  " in scopectl("status", "nameless").out
        finally:
            nameless.kill()
    cgroup_gone(done.json["cgroup"])


def test_every_process_that_cannot_be_moved_has_its_reason_and_nothing_is_moved(story: Story) -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    before = transient_units()
    manager = int(
        systemctl("show-environment") and subprocess.check_output(["pgrep", "-u", str(os.getuid()), "-x", "systemd"])
    )
    with process() as mine:
        was = cgroup_of(mine.pid)
        done = attach("--mem", "20M", *map(str, (mine.pid, 1, 2, zombie.pid, manager)))
        assert done.status == 1
        assert cgroup_of(mine.pid) == was
    zombie.wait()
    reasons = {int(line.split()[2]): line for line in done.err.splitlines()[:-1]}
    assert "it is the first process of the system" in reasons[1]
    assert "it is a thread of the kernel" in reasons[2]
    assert "(a zombie)" in reasons[zombie.pid]
    assert "it belongs to a service manager" in reasons[manager]
    assert set(reasons) == {1, 2, zombie.pid, manager}
    assert transient_units() == before


def test_what_others_watch_is_moved_only_with_force(story: Story) -> None:
    systemctl("reset-failed")
    subprocess.run(
        ["systemd-run", "--user", "--unit", "watched", "--quiet", "sleep", "1000"], check=True, timeout=GENEROUS
    )
    main = int(systemctl("show", "watched.service", "-P", "MainPID"))
    try:
        done = attach(str(main))
        assert done.status == 1
        assert "it is the main process of watched.service" in done.err
        assert attach("--force", "--unit", "forced", str(main)).status == 0
        assert cgroup_of(main).endswith("/forced.scope")
    finally:
        systemctl("stop", "watched.service")
    process_gone(main)
    with running(story, name="run") as life:
        done = attach(str(life.pid))
        assert done.status == 1
        assert "it is in run.scope, which scoperun has made" in done.err
        life.end()


TREE = """
import os, subprocess, sys
children = [subprocess.Popen(["sh", "-c", "sleep 1000 & wait"]) for _ in range(3)]
pump = subprocess.Popen(["sh", "-c", "while :; do sh -c 'sleep 0.05 & wait'; done"])
"""


def test_a_tree_is_moved_with_what_is_born_meanwhile(story: Story) -> None:
    with process(TREE, start_new_session=True) as root:
        try:
            done = attach("--json", "--tree", "--unit", "tree", "--mem", "100M", str(root.pid))
            assert (done.status, done.err) == (0, "")
            cgroup = done.json["cgroup"]
            inside = pids_of(cgroup)
            listed = subprocess.check_output(["ps", "-o", "pid=", "-s", str(root.pid)], text=True)
            alive = {int(pid) for pid in listed.split() if Path(f"/proc/{pid}").exists()}
            outside = {pid for pid in alive if not cgroup_of_living(pid).endswith("/tree.scope")}
            assert outside == set()
            assert len(inside) >= 8
        finally:
            os.killpg(root.pid, signal.SIGKILL)
    cgroup_gone(cgroup)


def cgroup_of_living(pid: int) -> str:
    try:
        return cgroup_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return "/tree.scope"


def test_it_can_be_waited_for(story: Story) -> None:
    """Run out of memory in the new scope, which the report of --wait tells with the status as far as it is known."""
    program = "import sys; print(flush=True); input(); held = bytearray(60 << 20)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as eats:
        assert eats.stdout is not None
        assert eats.stdin is not None
        eats.stdout.readline()
        waits = subprocess.Popen(
            ["scopectl", "attach", "--wait", "--unit", "eats", "--mem", "20M", str(eats.pid)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waits.stdout is not None
        rows = []
        while not rows or not rows[-1].startswith("elsewhere"):
            rows.append(waits.stdout.readline())
        eats.stdin.write(b"\n")
        eats.stdin.flush()
        assert eats.wait() == -signal.SIGKILL
        text, _ = waits.communicate(timeout=GENEROUS)
    assert waits.returncode == 1
    assert "OUT OF MEMORY" in text
    assert f"({eats.pid}" in text or str(eats.pid) in text


def test_an_interrupt_says_what_was_attached_and_leaves_it_there(story: Story) -> None:
    with process() as mine:
        words = ["scopectl", "attach", "--wait", "--unit", "left", "--mem", "50M", str(mine.pid)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as scopectl_waits:
            assert scopectl_waits.stdout is not None
            assert scopectl_waits.stdout.readline() == b"unit\tleft.scope\n"
            scopectl_waits.send_signal(signal.SIGINT)
            _, said = scopectl_waits.communicate(timeout=GENEROUS)
        assert said == b"scopectl: interrupted; what was attached runs on in left.scope\n"
        assert scopectl_waits.returncode in {130, -signal.SIGINT}
        cgroup = cgroup_of(mine.pid)
        assert cgroup.endswith("/left.scope")
    cgroup_gone(cgroup)


def test_a_status_is_known_or_said_not_to_be(story: Story) -> None:
    program = "print(flush=True); input(); raise SystemExit(3)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ends:
        assert ends.stdout is not None
        ends.stdout.readline()
        waits = subprocess.Popen(
            ["scopectl", "attach", "--json", "--wait", "--unit", "ends", "--mem", "50M", str(ends.pid)],
            stdout=subprocess.PIPE,
            text=True,
        )
        while not cgroup_of(ends.pid).endswith("/ends.scope"):
            assert waits.poll() is None
        ends.communicate(b"\n", timeout=GENEROUS)
        told, _ = waits.communicate(timeout=GENEROUS)
    report = Done(waits.returncode, told, "", "attach").json["report"]
    known = (report["exit_code"], report["verdict"]) == (3, "exit-code")
    assert known or (report["exit_code"], report["signal"], report["verdict"]) == (None, None, "unknown")
    assert waits.returncode == 1
    assert report["memory"]["peak"] > 0
    assert report["limits"]["memory_max"] == 50 * MIB


@pytest.mark.guest(user="root")
def test_a_process_of_a_login_session_is_attached_from_within_it() -> None:
    """The session's scope is the system's, and the new one the user's."""
    script = (
        "cat /proc/self/cgroup; sleep 1000 & scopectl attach $! --unit from-session --mem 20M >&2; "
        "cat /proc/$!/cgroup /sys/fs/cgroup$(cut -d: -f3 /proc/$!/cgroup)/memory.max; kill $!"
    )
    done = subprocess.run(
        ["su", "--login", "tester", "--command", script], capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    before, after, limit = done.stdout.splitlines()
    assert before.startswith("0::/user.slice/user-1000.slice/session-"), done.stderr
    assert after.endswith("/user@1000.service/app.slice/from-session.scope"), done.stderr
    assert limit == str(20 * MIB)


@pytest.mark.guest(memory_controller=False)
def test_without_a_controller_nothing_is_moved(story: Story) -> None:
    with process() as mine:
        was = cgroup_of(mine.pid)
        refused = attach("--mem", "20M", str(mine.pid))
        assert (refused.status, cgroup_of(mine.pid)) == (1, was)
        assert refused.err.startswith("scopectl: MemoryMax=20M would not be enforced: the kernel has no memory")
        assert refused.err.endswith(
            "--no-require-limits attaches them anyway; scopectl doctor shows what this machine has)\n"
        )
        moved = attach("--mem", "20M", "--no-require-limits", "--unit", "free", str(mine.pid))
        assert (moved.status, moved.rows[0]) == (0, ["unit", "free.scope"])
        assert moved.err.startswith("scopectl: warning: MemoryMax=20M is not enforced: ")
        unset = scopectl("set", "free", "--mem", "40M")
        assert unset.status == 1
        assert "not changed: MemoryMax=40M would have no effect: " in unset.err
