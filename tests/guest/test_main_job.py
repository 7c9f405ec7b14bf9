"""The main job: a command under a limit, and the truth about its end."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.report_rows import head, rows

from .story import Ending, Story, pids_of, systemctl, units

pytestmark = pytest.mark.guest(kernel="each")

LIMIT = 20 * 1024 * 1024

# The lines that bigleak2 prints before the kernel kills it at 20 MiB: it gets as far as the 20th MiB.
LINES = b"".join(b"i = %d\n" % (n * 1024 * 1024) for n in range(20))


@pytest.fixture(scope="module")
def leak(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    """Run the leak at its limit, and return its ending."""
    story = Story(examples, tmp_path_factory.mktemp("leak") / "report.json")
    return story.run("--mem", "20M", "--unit", "leak", "--", "./bigleak2")


def test_a_leak_is_killed_at_its_limit_and_reported(leak: Ending) -> None:
    report = leak.report
    assert leak.status == 137
    assert (report["verdict"], report["result"]) == ("oom-kill", "oom-kill")
    assert (report["exit_code"], report["signal"]) == (None, 9)
    assert report["memory"]["events"]["oom_kill"] == 1
    assert report["memory"]["peak"] == LIMIT
    assert report["oom"]["kills"] == 1
    assert report["limits"]["memory_max"] == LIMIT
    assert report["limits"]["memory_swap_max"] == 0
    assert report["left_running"] == []


def test_the_commands_output_is_unchanged(leak: Ending) -> None:
    assert leak.stdout == LINES


def test_the_report_in_words_is_a_handful_of_lines(leak: Ending) -> None:
    told = rows(leak.stderr)
    assert leak.stderr.splitlines()[0] == "scoperun: OUT OF MEMORY: ./bigleak2"
    assert list(told) == ["killed", "memory", "needed", "time", "scope"]
    killed = rf"bigleak2\[{leak.report['pid']}\], 19\.[5-9]M, by the kernel at this scope's limit \(--mem 20M\)"
    assert re.fullmatch(killed, told["killed"])
    assert told["memory"] == "peak 20M of 20M, no swap allowed"
    assert told["needed"] == "more than 20M (how much more is unknown)"
    assert told["scope"] == "leak.scope"


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_the_command_does_not_get_the_locale_that_python_sets(story: Story, given: dict[str, str]) -> None:
    """In the C locale Python sets $LC_CTYPE for itself."""
    environment = {name: value for name, value in os.environ.items() if name not in {"LANG", "LC_ALL", "LC_CTYPE"}}
    words = ["scoperun", "-q", "--", "sh", "-c", "env | grep ^LC_ || true"]
    shown = subprocess.run(words, env=environment | given, capture_output=True, text=True, check=True).stdout
    assert shown == "".join(f"{name}={value}\n" for name, value in given.items())


def test_untouched_memory_is_not_a_leak_and_a_timeout_is_not_an_oom(story: Story) -> None:
    ending = story.run("--mem", "20M", "--timeout", "2s", "--", "./bigleak")
    assert ending.status == 124
    assert (ending.verdict, ending.report["result"]) == ("timeout", "timeout")
    assert ending.report["memory"]["events"]["oom_kill"] == 0
    assert ending.report["memory"]["peak"] < 3 * 1024 * 1024  # the first byte can take a huge page of 2 MiB
    assert ending.report["oom"] is None
    assert ending.stdout.startswith(b"allocated 52428800 bytes")


def test_under_policy_continue_the_shell_survives_its_child_and_the_verdict_is_still_oom_kill(story: Story) -> None:
    ending = story.run(
        "--mem", "20M", "--oom-policy", "continue", "--", "sh", "-c", "./bigleak2; echo after $?; exit 5"
    )
    assert ending.status == 5
    assert ending.stdout.endswith(b"\nafter 137\n")
    assert (ending.verdict, ending.report["result"]) == ("oom-kill", "success")
    assert ending.report["oom"] | {"kills": 1, "policy": "continue"} == ending.report["oom"]
    evidence = {each["source"]: each["value"] for each in ending.report["evidence"]}
    assert next(iter(evidence.items())) == ("memory.events oom_kill", 1)
    assert evidence | {"Result": "success", "OOMPolicy": "continue", "wait status": "exited, status 5"} == evidence
    assert evidence[f"{ending.report['unit']} memory.events.local oom"] >= 1
    assert (ending.report["exit_code"], ending.report["signal"]) == (5, None)


def test_under_policy_stop_systemd_ends_the_shell_after_its_child(story: Story) -> None:
    ending = story.run("--mem", "20M", "--oom-policy", "stop", "--", "sh", "-c", "./bigleak2; sleep 1000")
    assert ending.status == 128 + 15
    assert (ending.verdict, ending.report["result"]) == ("oom-kill", "oom-kill")
    assert ending.report["memory"]["events"]["oom_kill"] == 1
    assert ending.report["oom"]["policy"] == "stop"


def test_under_policy_kill_all_processes_die_and_the_verdict_needs_no_counters(story: Story) -> None:
    # systemd stops the scope too, and its SIGTERM can come first.
    script = "trap '' TERM; ./bigleak2; sleep 1000"
    ending = story.run("--mem", "20M", "--oom-policy", "kill", "--", "sh", "-c", script)
    assert ending.status == 137
    assert (ending.verdict, ending.report["result"]) == ("oom-kill", "oom-kill")
    assert ending.report["oom"]["policy"] == "kill"
    assert ending.report["left_running"] == []


def test_a_kill_is_not_an_oom_kill(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "sh", "-c", "kill -9 $$")
    assert ending.status == 137
    assert ending.verdict == "signal"
    assert ending.report["oom"] is None
    assert ending.report["memory"]["events"]["oom_kill"] == 0
    assert head(ending.stderr) == "scoperun: KILLED (SIGKILL), not out of memory: sh -c 'kill -9 $$'"


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
@pytest.mark.parametrize("status", [0, 3, 125, 255])
def test_the_exit_status_is_the_commands(story: Story, status: int) -> None:
    ending = story.run("--mem", "20M", "--", "sh", "-c", f"exit {status}")
    assert ending.status == ending.report["exit_code"] == status
    assert ending.verdict == ("exit-code" if status else "success")


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
def test_a_command_that_cannot_be_executed_is_126_with_the_reason(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "/etc/passwd")
    assert ending.status == 126
    assert ending.stderr == "scoperun: cannot run '/etc/passwd': Permission denied\n"


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
def test_a_command_that_is_not_found_is_127_with_the_reason(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "no-such-command")
    assert ending.status == 127
    assert ending.stderr.startswith("scoperun: 'no-such-command': command not found (no shell is involved: ")


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
def test_a_success_is_one_line_and_with_quiet_none(story: Story) -> None:
    assert story.run("--mem", "20M", "--", "true").stderr.count("\n") == 1
    assert story.run("-q", "--mem", "20M", "--", "true").stderr == ""


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
def test_quiet_still_tells_of_an_oom(story: Story) -> None:
    leak = ("--mem", "20M", "--", "./bigleak2")
    assert story.run("-q", *leak).stderr.startswith("scoperun: OUT OF MEMORY: ./bigleak2\n")
    ending = story.run("-q", "--oom-exit-code", "99", *leak)
    assert (ending.status, ending.stderr) == (99, "")
    assert story.run("-qq", *leak).stderr == story.run("-q", "-q", "--json", *leak).stderr == ""


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
def test_a_plain_failure_is_one_line_too(story: Story) -> None:
    assert story.run("--mem", "20M", "--", "sh", "-c", "exit 3").stderr.startswith(
        "scoperun: exit 3: sh -c 'exit 3'   "
    )
    ending = story.run("--mem", "20M", "--", "sh", "-c", "kill -PIPE $$")
    assert ending.stderr.startswith("scoperun: SIGPIPE: sh -c 'kill -PIPE $$'   ")
    assert ending.stderr.count("\n") == 1


@pytest.mark.guest(suite="trixie")  # it depends on scoperun alone
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("./bigleak2",), r"OUT OF MEMORY, status 99, [0-9.]+m?s, 20M/20M: \./bigleak2"),
        (("sh", "-c", "exit 3"), r"exit 3, status 3, [0-9.]+m?s, [0-9.]+[KM]/20M: sh -c 'exit 3'"),
        (("true",), r"ok, status 0, [0-9.]+m?s, [0-9.]+[KM]/20M: true"),
    ],
)
def test_on_request_it_is_one_line_whatever_happened(story: Story, words: tuple[str, ...], line: str) -> None:
    options = ("--report-format", "line", "--oom-log", "--oom-exit-code", "99", "--mem", "20M")
    assert re.fullmatch(f"scoperun: {line}\n", story.run(*options, "--", *words).stderr)


@pytest.mark.guest
def test_the_report_names_the_command_and_the_scope(story: Story) -> None:
    report = story.run("--mem", "20M", "--slice", "scoperun", "--", "sh", "-c", "exit 0").report
    assert report["slice"] == "scoperun.slice"
    assert report["cgroup"].endswith(f"/scoperun.slice/{report['unit']}")
    assert report["command"] == ["sh", "-c", "exit 0"]
    assert report["schema"] == 1
    assert len(report["invocation_id"]) == 32


@pytest.mark.guest
def test_the_command_has_its_invocation_id(story: Story) -> None:
    ending = story.run("--", "sh", "-c", "echo $INVOCATION_ID")
    assert ending.stdout.decode().strip() == ending.report["invocation_id"]


def test_any_scope_property_can_be_set(story: Story) -> None:
    ending = story.run("-p", "MemoryHigh=15M", "-p", "TasksMax=50", "-p", "CPUWeight=50", "--", "true")
    assert ending.report["limits"]["memory_high"] == 15 * 1024 * 1024
    assert ending.report["limits"]["tasks_max"] == 50


def test_the_swap_limit_beside_memory_is_the_requested_one(story: Story) -> None:
    ending = story.run("--mem", "20M", "--swap", "10M", "--", "true")
    assert ending.report["limits"]["memory_swap_max"] == 10 * 1024 * 1024


def oomd(mark: bytes = b"1", *, kills: str = "cgroup.kill", where: str = "") -> str:
    """Return a program that acts like systemd-oomd: it marks a cgroup, and kills all its processes."""
    script = "import os, signal; scope = '/sys/fs/cgroup' + open('/proc/self/cgroup').read().strip()[3:]; "
    script += f"folder = scope + {where!r}; os.makedirs(folder, exist_ok=True); "
    script += "open(folder + '/cgroup.procs', 'w').write('0'); " if where else ""
    script += f"os.setxattr(folder, 'user.oomd_ooms', {mark!r}); "
    return script + ("os.kill(os.getpid(), 9)" if kills == "itself" else f"open(folder + '/{kills}', 'w').write('1')")


@pytest.mark.parametrize("policy", ["stop", "kill", "continue"])
def test_a_kill_by_systemd_oomd_is_an_oom_kill_under_every_policy(story: Story, policy: str) -> None:
    """The counters are gone, and with policy continue systemd reports nothing before version 259. The mark is read."""
    ending = story.run("--mem", "100M", "--oom-policy", policy, "--", "python3", "-c", oomd())
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["oom"] | {"limit_of": "systemd-oomd", "limit_unit": None} == ending.report["oom"]
    assert ending.report["oom"]["oomd"]["cgroup"] == ending.report["cgroup"]


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_a_kill_by_systemd_oomd_below_the_scope_is_an_oom_kill(story: Story, policy: str) -> None:
    """systemd-oomd kills leaf cgroups, and marks those."""
    ending = story.run("--oom-policy", policy, "--", "python3", "-c", oomd(where="/leaf"))
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["oom"]["limit_of"] == "systemd-oomd"


@pytest.mark.guest
@pytest.mark.parametrize("mark", [b"1", b"-5", b" 3", b"1_0"])
def test_a_kill_after_the_command_forged_systemd_oomds_mark_is_not_an_oom_kill(story: Story, mark: bytes) -> None:
    ending = story.run("--mem", "100M", "--", "python3", "-c", oomd(mark, kills="itself"))
    assert (ending.status, ending.verdict) == (137, "signal")


def test_processes_left_running_are_counted_and_keep_their_limit(story: Story) -> None:
    ending = story.run("--mem", "20M", "--unit", "leftover", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 4")
    try:
        (left,) = ending.report["left_running"]
        assert ending.status == 4
        assert pids_of(ending.report["cgroup"]) == {left["pid"]}
        assert left["name"] in {"sh", "sleep"}  # on its way from one to the other
        assert "leftover.scope" in units()
    finally:
        systemctl("stop", "leftover.scope")
