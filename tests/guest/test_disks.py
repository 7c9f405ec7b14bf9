"""The drop-in of the README delegates io and cpuset to the users' managers: then limits on disks and processors hold.

Debian's own kernels have these controllers. The tests run as root, which writes the drop-in and starts a user's
manager.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.documents import README, snippets
from tests.schema import validated

from .story import GENEROUS

pytestmark = pytest.mark.guest(user="root", kernel="stock", swap="512M")  # not for the swap, but for the row

USER = 1001  # plain
DROP_IN = Path("/etc/systemd/system/user@.service.d/50-delegate.conf")
AS_USER = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--reset-env"),
    *("env", f"XDG_RUNTIME_DIR=/run/user/{USER}"),
)
MIB = 1 << 20
RATE = 1_000_000

# Writes a MiB past the page cache; then prints the processors that it can use, and how long it waited for disks.
WRITER = """
import os, subprocess, sys
subprocess.run(["dd", "if=/dev/zero", "bs=64k", "count=16", "oflag=direct", "conv=fsync", f"of={sys.argv[1]}"],
               check=True, stderr=subprocess.DEVNULL)
cgroup = open("/proc/self/cgroup").read().strip().removeprefix("0::")
some = open(f"/sys/fs/cgroup{cgroup}/io.pressure").readline()
print(sorted(os.sched_getaffinity(0)), some.rpartition("total=")[2])
"""


@dataclass(frozen=True)
class Ended:
    """A run of the user: exit status, output, and the report if there is one."""

    status: int
    out: str
    err: str
    report: dict[str, Any]


def scoperun(*words: str) -> Ended:
    """Run scoperun as the user."""
    done = subprocess.run(
        [*AS_USER, "scoperun", "--json", *words], capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    *others, last = done.stderr.splitlines()
    is_report = last.startswith("{")
    report = validated(last) if is_report else {}
    return Ended(done.returncode, done.stdout, "\n".join(others if is_report else [*others, last]), report)


def systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True, timeout=GENEROUS)


@pytest.fixture(scope="module")
def delegated() -> Iterator[None]:
    """Do what the README says: write the drop-in, have it read, and start the user's manager after that."""
    (drop_in,) = [text for text in snippets("ini") if "Delegate=" in text]
    assert f"`{DROP_IN}`" in README
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text(drop_in, encoding="ascii")
    systemctl("daemon-reload")
    systemctl("start", f"user@{USER}")
    yield
    systemctl("stop", f"user@{USER}")
    DROP_IN.unlink()
    systemctl("daemon-reload")


@pytest.fixture
def out(tmp_path: Path) -> Iterator[str]:
    """Return a file on the disk that the user can write."""
    file = Path("/var/tmp/written-by-a-test")  # noqa: S108  tmp_path is root's
    file.touch()
    file.chmod(0o666)
    yield str(file)
    file.unlink()


@pytest.mark.usefixtures("delegated")
def test_a_delegated_limit_holds_and_the_use_is_reported(out: str) -> None:
    limits = ("-p", f"IOWriteBandwidthMax={out} 1M", "-p", "AllowedCPUs=0")
    limited = scoperun(*limits, "--", sys.executable, "-c", WRITER, out)
    free = scoperun("-p", "IOAccounting=yes", "--", sys.executable, "-c", WRITER, out)
    processors, waited = limited.out.rsplit(maxsplit=1)
    all_processors, waited_free = free.out.rsplit(maxsplit=1)
    assert (processors, all_processors) == ("[0]", "[0, 1]")
    for ended in limited, free:
        use = ended.report["io"]
        assert MIB <= use["written"] < 2 * MIB
        assert use["writes"] >= 16
    # By the kernel's own account: it delays what exceeds the rate.
    assert int(waited) > MIB / RATE * 1e6 / 2
    assert int(waited_free) < int(waited) / 2


@pytest.mark.usefixtures("delegated")
def test_other_delegated_limits_are_in_force_or_refused() -> None:
    """Debian's cloud kernels have neither io.latency nor a disk that shares by weight."""
    limits = ("IOReadIOPSMax=/ 100", "IOReadBandwidthMax=/ 3M", "IOWriteIOPSMax=/ 200", "AllowedMemoryNodes=0")
    ended = scoperun(*(word for limit in limits for word in ("-p", limit)), "--", "true")
    assert (ended.status, ended.err) == (0, "")
    for setting, reason in {
        "AllowedCPUs=7": "what the scope can use is 0-1",
        "AllowedMemoryNodes=7": "what the scope can use is 0",
        "IOWeight=50": "no disk here shares its time by weight",
        "IODeviceWeight=/ 50": "no disk here shares its time by weight",
        "IODeviceLatencyTargetSec=/ 50ms": "this kernel has no io.latency",
    }.items():
        ended = scoperun("-p", setting, "--", "true")
        assert (ended.status, ended.report) == (125, {})
        assert f"{setting.partition('=')[0]}= would not be enforced: {reason}" in ended.err


# The README's table of what each kernel and systemd has.

FEATURES: dict[str, Callable[[], bool]] = {
    "`memory.peak`": lambda: known()["memory"]["peak"] is not None,
    "`memory.swap_peak`": lambda: known()["memory"]["swap_peak"] is not None,
    "`tasks_peak`": lambda: known()["tasks_peak"] is not None,
    "`limits.memory_zswap_max`, `--zswap`": lambda: (
        known()["limits"]["memory_zswap_max"] is not None and scoperun("--zswap", "1M", "--", "true").status == 0
    ),
    "`io`, limits on disks": lambda: known()["io"] is not None,
    "`AllowedCPUs=`, `AllowedMemoryNodes=`": lambda: known()["verdict"] == "success",
    "`IODeviceLatencyTargetSec=`": lambda: Path("/sys/fs/cgroup/user.slice/io.latency").exists(),
    "`pressure` (PSI)": lambda: known()["pressure"] is not None,
    "`--soft-pressure`": lambda: scoperun("--soft-pressure", "30%/2s", "--", "true").status == 0,
    "`--oom-policy`": lambda: known()["verdict"] == "success",
    "limits of systemd-oomd, `ManagedOOM…=`": lambda: (
        Path("/proc/pressure/memory").exists() and has_property("ManagedOOMMemoryPressure")
    ),
    "a count of OOM kills by systemd": lambda: has_property("OOMKills"),
    "a peak of memory kept by systemd": lambda: has_property("MemoryPeak"),
}


def has_property(name: str) -> bool:
    """Tell whether this systemd has a property of scopes."""
    shown = subprocess.run(
        ["systemctl", "show", "-p", name, "init.scope"], check=True, capture_output=True, text=True, timeout=GENEROUS
    )
    return shown.stdout.startswith(f"{name}=")


_KNOWN: list[dict[str, Any]] = []


def known() -> dict[str, Any]:
    """Return the report of one run with all that the kernel can count, and with limits that might be refused."""
    if not _KNOWN:
        words = ("--mem", "50M", "--oom-policy", "continue", "-p", "IOAccounting=yes", "-p", "AllowedCPUs=0")
        _KNOWN.append(scoperun(*words, "--", "true").report)
    return _KNOWN[0]


def column() -> dict[str, bool]:
    """Return what the README's table says about this machine, by feature."""
    version = subprocess.run(["systemctl", "--version"], check=True, capture_output=True, text=True, timeout=GENEROUS)
    systemd = version.stdout.split()[1]
    heading, _, *rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in re.findall(r"^\| feature .*(?:\n\|.*)*", README, flags=re.MULTILINE)[0].splitlines()
    ]
    (number,) = [number for number, cell in enumerate(heading) if cell.endswith(f", {systemd})")]
    return {row[0]: {"yes": True, "no": False}[row[number]] for row in rows}


@pytest.mark.usefixtures("delegated")
def test_the_table_says_what_is_there() -> None:
    assert {feature: is_there() for feature, is_there in FEATURES.items()} == column()
