"""`scoperun --check` says what is there and what is missing, and its exit status whether a run with limits works."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS, Others, leaving_nothing

DROP_IN = Path("/run/systemd/system/user-1000.slice.d/controllers.conf")


def check(*words: str, status: int, **environment: str) -> dict[str, tuple[str, str, str | None]]:
    """Return state, what was found and the remedy, by the names of the checks."""
    done = subprocess.run(
        [*words, "scoperun", "--check", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=GENEROUS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    printed = json.loads(done.stdout)
    assert printed["can_run"] == (status == 0)
    return {each["name"]: (each["state"], each["found"], each["remedy"]) for each in printed["checks"]}


def states(checks: dict[str, tuple[str, str, str | None]]) -> dict[str, str]:
    return {name: state for name, (state, *_) in checks.items()}


RUNS = {
    "Python": "ok",
    "cgroup v2": "ok",
    "bus": "ok",
    "PID namespace": "ok",
    "memory controller": "ok",
    "pids controller": "ok",
    "cpu controller": "ok",
    "swap accounting": "ok",
    "limits": "ok",
}
"""What every guest has that can hold a limit."""


def test_a_user_is_told_that_a_run_works() -> None:
    with leaving_nothing(Others.now()):
        found = check(status=0)
    assert RUNS.items() <= states(found).items()
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert found["systemd"][1].startswith(version)
    assert found["systemd"][0] == ("limited" if version == "252" else "ok")
    assert found["kernel"][1].startswith(os.uname().release)
    assert found["systemd-oomd"][0] == "limited"
    assert found["bus"][1] == "the bus of user tester answers"
    assert found["kernel log"][:2] == ("ok", "readable: the system's journal")


@pytest.mark.guest(user="plain")
def test_a_user_without_groups_is_told_how_to_read_the_kernels_log() -> None:
    state, found, remedy = check(status=0)["kernel log"]
    assert (state, found.partition(";")[0]) == ("limited", "this user is not allowed to read the kernel log")
    assert remedy == "join group systemd-journal or adm, or set the sysctl kernel.dmesg_restrict=0"


def test_without_a_bus_no_run_works() -> None:
    nowhere = {"XDG_RUNTIME_DIR": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    found = check(status=125, **nowhere)
    state, said, remedy = found["bus"]
    assert (state, said) == (
        "missing",
        "cannot connect to the bus at unix:path=/nowhere/bus: No such file or directory",
    )
    assert f"export XDG_RUNTIME_DIR=/run/user/{os.getuid()}" in str(remedy)
    assert found["limits"][:2] == ("missing", "not tried without the bus")


def test_the_text_has_a_line_for_each_check_and_one_for_all() -> None:
    done = subprocess.run(["scoperun", "--check"], capture_output=True, text=True, timeout=GENEROUS, check=False)
    *lines, empty, last = (line for line in done.stdout.splitlines() if not line.startswith(" "))
    assert (done.returncode, done.stderr, empty, last) == (0, "", "", "A run with limits works here.")
    assert [line.split("  ")[0] in {"ok", "limited"} for line in lines] == [True] * len(check(status=0))


@pytest.mark.guest(memory_controller=False)
def test_without_the_memory_controller_no_run_with_limits_works() -> None:
    found = check(status=125)
    assert found["memory controller"][:2] == ("missing", "the kernel does not offer it: --mem would be refused")
    assert "cgroup_disable=" in str(found["memory controller"][2])
    assert found["limits"][0] == "missing"
    assert found["limits"][1].startswith("MemoryMax=64M would not be enforced: the kernel has no memory controller")


@pytest.mark.guest(user="root")
@pytest.mark.parametrize("manager", ["--user", "--system"])
def test_root_can_ask_either_manager(manager: str) -> None:
    done = subprocess.run(
        ["scoperun", "--check", "--json", manager], capture_output=True, timeout=GENEROUS, check=False
    )
    found = {each["name"]: each["state"] for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0
    assert {**RUNS, "kernel log": "ok"}.items() <= found.items()


@pytest.fixture
def kept_back(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the user manager of tester without the controller in the test's parameter."""
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text(f"[Slice]\nDisableControllers={request.param}\n", encoding="ascii")
    for words in ["daemon-reload"], ["start", "user@1000"]:
        subprocess.run(["systemctl", *words], check=True, timeout=GENEROUS)
    yield
    DROP_IN.unlink()
    DROP_IN.parent.rmdir()
    for words in ["stop", "user@1000"], ["daemon-reload"]:
        subprocess.run(["systemctl", *words], check=True, timeout=GENEROUS)


AS_TESTER = ("setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "--reset-env")


@pytest.mark.guest(user="root")
@pytest.mark.parametrize("kept_back", ["memory"], indirect=True)
@pytest.mark.usefixtures("kept_back")
def test_memory_that_is_not_delegated_is_told_with_the_remedy() -> None:
    found = check(*AS_TESTER, status=125)
    remedy = "systemctl edit user@.service, add [Service] and Delegate=cpu memory pids, and log in again"
    said = "not delegated to your manager: --mem would be refused"
    assert found["memory controller"] == ("missing", said, remedy)
    assert found["cpu controller"][0] == found["pids controller"][0] == "ok"
    assert "does not delegate the memory controller" in found["limits"][1]


@pytest.mark.guest(user="root")
@pytest.mark.parametrize("kept_back", ["cpu"], indirect=True)
@pytest.mark.usefixtures("kept_back")
def test_processors_that_are_not_delegated_limit_what_works() -> None:
    found = check(*AS_TESTER, status=0)
    said = "not delegated to your manager: --cpus and --cpu-weight would be refused"
    assert found["cpu controller"][:2] == ("limited", said)
    assert found["limits"][0] == "ok"
