"""A property means the same to scoperun and systemd-run: systemd shows the same for a scope of each.

The command line passes -p to the library unchanged, so these tests use the library.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import scoperun
from scoperun import Limits, MiB

from .story import GENEROUS, Story, systemctl
from .waiting import line_from

COMMAND = ["sleep", "1000"]
REFUSED = "refused"
NO_LIMITS = Limits()


@dataclass(frozen=True)
class Row:
    """A property as it is written, how systemd shows it, and the first and last systemd that has it."""

    text: str
    shown_as: str = ""
    since: int = 0
    until: int = 999

    @property
    def shown(self) -> str:
        return self.shown_as or self.text.partition("=")[0]


def rows(*texts: str, since: int = 0, until: int = 999) -> list[Row]:
    return [Row(text, since=since, until=until) for text in texts]


RESOURCES = [
    *rows(
        "MemoryMin=1M", "MemoryLow=2M", "MemoryHigh=100M", "MemoryMax=200M", "MemorySwapMax=3M", "CPUWeight=50",
        "StartupCPUWeight=60", "TasksMax=500", "IOAccounting=yes", "IOWeight=70", "StartupIOWeight=80",
        "AllowedCPUs=0-3,7", "StartupAllowedCPUs=0 70", "AllowedMemoryNodes=0", "StartupAllowedMemoryNodes=0-1",
        "DisableControllers=io cpuset", "OOMPolicy=continue", "ManagedOOMSwap=kill", "ManagedOOMMemoryPressure=kill",
        "ManagedOOMMemoryPressureLimit=12.34%",
    ),
    Row("CPUQuota=150%", "CPUQuotaPerSecUSec"),
    Row("CPUQuotaPeriodSec=20ms", "CPUQuotaPeriodUSec"),
    *rows("MemoryZSwapMax=4M", since=253),
    *rows("MemoryPressureWatch=off", since=254),
    *rows("CPUSetPartition=member", "OOMRules=one two", "CPUPressureWatch=skip", "IOPressureWatch=yes", since=261),
    Row("CPUPressureThresholdSec=300ms", "CPUPressureThresholdUSec", since=261),
    Row("IOPressureThresholdSec=400ms", "IOPressureThresholdUSec", since=261),
    *rows("DefaultMemoryMin=1M", "DefaultMemoryLow=2M", until=260),
    Row("MemoryPressureThresholdSec=300ms", "MemoryPressureThresholdUSec", since=254),
    *rows("CoredumpReceive=yes", since=255),
    *rows("MemoryZSwapWriteback=no", since=256),
    Row("ManagedOOMMemoryPressureDurationSec=40s", "ManagedOOMMemoryPressureDurationUSec", since=257),
]  # fmt: skip

DEVICES = [
    *rows(
        "IODeviceWeight=/dev/null 200", "IOReadBandwidthMax=/dev/null 1M", "IOWriteBandwidthMax=/dev/null 1.5G",
        "IOReadIOPSMax=/dev/null 1K", "IOWriteIOPSMax=/dev/null 20", "DevicePolicy=closed", "DeviceAllow=/dev/null rw",
        "DeviceAllow=char-pts", "IPAccounting=yes", "IPAddressAllow=10.1.2.3/8 fe80::1", "IPAddressAllow=localhost",
        "IPAddressDeny=any", "SocketBindAllow=tcp:1024-2048", "SocketBindAllow=ipv6:udp:53", "SocketBindDeny=any",
    ),
    Row("IODeviceLatencyTargetSec=/dev/null 25ms", "IODeviceLatencyTargetUSec"),
    *rows("BindNetworkInterface=lo", since=260),
]  # fmt: skip

UNIT = [
    *rows(
        "Description=a = b", "Documentation=man:true(1) https://example.org/a", "SourcePath=/etc/hosts",
        "KillMode=mixed", "KillSignal=SIGINT", "RestartKillSignal=HUP", "FinalKillSignal=SIGRTMIN+3",
        "WatchdogSignal=7", "SendSIGKILL=no", "SendSIGHUP=yes", "RefuseManualStop=yes", "AllowIsolate=yes",
        "IgnoreOnIsolate=no", "OnFailureJobMode=fail", "JobTimeoutAction=exit", "StartLimitBurst=9",
        "StartLimitAction=exit", "SuccessActionExitStatus=8", "FailureActionExitStatus=7", "RequiresMountsFor=/tmp",
        "Requires=basic.target", "Requisite=basic.target", "Wants=a.service 'b.service'", "BindsTo=basic.target",
        "PartOf=basic.target", "Upholds=basic.target", "Conflicts=c.service", "Before=d.service",
        "After=e.service 'f.service'", "After=h.service", "OnSuccess=i.service", "OnFailure=j.service",
        "PropagatesReloadTo=k.target", "ReloadPropagatedFrom=l.target", "PropagatesStopTo=m.target",
        "StopPropagatedFrom=n.target", "Slice=one-two.slice", "Markers=needs-restart",
    ),
    Row("RuntimeMaxSec=5min 20s", "RuntimeMaxUSec"),
    Row("RuntimeRandomizedExtraSec=30", "RuntimeRandomizedExtraUSec"),
    Row("TimeoutStopSec=7s", "TimeoutStopUSec"),
    Row("JobRunningTimeoutSec=4min", "JobRunningTimeoutUSec"),
    Row("StartLimitIntervalSec=3h", "StartLimitIntervalUSec"),
    *rows("SurviveFinalKillSignal=yes", since=255),
    *rows("WantsMountsFor=/var", since=256),
    Row("JobTimeoutSec=5min", "JobTimeoutUSec", since=262),  # seen to be refused by 257
]  # fmt: skip

DELEGATION = [
    Row("Delegate=cpu memory", "Delegate"),
    Row("Delegate=pids", "DelegateControllers"),
    *rows("DelegateSubgroup=inner", since=254),
]

SCALES = rows("DefaultMemoryLow=10%", until=260) + rows(
    "MemoryMin=10%", "MemoryLow=12.5%", "TasksMax=10%", "CPUWeight=idle"
)

GROUPS = {"resources": RESOURCES, "devices": DEVICES, "unit": UNIT, "delegation": DELEGATION, "scales": SCALES}

# systemd-run cannot write these, and systemd has them all the same.
OURS_ALONE = {
    Row("RestrictNetworkInterfaces=~eth9"): ["~eth9"],
    Row("OnSuccessJobMode=replace-irreversibly"): ["replace-irreversibly"],
    Row("StartupMemoryLow=1M", since=254): ["1048576"],
    Row("StartupMemoryHigh=2M", since=254): ["2097152"],
    Row("StartupMemoryMax=infinity", since=254): ["infinity"],
    Row("StartupMemorySwapMax=0", since=254): ["0"],
    Row("StartupMemoryZSwapMax=3M", since=254): ["3145728"],
    Row("DefaultStartupMemoryLow=4M", since=254, until=260): ["4194304"],
}


def version() -> int:
    return int(re.match(r"\d+", systemctl("show", "-P", "Version"))[0])  # type: ignore[index]


def texts(known: list[Row]) -> list[str]:
    return [row.text for row in known]


def known_here(group: list[Row]) -> list[Row]:
    here = version()
    return [row for row in group if row.since <= here <= row.until]


@contextlib.contextmanager
def running(unit: str, *properties: str) -> Iterator[None]:
    """Run a command with systemd-run, continue once it runs, and end it afterwards."""
    words = ["systemd-run", "--user", "--scope", "--collect", "-q", "--unit", unit]
    words += [*(f"-p{text}" for text in properties), "--", "sh", "-c", "echo; read line"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as it:
        assert it.stdin
        assert it.stdout
        assert it.stderr
        try:
            assert it.stdout.readline() == b"\n", it.stderr.read().decode()
            yield
        finally:
            it.stdin.close()
            it.wait(GENEROUS)


def shown(unit: str, names: set[str]) -> dict[str, list[str]]:
    """Return the words in which systemd shows a property of a unit; it shows dependencies in its own order."""
    lines = systemctl("show", unit, *(f"-p{name}" for name in sorted(names))).splitlines()
    values: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition("=")
        values.setdefault(name, []).extend(value.split())
    return {name: sorted(words) for name, words in values.items()}


async def set_by_scoperun(unit: str, *properties: str, names: set[str]) -> dict[str, list[str]]:
    async with scoperun.Scope(COMMAND, unit=unit, properties=properties, require_limits=False):
        return shown(f"{unit}.scope", names)


def set_by_systemd_run(unit: str, *properties: str, names: set[str]) -> dict[str, list[str]]:
    with running(unit, *properties):
        return shown(f"{unit}.scope", names)


async def refused(*properties: str, limits: Limits = NO_LIMITS, require_limits: bool = True) -> str:
    """Ask for a property that must be refused, and return why."""
    command = ["echo", "it runs"]
    with pytest.raises(scoperun.ScoperunError) as failure:
        await scoperun.run(command, unit=REFUSED, properties=properties, limits=limits, require_limits=require_limits)
    return str(failure.value)


def without_keeper(tasks: list[str]) -> list[str]:
    """Subtract the task that scoperun adds to a limit on tasks for its keeper."""
    return [str(int(number) - 1) for number in tasks]


@pytest.mark.parametrize("group", GROUPS)
async def test_a_property_is_set_as_by_systemd_run(story: Story, group: str) -> None:
    known = known_here(GROUPS[group])
    names = {row.shown for row in known}
    ours = await set_by_scoperun("ours", *texts(known), names=names)
    theirs = set_by_systemd_run("theirs", *texts(known), names=names)
    plain = set_by_systemd_run("plain", names=names)
    if group == "resources":
        ours["TasksMax"] = without_keeper(ours["TasksMax"])
    assert ours == theirs
    assert {name for name in names if theirs[name] == plain.get(name)} == set(), "what is as it was proves nothing"


async def test_a_property_that_systemd_run_cannot_write_is_set_too(story: Story) -> None:
    known = known_here(list(OURS_ALONE))
    ours = await set_by_scoperun("ours", *texts(known), names={row.shown for row in known})
    assert ours == {row.shown: OURS_ALONE[row] for row in known}


def test_a_share_of_memory_is_the_same_number_of_pages(story: Story) -> None:
    """Systemd calculates a share from a 32-bit fraction, scoperun from bytes: they can differ by a page.

    Only the command line knows how much memory the machine has.
    """
    names = {"MemoryMax", "MemoryHigh", "MemorySwapMax"}
    shares = ["MemoryMax=50%", "MemoryHigh=33.3%", "MemorySwapMax=10%"]
    by_scoperun = story.start("--unit", "share", *(f"-p{text}" for text in shares), "--", "sh", "-c", "echo; read line")
    assert line_from(by_scoperun) == ""
    ours = shown("share.scope", names)
    by_scoperun.communicate(b"on\n", timeout=GENEROUS)
    theirs = set_by_systemd_run("share", *shares, names=names)
    assert set(ours) == names
    for name in names:
        assert abs(int(ours[name][0]) - int(theirs[name][0])) <= os.sysconf("SC_PAGE_SIZE")


async def test_an_empty_list_resets_the_list(story: Story) -> None:
    words = ["DeviceAllow=/dev/null rw", "DeviceAllow=", "DeviceAllow=/dev/zero r"]
    names = {"DeviceAllow"}
    assert await set_by_scoperun("anew", *words, names=names) == {"DeviceAllow": ["/dev/zero", "r"]}
    assert set_by_systemd_run("anew", *words, names=names) == {"DeviceAllow": ["/dev/zero", "r"]}


def on_the_bus(unit: str, interface: str, name: str) -> str:
    """Return a property's type and value as busctl prints them."""
    path = f"/org/freedesktop/systemd1/unit/{unit}_2escope"
    asked = ["busctl", "--user", "get-property", "org.freedesktop.systemd1", path]
    return subprocess.run(
        [*asked, f"org.freedesktop.systemd1.{interface}", name], check=True, capture_output=True, text=True
    ).stdout


async def on_the_bus_by_both(interface: str, name: str, *properties: str) -> str:
    """Return a property as scoperun has set it, after asserting that systemd-run sets the same."""
    async with scoperun.Scope(COMMAND, unit="ours", properties=properties, require_limits=False):
        ours = on_the_bus("ours", interface, name)
    with running("theirs", *properties):
        theirs = on_the_bus("theirs", interface, name)
    assert ours == theirs
    return ours


async def test_a_property_that_systemctl_cannot_print_is_the_same_on_the_bus(story: Story) -> None:
    if version() < 255:
        assert "NFTSet=" in await refused("NFTSet=cgroup:inet:filter:scopes")
        return
    words = ["NFTSet=cgroup:inet:filter:scopes user:ip6:t:s", "NFTSet=group:bridge:u:v"]
    assert (await on_the_bus_by_both("Scope", "NFTSet", *words)).startswith("a(iiss) 3 ")


@pytest.mark.parametrize("kind", ["Condition", "Assert"])
async def test_conditions_that_hold_are_the_same_on_the_bus(story: Story, kind: str) -> None:
    words = [f"{kind}PathExists=/etc", f"{kind}ACPower=|true", f"{kind}PathIsDirectory=|!/nonesuch"]
    assert (await on_the_bus_by_both("Unit", f"{kind}s", *words)).startswith("a(sbbsi) 3 ")
    words += [f"{kind}ACPower=", f"{kind}User=!root"]
    assert await on_the_bus_by_both("Unit", f"{kind}s", *words) == f'a(sbbsi) 1 "{kind}User" false true "root" 1\n'


async def test_a_backslash_in_the_name_of_a_unit_is_kept_as_in_a_unit_file(story: Story) -> None:
    """The only difference from systemd-run, which turns it into fx2dg.service: another unit."""
    ours = await set_by_scoperun("ours", "Wants=f\\x2dg.service", names={"Wants"})
    assert ours == {"Wants": ['"f\\\\x2dg.service"']}


def test_limits_survive_a_reload_whatever_the_command_looks_like(story: Story) -> None:
    """Systemd reads the unit's file again, which contains the description, and so the command."""
    script = "echo; read line\n[ -e foo ] && bar\n[Scope]\nMemoryMax=infinity"
    scoperun = story.start("--unit", "lines", "--mem", "20M", "--", "sh", "-c", script)
    assert line_from(scoperun) == ""
    before = shown("lines.scope", {"MemoryMax", "MemorySwapMax"})
    systemctl("daemon-reload")
    after = shown("lines.scope", {"MemoryMax", "MemorySwapMax"})
    cgroup = systemctl("show", "-P", "ControlGroup", "lines.scope").strip()
    in_force = Path(f"/sys/fs/cgroup{cgroup}/memory.max").read_text()
    scoperun.communicate(b"on\n", timeout=GENEROUS)
    assert before == after == {"MemoryMax": ["20971520"], "MemorySwapMax": ["0"]}
    assert in_force == "20971520\n"


async def test_a_property_that_this_systemd_lacks_is_named(story: Story) -> None:
    """The newest systemd has all of them, and nothing to refuse."""
    here = version()
    unknown = [row for group in GROUPS.values() for row in group if row.since > here]
    for row in unknown:
        line = await refused(row.text)
        assert line == f"Failed to start scope 'refused.scope': this systemd has no {row.shown}= for scopes"


NOT_MET = ["ConditionPathExists=/nonesuch", "AssertPathExists=/nonesuch", "ConditionPathExists=!/etc"]


@pytest.mark.parametrize("text", NOT_MET)
@pytest.mark.parametrize("require_limits", [True, False])
async def test_a_failed_condition_does_not_run_the_command_outside_the_scope(
    story: Story, text: str, require_limits: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """The start job of such a scope ends with "done", but systemd does not move the processes."""
    limits = Limits(memory_max=20 * MiB)
    line = await refused(text, limits=limits, require_limits=require_limits)
    assert line.startswith("Failed to start scope 'refused.scope': ")
    assert systemctl("list-units", "--all", "--plain", "--no-legend", "refused.scope") == ""
    assert "it runs" not in capfd.readouterr().out


async def test_a_condition_that_this_systemd_lacks_is_named(story: Story) -> None:
    """A newer systemd has it, and there it holds."""
    if version() < 258:
        line = await refused("ConditionVersion=>1")
        assert line == "Failed to start scope 'refused.scope': Invalid condition type: ConditionVersion"
    else:
        assert (await scoperun.run(["true"], properties=("ConditionVersion=>1",))).exit_code == 0


@pytest.mark.parametrize("text", ["Markers=nonesuch", "CPUSetPartition=nonesuch", "BindNetworkInterface=a/b"])
async def test_a_word_that_only_systemd_can_check_is_refused_by_systemd(story: Story, text: str) -> None:
    assert (await refused(text)).startswith("Failed to start scope 'refused.scope': ")
