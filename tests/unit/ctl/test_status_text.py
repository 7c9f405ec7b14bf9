"""`scopectl status` says what is known about a unit, and of the rest that it is unknown."""

from pathlib import Path
from typing import Any

import pytest

from scoperun.ctl.limit_origins import Limit
from scoperun.ctl.oom_seen import KernelSaid
from scoperun.ctl.processes import Inside
from scoperun.ctl.status_text import lines
from scoperun.ctl.unit_facts import Facts
from scoperun.evidence.events import Task
from scoperun.evidence.kernel_log import parse
from scoperun.evidence.kernel_report import KernelRecord
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.unit_journal import Entry
from scoperun.record import replace

CGROUP = "/user.slice/a.scope"
ACTIVE = Facts(
    name="a.scope",
    unit={
        "Description": "./a",
        "ActiveState": "active",
        "SubState": "running",
        "InvocationID": bytes(16),
        "ActiveEnterTimestamp": 10**15,
    },
    kind={"Result": "success", "OOMPolicy": "stop"},
    cgroup=Cgroup(CGROUP, "/nonexistent"),
    below=Inside(
        "a.scope",
        (Task(pid=7, name="sh", rss=4096), Task(pid=8, name=None)),
        [Inside("inner", (Task(pid=9, name="x\x1b[2J", rss=1 << 20),), [])],
    ),
    numbers={"memory.current": 12 << 20, "memory.peak": 15 << 20, "memory.swap.current": 0, "pids.current": 3},
    events={"max": 4, "high": 0, "oom_kill": 0},
    refused=None,
    cpu={"usage_usec": 1_250_000, "user_usec": 250_000, "system_usec": 1_000_000, "throttled_usec": 0},
    limits=[
        Limit(setting="MemoryMax", value=20 << 20, unit="a.scope", how="start", file="/f"),
        Limit(setting="MemoryHigh", value=10 << 20, unit="app.slice", how="file", file="/x.conf"),
    ],
    pressure=None,
    io={"rbytes": 1 << 20, "wbytes": 0},
    said=KernelSaid(None, None, CGROUP),
    entries=[Entry(at=1e9, source="sh", pid=7, message="a\nb")],
    unread=None,
)


def text(facts: Facts, *, utf8: bool = True, width: int | None = None) -> list[str]:
    return [line.text for line in lines(facts, now=1e9 + 65, utf8=utf8, width=width)]


def told(label: str, **changes: Any) -> str:
    """Return what stands after a label, in changed facts."""
    found = [line for line in text(replace(ACTIVE, **changes)) if line.strip().startswith(f"{label}:")]
    return "".join(found).partition(": ")[2]


def test_an_active_unit() -> None:
    found = text(ACTIVE)
    assert found[0] == "● a.scope - ./a"
    assert found[1].startswith("     Active: active (running) since 2001-09-0")
    assert found[1].endswith("; 1min 5s ago")
    assert found[2:11] == [
        f" Invocation: {'0' * 32}",
        f"     Cgroup: {CGROUP}",
        "     Memory: 12M, peak 15M, swap 0B",
        "      Tasks: 3",
        "        CPU: 1.250s, user 250ms, system 1s",
        "     Limits: MemoryMax=20M (asked for at its start)",
        "             MemoryHigh=10M (of app.slice, above: /x.conf)",
        "  OOM kills: 0 so far; OOMPolicy=stop",
        "     Events: max 4",
    ]
    assert found[11:16] == [
        "      Disks: 1M read, 0B written",
        "  Processes: ├─7 sh            4K",
        "             ├─8 (hidden)      -",
        "             └─inner",
        "               └─9 'x\\x1b[2J'  1M",
    ]
    assert found[16].endswith(" sh[7]: a\\nb")


def test_lines_can_be_ascii() -> None:
    assert {line for line in text(ACTIVE, utf8=False) if not line.isascii()} == set()


def test_a_narrow_terminal_wraps_what_must_not_be_cut() -> None:
    long = Limit(setting="MemoryMax", value=1, unit="a.scope", how="file", file=f"/{'long/' * 8}x.conf")
    found = text(replace(ACTIVE, limits=[long]), width=50)
    (begin,) = [number for number, line in enumerate(found) if "Limits:" in line]
    assert max(map(len, found[begin : begin + 2])) <= 50
    assert "".join(line[13:] for line in found[begin : begin + 2]) == f"MemoryMax=1B ({long.file})"


def test_no_limit_and_no_journal_are_said() -> None:
    assert told("Limits", limits=[]) == "none on memory, swap, tasks or processors"
    assert told("Journal", entries=None, unread="not allowed") == "not read: not allowed"
    assert told("Journal", entries=[]) == "nothing since its start"
    assert told("Journal", entries=[], cgroup=None, unit={}) == "nothing since the machine was booted"
    assert told("Journal", entries=None) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "0 so far"),
        ({"events": {"oom_kill": 2}}, "2 so far"),
        ({"events": None}, "unknown: no memory controller"),
        ({"events": None, "cgroup": None}, "unknown: the counts are gone with the cgroup"),
        ({"events": None, "cgroup": None, "kind": {"Result": "oom-kill"}}, "at least one, since Result=oom-kill"),
        ({"events": None, "cgroup": None, "kind": {"OOMKills": 0, "MemoryPeak": 1}}, "0, as systemd has counted them"),
        ({"events": None, "kind": {"OOMKills": 0, "MemoryPeak": 2**64 - 1}}, "unknown: no memory controller"),
        ({"events": None, "kind": {"OOMKills": 2**64 - 1}}, "unknown: no memory controller"),
        ({"kind": {"ManagedOOMKills": 1}}, "0 so far; 1 by systemd-oomd"),
        ({"events": None, "cgroup": None, "unit": {}}, "none: it has not run since systemd loaded it"),
        ({"events": None, "cgroup": Cgroup("/", "/nonexistent")}, "unknown: the root cgroup has no counts"),
        (
            {"events": None, "cgroup": None, "unit": {"InactiveExitTimestampMonotonic": 1}},
            "unknown: the counts are gone with the cgroup",
        ),
    ],
)  # fmt: skip
def test_a_missing_count_is_not_zero(changes: dict[str, Any], words: str) -> None:
    assert told("OOM kills", **changes).partition("; OOMPolicy")[0] == words


def test_a_failed_unit_has_what_systemd_knows() -> None:
    unit = {"ActiveState": "failed", "SubState": "failed", "InactiveEnterTimestamp": 10**15}
    kind = {"Result": "timeout", "MemoryPeak": 5 << 20, "CPUUsageNSec": 10**9}
    ended: dict[str, Any] = {"unit": unit, "kind": kind, "cgroup": None, "below": None, "numbers": {}, "cpu": {}}
    assert told("Active", **ended).startswith("failed (failed, Result=timeout) since ")
    assert told("Memory", **ended) == "peak 5M"
    assert told("CPU", **ended) == "1s"
    assert told("Processes", **ended) == ""


def test_a_frozen_unit_is_said_to_be_frozen() -> None:
    assert told("Active", unit={**ACTIVE.unit, "FreezerState": "frozen"}).startswith("active (running, frozen) since ")


HEADER = "leak invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
SIZES = "total-vm:53736kB, anon-rss:20388kB, file-rss:1436kB, shmem-rss:12kB, UID:1000 pgtables:80kB oom_score_adj:0"


def kernel_log(oom: str, *, constraint: str = "CONSTRAINT_MEMCG", name: str = "leak") -> KernelSaid:
    memcg = f"oom_memcg={oom}" if constraint == "CONSTRAINT_MEMCG" else "global_oom"
    task = f"task_memcg={CGROUP},task={name},pid=42,uid=1000"
    records = [
        HEADER,
        *(["memory: usage 20480kB, limit 20480kB, failcnt 31"] if constraint == "CONSTRAINT_MEMCG" else []),
        f"oom-kill:constraint={constraint},nodemask=(null),cpuset=/,mems_allowed=0,{memcg},{task}",
        f"Memory cgroup out of memory: Killed process 42 ({name}) {SIZES}",
    ]
    return KernelSaid(parse([KernelRecord(each) for each in records], page_size=4096), None, CGROUP)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (kernel_log(CGROUP), "leak[42] 19.9M: killed at the limit of 20M of this unit"),
        (kernel_log(f"{CGROUP}/in"), "leak[42] 19.9M: killed at the limit of 20M of in inside it"),
        (kernel_log("/user.slice"), "leak[42] 19.9M: killed at the limit of 20M of user.slice"),
        (kernel_log("/", constraint="CONSTRAINT_NONE"), "leak[42] 19.9M: killed because the machine ran out of memory"),
    ],
)
def test_the_kernels_log_says_whose_limit_it_was(said: KernelSaid, words: str) -> None:
    assert said.lines() == [words]
    assert words in "\n".join(text(replace(ACTIVE, said=said)))


def test_a_log_that_cannot_be_read_is_said() -> None:
    said = KernelSaid(None, "this user is not allowed", CGROUP)
    assert "             kernel log: this user is not allowed" in text(replace(ACTIVE, said=said))
    assert said.to_json() is None


def test_json_has_the_kernels_own_records() -> None:
    (row,) = kernel_log(CGROUP).to_json() or []
    assert row["victims"] == [{"pid": 42, "name": "leak", "anon": 20388 << 10}]
    assert row["records"][0] == HEADER


@pytest.mark.parametrize(
    ("name", "shown"), [(None, "(hidden)"), ("", "''"), ("(hidden)", "'(hidden)'"), ("tmux: server", "'tmux: server'")]
)
def test_only_a_process_that_is_hidden_is_called_so(name: str | None, shown: str) -> None:
    assert told("Processes", below=Inside("a.scope", (Task(pid=7, name=name),), [])) == f"└─7 {shown}  -"


def test_the_processes_of_a_removed_cgroup_are_none(tmp_path: Path) -> None:
    assert told("Processes", below=Inside("a.scope", (), [])) == "none"
