"""The kernel's report of an OOM kill is parsed exactly, and nothing is added.

kernel_logs/ has reports as kernels write them: real ones, gathered in the lab, and others derived from the formats of
the kernels that the lab does not have. Each file says which, and what is in it.
"""

import json
import random
import re
import time
import timeit
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from scoperun.evidence.kernel_log import parse
from scoperun.evidence.kernel_report import LOST, KernelRecord, KernelReport, concerning
from scoperun.spec.sizes import INFINITY

CORPUS = {file.stem: json.loads(file.read_text(encoding="ascii")) for file in Path(__file__).parent.glob("*/*.json")}

OURS = "/user.slice/user-1000.slice/user@1000.service/app.slice/job.scope"
PAGE_SIZE = 4096
HEADER = "bigleak2 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
USAGE = "memory: usage 20480kB, limit 20480kB, failcnt 31"

every_log = pytest.mark.parametrize("log", CORPUS.values(), ids=CORPUS)


def read(texts: list[str]) -> tuple[KernelReport, ...]:
    return parse([LOST if text == LOST.text else KernelRecord(text) for text in texts], page_size=PAGE_SIZE)


def summary(task: str = OURS, *, oom: str = OURS, name: str = "bigleak2", pid: int = 4242) -> str:
    cgroups = f"oom_memcg={oom},task_memcg={task}"
    return f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),{cgroups},task={name},pid={pid},uid=1000"


def killed(pid: int = 4242, name: str = "bigleak2", *, message: str = "Memory cgroup out of memory") -> str:
    sizes = "total-vm:53736kB, anon-rss:20388kB, file-rss:1436kB, shmem-rss:12kB"
    return f"{message}: Killed process {pid} ({name}) {sizes}, UID:1000 pgtables:80kB oom_score_adj:0"


def group(cgroup: str = OURS) -> str:
    return f"Tasks in {cgroup} are going to be killed due to memory.oom.group set"


def killed_of(records: list[str], *pids: int, cgroup: str = OURS) -> list[int]:
    """Return the victims in the cgroup; `pids` are known to be in it."""
    return [victim.pid for report in concerning(read(records), cgroup=cgroup, pids=pids) for victim in report.victims]


def without_none(value: Any) -> dict[str, Any]:
    return {name: entry for name, entry in asdict(value).items() if entry is not None}


def facts(report: KernelReport) -> dict[str, Any]:
    """Return a report in the form that files of the corpus have."""
    plain = {field.name: getattr(report, field.name) for field in fields(report)}
    for name in ("at", "sysrq", "records"):  # records of the corpus have no time, and no request by SysRq precedes them
        del plain[name]
    return plain | {
        "stat": {name: report.stat[name] for name in ("anon", "pgfault", "rss") if name in report.stat},
        "stat_count": len(report.stat),
        "tasks": [without_none(task) for task in report.tasks],
        "victims": [
            {name: value for name, value in without_none(victim).items() if name != "record"}
            for victim in report.victims
        ],
    }


# Reports as kernels write them


@every_log
def test_a_log_is_parsed_exactly(log: dict[str, Any]) -> None:
    assert [facts(report) for report in read(log["records"])] == log["reports"]


@every_log
def test_only_the_scopes_victims_concern_the_scope(log: dict[str, Any]) -> None:
    reports = concerning(read(log["records"]), cgroup=log["cgroup"], pids=log["pids"])
    assert [[victim.pid for victim in report.victims] for report in reports] == log["victims_of_cgroup"]


@every_log
def test_a_report_keeps_the_kernels_words_and_order(log: dict[str, Any]) -> None:
    """The summary is checked separately, because it can have been put together from pieces."""
    for report in read(log["records"]):
        rest = iter(log["records"])
        assert all(record in rest for record in report.records if not record.startswith("oom-kill:"))


@every_log
def test_a_scope_with_a_similar_name_gets_nothing(log: dict[str, Any]) -> None:
    for cgroup in (f"{log['cgroup']}2", log["cgroup"][:-1], f"/x{log['cgroup']}", f"{log['cgroup']}/below", ""):
        found = concerning(read(log["records"]), cgroup=cgroup, pids=[])
        assert all(report.task_memcg and f"{report.task_memcg}/".startswith(f"{cgroup}/") for report in found)


def test_an_empty_log_has_no_report() -> None:
    assert read([]) == ()
    assert read(["usb 1-1: USB disconnect", "", "Killed process", "\n"]) == ()


def test_a_slice_gets_the_kills_in_its_scopes() -> None:
    assert killed_of([summary(), killed()], cgroup="/user.slice") == [4242]
    assert killed_of([summary(), killed()], cgroup="/") == [4242]


# Which cgroup a report concerns


def test_the_cgroup_that_the_kernel_names_outweighs_a_reused_pid() -> None:
    assert killed_of([summary("/system.slice/other.scope", oom="/system.slice"), killed()], 4242) == []


def test_a_parent_cgroup_does_not_identify_a_victim() -> None:
    """The kernel names the next cgroup that has the memory controller; a scope can lack it."""
    records = [summary("/user.slice", oom="/user.slice"), killed()]
    assert killed_of(records) == []
    assert killed_of(records, 4242) == [4242]


def test_a_kill_without_a_report_is_recognized_by_its_pid() -> None:
    records = [killed(1), killed(2, name="theirs"), killed(3)]
    assert killed_of(records) == []
    assert killed_of(records, 1, 3) == [1, 3]


def test_only_our_members_of_a_group_kill_are_returned() -> None:
    (report,) = concerning(read([killed(1), group(), killed(2), killed(3)]), cgroup=OURS, pids={1, 3})
    assert report.records == (killed(1), group(), killed(3))


def test_a_group_in_another_scope_is_not_ours() -> None:
    assert killed_of([killed(1), group("/other.scope"), killed(2)]) == []


def test_a_kill_of_the_whole_machine_does_not_continue_a_cgroups_group() -> None:
    first, second = read([summary(), killed(), group(), killed(7, message="Out of memory")])
    assert [victim.pid for victim in first.victims] == [4242]
    assert (second.constraint, [victim.pid for victim in second.victims]) == (None, [7])


def test_a_kill_after_the_end_of_a_report_is_a_new_one() -> None:
    first, second = read([HEADER, USAGE, summary(), killed(), killed(4243)])
    assert [victim.pid for victim in first.victims] == [4242]
    assert second.usage is None


# Unreliable parts


def test_records_after_lost_ones_do_not_belong_to_those_before() -> None:
    before, after = read([HEADER, USAGE, LOST.text, summary(), killed()])
    assert (before.usage, before.victims) == (20 * 2**20, ())
    assert (after.usage, after.invoked_by, after.chosen) == (None, None, 4242)


@pytest.mark.parametrize(
    "between",
    [
        ["Memory cgroup stats for /other.scope:", "anon 5"],
        ["[  pid  ]   uid  tgid total_vm name", "[   5001]  1000  5001      600 theirs"],
        [HEADER, USAGE],
        [USAGE],
    ],
)
def test_details_of_another_kill_are_left_out(between: list[str]) -> None:
    *_, report = read([HEADER, USAGE, *between, summary(), killed()])
    assert (report.usage, report.invoked_by, report.stat, report.tasks) == (None, None, {}, ())
    assert report.task_memcg == OURS
    assert [victim.pid for victim in report.victims] == [4242]


def test_a_path_as_long_as_a_record_can_be_cut_off() -> None:
    (report,) = read([summary(f"{OURS}/{'x' * 900}"), killed()])
    assert (report.oom_memcg, report.task_memcg) == (OURS, None)


def test_no_limit_is_infinity() -> None:
    (report,) = read([HEADER, "swap: usage 0kB, limit 9007199254740988kB, failcnt 0", summary(), killed()])
    assert report.swap_limit == INFINITY


@pytest.mark.parametrize(
    "record",
    [
        killed().removesuffix("0"),
        killed().replace("UID:1000", "UID:"),
        killed().replace("20388", "9" * 5000),
        killed(name="x" * 9000),
        killed().replace("4242", "٤٢"),  # digits, but not ASCII
    ],
)
def test_incomplete_values_are_not_used(record: str) -> None:
    assert read([record]) == ()


# SysRq

SYSRQ = "sysrq: Manual OOM execution"
HOST = killed(message="Out of memory")


@pytest.mark.parametrize("asked", [SYSRQ, "sysrq: SysRq : Manual OOM execution", "SysRq : Manual OOM execution"])
def test_a_kill_requested_by_sysrq_is_recognized(asked: str) -> None:
    """The kernel can leave out everything that says so, except the record written at the request."""
    header = HEADER.replace("order=0", "order=-1")
    whole = [asked, header, summary(), HOST]
    assert [report.sysrq for report in read([*whole, group(), killed(7, message="Out of memory")])] == [True]
    assert [report.sysrq for report in read([*whole, HOST])] == [True, False]
    assert [report.sysrq for report in read([asked, HOST, HOST])] == [True, False]
    assert [report.sysrq for report in read([header, LOST.text, HOST, HOST])] == [True, True, False]


def test_another_kill_after_a_sysrq_request_is_not_attributed_to_it() -> None:
    """The scope's kill can come between the request and its kill."""
    assert [report.sysrq for report in read([SYSRQ, HEADER, USAGE, summary(), killed(), HOST])] == [False, True]
    assert [report.sysrq for report in read([SYSRQ, killed(7), HOST])] == [False, True]


# Names


LURES = (
    ") total-vm:1kB,", "Killed process", "a (b) c", "[    1]  1 1 1", " 5 5 5 5 name", "two\nlines", "x,task=y",
    ",pid=1,uid=0", ",task=a,pid=1", "oom-kill:", LOST.text, "", " ", "memory: usage", killed(1), group(),
    summary("/other.scope", pid=1), "\udcff\udcfe", "x invoked oom-killer: gfp_mask=0x1",
)  # fmt: skip


@pytest.mark.parametrize("name", LURES)
def test_a_process_with_any_name_is_named(name: str) -> None:
    columns = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
    row = f"[   4242]  1000  4242    13434     5459    81920        0             0 {name}"
    header = HEADER.replace("bigleak2", name, 1)
    (report,) = read([header, USAGE, columns, row, summary(name=name), killed(name=name)])
    assert (report.invoked_by, report.tasks[0].name, report.victims[0].name) == (name, name, name)
    assert (report.task_memcg, report.chosen) == (OURS, 4242)
    assert report.victims[0].total_vm == 53736 * 1024


@pytest.mark.parametrize("lure", ["/x,task=y", "/x,task_memcg=", f"/x,task_memcg={OURS}2", "/x,pid=1,uid=0", "/a:b c)"])
def test_a_cgroup_below_with_any_name_is_ours(lure: str) -> None:
    (report,) = read([summary(OURS + lure), killed()])
    assert report.task_memcg == OURS + lure
    assert killed_of([summary(OURS + lure), killed()]) == [4242]


def test_an_ambiguous_name_is_not_used() -> None:
    """It can be `z` in the cgroup `…/x,task=y` or `y,task=z` in `…/x`, and the victim has neither name any more."""
    (report,) = read([summary(f"{OURS}/x", name="y,task=z"), killed(name="renamed")])
    assert (report.oom_memcg, report.task_memcg, report.chosen) == (None, None, 4242)


# Torn, mixed, cut, and forged

ROUNDS = 400


def mangled(chance: random.Random) -> list[str]:
    """Return records of one log or two, damaged in every way."""
    records = list(chance.choice(list(CORPUS.values()))["records"])
    for _ in range(chance.randrange(1, 8)):
        chance.choice((torn, cut_off, shuffled, interleaved, without_some, forged, glued))(records, chance)
    return records


def somewhere(records: list[str], chance: random.Random) -> int:
    return chance.randrange(len(records)) if records else 0


def torn(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    for record in records[here : here + 1]:
        end = chance.randrange(len(record) + 1)
        records[here : here + 1] = [record[:end], record[end:]]


def cut_off(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    records[here : here + 1] = [record[: chance.randrange(len(record) + 1)] for record in records[here : here + 1]]


def shuffled(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    some = records[here : here + 10]
    chance.shuffle(some)
    records[here : here + 10] = some


def interleaved(records: list[str], chance: random.Random) -> None:
    """Insert another log's records between ours; each log keeps its order."""
    other = chance.choice(list(CORPUS.values()))["records"]
    both = [(chance.random(), record) for record in records], [(chance.random(), record) for record in other]
    places = sorted(place for log in both for place, _ in log)
    mine = set(chance.sample(places, len(records)))
    ours, theirs = iter(list(records)), iter(other)
    records[:] = [next(ours) if place in mine else next(theirs) for place in places]


def without_some(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    del records[here : here + chance.randrange(1, 20)]


def forged(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    lure = chance.choice(LURES)
    for record in records[here : here + 1]:
        place = chance.randrange(len(record) + 1)
        records[here] = record[:place] + lure + record[place:]


def glued(records: list[str], chance: random.Random) -> None:
    here = somewhere(records, chance)
    records[here : here + 2] = ["\n".join(records[here : here + 2])]


def numbers_of(report: KernelReport) -> Iterator[int]:
    """Yield each number of a report in the unit that the kernel writes it in."""
    for size in (report.usage, report.limit, report.swap_usage, report.swap_limit):
        yield from () if size in {None, INFINITY} else (size // 1024,)
    for victim in report.victims:
        yield from (victim.pid, victim.uid or 0, victim.oom_score_adj or 0)
        yield from (size // 1024 for size in (victim.total_vm, victim.anon_rss, victim.file_rss, victim.shmem_rss or 0))
    for task in report.tasks:
        yield from (task.pid, task.uid or 0, task.pgtables or 0, task.oom_score_adj or 0)
        yield from ((size or 0) // PAGE_SIZE for size in (task.total_vm, task.rss, task.rss_anon, task.swap))
    yield from (report.chosen or 0, report.failcnt or 0, report.swap_failcnt or 0)


@pytest.mark.parametrize("seed", range(4))
def test_no_value_is_read_that_the_log_does_not_contain(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(ROUNDS // 4):
        records = mangled(chance)
        text = "".join(records)
        numbers = {int(number) for word in [*records, text] for number in re.findall(r"-?[0-9]{1,20}", word)} | {0}
        for report in read(records):
            assert set(numbers_of(report)) <= numbers
            assert {
                value for value in report.stat.values() if value not in numbers and value // 1024 not in numbers
            } == set()
            assert all(path is None or path in text for path in (report.oom_memcg, report.task_memcg, report.oom_group))


@pytest.mark.parametrize("seed", range(4))
def test_no_process_is_taken_for_ours_that_the_kernel_does_not_name(seed: int) -> None:
    """Without known pids, the summary must name our cgroup and the victim, or our cgroup's own table must list it."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(ROUNDS // 4):
        records = mangled(chance)
        text = "".join(records)
        for report in concerning(read(records), cgroup=OURS, pids=()):
            assert any(re.search(rf"{OURS}(?![^/,])", record) for record in records)
            assert f",pid={report.chosen},uid=" in text
            for victim in report.victims:
                assert any(
                    f"Killed process {victim.pid} " in record or f" {victim.pid} " in record for record in records
                )
                assert any(victim.record in record for record in records)


def seconds(records: list[str]) -> float:
    """Return the lowest processor time that reading them takes."""
    return min(timeit.repeat(lambda: read(records), timer=time.process_time, number=1, repeat=4))


def test_parsing_takes_time_in_proportion_to_the_log() -> None:
    """Six thousand records take about four times as long as a quarter of them, not sixteen times."""
    records = [*CORPUS["scope-7.2"]["records"], *CORPUS["mixed-6.12"]["records"]] * 10
    assert len(read(records)) > 10
    assert seconds(records * 4) < 10 * seconds(records)


@pytest.mark.parametrize(
    "lure",
    [
        "oom-kill:constraint=CONSTRAINT_NONE,,oom_memcg=/",
        ",task=",
        "Memory cgroup stats for /: a:1KB",
        "[ pid",
    ],
)
def test_records_with_nothing_but_misleading_text_take_less_than_a_second(lure: str) -> None:
    """That is a hundred times what it takes; the records are as long as records can be."""
    filled = f"oom-kill:constraint=CONSTRAINT_NONE,,oom_memcg=/{lure * (7900 // len(lure))},pid=1,uid=1"
    assert seconds([lure * (8000 // len(lure)), filled, killed(1)]) < 1
