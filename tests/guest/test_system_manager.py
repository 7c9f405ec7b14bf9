"""As root: the system's manager, and commands that run as another user."""

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .story import GENEROUS, Story
from .terminal import interactive_shell

pytestmark = pytest.mark.guest(user="root")


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    shutil.copy(examples / "bigleak2", tmp_path)
    tmp_path.chmod(0o755)
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


def as_tester(*words: str, program: str = "scoperun") -> subprocess.CompletedProcess[str]:
    """Run scoperun or scopectl as an ordinary user."""
    return subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "--reset-env", program, *words],
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


def test_the_main_job_works_with_the_system_manager(story: Story) -> None:
    ending = story.run("--system", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict, ending.report["result"]) == (137, "oom-kill", "oom-kill")
    assert ending.report["manager"] == "system"
    assert ending.report["cgroup"] == f"/system.slice/{ending.report['unit']}"


def test_the_system_manager_refuses_ordinary_users(story: Story) -> None:
    refused = as_tester("--system", "--", "touch", "/tmp/ran-as-root")  # noqa: S108  it must not
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "polkit does not allow this user to start units" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not Path("/tmp/ran-as-root").exists()  # noqa: S108
    refused = as_tester("kill", "--system", "-s", "CONT", "dbus.service", program="scopectl")
    said = "scopectl: dbus.service: polkit does not allow this user to do that: "
    assert (refused.returncode, refused.stdout, refused.stderr.startswith(said)) == (1, "", True)
    assert refused.stderr.endswith(" (--system requires root)\n")


def test_an_ordinary_user_cannot_become_another(story: Story) -> None:
    refused = as_tester("--uid", "plain", "--system", "--", "true")
    assert (refused.returncode, refused.stderr.count("\n")) == (125, 1)


def test_the_command_runs_as_the_user_with_its_groups_and_variables(story: Story) -> None:
    script = "id -un; id -gn; id -Gn; echo $HOME $USER $LOGNAME $SHELL; nice"
    tester = pwd.getpwnam("tester")
    ending = story.run("--system", "--uid", "tester", "--nice", "-5", "--", "sh", "-c", script)
    user, group, groups, variables, nice = ending.stdout.decode().splitlines()
    assert (user, group) == ("tester", "tester")
    assert set(groups.split()) == {"tester", "systemd-journal"}
    assert variables == f"{tester.pw_dir} tester tester {tester.pw_shell}"
    assert nice == "-5"


def test_root_can_spare_a_command_that_runs_as_another_user(story: Story) -> None:
    """The kernel allows that to root, so it is done before root's rights are given up."""
    words = ("--system", "--uid", "tester", "--oom-score-adj", "-500", "--", "cat", "/proc/self/oom_score_adj")
    assert story.run(*words).stdout == b"-500\n"


def test_the_kernel_kills_the_keeper_in_place_of_a_command_at_minus_1000(story: Story) -> None:
    """The scope is then stopped, and the verdict says why."""
    ending = story.run("--system", "--oom-score-adj", "-1000", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (143, "oom-kill")
    assert ending.report["oom"]["victims"] is None


def test_a_group_can_be_set_beside_the_user(story: Story) -> None:
    ending = story.run("--system", "--uid", "plain", "--gid", "systemd-journal", "--", "id", "-gn")
    assert ending.stdout == b"systemd-journal\n"


def test_the_command_cannot_regain_root_or_any_capability(story: Story) -> None:
    """It tries to regain user, group and groups; and no capability is left in any of its sets."""
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
    assert ending.stderr == f"scoperun: cannot start the command: -d {closed}: Permission denied\n"


@pytest.mark.parametrize("option", ["--uid", "--gid"])
def test_an_unknown_user_is_refused(story: Story, option: str) -> None:
    line = story.refused("--system", option, "no-such", "--", "true")
    assert f"{option}: there is no" in line


def test_nothing_is_left_behind(story: Story) -> None:
    story.run("--system", "--unit", "gone", "--mem", "20M", "--", "./bigleak2")
    shown = subprocess.run(["systemctl", "show", "-P", "LoadState", "gone.scope"], capture_output=True, check=True)
    assert shown.stdout == b"not-found\n"
    assert os.getuid() == 0


BUS = "DBUS_SESSION_BUS_ADDRESS"
OURS = {"XDG_RUNTIME_DIR": "/run/user/0", BUS: "unix:path=/run/user/0/bus"}
SHOW = 'echo "${XDG_RUNTIME_DIR-none} ${DBUS_SESSION_BUS_ADDRESS-none}"'


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--uid", "plain"], "none none"),
        (["--uid", "plain", "-E", "XDG_RUNTIME_DIR=/x", "-E", "DBUS_SESSION_BUS_ADDRESS"], f"/x {OURS[BUS]}"),
        (["--uid", "root"], " ".join(OURS.values())),
        (["--gid", "plain"], " ".join(OURS.values())),
        ([], " ".join(OURS.values())),
    ],
)
def test_variables_for_roots_own_bus_are_not_passed_to_another_user(story: Story, words: list[str], shown: str) -> None:
    ending = story.run("-q", "--system", *words, "--", "sh", "-c", SHOW, **OURS)
    assert ending.stdout.decode() == f"{shown}\n"


SYSCTL = "dev.tty.legacy_tiocsti"
TYPES = "import fcntl, termios\nfor key in b'echo ty\\'\\'ped\\n': fcntl.ioctl(0, termios.TIOCSTI, bytes([key]))"
WARNED = "warning: user plain could type commands at this terminal for root's shell (TIOCSTI)"


@pytest.fixture
def legacy_tiocsti() -> Iterator[Callable[[int], None]]:
    """Return a function that sets the sysctl, which is restored afterwards."""

    def set_to(value: int) -> None:
        subprocess.run(["sysctl", "-qw", f"{SYSCTL}={value}"], check=True)

    before = subprocess.run(["sysctl", "-n", SYSCTL], capture_output=True, text=True, check=True).stdout
    yield set_to
    set_to(int(before))


def test_there_is_a_warning_if_the_command_could_type_at_roots_terminal(
    story: Story, legacy_tiocsti: Callable[[int], None]
) -> None:
    """And it can: root's shell reads what it types next."""
    legacy_tiocsti(1)
    with interactive_shell(story) as term:
        term.type(f"scoperun --system --uid plain -- python3 -c {shlex.quote(TYPES)}; echo do''ne\n")
        term.wait_for(WARNED)
        term.wait_for("done\r\n")
        term.wait_for("\rtyped\r\n")


@pytest.mark.parametrize(
    ("tiocsti", "words"), [(0, ["--uid", "plain"]), (1, ["-q", "--uid", "plain"]), (1, ["--uid", "root"]), (1, [])]
)
def test_there_is_no_warning_if_it_could_not_or_with_quiet(
    story: Story, legacy_tiocsti: Callable[[int], None], tiocsti: int, words: list[str]
) -> None:
    legacy_tiocsti(tiocsti)
    with interactive_shell(story) as term:
        term.type(f"scoperun --system {shlex.join(words)} -- echo r''an; echo do''ne\n")
        assert "warning" not in term.wait_for("ran\r\n") + term.wait_for("done\r\n")


def test_without_a_terminal_there_is_no_warning(story: Story, legacy_tiocsti: Callable[[int], None]) -> None:
    legacy_tiocsti(1)
    assert "warning" not in story.run("--system", "--uid", "plain", "--", "true").stderr
