"""--dry-run shows what systemd would be asked for, with the source of each value, and names traps."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scoperun.cli.options import parse
from scoperun.cli.preview import preview, setting_text
from scoperun.console.field_names import in_options
from scoperun.kernel.swap import has_swap, has_zswap
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property, parse_property
from scoperun.spec.scope import scope_request
from scoperun.spec.sizes import INFINITY
from scoperun.spec.traps import traps

pytestmark = pytest.mark.usefixtures("config")


def shown(*argv: str, inherited_slice: str | None = None) -> tuple[dict[str, str], list[str]]:
    """Return the sources by NAME=VALUE, and the systemd-run line."""
    parsed = parse(list(argv))
    assert parsed is not None
    text = preview(parsed.request, parsed.sources, output=parsed.output, inherited_slice=inherited_slice).to_text()
    *lines, empty, systemd_run = text.split("\n")
    assert empty == ""
    return dict(line.split("  ", 1) for line in map(squeezed, lines)), shlex.split(systemd_run)


def squeezed(line: str) -> str:
    name, source = line.rsplit("  ", 1)
    return f"{name.rstrip()}  {source}"


def systemd_run(*argv: str) -> str:
    return shlex.join(shown(*argv)[1])


def run(*argv: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run scoperun without a bus."""
    here = {
        name: value for name, value in os.environ.items() if name not in {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
    }
    done = subprocess.run(
        [sys.executable, "-m", "scoperun", *argv], capture_output=True, text=True, env=here, check=False
    )
    assert done.returncode == status, done.stderr
    return done


def test_each_value_has_its_source(config: Path, tmp_path: Path) -> None:
    config.write_text('[defaults]\noom-policy = "continue"\n[profiles.p]\ntasks = 100\nproperty = ["CPUWeight=7"]\n')
    (tmp_path / "limits").write_text("\nIOWeight=9\n")
    sources, _ = shown("-P", "p", "--mem", "20M", "-p", "KillSignal=2", "-p", f"@{tmp_path}/limits", "sleep", "1")
    assert sources == {
        "Description=sleep 1": "scoperun itself",
        "MemoryMax=20971520 (20M)": "--mem",
        "MemorySwapMax=0": "scoperun itself",
        "TasksMax=100": f"{config}:4 [profiles.p]",
        "OOMPolicy=continue": f"{config}:2 [defaults]",
        "CPUWeight=7": f"{config}:5 [profiles.p]",
        "KillSignal=2": "-p",
        "IOWeight=9": f"{tmp_path}/limits:2",
    }


def test_an_option_that_sets_no_property_is_shown_too(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes from: the environment, a file or the command line."""
    config.write_text('[defaults]\nwait = true\nnice = 5\nsetenv = ["A=b c"]\noom-exit-code = 99\n')
    monkeypatch.setenv("SCOPERUN_REPORT", "r.json")
    words = ["--no-wait", "-E", "B=\x1b", "--soft-mem", "15M:USR1", "-d", "/", "--system", "--uid", "root"]
    sources, _ = shown(*words, "--no-slice-inherit", "--report", "x y", "true")
    assert {text: source for text, source in sources.items() if text.startswith("--")} == {
        "--no-wait": "--wait",
        "--nice 5": f"{config}:3 [defaults]",
        "--setenv 'A=b c'": f"{config}:4 [defaults]",
        "--setenv $'B=\\033'": "--setenv",
        "--soft-mem 15M:SIGUSR1": "--soft-mem",
        "--working-directory /": "--working-directory",
        "--system": "--system",
        "--uid root": "--uid",
        "--no-slice-inherit": "--slice-inherit",
        "--report 'x y'": "--report",
        "--oom-exit-code 99": f"{config}:5 [defaults]",
    }
    assert shown("true")[0]["--report r.json"] == "SCOPERUN_REPORT"
    assert "--report r.json" not in shown("--system", "--uid", "root", "true")[0], "it is ignored there"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--mem", "1.5G"], "MemoryMax=1610612736 (1.5G)"),
        (["--mem", "infinity"], "MemoryMax=infinity"),
        (["-p", "MemoryHigh=1048577"], "MemoryHigh=1048577 (1M)"),
        (["-p", "MemoryHigh=15M"], "MemoryHigh=15M"),
        (["-p", "MemorySwapMax=10"], "MemorySwapMax=10"),
        (["-p", "MemoryPressureThresholdSec=2000"], "MemoryPressureThresholdSec=2000"),
        (["-p", "MemoryAccounting=1"], "MemoryAccounting=1"),
        (["--soft-mem", "2097153"], "--soft-mem 2097153:SIGTERM"),
        (["--timeline", "t.tsv", "--timeline-interval", "200ms"], "--timeline-interval 200ms"),
        (["--record", "x", "--record-keep-for", "90d"], "--record-keep-for 7776000s"),
    ],
)
def test_bytes_are_shown_as_a_size_too(words: list[str], text: str) -> None:
    assert text in shown(*words, "true")[0]


def test_what_scoperun_adds_for_its_own_work_is_in_the_json_alone() -> None:
    internal = {"MemoryAccounting", "TasksAccounting", "AddRef", "CollectMode", "Documentation"}
    assert internal.isdisjoint(text.partition("=")[0] for text in shown("true")[0])
    printed = json.loads(run("--dry-run", "--json", "--nice", "5", "true").stdout)
    assert internal <= {each["name"] for each in printed["properties"]}
    assert printed["options"] == [
        {"name": "nice", "value": 5, "source": "--nice"},
        {"name": "json", "value": True, "source": "--json"},
    ]


def test_the_option_has_its_old_name_still() -> None:
    assert run("--print-properties", "--nice", "5", "true").stdout == run("--dry-run", "--nice", "5", "true").stdout


@pytest.mark.parametrize(
    "argv",
    [
        [
            "--mem",
            "20M",
            "--mem-high",
            "15M",
            "--zswap",
            "1M",
            "--cpus",
            "0.5",
            "--cpu-weight",
            "3",
            "-p",
            "CPUQuota=20%",
        ],
        ["--timeout", "5", "--kill-after", "1", "--oom-policy", "kill", "--slice", "s", "--description", "words"],
        ["-p", "IOReadBandwidthMax=/dev/sda 1M", "-p", "IOReadBandwidthMax=/dev/sdb 1M", "-p", "Slice=b.slice"],
        ["-p", "Wants=a.service", "-p", "Wants=b.service", "-p", "Wants=", "-p", "Wants=c.service"],
        ["-p", "MemoryAccounting=no", "--slice-inherit"],
        ["-p", "MemoryLow=1G", "-p", "MemoryLow=10%", "-p", "MemoryLow=2G", "--tasks", "5", "-p", "TasksMax=50%"],
    ],
)
def test_the_shown_properties_are_those_that_are_sent(argv: list[str]) -> None:
    """They are equal in the end: lists add up to the same, and overridden values are not shown."""
    parsed = parse([*argv, "true"])
    assert parsed is not None
    asked = scope_request("x.scope", parsed.request.scope_properties(inherited_slice="in.slice")).properties
    expected = {each.name: each.value for each in asked}
    found: dict[str, Any] = {}
    for each in preview(parsed.request, parsed.sources, inherited_slice="in.slice").asked:
        before, value = found.get(each.property.name), each.property.value
        assert before is None or isinstance(value, list)
        found[each.property.name] = before + value if before else value
    assert found == expected


def test_requested_documentation_is_shown_instead_of_ours() -> None:
    sources, systemd_run = shown("-p", "Documentation=man:true(1)", "true")
    assert {text: source for text, source in sources.items() if text.startswith("Documentation=")} == {
        "Documentation=man:true(1)": "-p"
    }
    assert systemd_run == [
        "systemd-run",
        "--user",
        "--scope",
        "--collect",
        "-p",
        "Documentation=man:true(1)",
        "--",
        "true",
    ]


def test_tasks_are_shown_without_the_one_for_the_keeper() -> None:
    sources, words = shown("--tasks", "5", "true")
    assert sources["TasksMax=5"] == "--tasks"
    assert "TasksMax=5" in words


def test_a_slice_below_the_callers_is_shown_by_its_full_name() -> None:
    sources, words = shown("--slice", "b", "--slice-inherit", "true", inherited_slice="a.slice")
    assert sources["Slice=a-b.slice"] == "--slice-inherit"
    assert "--slice=a-b.slice" in words


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["true"], "systemd-run --user --scope --collect -- true"),
        (["--system", "true"], "systemd-run --system --scope --collect -- true"),
        (
            ["--unit", "a", "--mem", "1M", "--", "sh", "-c", ";"],
            "systemd-run --user --scope --collect --unit=a.scope -p MemoryMax=1048576 -p MemorySwapMax=0 -- sh -c ';'",
        ),
        (
            ["--oom-score-adj", "-5", "-d", "/", "ls"],
            "systemd-run --user --scope --collect -- choom --adjust=-5 -- env --chdir=/ ls",
        ),
        (
            ["--uid", "u", "--gid", "g", "--nice", "-5", "-E", "A=b c", "-E", "NOT_SET_HERE", "-d", "/x y", "ls"],
            "systemd-run --user --scope --collect --uid=u --gid=g --nice=-5 '--setenv=A=b c' -- env '--chdir=/x y' ls",
        ),
        (
            ["--slice", "s", "--description", "two words", "-p", "IOWeight=5", "true"],
            "systemd-run --user --scope --collect '--description=two words' --slice=s.slice -p IOWeight=5 -- true",
        ),
    ],
)
def test_the_systemd_run_line_asks_for_the_same(argv: list[str], line: str) -> None:
    assert systemd_run(*argv) == line


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(cpu_quota=0.5), "CPUQuota=50%"),
        (Limits(cpu_quota=2), "CPUQuota=200%"),
        (Limits(cpu_quota=1 / 3), "CPUQuota=33.33%"),
        (Limits(cpu_quota=0.0001), "CPUQuota=0.01%"),
        (Limits(runtime_max=90), "RuntimeMaxSec=90s"),
        (Limits(runtime_max=1.5), "RuntimeMaxSec=1500ms"),
        (Limits(runtime_max=1e-6), "RuntimeMaxSec=1us"),
        (Limits(timeout_stop=0), "TimeoutStopSec=0s"),
        (Limits(timeout_stop=float("inf")), "TimeoutStopSec=infinity"),
        (Limits(memory_max=INFINITY), "MemoryMax=infinity"),
        (Limits(tasks_max=7), "TasksMax=7"),
    ],
)
def test_a_value_is_written_as_in_a_unit_file(limits: Limits, text: str) -> None:
    (wanted,) = limits.properties()
    assert setting_text(wanted) == text
    name, value = parse_property(text).name, parse_property(text).value
    assert name == wanted.name
    assert value == wanted.value or text == "CPUQuota=33.33%"


def test_it_prints_without_a_bus_and_starts_nothing(tmp_path: Path) -> None:
    done = run("--dry-run", "--mem", "20M", "--", "touch", str(tmp_path / "started"))
    assert "\nMemoryMax=20971520" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("systemd-run --user --scope ")
    assert done.stderr == ""
    assert not (tmp_path / "started").exists()


def test_with_json_it_is_one_object() -> None:
    done = run("--dry-run", "--json", "--mem", "20M", "-p", "IPAddressDeny=any", "--", "sh", "-c", "exit")
    printed = json.loads(done.stdout)
    assert {"name": "MemoryMax", "signature": "t", "value": 20971520, "source": "--mem"} in printed["properties"]
    assert printed["systemd_run"][-4:] == ["--", "sh", "-c", "exit"]


def test_values_of_every_signature_can_be_printed_as_json() -> None:
    settings = ["-p", "AllowedCPUs=0-3", "-p", "IOReadBandwidthMax=/dev/sda 1M", "-p", "IPAddressAllow=10.0.0.0/8"]
    properties = json.loads(run("--dry-run", "--json", *settings, "true").stdout)["properties"]
    assert {each["name"]: each["value"] for each in properties}["AllowedCPUs"][0] == 0b1111


def test_a_word_that_is_not_utf_8_is_printed_unchanged() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoperun", "--dry-run", "--", "ls", b"caf\xe9"],
        capture_output=True,
        check=True,
    )
    assert b"ls 'caf\xe9'\n" in done.stdout


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("a\nb", r"$'a\nb'"),
        ("\x1b]0;x\a", r"$'\033]0;x\007'"),
        ("it's\t\\\x7f", r"$'it\'s\t\\\177'"),
        ("\u202eé", r"$'\342\200\256é'"),
        ("\udc9b1m", r"$'\2331m'"),
        ("caf\udce9", "'caf\udce9'"),
        ("two words", "'two words'"),
    ],
)
def test_a_word_is_quoted_on_one_line_so_that_a_shell_reads_it_back(word: str, shown: str) -> None:
    parsed = parse(["--", "printf", "%s", word])
    assert parsed is not None
    line = preview(parsed.request, parsed.sources).to_text().rpartition("\n")[2]
    assert line == f"systemd-run --user --scope --collect -- printf %s {shown}"
    printed = subprocess.run(["bash", "-c", line.partition(" -- ")[2]], capture_output=True, check=True).stdout
    assert printed == os.fsencode(word)


def test_a_row_is_one_line_whatever_it_contains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "x\nMemoryMax=infinity --mem\x1b[A"
    (folder / "scoperun").mkdir(parents=True)
    (folder / "scoperun" / "config.toml").write_text('[defaults]\ntasks = 5\ndescription = "a\\u001b[2K"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    parsed = parse(["true"])
    assert parsed is not None
    rows = preview(parsed.request, parsed.sources).to_text().splitlines()
    source = rf"{tmp_path}/x\nMemoryMax=infinity --mem\x1b[A/scoperun/config.toml"
    assert [squeezed(row) for row in rows[:2]] == [
        rf"Description=a\x1b[2K  {source}:3 [defaults]",
        f"TasksMax=5  {source}:2 [defaults]",
    ]


def test_an_unwritable_output_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "scoperun", "--dry-run", "true"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 125
    assert done.stderr == b"scoperun: cannot print the preview: No space left on device\n"


def trap(*settings: str, has_swap: bool = True, has_zswap: bool | None = True) -> list[str]:
    return traps([parse_property(text) for text in settings], has_swap=has_swap, has_zswap=has_zswap)


def test_a_high_limit_not_below_the_hard_one_is_a_trap() -> None:
    for high in "20M", "21M":
        (line,) = trap("MemoryMax=20M", f"MemoryHigh={high}", "MemorySwapMax=0")
        assert line == f"MemoryHigh={high} does nothing: MemoryMax=20M is reached first and kills"


@pytest.mark.parametrize("most", ["MemoryMax=20M", "MemoryMax=infinity", "TasksMax=5"])
def test_a_high_limit_without_swap_is_a_trap_because_nothing_kills(most: str) -> None:
    (line,) = trap(most, "MemoryHigh=15M", "MemorySwapMax=0")
    assert line.startswith("MemoryHigh=15M without swap slows the command to a crawl instead of having it killed: ")
    assert in_options(line).endswith(" killed: allow it --swap, or leave out MemoryHigh=")


@pytest.mark.parametrize("swap", [[], ["MemorySwapMax=1G"], ["MemorySwapMax=infinity", "MemoryMax=20M"]])
def test_allowing_swap_on_a_machine_without_any_is_a_trap(swap: list[str]) -> None:
    (line,) = trap("MemoryHigh=15M", *swap, has_swap=False)
    assert line.startswith("MemoryHigh=15M without swap slows the command to a crawl ")
    assert "this machine has none" in line
    assert trap("MemoryHigh=15M", *swap, "ManagedOOMMemoryPressure=kill", has_swap=False) == []


def test_swap_is_detected_from_proc_swaps(tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text("Filename\tType\tSize\tUsed\tPriority\n")
    assert not has_swap(str(swaps))
    swaps.write_text(swaps.read_text() + "/dev/ubdb partition\t524284\t0\t-2\n")
    assert has_swap(str(swaps))
    swaps.unlink()
    assert has_swap(str(swaps)), "what is not told may be"


def test_zswap_is_detected_from_its_parameter(tmp_path: Path) -> None:
    enabled = tmp_path / "enabled"
    assert has_zswap(str(enabled)) is None, "a kernel without it"
    for text, is_on in ("N\n", False), ("Y\n", True):
        enabled.write_text(text)
        assert has_zswap(str(enabled)) is is_on


def test_a_limit_on_zswap_that_does_nothing_is_a_trap() -> None:
    assert trap("MemoryZSwapMax=5M", "MemorySwapMax=9M") == []
    (line,) = trap("MemoryZSwapMax=5M", "MemorySwapMax=9M", has_zswap=False)
    assert line == "MemoryZSwapMax=5M does nothing: zswap is not switched on"
    (line,) = trap("MemoryMax=20M", "MemoryZSwapMax=5M", "MemorySwapMax=0")
    assert in_options(line).endswith(
        " does nothing without swap, because zswap has what would go there: allow it --swap"
    )
    (line,) = trap("MemoryZSwapMax=5M", has_swap=False)
    assert line.endswith(": this machine has none; add some")
    assert trap("MemoryZSwapMax=5M", "MemorySwapMax=0", has_zswap=None) == [], "it is refused"
    for most in "0", "infinity":
        assert trap(f"MemoryZSwapMax={most}", "MemorySwapMax=0", has_zswap=False) == []


@pytest.mark.parametrize("swap", [["MemorySwapMax=infinity"], []])
def test_unlimited_swap_beside_a_memory_limit_is_a_trap(swap: list[str]) -> None:
    """Also if swap is not mentioned: only --mem implies no swap, -p MemoryMax= does not."""
    (line,) = trap("MemoryMax=20M", *swap)
    assert line.startswith("MemoryMax=20M with unlimited swap pushes the command into swap ")
    assert trap("MemoryMax=20M", *swap, has_swap=False) == []


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["MemoryMax=20M", "MemorySwapMax=0"],
        ["MemoryMax=20M", "MemorySwapMax=10M", "MemoryHigh=15M"],
        ["MemoryHigh=15M"],
        ["MemoryHigh=15M", "MemorySwapMax=infinity"],
        ["MemoryHigh=infinity", "MemoryMax=20M", "MemorySwapMax=0"],
        ["MemoryHigh=15M", "MemorySwapMax=0", "ManagedOOMMemoryPressure=kill"],
        ["MemoryMax=infinity", "MemorySwapMax=infinity"],
    ],
)
def test_a_setting_that_works_is_not_a_trap(settings: list[str]) -> None:
    assert trap(*settings) == []


def test_the_last_value_of_a_name_counts() -> None:
    swap = Property(name="MemorySwapMax", signature="t", value=0)
    limits = Limits(memory_max=2**20, memory_swap_max=INFINITY).properties()
    assert traps(limits, has_swap=True, has_zswap=False) != []
    assert traps([*limits, swap], has_swap=True, has_zswap=False) == []


def test_a_trap_is_a_warning_unless_quiet() -> None:
    words = ["--dry-run", "--mem", "20M", "--mem-high", "1G", "true"]
    assert run(*words).stderr.startswith("scoperun: warning: MemoryHigh=1G does nothing: ")
    assert run(*words).stderr.count("\n") == 1
    assert run("-q", *words).stderr == ""
