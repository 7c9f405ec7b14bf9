"""In a PID namespace with a bus from outside our PIDs mean other processes there, and none of those is touched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS, Others, cgroup_of, systemctl, units

OWN_PROC = ("unshare", "-U", "--map-current-user", "--keep-caps", "-m", "-p", "-f", "--mount-proc")
PROC_FROM_OUTSIDE = ("unshare", "-U", "--map-root-user", "-p", "-f")
NESTED = (*OWN_PROC, *OWN_PROC)

LIMITS = (
    *("--mem", "20M", "--mem-high", "15M", "--tasks", "5", "--cpus", "0.5", "--cpu-weight", "7", "--timeout", "100"),
    *("-p", "AllowedCPUs=0", "-p", "DevicePolicy=strict", "-p", "TasksMax=5%"),
)
UNLIMITED = dict.fromkeys(("memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max"), "max") | {
    "cpu.weight": "100"
}

LIBRARY = "import scoperun; scoperun.run_sync(['true'], limits=scoperun.Limits(memory_max=20 * scoperun.MiB))"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=GENEROUS, check=False
    )


@pytest.mark.parametrize("namespace", [OWN_PROC, PROC_FROM_OUTSIDE, NESTED])
@pytest.mark.parametrize("option", ["--mem=20M", "--no-require-limits"])
def test_nothing_is_started_in_a_pid_namespace_with_a_bus_from_outside(
    namespace: tuple[str, ...], option: str, clean: Others
) -> None:
    refused = run(*namespace, "scoperun", option, "--", "echo", "ran")
    assert (refused.returncode, refused.stdout) == (125, "")
    assert refused.stderr.startswith("scoperun: this bus is in another PID namespace")
    assert refused.stderr.count("\n") == 1
    assert units() == clean.units


def test_the_library_starts_nothing_there_either(clean: Others) -> None:
    refused = run(*OWN_PROC, sys.executable, "-c", LIBRARY)
    assert refused.stderr.splitlines()[-1].startswith("scoperun.errors.BusUnavailable: this bus is in another PID")
    assert units() == clean.units


def test_a_command_that_would_be_pid_1_of_a_namespace_is_refused(clean: Others) -> None:
    """Its end would wait for the keeper's, which lives until the command has ended."""
    refused = run("unshare", "-U", "--map-root-user", "-p", "scoperun", "--", "echo", "ran")
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "scoperun -- unshare --pid --fork COMMAND" in refused.stderr


def test_a_command_can_create_its_own_namespace(clean: Others) -> None:
    script = "echo $$; grep NSpid /proc/self/status"
    done = run("scoperun", "-q", "--mem", "200M", "--", *OWN_PROC, "sh", "-c", script)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1")


@pytest.fixture
def strangers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start two processes with consecutive PIDs."""
    started = [subprocess.Popen(["sleep", "1000"])]
    while True:
        started.append(subprocess.Popen(["sleep", "1000"]))
        if started[-1].pid == started[-2].pid + 1:
            break
    yield started[-2:]
    for each in started:
        each.kill()
        each.wait()


@pytest.mark.parametrize("option", ["--require-limits", "--no-require-limits"])
def test_strangers_that_were_mistaken_for_ours_are_released(
    option: str, strangers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """The bus lies about our PID, so that the strangers are in the scope before scoperun knows."""
    first, second = (each.pid for each in strangers)
    refused = run(
        *(*OWN_PROC, sys.executable, "-m", "tests.guest.inside_namespace", str(first), f"{tmp_path}/bus"),
        *("scoperun", "-q", "--unit", "taken", option, *LIMITS, "--", "echo", "ran"),
    )
    assert (refused.returncode, refused.stdout) == (125, ""), refused.stderr
    let_go = f"has put other processes into the scope (there {first}, {second}); their limits were lifted again\n"
    assert refused.stderr.endswith(let_go)
    assert refused.stderr.count("\n") == 1
    assert [each.poll() for each in strangers] == [None, None]
    folder = Path(f"/sys/fs/cgroup{cgroup_of(first)}")
    assert folder.name == "taken.scope"
    held = {file: (folder / file).read_text().split()[0] for file in UNLIMITED if (folder / file).exists()}
    assert held == {file: UNLIMITED[file] for file in held}
    assert "memory.max" in held
    assert systemctl("show", "-P", "SubState", "taken.scope") == "abandoned\n"
