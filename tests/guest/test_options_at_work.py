"""What systemd and the kernel do to the command for each option; limits on memory have their own files."""

import os
import signal

import pytest

from tests.report_rows import head, rows

from .story import GENEROUS, Story, systemctl
from .waiting import line_from, process_gone

pytestmark = pytest.mark.guest(also="trixie-stock")

MIB = 1024 * 1024

OWN_CGROUP = "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"

# Forks until the limit; the children wait until their parent has ended.
COUNT_TASKS = """
import os
tasks, (hold, _) = 1, os.pipe()
try:
    while True:
        if os.fork() == 0:
            os.close(_)
            os.read(hold, 1)
            os._exit(0)
        tasks += 1
except BlockingIOError:
    print(tasks)
"""

# Exits with 4 and leaves a process behind; HANDLER is replaced by its reaction to SIGTERM.
LEAVE_ONE = """
import os, signal
wait, ready = os.pipe()
if os.fork():
    os.read(wait, 1)
    os._exit(4)
signal.signal(signal.SIGTERM, HANDLER)
os.write(ready, b"x")
while True:
    signal.pause()
"""


def leave_one(*, on_sigterm: str) -> list[str]:
    return ["python3", "-c", LEAVE_ONE.replace("HANDLER", on_sigterm)]


def waits_in_background(then: str) -> list[str]:
    """Return a command that prints its PID, exits with 4, and leaves a child that waits for a line and runs `then`."""
    return ["sh", "-c", f"exec 3<&0; (read word <&3; {then}) & echo $$; exit 4"]


def test_with_wait_the_report_covers_processes_that_the_command_left_running(story: Story) -> None:
    left = "python3 -c 'bytes = bytearray(40 << 20)'; echo left and done"
    run = story.start("--wait", "--", *waits_in_background(left))
    process_gone(int(line_from(run)))
    stdout, _ = run.communicate(b"on\n", timeout=GENEROUS)
    assert (run.returncode, stdout) == (4, b"left and done\n")
    report = story.report()
    assert (report["verdict"], report["left_running"]) == ("exit-code", [])
    assert report["memory"]["peak"] > 40 * MIB


def test_with_wait_an_oom_after_the_commands_end_is_still_an_oom_kill(story: Story) -> None:
    words = ("--wait", "--mem", "20M", "--oom-policy", "continue")
    run = story.start(*words, "--", *waits_in_background("./bigleak2 >/dev/null"))
    process_gone(int(line_from(run)))
    run.communicate(b"on\n", timeout=GENEROUS)
    report = story.report()
    assert (run.returncode, report["verdict"], report["exit_code"]) == (4, "oom-kill", 4)


def test_with_wait_a_timeout_that_ends_leftovers_is_a_timeout(story: Story) -> None:
    """The command itself had ended long before."""
    ending = story.run("--wait", "--timeout", "500ms", "--", "sh", "-c", "sleep 1000 & exit 0")
    assert (ending.status, ending.verdict, ending.report["exit_code"]) == (124, "timeout", 0)
    assert head(ending.stderr).startswith("scoperun: TIMED OUT after 500ms (--timeout): sh -c ")
    assert rows(ending.stderr)["ended"] == "exit 0"


def test_a_signal_to_scoperun_while_it_waits_for_leftovers_is_not_lost(story: Story) -> None:
    """Nothing else would end the wait: the signal must at least do that."""
    run = story.start("--wait", "--", *waits_in_background("exit 0"))
    process_gone(int(line_from(run)))
    run.terminate()
    try:
        assert run.wait(GENEROUS) in {4, 128 + signal.SIGTERM}
    finally:
        run.communicate(b"on\n", timeout=GENEROUS)


def test_a_signal_ends_the_wait_for_systemd_to_stop_leftovers(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMD_BUS_TIMEOUT", "1h")  # how long it would wait for systemd
    run = story.start("--kill-leftovers", "--", *leave_one(on_sigterm=r"lambda *_: os.write(1, b'told\n')"))
    assert line_from(run) == "told"
    run.terminate()
    assert run.wait(GENEROUS) == 4
    (left,) = story.report()["left_running"]
    os.kill(left["pid"], signal.SIGKILL)
    process_gone(left["pid"])
    run.communicate()


def test_a_leftover_that_exits_at_sigterm_is_ended(story: Story) -> None:
    command = leave_one(on_sigterm="lambda *_: (os.write(1, b'told'), os._exit(0))")
    ending = story.run("--kill-leftovers", "--", *command)
    assert (ending.status, ending.stdout, ending.verdict) == (4, b"told", "exit-code")
    assert ending.report["left_running"] == []
    assert ending.report["result"] == "success"


def test_a_leftover_that_ignores_sigterm_is_killed(story: Story) -> None:
    command = leave_one(on_sigterm="signal.SIG_IGN")
    ending = story.run("--kill-leftovers", "--kill-after", "1s", "--", *command)
    assert (ending.status, ending.verdict) == (4, "exit-code")
    assert ending.report["left_running"] == []


def test_a_killed_leftover_is_not_a_timeout_even_if_there_is_one(story: Story) -> None:
    command = leave_one(on_sigterm="signal.SIG_IGN")
    ending = story.run("--kill-leftovers", "--kill-after", "1s", "--timeout", "1h", "--", *command)
    assert (ending.status, ending.verdict) == (4, "exit-code")


def test_a_slice_can_be_inherited(story: Story) -> None:
    inner = ["scoperun", "-q", "--slice-inherit", "--", "cat", "/proc/self/cgroup"]
    ending = story.run("-q", "--slice", "outer", "--", *inner)
    assert ending.stdout.decode().split("/")[-2] == "outer.slice"


def test_a_slice_can_be_put_below_the_inherited_one(story: Story) -> None:
    inner = ["scoperun", "-q", "--slice-inherit", "--slice", "inner", "--", "cat", "/proc/self/cgroup"]
    ending = story.run("-q", "--slice", "outer", "--", *inner)
    assert ending.stdout.decode().split("/")[-3:-1] == ["outer.slice", "outer-inner.slice"]


def test_a_memory_percentage_is_of_the_machines_memory(story: Story) -> None:
    ending = story.run("-q", "--mem", "10%", "--", "sh", "-c", f"cat {OWN_CGROUP}/memory.max")
    page = os.sysconf("SC_PAGE_SIZE")
    tenth = os.sysconf("SC_PHYS_PAGES") * page // 10
    assert int(ending.stdout) == ending.report["limits"]["memory_max"] == tenth // page * page


def test_half_a_processor_is_half_of_each_period(story: Story) -> None:
    ending = story.run("-q", "--cpus", "0.5", "--", "sh", "-c", f"cat {OWN_CGROUP}/cpu.max")
    assert ending.stdout == b"50000 100000\n"
    assert ending.report["limits"]["cpu_quota"] == 0.5


def test_the_command_gets_exactly_the_requested_number_of_tasks(story: Story) -> None:
    ending = story.run("--tasks", "10", "--wait", "--", "python3", "-c", COUNT_TASKS)
    assert ending.stdout == b"10\n"
    assert (ending.report["limits"]["tasks_max"], ending.report["tasks_peak"]) == (10, 10)


def test_a_description_is_shown_by_systemctl(story: Story) -> None:
    run = story.start(
        "--unit", "described", "--description", "Words for people", "--", "sh", "-c", "echo on; read word"
    )
    assert line_from(run) == "on"
    assert systemctl("show", "described.scope", "-P", "Description") == "Words for people\n"
    run.communicate(b"on\n", timeout=GENEROUS)
