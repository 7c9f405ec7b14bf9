"""Restarts of systemd or the bus while a command runs can cost details of the report, never the status."""

import asyncio
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from scoperun import Scope

from .here import lab_only
from .life import Life, main_pid, running
from .story import GENEROUS, Others, Story, pids_of, systemctl
from .waiting import process_gone

pytestmark = lab_only


def reload() -> None:
    systemctl("daemon-reload")


def reexecute() -> None:
    """Systemd restores its state and then answers again."""
    systemctl("daemon-reexec")
    systemctl("show", "-P", "Version")


def restart_bus() -> None:
    systemctl("reset-failed", "dbus.service")  # resets the counter: systemd would refuse the fifth start in a row
    systemctl("restart", "dbus.service")


def kill_bus() -> None:
    """Systemd owns the bus's socket and starts the bus again for the next client."""
    systemctl("reset-failed", "dbus.service")
    pid = main_pid("dbus.service")
    os.kill(pid, signal.SIGKILL)
    process_gone(pid)


SURVIVED = (reload, reexecute)
LOST = (restart_bus, kill_bus)

LIMITED = ("--mem", "20M")
LEAK = "./bigleak2 >/dev/null"

# The options, and the rest of the script, of each command that runs meanwhile. The last has the shortest time limit.
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "limited": (LIMITED, "exit 3"),
    "successful": ((), "exit 0"),
    "leaking-stop": ((*LIMITED, "--oom-policy", "stop"), f"exec {LEAK}"),
    "leaking-continue": ((*LIMITED, "--oom-policy", "continue"), f"exec {LEAK}"),
    "leaking-kill": ((*LIMITED, "--oom-policy", "kill"), f"exec {LEAK}"),
    "leaking-child": ((*LIMITED, "--oom-policy", "continue"), f"{LEAK}; exit 5"),
    "killed": (LIMITED, "kill -9 $$"),
    "killed-with-its-scope": (LIMITED, "exit 3"),
    "signalled": ((), "exit 3"),
    "leaving": (("--kill-leftovers",), "sleep 1000 >/dev/null 2>&1 & echo $!; exit 3"),
    "timed": (("--timeout", "3s"), "exec sleep 1000"),
}


async def test_leaving_the_context_of_a_scope_kills_all_of_it_though_the_bus_is_gone(tmp_path: Path) -> None:
    """Not only the command's own process; without the bus, only the kernel can still kill the others."""
    told = tmp_path / "told"
    os.mkfifo(told)
    async with Scope(["sh", "-c", f"sleep 1000 & echo $! >{told}; wait"]):
        child = os.pidfd_open(int(await asyncio.to_thread(told.read_text)))
        kill_bus()
    assert select.select([child], [], [], GENEROUS)[0], "a child lives on"
    os.close(child)


@dataclass(frozen=True)
class Lives:
    """The commands that ran meanwhile, by name. are_lost: nothing that systemd has said since was received."""

    lives: dict[str, Life]
    are_lost: bool

    def __getitem__(self, name: str) -> Life:
        return self.lives[name]


@pytest.fixture(scope="module", params=SURVIVED + LOST)
def lives(
    request: pytest.FixtureRequest, examples: Path, tmp_path_factory: pytest.TempPathFactory, clean: Others
) -> Iterator[Lives]:
    """Start all commands, and then disturb them."""
    happen: Callable[[], None] = request.param
    reports = tmp_path_factory.mktemp("reports")
    with ExitStack() as stack:
        lives = {
            name: stack.enter_context(running(Story(examples, reports / name), *options, name=name, then=then))
            for name, (options, then) in COMMANDS.items()
        }
        happen()
        yield Lives(lives, are_lost=happen in LOST)


@pytest.mark.guest(kernel="each")
def test_a_reexecution_during_the_start_is_not_noticed(story: Story) -> None:
    """Systemd leaves the bus without an answer to what it was asked, and is asked again when it is back."""
    for _ in range(3):
        reexecution = subprocess.Popen(["systemctl", "--user", "daemon-reexec"])
        ending = story.run("--mem", "20M", "--", "sh", "-c", "exit 3")
        assert reexecution.wait(GENEROUS) == 0
        assert (ending.status, ending.verdict, ending.report["result"]) == (3, "exit-code", "success")
        assert ending.report["limits"]["memory_max"] == 20 << 20


def test_the_limit_holds_and_the_status_is_the_commands(lives: Lives) -> None:
    life = lives["limited"]
    limit = Path(f"/sys/fs/cgroup{life.cgroup}/memory.max").read_text()
    assert life.pid in pids_of(life.cgroup)
    status, report = life.end()
    assert limit == "20971520\n"
    assert (status, report["verdict"], report["exit_code"]) == (3, "exit-code", 3)
    assert report["memory"]["peak"] > 0
    assert report["left_running"] == []


def test_a_success_stays_a_success_and_unknown_values_are_null(lives: Lives) -> None:
    status, report = lives["successful"].end()
    result = None if lives.are_lost else "success"
    assert (status, report["verdict"], report["result"]) == (0, "success", result)
    assert ({"source": "Result", "value": None} in report["evidence"]) == lives.are_lost


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_a_later_oom_kill_of_the_command_is_reported(lives: Lives, policy: str) -> None:
    status, report = lives[f"leaking-{policy}"].end()
    assert (status, report["verdict"]) == (137, "oom-kill")
    assert report["oom"]["kills"] == 1


def test_a_later_oom_kill_of_a_child_is_reported(lives: Lives) -> None:
    status, report = lives["leaking-child"].end()
    assert (status, report["verdict"], report["exit_code"]) == (5, "oom-kill", 5)


def test_a_later_oom_kill_that_removes_the_counters_is_an_oom_kill_or_unknown(lives: Lives) -> None:
    status, report = lives["leaking-kill"].end()
    assert status == 137
    assert report["verdict"] in ({"oom-kill", "unknown"} if report["result"] is None else {"oom-kill"})


def test_a_later_plain_kill_is_not_an_oom_kill(lives: Lives) -> None:
    status, report = lives["killed"].end()
    assert (status, report["verdict"]) == (137, "signal")


def test_a_later_kill_of_the_whole_unit_is_not_an_oom_kill(lives: Lives) -> None:
    """The keeper dies too, and the kernel's counters are gone."""
    life = lives["killed-with-its-scope"]
    systemctl("kill", "-s", "KILL", life.scope)
    status, report = life.end()
    assert (status, report["signal"], report["oom"]) == (137, signal.SIGKILL, None)
    assert report["verdict"] in {"signal", "unknown"}
    assert (report["result"] is None) == lives.are_lost


def test_a_later_signal_is_forwarded(lives: Lives) -> None:
    life = lives["signalled"]
    life.scoperun.terminate()
    life.scoperun.wait(GENEROUS)  # otherwise the word might come first
    status, report = life.end()
    assert (status, report["verdict"], report["signal"]) == (128 + signal.SIGTERM, "signal", signal.SIGTERM)


def test_scoperun_does_not_wait_for_leftovers_forever(lives: Lives) -> None:
    """They have ended, or the report names them."""
    life = lives["leaving"]
    stdout, _ = life.scoperun.communicate(b"on\n", timeout=GENEROUS)
    report = life.report()
    named = {left["pid"] for left in report["left_running"]}
    assert (life.scoperun.returncode, report["verdict"]) == (3, "exit-code")
    assert named in ({int(stdout)}, set())
    if not named:
        process_gone(int(stdout))


def test_a_later_timeout_still_ends_the_command(lives: Lives) -> None:
    """If systemd was not heard, it is not known whether the time limit ended the command."""
    status, report = lives["timed"].end()
    heard = report["result"] is not None
    assert status == (124 if heard else 128 + signal.SIGTERM)
    assert report["verdict"] == ("timeout" if heard else "unknown")
