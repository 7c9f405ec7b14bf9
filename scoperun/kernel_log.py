"""The kernel's report of an OOM kill: its log's records -> values. No I/O.

The law of this file:

1. Only what a record says in full is reported. A record that is torn, cut off or ambiguous says nothing, and what
   nothing says is None.
2. The kernel holds one lock from a report's first record to its last, so reports follow one another. Where they seem
   to be mixed all the same, or the middle is lost, a report keeps only what its records say of themselves.
3. A victim is in a cgroup if the kernel says so of its pid. A pid alone counts where the kernel says nothing.
4. Names are of the processes' own choosing and may look like anything: each is found from what stands around it.

The records are those of mm/oom_kill.c and mm/memcontrol.c, from 5.0 to 7.2:

    NAME invoked oom-killer: …      -- from here to `oom-kill:` is left out if there were ten of it in five seconds
    memory: usage …                 -- and swap; not if the whole machine is out of memory
    Memory cgroup stats for CGROUP: -- then one record a line, or on older kernels one for all, cut off at the end
    [  pid  ]   uid  tgid …         -- the columns, then one record for each task
    oom-kill:constraint=…           -- CGROUP, NAME and pid of the one to be killed
    …: Killed process PID (NAME) …
    Tasks in CGROUP are going …     -- memory.oom.group, then one `Killed process` for each of the others
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scoperun.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

LOST = "(records of the kernel log were lost here)"
"""What a reader puts where records are missing: nothing after it belongs to what is before it."""

_KIB = 1024

# printk cuts a record off at 1024 bytes, of which it needs up to 48 itself; /dev/kmsg hands out 8 KiB at the most.
_CUT_OFF = 960
_LONGEST = 8192

_PID = "([0-9]{1,10})"
_NUMBER = "([0-9]{1,20})"
_MESSAGE = r"((?:Memory cgroup o|O)ut of memory)[^:]*: "

_INVOKED = re.compile(
    r"(.*) invoked oom-killer: gfp_mask=0x[0-9a-f]+\([^()]*\), (?:nodemask=[^ ]*, )?"
    r"order=-?[0-9]+, oom_score_adj=-?[0-9]+\Z",
    re.DOTALL,
)
_COUNTER = re.compile(rf"(memory|swap): usage {_NUMBER}kB, limit {_NUMBER}kB, failcnt {_NUMBER}\Z")
_STAT = re.compile(r"Memory cgroup stats for (/.*):((?: [a-z_]+:[0-9]{1,20}KB)*)\Z")
_STAT_LINE = re.compile(rf"([a-z][a-z0-9_]*) {_NUMBER}\Z")
_TABLE = re.compile(r"\[ *pid *\]((?: +[a-z_]+)+) name\Z")
_SUMMARY = re.compile(rf"oom-kill:constraint=(CONSTRAINT_[A-Z_]+),(.*),pid={_PID},uid=[0-9]{{1,10}}\Z", re.DOTALL)
_FIELDS = (",cpuset=", ",mems_allowed=", ",oom_memcg=", ",global_oom", ",task_memcg=", ",task=", ",pid=", ",uid=")
_OF_CGROUP = re.compile(r",(oom_memcg|global_oom,task_memcg)=(?=/)")
_SCORE = re.compile(rf"{_MESSAGE}Kill process {_PID} \(.*\) score [0-9]+ or sacrifice child\Z", re.DOTALL)
_KILLED = re.compile(
    rf"(?:{_MESSAGE})?Killed process {_PID} \((.*)\)"
    rf" total-vm:{_NUMBER}kB, anon-rss:{_NUMBER}kB, file-rss:{_NUMBER}kB(?:, shmem-rss:{_NUMBER}kB)?"
    rf"(?:, UID:([0-9]{{1,10}}))?(?: pgtables:{_NUMBER}kB)?(?: oom_score_adj:(-?[0-9]{{1,5}}))?\Z",
    re.DOTALL,
)
_GROUP = re.compile(r"Tasks in (/.*) are going to be killed due to memory\.oom\.group set\Z")
_NOBODY = "Out of memory and no killable processes"
_TITLES = ("memory+swap: usage ", "kmem: usage ", "Memory cgroup min protection ", "Tasks state (memory values in ")

_PAGES = {"total_vm", "rss", "rss_anon", "rss_file", "rss_shmem", "swapents"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTask:
    """A process that could have been killed; sizes in bytes, None where this kernel's table has no such column.

    pid: the process's, whichever of its threads the kernel lists.
    name: of that thread.
    """

    pid: int
    name: str
    uid: int | None = None
    total_vm: int | None = None
    rss: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    swap: int | None = None
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVictim:
    """A process that was killed; sizes in bytes, None where this kernel does not print it.

    pid: the process's, or that of the thread that the kernel names if its table does not say whose that is.
    record: the kernel's own words.
    """

    pid: int
    name: str
    total_vm: int
    anon_rss: int
    file_rss: int
    shmem_rss: int | None = None
    uid: int | None = None
    pgtables: int | None = None
    oom_score_adj: int | None = None
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport:
    """One decision of the kernel's OOM killer; None is what it did not say, or not so that it can be relied on.

    constraint: CONSTRAINT_MEMCG, CONSTRAINT_NONE (the whole machine), CONSTRAINT_CPUSET, CONSTRAINT_MEMORY_POLICY.
    invoked_by: the name of the task that wanted memory.
    oom_memcg: the cgroup whose limit it was.
    task_memcg: the cgroup of `chosen`, the process to be killed, by pid.
    oom_group: the cgroup that was killed as a whole, for its memory.oom.group.
    usage, limit, swap_usage, swap_limit: bytes, of oom_memcg; no limit is INFINITY.
    failcnt, swap_failcnt: times that the limit was hit.
    stat: oom_memcg's memory.stat, bytes and counts; empty if it was not printed.
    tasks: those of oom_memcg, or of the machine; empty if they were not printed.
    victims: in the order of their death; empty if the chosen one was ending already.
    records: the kernel's own words, those that all this was read from.
    """

    constraint: str | None = None
    invoked_by: str | None = None
    oom_memcg: str | None = None
    task_memcg: str | None = None
    chosen: int | None = None
    oom_group: str | None = None
    usage: int | None = None
    limit: int | None = None
    failcnt: int | None = None
    swap_usage: int | None = None
    swap_limit: int | None = None
    swap_failcnt: int | None = None
    stat: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[KernelTask, ...] = ()
    victims: tuple[KernelVictim, ...] = ()
    records: tuple[str, ...] = ()


def parse(records: Iterable[str], *, page_size: int) -> tuple[KernelReport, ...]:
    """Return the OOM killer's reports in records of the kernel log, in their order.

    A record is what one printk wrote, line feeds included; those that are no part of a report are passed over.
    page_size is in bytes.
    """
    reader = _Reader(page_size)
    for record in records:
        reader.feed(record)
    return tuple(_report(draft, page_size) for draft in reader.drafts)


def concerning(reports: Iterable[KernelReport], *, cgroup: str, pids: Collection[int]) -> tuple[KernelReport, ...]:
    """Return what the reports say of victims in `cgroup` and below, without any other victim.

    pids: processes known to have been in the cgroup; they are asked where the kernel does not name a victim's cgroup.
    """
    found = (_concerning(report, cgroup, pids) for report in reports)
    return tuple(report for report in found if report is not None)


def _concerning(report: KernelReport, cgroup: str, pids: Collection[int]) -> KernelReport | None:
    # The table lists the tasks of oom_memcg and no others. The path of a group kill proves nothing: the kill of
    # somebody else, its own report left out, may follow and looks like one more of the group.
    listed = report.tasks if _is_within(report.oom_memcg, cgroup) else ()
    known = {*pids, *(task.pid for task in listed)}
    ours = [victim for victim in report.victims if _is_ours(victim.pid, report, cgroup, known)]
    if not ours and (report.victims or not _is_within(report.task_memcg, cgroup)):
        return None
    others = {victim.record for victim in report.victims} - {victim.record for victim in ours}
    records = tuple(record for record in report.records if record not in others)
    return replace(report, victims=tuple(ours), records=records)


def _is_ours(pid: int, report: KernelReport, cgroup: str, known: Collection[int]) -> bool:
    """Tell whether a victim is of `cgroup`: the cgroup that the kernel names for it decides, if it names one.

    One above ours decides nothing: it is the next that has the memory controller, if ours has none.
    """
    if pid == report.chosen and report.task_memcg is not None:
        if _is_within(report.task_memcg, cgroup):
            return True
        if not _is_within(cgroup, report.task_memcg):
            return False
    return pid in known


def _is_within(path: str | None, cgroup: str) -> bool:
    return bool(path and cgroup) and f"{path}/".startswith(f"{cgroup.rstrip('/')}/")


@dataclass(slots=True)
class _Draft:
    """A report as far as it has been read.

    message: what a kill's record begins with, the same for all of a report.
    summary: what stands between constraint and pid, which names the cgroups.
    threads: the process of each thread in the table.
    victims: by the pid that the kernel names.
    """

    is_mixed: bool = False
    is_over: bool = False
    sacrifices: bool = False
    invoked_by: str | None = None
    constraint: str | None = None
    message: str | None = None
    summary: str = ""
    chosen: int | None = None
    oom_group: str | None = None
    counters: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    stat_of: str | None = None
    stat: dict[str, int] = field(default_factory=dict)
    columns: list[str] | None = None
    threads: dict[int, int] = field(default_factory=dict)
    tasks: list[KernelTask] = field(default_factory=list)
    victims: dict[int, KernelVictim] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)

    def awaits(self, pid: int, message: str | None) -> bool:
        """Tell whether a kill of `pid`, said in the words of `message`, belongs here."""
        if self.oom_group is not None:
            return not self.victims or message == self.message
        is_chosen = self.chosen is not None and self.chosen in {pid, self.threads.get(pid)}
        return self.is_over and not self.victims and (self.sacrifices or is_chosen)


class _Reader:
    """Puts records together to reports; each method takes a record if it is of its kind."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._current: _Draft | None = None
        self._torn = ""
        self.drafts: list[_Draft] = []
        self._kinds = (
            self._stat_lines, self._task, self._counter, self._stat, self._table, self._title,
            self._summary, self._score, self._killed, self._group, self._invoked,
        )  # fmt: skip

    def feed(self, record: str) -> None:
        """Take the next record of the log."""
        if record == LOST:
            self._current = None
        elif len(record) <= _LONGEST and not self._mend(record) and any(takes(record) for takes in self._kinds):
            self._torn = ""

    def _begin(self, *, is_mixed: bool = False) -> _Draft:
        self._current = _Draft(is_mixed=is_mixed)
        self.drafts.append(self._current)
        return self._current

    def _unfinished(self) -> _Draft | None:
        return None if self._current is None or self._current.is_over else self._current

    def _invoked(self, record: str) -> bool:
        if found := _INVOKED.match(record):
            draft = self._begin(is_mixed=self._unfinished() is not None)
            draft.invoked_by = found[1]
            draft.records.append(record)
        return found is not None

    def _counter(self, record: str) -> bool:
        if found := _COUNTER.match(record):
            draft = self._unfinished() or self._begin()
            draft.is_mixed |= found[1] in draft.counters
            draft.counters[found[1]] = (int(found[2]) * _KIB, int(found[3]) * _KIB, int(found[4]))
            draft.records.append(record)
        return found is not None

    def _stat(self, record: str) -> bool:
        """Take the statistics' first line: of the oom_memcg, and before 5.3 then of each cgroup below."""
        found = _STAT.match(record)
        if found and not ((draft := self._unfinished()) and draft.stat_of):
            draft = draft or self._begin()
            draft.stat_of = found[1]
            pairs = (pair.split(":") for pair in found[2].split())
            draft.stat |= {name: int(size.removesuffix("KB")) * _KIB for name, size in pairs}
            draft.records.append(record)
        return found is not None

    def _stat_lines(self, record: str) -> bool:
        draft = self._unfinished()
        if draft is None or draft.stat_of is None or draft.columns is not None:
            return False
        lines = record.split("\n")
        if len(lines) > 1 and len(record) >= _CUT_OFF:
            lines.pop()
        found = [line for line in map(_STAT_LINE.match, lines) if line is not None]
        if len(found) < len(lines):
            return False
        for line in found:
            draft.is_mixed |= line[1] in draft.stat
            draft.stat[line[1]] = int(line[2])
        draft.records.append(record)
        return True

    def _table(self, record: str) -> bool:
        if found := _TABLE.match(record):
            draft = self._unfinished() or self._begin()
            draft.is_mixed |= draft.columns is not None
            draft.columns = found[1].split()
            draft.records.append(record)
        return found is not None

    def _task(self, record: str) -> bool:
        draft = self._unfinished()
        if draft is None or draft.columns is None or not (row := _row(draft.columns, record)):
            return False
        thread, numbers, name = row
        draft.threads[thread] = numbers.get("tgid", thread)
        draft.tasks.append(_kernel_task(draft.threads[thread], name, numbers, self._page_size))
        draft.records.append(record)
        return True

    def _title(self, record: str) -> bool:
        """Take a record that is part of a report but says nothing that is in ours."""
        draft = self._unfinished()
        if draft is None or not record.startswith((*_TITLES, _NOBODY)):
            return False
        draft.is_over = record.startswith(_NOBODY)
        draft.records.append(record)
        return True

    def _summary(self, record: str) -> bool:
        if found := _SUMMARY.match(record):
            draft = self._unfinished() or self._begin()
            draft.is_over = True
            draft.constraint, draft.summary, draft.chosen = found[1], found[2], int(found[3])
            draft.records.append(record)
        elif record.startswith("oom-kill:constraint="):
            self._torn = record
        return found is not None

    def _mend(self, record: str) -> bool:
        """Put the summary together if somebody else's record tore it, for it is written piece by piece."""
        if not self._torn or not _continues(self._torn, record):
            return False
        self._torn = self._torn[:_LONGEST] + record
        if _SUMMARY.match(self._torn) and all(self._torn.count(name) <= 1 for name in _FIELDS):
            self._summary(self._torn)
            self._torn = ""
        return True

    def _score(self, record: str) -> bool:
        """Take what 5.0 says before it kills that process, or a child of it in its stead."""
        if found := _SCORE.match(record):
            draft = self._current
            if draft is None or not draft.awaits(int(found[2]), found[1]):
                draft = self._begin()
            draft.is_over = draft.sacrifices = True
            draft.constraint = draft.constraint or _constraint(found[1])
            draft.records.append(record)
        return found is not None

    def _killed(self, record: str) -> bool:
        if found := _KILLED.match(record):
            pid = int(found[2])
            draft = self._current
            if draft is None or not draft.awaits(pid, found[1]):
                draft = self._begin()
            draft.is_over = True
            draft.message = found[1]
            draft.constraint = draft.constraint or _constraint(found[1])
            # The one whose kill made it a group kill is a member of the group too, and is then killed twice.
            if pid not in draft.victims:
                draft.victims[pid] = _kernel_victim(found)
                draft.records.append(record)
        return found is not None

    def _group(self, record: str) -> bool:
        found = _GROUP.match(record)
        if found and (draft := self._current) and draft.is_over and draft.oom_group is None:
            draft.oom_group = _path(found[1])
            draft.records.append(record)
        return found is not None


def _continues(torn: str, record: str) -> bool:
    return record.startswith(",") or torn.endswith("cpuset=") or (torn.endswith("memcg=") and record.startswith("/"))


def _constraint(message: str | None) -> str | None:
    return "CONSTRAINT_MEMCG" if message == "Memory cgroup out of memory" else None


def _path(text: str) -> str | None:
    """Return the path of a cgroup, None if it is none or printk cut it off."""
    return text if text.startswith("/") and len(text) < _CUT_OFF else None


def _row(columns: list[str], record: str) -> tuple[int, dict[str, int], str] | None:
    """Return a row of the table: thread, the numbers by column, name, which may look like more numbers."""
    found = _row_pattern(len(columns)).match(record)
    if found is None:
        return None
    return int(found[1]), dict(zip(columns, map(int, found[2].split()), strict=True)), found[3]


def _row_pattern(columns: int) -> re.Pattern[str]:
    return re.compile(rf"\[ *{_PID}\]((?: +-?[0-9]{{1,20}}){{{columns}}}) (.*)\Z", re.DOTALL)


def _kernel_task(pid: int, name: str, numbers: Mapping[str, int], page_size: int) -> KernelTask:
    sizes = {column: numbers[column] * page_size for column in _PAGES if column in numbers}
    return KernelTask(
        pid=pid,
        name=name,
        uid=numbers.get("uid"),
        total_vm=sizes.get("total_vm"),
        rss=sizes.get("rss"),
        rss_anon=sizes.get("rss_anon"),
        rss_file=sizes.get("rss_file"),
        rss_shmem=sizes.get("rss_shmem"),
        pgtables=numbers.get("pgtables_bytes"),
        swap=sizes.get("swapents"),
        oom_score_adj=numbers.get("oom_score_adj"),
    )


def _kernel_victim(found: re.Match[str]) -> KernelVictim:
    total_vm, anon_rss, file_rss = (int(word) * _KIB for word in found.groups()[3:6])
    shmem_rss, uid, pgtables, oom_score_adj = (None if word is None else int(word) for word in found.groups()[6:])
    return KernelVictim(
        pid=int(found[2]),
        name=found[3],
        total_vm=total_vm,
        anon_rss=anon_rss,
        file_rss=file_rss,
        shmem_rss=None if shmem_rss is None else shmem_rss * _KIB,
        uid=uid,
        # 5.4 and 5.5 print bytes and call them kB: that is more than the memory that they would be tables of.
        pgtables=None if pgtables is None or pgtables * _KIB > total_vm else pgtables * _KIB,
        oom_score_adj=oom_score_adj,
        record=found.string,
    )


def _report(draft: _Draft, page_size: int) -> KernelReport:
    oom_memcg, task_memcg = _cgroups(draft)
    report = KernelReport(
        constraint="CONSTRAINT_MEMCG" if oom_memcg else draft.constraint,  # 5.0 and 5.1 say CONSTRAINT_NONE there
        oom_memcg=oom_memcg,
        task_memcg=task_memcg,
        chosen=draft.chosen,
        oom_group=draft.oom_group,
        victims=tuple(draft.victims.values()),
        records=tuple(draft.records),
    )
    return replace(report, **_details(draft, page_size)) if _is_of_one_piece(draft, report) else report


def _is_of_one_piece(draft: _Draft, report: KernelReport) -> bool:
    """Tell whether the details before the summary are those of the kill after it."""
    if draft.is_mixed:
        return False
    if draft.chosen is None:
        return True
    is_same_cgroup = draft.stat_of in {None, report.oom_memcg}
    return is_same_cgroup and (not draft.tasks or draft.chosen in {*draft.threads, *draft.threads.values()})


def _details(draft: _Draft, page_size: int) -> dict[str, Any]:
    usage, limit, failcnt = draft.counters.get("memory", (None, None, None))
    swap_usage, swap_limit, swap_failcnt = draft.counters.get("swap", (None, None, None))
    return {
        "invoked_by": draft.invoked_by,
        "usage": usage,
        "limit": _limit(limit, page_size),
        "failcnt": failcnt,
        "swap_usage": swap_usage,
        "swap_limit": _limit(swap_limit, page_size),
        "swap_failcnt": swap_failcnt,
        "stat": draft.stat,
        "tasks": tuple(draft.tasks),
        "victims": tuple(_of_process(victim, draft) for victim in draft.victims.values()),
    }


def _limit(limit: int | None, page_size: int) -> int | None:
    """Return INFINITY for PAGE_COUNTER_MAX of include/linux/page_counter.h, which is how the kernel writes it."""
    return INFINITY if limit is not None and limit >= (2**63 - 1) // page_size * page_size else limit


def _of_process(victim: KernelVictim, draft: _Draft) -> KernelVictim:
    """Return the victim with its process's pid: the kernel names the thread that is left of it, the table both."""
    return replace(victim, pid=draft.threads.get(victim.pid, victim.pid))


def _cgroups(draft: _Draft) -> tuple[str | None, str | None]:
    """Return oom_memcg and task_memcg of the summary.

    A cgroup and a process may be named as if they were the next field; then only what is said elsewhere decides.
    """
    found = _OF_CGROUP.search(draft.summary)
    if found is None:
        return None, None
    processes: Iterable[KernelTask | KernelVictim] = (*draft.tasks, *draft.victims.values())
    names = {process.name for process in processes if process.pid == draft.chosen}
    cgroups, _ = _only(_splits(draft.summary[found.end() :], ",task="), lambda _, name: name in names)
    if found[1] != "oom_memcg":
        return None, _path(cgroups)
    oom_memcg, task_memcg = _only(
        _splits(cgroups, ",task_memcg="),
        lambda oom, task: task.startswith("/") and (oom == draft.stat_of if draft.stat_of else _is_within(task, oom)),
    )
    return _path(oom_memcg), _path(task_memcg)


def _splits(text: str, mark: str) -> list[tuple[str, str]]:
    """Return every way to split `text` at `mark`."""
    ends = [found.start() for found in re.finditer(re.escape(mark), text)]
    return [(text[:end], text[end + len(mark) :]) for end in ends]


def _only(splits: list[tuple[str, str]], is_right: Callable[[str, str], bool]) -> tuple[str, str]:
    """Return the only split, or the only one that is right; else nothing."""
    found = splits if len(splits) == 1 else [split for split in splits if is_right(*split)]
    return found[0] if len(found) == 1 else ("", "")
