"""What this machine has is told check by check, from the kernel's files, and whether a run with limits works."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scoperun.cli.check import to_json, to_text
from scoperun.kernel.facilities import Facilities
from scoperun.supervision.check import Check, Machine, State
from scoperun.supervision.machine_kernel import delegated, kernel_checks
from scoperun.supervision.machine_services import linger_check, own_name
from scoperun.supervision.version_gaps import kernel_check, systemd_check

OURS = "/user.slice/user-1000.slice/user@1000.service"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with the files of a system on which all is there."""
    files = {
        "proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
        f"sys/fs/cgroup{OURS}/cgroup.controllers": "cpuset cpu io memory pids\n",
        f"sys/fs/cgroup{OURS}/memory.max": "max\n",
        f"sys/fs/cgroup{OURS}/memory.swap.max": "max\n",
        "sys/module/zswap/parameters/enabled": "Y\n",
        "proc/self/uid_map": "         0          0 4294967295\n",
        "proc/pressure/memory": "some avg10=0.00\n",
        "etc/machine-id": "0123\n",
        "var/log/journal/0123/system.journal": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def checks(root: Path) -> dict[str, Check]:
    kernel = Facilities(str(root))
    return {check.name: check for check in (*delegated(kernel, OURS, system=False), *kernel_checks(kernel))}


def test_all_that_is_there_is_ok(root: Path) -> None:
    found = checks(root)
    assert {check.state for check in found.values()} == {State.OK}
    assert found["kernel log"].found == "readable: the system's journal"
    assert {check.remedy for check in found.values()} == {None}
    assert all(check.why for check in found.values())


@pytest.mark.parametrize(
    ("controller", "state"),
    [("memory", "missing"), ("pids", "limited"), ("cpu", "limited"), ("io", "limited"), ("cpuset", "limited")],
)
def test_a_controller_that_is_not_delegated_can_be(controller: str, state: str, root: Path) -> None:
    file = root / f"sys/fs/cgroup{OURS}/cgroup.controllers"
    file.write_text(" ".join(word for word in file.read_text().split() if word != controller))
    found = checks(root)[f"{controller} controller"]
    assert (found.state, found.found.partition(":")[0]) == (state, "not delegated to your manager")
    wanted = "cpu cpuset io memory pids" if controller in {"io", "cpuset"} else "cpu memory pids"
    assert f"Delegate={wanted}, and log in again" in str(found.remedy)
    assert found.commands[-1] == "systemctl daemon-reload"


def test_a_controller_that_the_kernel_does_not_have_cannot_be_delegated(root: Path) -> None:
    for file in root.rglob("cgroup.controllers"):
        file.write_text("cpu pids\n")
    found = checks(root)["memory controller"]
    assert (found.state, found.found) == (State.MISSING, "the kernel does not offer it: `memory_max` would be refused")
    assert str(found.remedy).startswith("use a kernel that was built with CONFIG_MEMCG; ")
    (root / "proc/self/mounts").write_text(
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
    )
    assert "remove systemd.unified_cgroup_hierarchy=0" in str(checks(root)["memory controller"].remedy)
    (root / "proc/self/mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    (root / "proc/cmdline").write_text("quiet cgroup_disable=io,memory ro\n")
    assert checks(root)["memory controller"].remedy == "remove cgroup_disable=memory from the kernel command line"


def test_the_io_controller_has_an_older_name(root: Path) -> None:
    for file in root.rglob("cgroup.controllers"):
        file.write_text("memory cpu pids\n")
    (root / "proc/cmdline").write_text("cgroup_disable=blkio\n")
    assert checks(root)["io controller"].remedy == "remove cgroup_disable=blkio from the kernel command line"
    (root / "proc/self/mounts").write_text(
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/blkio cgroup rw,blkio 0 0\n"
    )
    assert "unified_cgroup_hierarchy" in str(checks(root)["io controller"].remedy)


def test_a_kernel_that_does_not_count_swap_cannot_hold_a_limit_on_memory(root: Path) -> None:
    (root / f"sys/fs/cgroup{OURS}/memory.swap.max").unlink()
    found = checks(root)["swap accounting"]
    assert (found.state, found.remedy) == (State.MISSING, "boot with swapaccount=1")


@pytest.mark.parametrize(("text", "found"), [("N\n", "off: "), (None, "the kernel does not have it: ")])
def test_zswap_that_is_off_or_not_there_limits_what_works(text: str | None, found: str, root: Path) -> None:
    file = root / "sys/module/zswap/parameters/enabled"
    file.unlink() if text is None else file.write_text(text)
    check = checks(root)["zswap"]
    assert check.state is State.LIMITED
    assert check.found.startswith(found)


def test_pressure_that_is_not_measured_limits_what_works(root: Path) -> None:
    (root / "proc/pressure/memory").unlink()
    found = checks(root)["pressure (PSI)"]
    assert (found.state, found.remedy) == (State.LIMITED, "boot with psi=1, a kernel that was built with CONFIG_PSI")
    (root / "proc/cmdline").write_text("ro psi=1\n")
    assert checks(root)["pressure (PSI)"].remedy == "use a kernel that was built with CONFIG_PSI"


def test_a_log_that_cannot_be_read_comes_with_the_reason_and_the_remedy(root: Path) -> None:
    (root / "var/log/journal/0123/system.journal").unlink()
    found = checks(root)["kernel log"]
    assert found.state is State.LIMITED
    assert found.found.startswith("this user is not allowed to read the kernel log, and this system keeps no journal;")
    assert found.remedy == "set the sysctl kernel.dmesg_restrict=0"


@pytest.mark.parametrize(
    ("text", "found"), [("0 1000 1\n", "another one than"), ("", "another one"), (None, "not known")]
)
def test_another_user_namespace_is_told(text: str | None, found: str, root: Path) -> None:
    file = root / "proc/self/uid_map"
    file.unlink() if text is None else file.write_text(text)
    check = checks(root)["user namespace"]
    assert check.state is State.OK
    assert check.found.startswith(found)


@pytest.mark.parametrize(
    ("version", "state", "lacks"),
    [
        ("262.1-1", "ok", []),
        ("257.9-1~deb13u1", "ok", ["OOMKills="]),
        ("259~rc1", "ok", []),
        ("256.2", "ok", ["MemoryPeak=", "OOMKills="]),
        ("255.4-1ubuntu8", "ok", ["MemoryPeak=", "OOMKills="]),
        ("252.39-1~deb12u1", "limited", ["MemoryZSwapMax=", "PIDFDs=", "MemoryPeak=", "OOMKills="]),
        ("252.4", "limited", ["OOMPolicy=", "MemoryZSwapMax=", "PIDFDs=", "MemoryPeak=", "OOMKills="]),
        ("252-46.el9", "limited", ["MemoryZSwapMax=", "PIDFDs=", "MemoryPeak=", "OOMKills="]),
        ("v-next", "ok", []),
    ],
)
def test_what_a_version_of_systemd_lacks_is_told(version: str, state: str, lacks: list[str]) -> None:
    found = systemd_check(version)
    said, *gaps = found.found.split("; ")
    assert (found.state, said, [re.findall(r"\w+=", gap)[0] for gap in gaps]) == (state, version, lacks)


def test_a_systemd_that_is_not_tested_is_told() -> None:
    found = systemd_check("249.11-0ubuntu3")
    assert (found.state, "is older than 252" in found.found) == (State.LIMITED, True)


@pytest.mark.parametrize(
    ("release", "state", "lacks"),
    [
        ("7.2.7", "ok", 0),
        ("6.12.57+deb13-amd64", "ok", 1),
        ("6.1.0-40-amd64", "ok", 2),
        ("5.10.0-35-amd64", "limited", 5),
        ("6.18", "ok", 0),
    ],
)
def test_what_a_kernel_lacks_is_told(release: str, state: str, lacks: int) -> None:
    found = kernel_check(release)
    assert (found.state, found.found.count("; ")) == (state, lacks)


def test_a_manager_that_ends_with_the_session_is_told(tmp_path: Path) -> None:
    assert linger_check(str(tmp_path)).state is State.LIMITED
    (tmp_path / "var/lib/systemd/linger").mkdir(parents=True)
    (tmp_path / "var/lib/systemd/linger" / own_name()).touch()
    assert linger_check(str(tmp_path)).state is State.OK


def test_without_cgroup_v2_no_controller_is_there(root: Path) -> None:
    (root / "proc/self/mounts").write_text("cgroup /sys/fs/cgroup cgroup rw 0 0\n")
    found = checks(root)
    assert found["memory controller"].state is found["swap accounting"].state is State.MISSING


MACHINE = Machine(
    (
        Check(name="bus", state=State.OK, found="the bus of user x\x1b[2J answers"),
        Check(name="zswap", state=State.LIMITED, found="off: `memory_zswap_max` has no effect", remedy="switch it on"),
    )
)
BROKEN = Machine((*MACHINE.checks, Check(name="limits", state=State.MISSING, found="not tried")))


def test_the_text_is_a_line_for_each_check_and_one_for_all() -> None:
    assert to_text(MACHINE).splitlines() == [
        r"ok       bus    the bus of user x\x1b[2J answers",
        "limited  zswap  off: --zswap has no effect (switch it on)",
        "",
        "A run with limits works here.",
    ]
    assert to_text(BROKEN).endswith("\nmissing  limits  not tried\n\nA run with limits would not work here.")


def test_the_json_is_one_object() -> None:
    printed = json.loads(to_json(BROKEN))
    assert printed["can_run"] is False
    assert printed["checks"][1] == {
        "name": "zswap",
        "state": "limited",
        "found": "off: --zswap has no effect",
        "why": "--zswap limits what the kernel keeps compressed in memory in place of swap.",
        "remedy": "switch it on",
        "commands": [],
    }


def check(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    here = {"XDG_RUNTIME_DIR": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus", **environment}
    command = [sys.executable, "-m", "scoperun", "--check", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | here, check=False)


def test_without_a_bus_it_says_so_and_fails() -> None:
    done = check("--json")
    found = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert (done.returncode, done.stderr, found["Python"]["state"], found["bus"]["state"]) == (125, "", "ok", "missing")
    assert found["bus"]["found"] == "cannot connect to the bus at unix:path=/nowhere/bus: No such file or directory"


def test_a_command_is_not_checked() -> None:
    assert check("--", "true").stderr == "scoperun: --check takes no command\n"


def test_a_config_file_that_no_run_would_accept_is_told(tmp_path: Path) -> None:
    (tmp_path / "scoperun").mkdir()
    (tmp_path / "scoperun/config.toml").write_text("[defaults]\nmem = 'x'\n")
    done = check(XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1)
    assert "/scoperun/config.toml:2: mem: 'x' is not a valid size" in done.stderr


def test_an_output_that_cannot_be_written_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        assert stat.S_ISCHR(os.fstat(full.fileno()).st_mode)
        command = [sys.executable, "-m", "scoperun", "--check"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (125, b"scoperun: cannot print the checks: No space left on device\n")
