"""As root: the system's manager, and commands that run as somebody else."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.lab_only import lab_only
from tests.systemd.story import GENEROUS, Story

pytestmark = lab_only


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    shutil.copy(examples / "bigleak2", tmp_path)
    tmp_path.chmod(0o755)
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


def as_tester(*words: str) -> subprocess.CompletedProcess[str]:
    """Run scoperun as an ordinary user."""
    return subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "--reset-env", "scoperun", *words],
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


def test_the_main_job_is_done_by_the_system_manager_too(story: Story) -> None:
    ending = story.run("--system", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict, ending.report["result"]) == (137, "oom-kill", "oom-kill")
    assert ending.report["manager"] == "system"
    assert ending.report["cgroup"] == f"/system.slice/{ending.report['unit']}"


def test_the_system_manager_is_not_for_ordinary_users(story: Story) -> None:
    refused = as_tester("--system", "--", "touch", "/tmp/ran-as-root")  # noqa: S108  it must not
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "polkit does not allow this user to start units" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not Path("/tmp/ran-as-root").exists()  # noqa: S108


def test_an_ordinary_user_cannot_become_another(story: Story) -> None:
    refused = as_tester("--uid", "plain", "--system", "--", "true")
    assert (refused.returncode, refused.stderr.count("\n")) == (125, 1)


def test_the_command_runs_as_the_user_with_the_users_groups_and_variables(story: Story) -> None:
    script = "id -un; id -gn; id -Gn; echo $HOME $USER $LOGNAME $SHELL; nice"
    tester = pwd.getpwnam("tester")
    ending = story.run("--system", "--uid", "tester", "--nice", "-5", "--", "sh", "-c", script)
    user, group, groups, variables, nice = ending.stdout.decode().splitlines()
    assert (user, group) == ("tester", "tester")
    assert set(groups.split()) == {"tester", "systemd-journal"}
    assert variables == f"{tester.pw_dir} tester tester {tester.pw_shell}"
    assert nice == "-5"


def test_a_group_beside_the_user_is_the_commands(story: Story) -> None:
    ending = story.run("--system", "--uid", "plain", "--gid", "systemd-journal", "--", "id", "-gn")
    assert ending.stdout == b"systemd-journal\n"


def test_root_cannot_be_regained_nor_any_of_its_rights(story: Story) -> None:
    """Whatever the command tries: user, group, groups; and no capability is left in any of its sets."""
    script = """
import os
def attempt(call, *arguments):
    try:
        call(*arguments)
    except PermissionError:
        return
    print(call.__name__, arguments)
for call in (os.setuid, os.seteuid, os.setgid, os.setegid):
    attempt(call, 0)
attempt(os.setresuid, 0, 0, 0)
attempt(os.setresgid, 0, 0, 0)
attempt(os.setgroups, [0])
attempt(os.setpriority, os.PRIO_PROCESS, 0, -10)
print(os.getresuid(), os.getresgid(), 0 in os.getgroups())
for line in open("/proc/self/status"):
    if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb")):
        print(int(line.split()[1], 16))
"""
    ending = story.run("--system", "--uid", "plain", "--", "python3", "-c", script)
    plain = pwd.getpwnam("plain")
    ids = f"{(plain.pw_uid,) * 3} {(plain.pw_gid,) * 3} False"
    assert ending.stdout.decode().splitlines() == [ids, "0", "0", "0", "0"]


def test_the_directory_is_entered_as_the_user(story: Story, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ending = story.run("--system", "--uid", "plain", "-d", str(closed), "--", "pwd")
    assert (ending.status, ending.stdout) == (125, b"")
    assert ending.stderr == f"scoperun: cannot start the command: {closed}: Permission denied\n"


@pytest.mark.parametrize("option", ["--uid", "--gid"])
def test_who_is_not_there_is_refused(story: Story, option: str) -> None:
    line = story.refused("--system", option, "no-such", "--", "true")
    assert f"{option}: there is no" in line


def test_nothing_is_left_of_it(story: Story) -> None:
    story.run("--system", "--unit", "gone", "--mem", "20M", "--", "./bigleak2")
    shown = subprocess.run(["systemctl", "show", "-P", "LoadState", "gone.scope"], capture_output=True, check=True)
    assert shown.stdout == b"not-found\n"
    assert os.getuid() == 0
