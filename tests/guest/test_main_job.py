"""The main job: a command under a limit, and the truth about its end."""

import os
import subprocess
from pathlib import Path

import pytest

from .story import Ending, Story, pids_of, systemctl, units

LIMIT = 20 * 1024 * 1024

# The lines that bigleak2 prints before the kernel kills it at 20 MiB: its last word is the 20th MiB.
LINES = b"".join(b"i = %d\n" % (n * 1024 * 1024) for n in range(20))


@pytest.fixture(scope="module")
def leak(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    """Return how the main job ends."""
    story = Story(examples, tmp_path_factory.mktemp("leak") / "report.json")
    return story.run("--mem", "20M", "--unit", "leak", "--", "./bigleak2")


def test_a_leak_is_killed_at_its_limit_and_reported_as_such(leak: Ending) -> None:
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


def test_the_commands_output_is_its_own(leak: Ending) -> None:
    assert leak.stdout == LINES


def test_the_report_in_words_is_a_handful_of_lines(leak: Ending) -> None:
    scope, verdict, needed, memory, runtime = leak.stderr.splitlines()
    assert scope == f"     Scope: leak.scope; invocation {leak.report['invocation_id']}"
    killed = f"the kernel killed bigleak2 (pid {leak.report['pid']}, 19.9M) at the scope's limit of 20M (MemoryMax=)"
    assert verdict == f"   Verdict: oom-kill: out of memory: {killed}"
    assert needed.startswith("    Needed: more than 20M, how much more is not known")
    assert memory == "    Memory: peak 20M of 20M, OOM kills 1"
    assert runtime.startswith("   Runtime: ")


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_the_commands_locale_is_not_pythons(story: Story, given: dict[str, str]) -> None:
    """In the C locale Python sets $LC_CTYPE for itself."""
    environment = {name: value for name, value in os.environ.items() if name not in {"LANG", "LC_ALL", "LC_CTYPE"}}
    words = ["scoperun", "-q", "--", "sh", "-c", "env | grep ^LC_ || true"]
    shown = subprocess.run(words, env=environment | given, capture_output=True, text=True, check=True).stdout
    assert shown == "".join(f"{name}={value}\n" for name, value in given.items())


def test_untouched_memory_is_no_leak_and_a_timeout_is_told_from_an_oom(story: Story) -> None:
    ending = story.run("--mem", "20M", "--timeout", "2s", "--", "./bigleak")
    assert ending.status == 124
    assert (ending.verdict, ending.report["result"]) == ("timeout", "timeout")
    assert ending.report["memory"]["events"]["oom_kill"] == 0
    assert ending.report["memory"]["peak"] < 1024 * 1024
    assert ending.report["oom"] is None
    assert ending.stdout.startswith(b"allocated 52428800 bytes")


def test_under_policy_continue_the_shell_survives_its_child_and_the_verdict_is_still_an_oom(story: Story) -> None:
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


def test_under_policy_kill_everything_dies_and_the_verdict_stands_without_the_counters(story: Story) -> None:
    # systemd stops the scope too, and its SIGTERM may be first.
    script = "trap '' TERM; ./bigleak2; sleep 1000"
    ending = story.run("--mem", "20M", "--oom-policy", "kill", "--", "sh", "-c", script)
    assert ending.status == 137
    assert (ending.verdict, ending.report["result"]) == ("oom-kill", "oom-kill")
    assert ending.report["oom"]["policy"] == "kill"
    assert ending.report["left_running"] == []


def test_a_kill_is_no_oom(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "sh", "-c", "kill -9 $$")
    assert ending.status == 137
    assert ending.verdict == "signal"
    assert ending.report["oom"] is None
    assert ending.report["memory"]["events"]["oom_kill"] == 0
    assert "out of memory" not in ending.stderr


@pytest.mark.parametrize("status", [0, 3, 125, 255])
def test_an_exit_status_is_the_commands_own(story: Story, status: int) -> None:
    ending = story.run("--mem", "20M", "--", "sh", "-c", f"exit {status}")
    assert ending.status == ending.report["exit_code"] == status
    assert ending.verdict == ("exit-code" if status else "success")


def test_what_cannot_be_executed_is_126_and_says_why(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "/etc/passwd")
    assert ending.status == 126
    assert ending.stderr == "scoperun: cannot run '/etc/passwd': Permission denied\n"


def test_what_is_not_found_is_127_and_says_so(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "no-such-command")
    assert ending.status == 127
    assert ending.stderr.startswith("scoperun: 'no-such-command': command not found (no shell is involved: ")


def test_a_run_that_ends_well_is_one_line_and_with_quiet_none(story: Story) -> None:
    assert story.run("--mem", "20M", "--", "true").stderr.count("\n") == 1
    assert story.run("-q", "--mem", "20M", "--", "true").stderr == ""


def test_quiet_still_tells_of_an_oom(story: Story) -> None:
    assert "out of memory" in story.run("-q", "--mem", "20M", "--", "./bigleak2").stderr


def test_the_report_names_what_ran_where(story: Story) -> None:
    report = story.run("--mem", "20M", "--slice", "scoperun", "--", "sh", "-c", "exit 0").report
    assert report["slice"] == "scoperun.slice"
    assert report["cgroup"].endswith(f"/scoperun.slice/{report['unit']}")
    assert report["command"] == ["sh", "-c", "exit 0"]
    assert report["schema"] == 1
    assert len(report["invocation_id"]) == 32


def test_the_command_knows_its_invocation(story: Story) -> None:
    ending = story.run("--", "sh", "-c", "echo $INVOCATION_ID")
    assert ending.stdout.decode().strip() == ending.report["invocation_id"]


def test_any_scope_property_can_be_set(story: Story) -> None:
    ending = story.run("-p", "MemoryHigh=15M", "-p", "TasksMax=50", "-p", "CPUWeight=50", "--", "true")
    assert ending.report["limits"]["memory_high"] == 15 * 1024 * 1024
    assert ending.report["limits"]["tasks_max"] == 50


def test_swap_beside_memory_is_what_was_asked(story: Story) -> None:
    ending = story.run("--mem", "20M", "--swap", "10M", "--", "true")
    assert ending.report["limits"]["memory_swap_max"] == 10 * 1024 * 1024


def oomd(mark: bytes = b"1", *, kills: str = "cgroup.kill", where: str = "") -> str:
    """Return a program that does what systemd-oomd does: it marks a cgroup, and kills all that is in it."""
    script = "import os, signal; scope = '/sys/fs/cgroup' + open('/proc/self/cgroup').read().strip()[3:]; "
    script += f"folder = scope + {where!r}; os.makedirs(folder, exist_ok=True); "
    script += "open(folder + '/cgroup.procs', 'w').write('0'); " if where else ""
    script += f"os.setxattr(folder, 'user.oomd_ooms', {mark!r}); "
    return script + ("os.kill(os.getpid(), 9)" if kills == "itself" else f"open(folder + '/{kills}', 'w').write('1')")


@pytest.mark.parametrize("policy", ["stop", "kill", "continue"])
def test_a_kill_by_systemd_oomd_is_an_oom_under_every_policy(story: Story, policy: str) -> None:
    """It takes the counters along, and under continue systemd says nothing of it before 259."""
    ending = story.run("--mem", "100M", "--oom-policy", policy, "--", "python3", "-c", oomd())
    assert ending.status == 137
    assert ending.verdict in ({"oom-kill", "unknown"} if policy == "continue" else {"oom-kill"})
    if ending.verdict == "oom-kill":
        is_gone = ending.report["memory"]["events"] is None
        assert ending.report["oom"]["limit_of"] in {"systemd-oomd", *(["unknown"] if is_gone else [])}


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_a_kill_by_systemd_oomd_below_the_scope_is_an_oom(story: Story, policy: str) -> None:
    """It kills leaves, and marks those."""
    ending = story.run("--oom-policy", policy, "--", "python3", "-c", oomd(where="/leaf"))
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["oom"]["limit_of"] == "systemd-oomd"


@pytest.mark.parametrize("mark", [b"1", b"-5", b" 3", b"1_0"])
def test_a_command_that_marks_its_own_scope_and_is_killed_was_not_killed_by_systemd_oomd(
    story: Story, mark: bytes
) -> None:
    ending = story.run("--mem", "100M", "--", "python3", "-c", oomd(mark, kills="itself"))
    assert (ending.status, ending.verdict) == (137, "signal")


def test_what_is_left_running_is_counted_and_lives_on_under_its_limit(story: Story) -> None:
    ending = story.run("--mem", "20M", "--unit", "leftover", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 4")
    try:
        (left,) = ending.report["left_running"]
        assert ending.status == 4
        assert pids_of(ending.report["cgroup"]) == {left["pid"]}
        assert left["name"] in {"sh", "sleep"}  # on its way from the one to the other
        assert "leftover.scope" in units()
    finally:
        systemctl("stop", "leftover.scope")
