"""The command while it runs, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant

import scoperun as library
from scoperun import ScoperunError
from scoperun.kernel.wait import readable

from .program import (
    SCOPERUN,
    Ended,
    children,
    end,
    line,
    scoperun,
    signal_from_outside,
    start,
    start_command,
    state,
)
from .steps import PATIENCE, refusal, stall

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable

    from dbus_next.aio.message_bus import MessageBus

    from .fake_systemd import FakeSystemd, Unit
    from .wire import Wire

UNTIL_TOLD = "echo; read _; exit 3"
"""A command that says that it runs, and ends with status 3 when it is told to."""
"""A command that prints a line, and exits with 3 when it gets one."""
UNTIL_KILLED = "echo; exec tail -f /dev/null"
KILLED_WHEN_TOLD = "echo; read _; kill -KILL $$"


def silence(systemd: FakeSystemd) -> None:
    """Make systemd answer and announce nothing from now on."""
    for step in ("Get Version", "GetAll", "KillUnit", "UnrefUnit"):
        systemd.at[step] = stall
    systemd.when_ended = lambda _: None


# The exit status.


@pytest.mark.parametrize(("script", "status"), [(":", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143)])
async def test_scoperuns_status_is_the_commands(script: str, status: int, systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--", "sh", "-c", script)
    assert (ended.status, ended.left) == (status, [])
    await systemd.gone()


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("scoperun-no-such-command", 127, "command not found (no shell is involved: "),
        ("/nowhere/command", 127, "No such file or directory"),
        ("/dev/null", 126, "Permission denied"),
        ("/", 126, "Is a directory"),
    ],
)
async def test_a_command_that_cannot_be_run_is_one_line(
    command: str, status: int, reason: str, systemd: FakeSystemd
) -> None:
    ended = await scoperun("--", command)
    assert (ended.status, ended.left) == (status, [])
    assert repr(command) in ended.complaint
    assert reason in ended.complaint
    await systemd.gone()


def script(folder: str, text: str, name: str = "script") -> str:
    """Make an executable file and return its path."""
    path = f"{folder}/{name}"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o755)
    os.write(fd, text.encode())
    os.close(fd)
    return path


async def test_a_script_without_an_interpreter_runs_in_the_shell(systemd: FakeSystemd, runtime_dir: str) -> None:
    """As under env(1) and nice(1): its arguments are unchanged, and $0 is its path."""
    path = script(runtime_dir, 'printf "%s," "$0" "$@"; exit 3')
    ended = await scoperun("-q", "--", path, "one", "-two", "", "th ree")
    assert (ended.status, ended.out, ended.left) == (3, f"{path},one,-two,,th ree,", [])


async def test_a_script_without_an_interpreter_is_found_in_path(systemd: FakeSystemd, runtime_dir: str) -> None:
    path = script(runtime_dir, 'echo "$0"')
    search = f"/nowhere:{path}/beside:{runtime_dir}:/usr/bin:/bin"
    ended = await scoperun("-q", "-E", f"PATH={search}", "--", "script")
    assert (ended.status, ended.out) == (0, f"{path}\n")


async def test_a_file_that_cannot_be_executed_does_not_hide_a_later_one_in_path(
    systemd: FakeSystemd, runtime_dir: str
) -> None:
    os.mkdir(f"{runtime_dir}/first")
    os.chmod(script(f"{runtime_dir}/first", "exit 4", "found"), 0o644)
    search = f"PATH={runtime_dir}/first:{runtime_dir}"
    refused = await scoperun("-q", "-E", search, "--", "found")
    assert (refused.status, refused.complaint) == (126, "scoperun: cannot run 'found': Permission denied")
    script(runtime_dir, "exit 3", "found")
    assert (await scoperun("-q", "-E", search, "--", "found")).status == 3


async def test_an_empty_file_succeeds(systemd: FakeSystemd, runtime_dir: str) -> None:
    ended = await scoperun("-q", "--", script(runtime_dir, ""))
    assert (ended.status, ended.err, ended.left) == (0, "", [])


async def test_a_script_with_a_missing_interpreter_is_reported_as_such(systemd: FakeSystemd, runtime_dir: str) -> None:
    ended = await scoperun("--", script(runtime_dir, "#!/nonexistent/interpreter\n"))
    assert (ended.status, ended.left) == (127, [])
    assert "(the file exists: the interpreter after its #! might be missing)" in ended.complaint
    assert "#!" not in (await scoperun("--", f"{runtime_dir}/nothing")).complaint


OWN_PID = ("LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "GIO_LAUNCHED_DESKTOP_FILE_PID")


@pytest.mark.parametrize("name", OWN_PID)
async def test_a_variable_for_scoperuns_pid_gets_the_commands_pid(name: str, systemd: FakeSystemd) -> None:
    ended = await scoperun("-q", "--", "sh", "-c", f"echo $(({name} - $$))", through=f'export {name}=$$; exec "$@"')
    assert ended.out == "0\n"


@pytest.mark.parametrize("name", OWN_PID)
async def test_a_variable_for_another_pid_is_unchanged(name: str, systemd: FakeSystemd) -> None:
    ended = await scoperun("-q", "--", "printenv", name, through=f'{name}=1 exec "$@"')
    assert ended.out == "1\n"


TELL_PIDFD = """
import os
print(os.getenv("LISTEN_PIDFDID", "none"), os.fstat(os.pidfd_open(os.getpid())).st_ino, os.listdir("/proc/self/fd"))
"""


@pytest.mark.parametrize("pid", ["$$", "1"])
async def test_a_pidfd_inode_is_replaced_with_the_pid(pid: str, systemd: FakeSystemd) -> None:
    through = f'LISTEN_PID={pid} LISTEN_PIDFDID=1 exec "$@"'
    ended = await scoperun("-q", "--", sys.executable, "-c", TELL_PIDFD, through=through)
    told, own, descriptors = ended.out.split(maxsplit=2)
    assert told == (own if pid == "$$" else "1")
    assert descriptors.startswith("['0', '1', '2', '3', '4']")


async def test_a_missing_variable_is_not_added(systemd: FakeSystemd) -> None:
    ended = await scoperun("-q", "--", sys.executable, "-c", TELL_PIDFD, through='LISTEN_PID=$$ exec "$@"')
    assert ended.out.startswith("none ")


async def test_the_command_knows_its_invocation_id(systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--", "sh", "-c", "echo $INVOCATION_ID")
    assert len(ended.out) == 33
    assert ended.out.strip() == ended.report["invocation_id"]


@pytest.mark.parametrize("directory", ["link/..", "link", "link/../away/.", "."])
async def test_the_reported_directory_is_the_commands_physical_one(
    directory: str, systemd: FakeSystemd, runtime_dir: str
) -> None:
    """The parent of a symbolic link's target is not the parent of the link."""
    os.makedirs(f"{runtime_dir}/far/away")
    os.symlink("far/away", f"{runtime_dir}/link")
    ended = await scoperun("--json", "-d", f"{runtime_dir}/{directory}", "--", "pwd", "-P")
    assert ended.out == f"{ended.report['cwd']}\n"


# systemd and the bus break.


@pytest.fixture(params=["the bus is cut", "the bus dies", "systemd leaves", "systemd is silent"])
def breaking(
    request: pytest.FixtureRequest, bus: Wire, systemd: FakeSystemd, killing_bus: Callable[[], None], impatient: None
) -> Callable[[], None]:
    """Return a function that breaks something while the command runs."""
    ways: dict[str, Callable[[], None]] = {
        "the bus is cut": bus.cut,
        "the bus dies": killing_bus,
        "systemd leaves": systemd.leave,
        "systemd is silent": lambda: silence(systemd),
    }
    return ways[request.param]


async def test_a_running_command_goes_on_whatever_breaks(breaking: Callable[[], None]) -> None:
    process = await start_command(UNTIL_TOLD)
    breaking()
    ended = await end(process, "\n")
    assert (ended.status, ended.left) == (3, [])
    assert ended.report["verdict"] == "exit-code"
    assert ended.report["result"] is None


async def test_an_unexplained_kill_is_not_called_a_signal(breaking: Callable[[], None]) -> None:
    """Unless the kernel counts OOM kills for the cgroup that the tests run in, and counted none."""
    process = await start_command(KILLED_WHEN_TOLD)
    breaking()
    ended = await end(process, "\n")
    assert (ended.status, ended.left) == (137, [])
    assert ended.report["verdict"] == ("unknown" if ended.report["memory"]["events"] is None else "signal")
    assert ended.report["result"] is None


async def test_a_time_limit_whose_result_was_not_heard_leaves_the_verdict_unknown(
    breaking: Callable[[], None],
) -> None:
    process = await start_command(UNTIL_TOLD, "--timeout", "5min")
    breaking()
    ended = await end(process, "\n")
    assert (ended.status, ended.report["verdict"]) == (3, "unknown")


@pytest.fixture(params=["stall", "cut", "die", "refuse", "leave"])
def way_to_fail(request: pytest.FixtureRequest, bus: Wire, systemd: FakeSystemd, killing_bus: Any) -> Any:
    """Return the action of a call that fails."""
    refuse = refusal("org.freedesktop.DBus.Error.Failed", "no more")
    return {"stall": stall, "cut": bus.cut, "die": killing_bus, "refuse": refuse, "leave": systemd.leave}[request.param]


@pytest.mark.parametrize("step", ["Get Version", "GetAll", "UnrefUnit"])
@pytest.mark.usefixtures("impatient")
async def test_a_failure_after_the_command_was_released_does_not_end_it(
    step: str, way_to_fail: Any, systemd: FakeSystemd, runtime_dir: str
) -> None:
    """Either it never ran, and scoperun says so, or it ran to its end."""
    systemd.at[step] = way_to_fail
    mark = f"{runtime_dir}/ran"
    process = await start("--", "sh", "-c", 'echo; read _; touch "$0"; exit 3', mark)
    # On a busy machine the start itself can take longer than scoperun waits for an answer.
    waits = [asyncio.create_task(systemd.called("Get Version")), asyncio.create_task(process.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    ended = await end(process, "\n")
    ran = os.path.exists(mark)  # noqa: ASYNC240
    assert (ended.status, ran, ended.left) in [(125, False, []), (3, True, [])]


# What systemd says of the end.


@pytest.fixture
def killed(systemd: FakeSystemd, bus: Wire) -> Callable[..., Any]:
    """Run a command until systemd has announced these values of Result= in turn and stopped the scope."""

    async def run(number: int, *results: str, options: tuple[str, ...] = ()) -> Ended:
        process = await start_command(UNTIL_KILLED, *options)
        for result in results:
            systemd.result_changed(systemd.unit, result)
        systemd.state_changed(systemd.unit, "deactivating")
        await bus.handed_back("deactivating")
        systemd.kill(systemd.unit, number)
        ended = await end(process)
        assert ended.left == []
        await systemd.gone()
        return ended

    return run


def forget(systemd: FakeSystemd) -> None:
    """Make the unit unreadable, as if it were gone."""
    systemd.at["GetAll"] = refusal("org.freedesktop.systemd1.NoUnitForInvocationID", "gone")


async def test_an_oom_kill_that_was_announced_before_the_end_counts(systemd: FakeSystemd, killed: Any) -> None:
    forget(systemd)
    ended = await killed(signal.SIGKILL, "oom-kill")
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (137, "oom-kill", "oom-kill")


async def test_an_oom_kill_that_is_announced_after_the_end_counts(systemd: FakeSystemd, killed: Any) -> None:
    def announce_oom_kill(unit: Unit) -> None:
        unit.result = "oom-kill"
        systemd.announce_end(unit)

    forget(systemd)
    systemd.when_ended = announce_oom_kill
    ended = await killed(signal.SIGKILL)
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (137, "oom-kill", "oom-kill")


@pytest.mark.usefixtures("impatient")
async def test_an_oom_kill_that_was_not_announced_is_read(systemd: FakeSystemd) -> None:
    process = await start_command(UNTIL_KILLED)
    systemd.when_ended = lambda _: None
    systemd.unit.result = "oom-kill"
    systemd.kill(systemd.unit, signal.SIGKILL)
    ended = await end(process)
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (137, "oom-kill", "oom-kill")


@pytest.mark.usefixtures("impatient")
async def test_an_oom_kill_that_is_announced_before_the_answer_counts(systemd: FakeSystemd) -> None:
    """The announcement arrives before the answer, so it is in time."""

    def announce_and_refuse(call: Message) -> Message | None:
        systemd.result_changed(systemd.unit, "oom-kill")
        return refusal("org.freedesktop.systemd1.NoUnitForInvocationID", "gone")(call)

    systemd.at["GetAll"] = announce_and_refuse
    systemd.when_ended = lambda _: None
    ended = await scoperun("--json", "--", "sh", "-c", "kill -KILL $$")
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (137, "oom-kill", "oom-kill")


async def test_an_oom_kill_is_not_undone_by_an_old_value_that_is_announced_again(killed: Any) -> None:
    """Systemd announces it after a reload; and a collected unit reads as a success."""
    ended = await killed(signal.SIGKILL, "oom-kill", "success")
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (137, "oom-kill", "oom-kill")


async def test_oom_kills_that_systemd_counted_are_reported(systemd: FakeSystemd) -> None:
    """Under OOMPolicy=continue Result= remains success."""
    process = await start_command(UNTIL_TOLD)
    systemd.unit.scope_properties = {"OOMKills": Variant("t", 2), "OOMPolicy": Variant("s", "continue")}
    ended = await end(process, "\n")
    assert (ended.status, ended.report["verdict"], ended.report["result"]) == (3, "oom-kill", "success")
    assert (ended.report["oom"]["kills"], ended.report["oom"]["policy"]) == (2, "continue")
    assert {"source": "OOMKills", "value": 2} in ended.report["evidence"]


async def test_values_that_systemd_could_not_read_are_null(systemd: FakeSystemd) -> None:
    """Systemd sends UINT64_MAX for them."""
    process = await start_command(UNTIL_TOLD)
    systemd.unit.scope_properties = {
        name: Variant("t", (1 << 64) - 1) for name in ("OOMKills", "MemoryPeak", "MemorySwapPeak", "CPUUsageNSec")
    }
    ended = await end(process, "\n")
    assert (ended.status, ended.report["verdict"], ended.report["oom"]) == (3, "exit-code", None)


async def test_our_time_limit_gives_status_124(killed: Any) -> None:
    ended = await killed(signal.SIGTERM, "timeout", options=("--timeout", "1ms"))
    assert (ended.status, ended.report["verdict"], ended.report["signal"]) == (124, "timeout", signal.SIGTERM)


async def test_a_time_limit_that_is_not_ours_leaves_the_status(killed: Any) -> None:
    """For example `systemctl stop` that had to wait too long."""
    ended = await killed(signal.SIGKILL, "timeout")
    assert (ended.status, ended.report["verdict"]) == (137, "timeout")


async def test_an_unknown_result_of_a_newer_systemd_is_shown(killed: Any) -> None:
    ended = await killed(signal.SIGTERM, "word-of-tomorrow")
    assert (ended.status, ended.report["result"]) == (143, "word-of-tomorrow")


async def test_a_false_end_of_the_unit_while_the_command_runs_is_ignored(systemd: FakeSystemd) -> None:
    """A race of systemd before 258 (https://github.com/systemd/systemd/issues/36781)."""
    process = await start_command(UNTIL_TOLD)
    systemd.state_changed(systemd.unit, "inactive")
    assert (await end(process, "\n")).status == 3


async def test_unknown_signals_are_ignored(systemd: FakeSystemd) -> None:
    process = await start_command(UNTIL_TOLD)
    for _ in range(2):
        systemd.bus.send(strange_signal(systemd))
    assert (await end(process, "\n")).report["verdict"] == "exit-code"


def strange_signal(systemd: FakeSystemd) -> Message:
    path, interface = systemd.unit.path, "org.freedesktop.DBus.Properties"
    return Message.new_signal(path, interface, "PropertiesChanged", "s", ["org.freedesktop.systemd1.Scope"])


@pytest.mark.parametrize("is_unicast", [True, False])
async def test_signals_about_the_scope_from_other_clients_are_ignored(
    is_unicast: bool, bus: Wire, systemd: FakeSystemd, other_client: MessageBus
) -> None:
    """Any client of the bus can send a signal to scoperun directly, which needs no match rule."""
    process = await start_command(UNTIL_KILLED)
    for interface, changed in (("Scope", {"Result": "oom-kill"}), ("Unit", {"ActiveState": "failed"})):
        properties = {name: Variant("s", value) for name, value in changed.items()}
        body = [f"org.freedesktop.systemd1.{interface}", properties, []]
        forged = Message.new_signal(
            systemd.unit.path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body
        )
        forged.destination = systemd.unit.owner if is_unicast else None
        await other_client.send(forged)
    await other_client.introspect("org.freedesktop.DBus", "/org/freedesktop/DBus")  # its answer comes after them
    systemd.state_changed(systemd.unit, "deactivating")
    await bus.handed_back("deactivating")
    systemd.kill(systemd.unit, signal.SIGKILL)
    ended = await end(process)
    assert (ended.status, ended.report["result"], ended.report["oom"]) == (137, "success", None)
    assert ended.report["verdict"] in {"signal", "unknown"}


# Signals.


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2"])
async def test_a_signal_reaches_the_command(name: str, systemd: FakeSystemd) -> None:
    number = signal.Signals[name]
    process = await start_command(UNTIL_KILLED)
    signal_from_outside(process, number)
    ended = await end(process)
    # After SIGINT a shell ends its loop only if the signal has killed the process that ran in it.
    status = -number if number == signal.SIGINT else 128 + number
    assert (ended.status, ended.report["signal"], ended.left) == (status, number, [])


async def test_a_signal_from_the_command_is_not_sent_back_to_it(systemd: FakeSystemd) -> None:
    """As with kill(0, ...). The second signal comes later, and is forwarded."""
    process = await start_command(f"kill -USR1 $PPID; {UNTIL_KILLED}")
    signal_from_outside(process, signal.SIGUSR2)
    assert (await end(process)).report["signal"] == signal.SIGUSR2


async def test_the_end_of_an_inherited_child_is_not_forwarded_to_the_command(systemd: FakeSystemd) -> None:
    """E.g. of a producer in `exec scoperun ... < <(producer)`. The second signal is forwarded."""
    process = await start_command("trap 'exit 9' CHLD; trap 'exit 4' WINCH; echo; read _; exit 3")
    signal_from_outside(process, signal.SIGCHLD)
    signal_from_outside(process, signal.SIGWINCH)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 4


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
async def test_a_signal_before_the_command_runs_ends_the_attempt(
    name: str, systemd: FakeSystemd, runtime_dir: str
) -> None:
    systemd.at["StartTransientUnit"] = stall
    process = await start("--", "touch", f"{runtime_dir}/ran")
    await systemd.called("StartTransientUnit")
    process.send_signal(signal.Signals[name])
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    assert ended.complaint == f"scoperun: {name} arrived before the command had started"
    assert "ran" not in os.listdir(runtime_dir)


async def test_a_second_signal_does_not_interrupt_the_clean_up(
    bus: Wire, systemd: FakeSystemd, runtime_dir: str
) -> None:
    ended_but_unsaid: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    systemd.when_started = lambda unit: systemd.state_changed(unit, "active")
    systemd.when_ended = ended_but_unsaid.set_result
    process = await start("--", "touch", f"{runtime_dir}/ran")
    await bus.handed_back("ActiveState")
    process.send_signal(signal.SIGTERM)
    unit = await asyncio.wait_for(ended_but_unsaid, PATIENCE)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    systemd.job_removed(unit, "canceled")
    systemd.announce_end(unit)
    ended = await end(process)
    assert (ended.status, ended.left) == (125, [])
    assert "SIGTERM arrived before" in ended.complaint
    assert systemd.steps[-1] == "UnrefUnit"
    assert "ran" not in os.listdir(runtime_dir)


async def test_a_stopped_command_does_not_stop_scoperun_if_no_shell_would_continue_it(
    systemd: FakeSystemd,
) -> None:
    """E.g. in a script, in CI, or under cpulimit. There is no terminal here; tests/guest has those tests."""
    process = await start_command(UNTIL_TOLD)
    command = systemd.unit.pids[0]
    for _ in range(10):
        os.kill(command, signal.SIGSTOP)
        await state(command, "T")
        os.kill(command, signal.SIGCONT)
    assert (await end(process, "\n")).status == 3


async def test_a_stopped_command_is_continued_through_scoperun(systemd: FakeSystemd) -> None:
    process = await start_command("echo; kill -STOP $$; exit 3")
    await state(systemd.unit.pids[0], "T")
    signal_from_outside(process, signal.SIGCONT)
    assert (await end(process)).status == 3


TELLS = """
import signal
signals = signal.valid_signals() - {signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("ready", flush=True)
while (got := signal.sigwaitinfo(signals)).si_signo != signal.SIGTERM:
    print(got.si_signo, flush=True)
"""
"""A command that prints the numbers of the signals that it gets, until SIGTERM."""


async def start_telling(*options: str, through: str | None = None) -> Process:
    process = await start("--json", *options, "--", sys.executable, "-c", TELLS, through=through)
    assert await line(process) == "ready"
    return process


async def test_every_signal_that_can_be_caught_is_forwarded(systemd: FakeSystemd) -> None:
    process = await start_telling()
    for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTERM}):
        signal_from_outside(process, number)
        assert await line(process) == f"{number:d}"
    signal_from_outside(process, signal.SIGTERM)
    assert (await end(process)).status == 0


async def test_a_signal_that_scoperun_causes_itself_is_not_forwarded(systemd: FakeSystemd) -> None:
    """E.g. SIGPIPE: no process reads the lines of the report."""
    without_reader = """exec bash -c 'exec 7> >(:); wait $!; exec "$@"' sh "$@" """
    process = await start_telling("--report-fd", "7", through=without_reader)
    signal_from_outside(process, signal.SIGUSR1)
    assert await line(process) == f"{signal.SIGUSR1:d}"
    signal_from_outside(process, signal.SIGTERM)
    ended = await end(process)
    assert ended.status == 0
    assert "scoperun: cannot write the report to descriptor 7: Broken pipe\n" in ended.err


async def test_an_ignored_signal_is_forwarded_to_a_command_that_handles_it(systemd: FakeSystemd) -> None:
    """E.g. SIGHUP under nohup(1), at which a daemon reads its configuration again."""
    process = await start_telling(through='trap "" HUP; exec "$@"')
    signal_from_outside(process, signal.SIGHUP)
    assert await line(process) == f"{signal.SIGHUP:d}"
    signal_from_outside(process, signal.SIGTERM)
    assert (await end(process)).status == 0


async def test_an_ignored_signal_does_not_end_the_attempt(systemd: FakeSystemd) -> None:
    def hang_up_first(call: Message) -> Message:
        signal_from_outside(process, signal.SIGHUP)
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = hang_up_first
    process = await start("--json", "--", "sh", "-c", "exit 3", through='trap "" HUP; exec "$@"')
    assert (await end(process)).status == 3


async def test_a_signal_that_does_not_end_the_attempt_is_pending_when_the_command_starts(systemd: FakeSystemd) -> None:
    """E.g. SIGALRM from an earlier timer: the command has no handler yet, as without scoperun."""

    def alarm_first(call: Message) -> Message:
        signal_from_outside(process, signal.SIGALRM)
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = alarm_first
    process = await start("--json", "--", "tail", "-f", "/dev/null")
    assert (await end(process)).report["signal"] == signal.SIGALRM


# The command has what it would have without scoperun.


async def without_us(*argv: str, through: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", through, "sh", *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def with_us(*argv: str, through: str) -> tuple[int, str]:
    ended = await scoperun("--", *argv, through=through)
    assert ended.left == []
    return ended.status, ended.out


@pytest.mark.parametrize("ignored", ["HUP", "INT QUIT", "TERM", "CHLD", "USR1 USR2 WINCH", "TSTP CONT", ""])
async def test_the_command_has_the_same_signal_dispositions_as_without_scoperun(
    ignored: str, systemd: FakeSystemd
) -> None:
    """Among them SIGPIPE and SIGXFSZ, which Python ignores, and those that nohup and background jobs have."""
    through = f'trap "" {ignored}; exec "$@"' if ignored else 'exec "$@"'
    argv = ("grep", "-E", "^(Sig(Ign|Blk|Cgt|Pnd)|ShdPnd)", "/proc/self/status")
    assert await with_us(*argv, through=through) == await without_us(*argv, through=through)


@pytest.mark.parametrize("through", ['exec "$@"', *(f'exec "$@" {each}' for each in ("<&-", ">&-", "2>&-", "7>&1"))])
async def test_the_command_has_the_same_descriptors_as_without_scoperun(through: str, systemd: FakeSystemd) -> None:
    """Closed ones stay closed. Each bit of the status is a descriptor."""
    script = "s=0; for n in 0 1 2 3 7; do s=$((s * 2)); [ -e /proc/$$/fd/$n ] && s=$((s + 1)); done; exit $s"
    assert await with_us("sh", "-c", script, through=through) == await without_us("sh", "-c", script, through=through)


async def test_all_three_streams_can_be_closed(systemd: FakeSystemd, runtime_dir: str) -> None:
    report = f"{runtime_dir}/report"
    ended = await scoperun("--report", report, "--", "sh", "-c", "exit 3", through='exec "$@" <&- >&- 2>&-')
    assert (ended.status, ended.out, ended.err) == (3, "", "")
    assert "report" in os.listdir(runtime_dir)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_the_reports_lines_go_to_their_descriptor_whatever_is_closed(
    closed: str, systemd: FakeSystemd, runtime_dir: str
) -> None:
    through = f'exec "$@" 3>{shlex.quote(runtime_dir)}/lines {closed}'
    await scoperun("--report-fd", "3", "--", "sh", "-c", "exit 3", through=through)
    with open(f"{runtime_dir}/lines", encoding="utf-8") as file:  # noqa: ASYNC230  it is small
        lines = [json.loads(each) for each in file]
    assert [each["event"] for each in lines] == ["started", "finished"]


async def test_an_inherited_descriptor_can_be_written_to(systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--", "sh", "-c", "echo here >&7", through='exec "$@" 7>&1')
    assert (ended.status, ended.out) == (0, "here\n")


async def test_the_status_is_known_although_the_parent_ignores_sigchld(systemd: FakeSystemd) -> None:
    ended = await scoperun("--json", "--", "sh", "-c", "exit 3", through='trap "" CHLD; exec "$@"')
    assert (ended.status, ended.report["exit_code"]) == (3, 3)


async def test_a_reader_sees_the_end_of_output_that_the_command_has_closed(systemd: FakeSystemd) -> None:
    """It sees the end while the command runs: neither scoperun nor the keeper has the stream open."""
    process = await start_command("echo; exec >&-; read _; exit 3")
    assert await line(process) == ""
    assert process.stdout is not None
    assert process.stdout.at_eof()
    assert (await end(process, "\n")).status == 3


async def test_a_writer_notices_that_the_command_has_closed_its_input(systemd: FakeSystemd) -> None:
    input_end, our_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *SCOPERUN, "--json", "--", "sh", "-c", "exec <&-; echo; kill -STOP $$; exit 3",
        stdin=input_end, stdout=PIPE, stderr=PIPE, start_new_session=True,
    )  # fmt: skip
    os.close(input_end)
    await line(process)
    with pytest.raises(BrokenPipeError), os.fdopen(our_end, "wb", buffering=0) as stdin:
        stdin.write(b"more")
    await state(systemd.unit.pids[0], "T")
    signal_from_outside(process, signal.SIGCONT)
    assert (await end(process)).status == 3


# scoperun is killed.


async def test_a_held_command_never_runs_when_scoperun_is_killed(systemd: FakeSystemd, runtime_dir: str) -> None:
    systemd.when_started = lambda _: None
    process = await start("--", "touch", f"{runtime_dir}/ran")
    await systemd.called("StartTransientUnit")
    process.kill()
    await end(process)
    await systemd.gone()
    assert "ran" not in os.listdir(runtime_dir)


async def test_a_running_command_goes_on_when_scoperun_is_killed(systemd: FakeSystemd) -> None:
    process = await start_command("echo; read _; echo on")
    process.kill()
    ended = await end(process, "\n")
    assert (ended.status, ended.out) == (-signal.SIGKILL, "on\n")
    await systemd.gone()


# The library.


@pytest.fixture
async def running(systemd: FakeSystemd, bus: Wire) -> AsyncIterator[asyncio.Task[library.Report]]:
    """Start a run in this process and wait until its command runs; leave nothing behind."""
    files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    told, tell = os.pipe()
    os.set_inheritable(tell, True)
    run = asyncio.create_task(
        library.run(["sh", "-c", f"echo > /proc/self/fd/{tell}; exec tail -f /dev/null"], require_limits=False)
    )
    await asyncio.wait_for(readable(told), PATIENCE)
    os.close(told)
    os.close(tell)
    yield run
    assert run.done()
    assert children() == []
    await bus.idle()
    assert len(asyncio.all_tasks()) == tasks
    systemd.close()
    assert len(os.listdir("/proc/self/fd")) <= files  # fewer where the test has broken the bus


async def cancel(run: asyncio.Task[library.Report]) -> None:
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, PATIENCE)


async def test_cancelling_a_run_ends_all_processes_of_the_scope(
    running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    await cancel(running)
    (kill,) = [call for call in systemd.calls if call.member == "KillUnit"]
    assert kill.body[1:] == ["all", signal.SIGKILL]
    await systemd.gone()


@pytest.mark.parametrize("step", ["KillUnit", "UnrefUnit"])
async def test_a_cancelled_run_leaves_nothing_when_systemd_refuses(
    step: str, running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    systemd.at[step] = refusal("org.freedesktop.systemd1.NoSuchUnit", "gone")
    await cancel(running)
    await systemd.gone()


@pytest.mark.usefixtures("impatient")
async def test_a_cancelled_run_leaves_nothing_when_systemd_is_silent(
    running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    silence(systemd)
    await cancel(running)


async def test_a_cancelled_run_leaves_nothing_when_the_bus_dies(
    running: asyncio.Task[library.Report], killing_bus: Callable[[], None]
) -> None:
    killing_bus()
    await cancel(running)


def take_the_status_of(pid: int) -> None:
    """Act as a program that waits for any of its children, after this one has ended."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


async def in_time(run: asyncio.Task[library.Report]) -> library.Report:
    """Return the result of the run; a run that must be cancelled fails the test."""
    await asyncio.wait([run], timeout=PATIENCE)
    assert run.done()
    return run.result()


async def test_a_run_whose_status_was_taken_by_the_program_is_an_error(
    running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    take_the_status_of(systemd.unit.pids[0])
    with pytest.raises(ScoperunError, match="another part of this program took the command's exit status"):
        await in_time(running)
    await systemd.gone()


async def test_a_run_goes_on_if_the_program_has_waited_for_its_keeper(
    running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    command, keeper = systemd.unit.pids
    take_the_status_of(keeper)
    os.kill(command, signal.SIGTERM)
    report = await in_time(running)
    assert report.signal == signal.SIGTERM


async def test_nothing_is_left_if_the_program_has_waited_for_both(
    running: asyncio.Task[library.Report], systemd: FakeSystemd
) -> None:
    for pid in systemd.unit.pids:
        take_the_status_of(pid)
    with pytest.raises(ScoperunError, match="another part of this program"):
        await in_time(running)


async def test_a_program_that_ignores_sigchld_does_not_wait_forever(systemd: FakeSystemd) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ScoperunError, match="another part of this program"):
            await in_time(asyncio.create_task(library.run(["true"], require_limits=False)))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert children() == []
    await systemd.gone()


async def test_a_scope_that_is_gone_is_not_reported_as_a_missing_systemd(systemd: FakeSystemd) -> None:
    for step in ("FreezeUnit", "SetUnitProperties"):
        systemd.at[step] = refusal("org.freedesktop.systemd1.NoSuchUnit", "Unit gone.scope not loaded.")
    async with library.Scope(["true"], require_limits=False) as scope:
        await scope.report()
        for late in (scope.freeze(), scope.set_limits(library.Limits(memory_max=1 << 20))):
            with pytest.raises(library.ManagerError, match=r"^Unit gone\.scope not loaded\.$"):
                await late


async def test_runs_can_be_concurrent(systemd: FakeSystemd) -> None:
    commands = [["sh", "-c", f"exit {status}"] for status in range(8)]
    reports = await asyncio.gather(*(library.run(each, require_limits=False) for each in commands))
    assert [report.exit_code for report in reports] == list(range(8))
    assert children() == []
    await systemd.gone()


async def test_a_missing_command_raises(systemd: FakeSystemd) -> None:
    with pytest.raises(library.CommandNotFound):
        await library.run(["scoperun-no-such-command"], require_limits=False)
    assert children() == []
    await systemd.gone()


@pytest.mark.parametrize("variable", ["A=\0", "=B", "A=\ud800"])
async def test_an_invalid_environment_raises(variable: str, systemd: FakeSystemd) -> None:
    context = library.ExecContext(environment=(variable,))
    with pytest.raises(ScoperunError, match=r"^cannot start the command: "):
        await library.run(["true"], require_limits=False, context=context)
    assert children() == []
    await systemd.gone()


async def test_a_gibibyte_arrives_unchanged(systemd: FakeSystemd) -> None:
    """Scoperun is not involved: it has closed both ends. This takes too long in a guest of the lab."""
    pipeline = f"yes | head -c 1G | {shlex.join(SCOPERUN)} -q -- cat | cmp - <(yes | head -c 1G)"
    process = await asyncio.create_subprocess_exec("bash", "-c", pipeline, stderr=PIPE)
    async with asyncio.timeout(PATIENCE):
        _, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
