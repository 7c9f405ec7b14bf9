"""The kernel's report of an OOM kill: its log's records -> values. No I/O.

The law of this file:

1. Only what a record says in full is reported. A record that is torn, cut off or ambiguous is ignored, and a value that
   no record gives is None.
2. The kernel holds one lock from a report's first record to its last, so reports follow one another. If they seem to
   be mixed all the same, or the middle is lost, a report keeps only what each of its records says by itself.
3. A victim is in a cgroup if the kernel says so for its pid. The pid alone decides if the kernel names no cgroup.
4. Processes choose their own names, which can look like anything: each name is found by the text around it.

The records are those of mm/oom_kill.c and mm/memcontrol.c, from 5.0 to 7.2:

    sysrq: Manual OOM execution     -- only for a kill that SysRq requested; from another process, and a little earlier
    NAME invoked oom-killer: …      -- left out from here to `oom-kill:` after ten reports in five seconds
    memory: usage …                 -- and swap; not if the whole machine is out of memory
    Memory cgroup stats for CGROUP: -- then a record for each line, or on older kernels one for all, cut off at the end
    [  pid  ]   uid  tgid …         -- the columns, then one record for each task
    oom-kill:constraint=…           -- CGROUP, NAME and pid of the process to be killed
    …: Killed process PID (NAME) …
    Tasks in CGROUP are going …     -- memory.oom.group, then one `Killed process` for each of the others
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_draft import CUT_OFF, LONGEST, Draft, cgroup_path, finished
from scoperun.evidence.kernel_report import LOST, KernelRecord, KernelTask, KernelVictim
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.evidence.kernel_report import KernelReport

# Every record that can begin a report matches this. It is the cheapest way to skip the others, most of a busy log.
_FIRST = re.compile(r"oom-kill|: usage |Memory cgroup stats|\[ *pid|Kill|Tasks in |Manual OOM execution")

_KIB = 1024

_PID = "([0-9]{1,10})"
_NUMBER = "([0-9]{1,20})"
_MESSAGE = r"((?:Memory cgroup o|O)ut of memory)[^:]*: "

_INVOKED = re.compile(
    r"(.*) invoked oom-killer: gfp_mask=0x[0-9a-f]+\([^()]*\), (?:nodemask=[^ ]*, )?"
    r"order=(-?[0-9]+), oom_score_adj=-?[0-9]+\Z",
    re.DOTALL,
)
_SYSRQ = re.compile(r"(?:sysrq: )?(?:SysRq : )?Manual OOM execution\Z")
_SYSRQ_ORDER = "-1"
_GLOBAL = "Out of memory"
_COUNTER = re.compile(rf"(memory|swap): usage {_NUMBER}kB, limit {_NUMBER}kB, failcnt {_NUMBER}\Z")
_STAT = re.compile(r"Memory cgroup stats for (/.*):((?: [a-z_]+:[0-9]{1,20}KB)*)\Z")
_STAT_LINE = re.compile(rf"([a-z][a-z0-9_]*) {_NUMBER}\Z")
_TABLE = re.compile(r"\[ *pid *\]((?: +[a-z_]+)+) name\Z")
_SUMMARY = re.compile(rf"oom-kill:constraint=(CONSTRAINT_[A-Z_]+),(.*),pid={_PID},uid=[0-9]{{1,10}}\Z", re.DOTALL)
_FIELDS = (",cpuset=", ",mems_allowed=", ",oom_memcg=", ",global_oom", ",task_memcg=", ",task=", ",pid=", ",uid=")
_SCORE = re.compile(rf"{_MESSAGE}Kill process {_PID} \(.*\) score [0-9]+ or sacrifice child\Z", re.DOTALL)
_KILLED = re.compile(
    rf"(?:{_MESSAGE})?Killed process {_PID} \((.*)\)"
    rf" total-vm:{_NUMBER}kB, anon-rss:{_NUMBER}kB, file-rss:{_NUMBER}kB(?:, shmem-rss:{_NUMBER}kB)?"
    rf"(?:, UID:([0-9]{{1,10}}))?(?: pgtables:{_NUMBER}kB)?(?: oom_score_adj:(-?[0-9]{{1,5}}))?\Z",
    re.DOTALL,
)
_GROUP = re.compile(r"Tasks in (/.*) are going to be killed due to memory\.oom\.group set\Z")
_NONE_KILLABLE = "Out of memory and no killable processes"
_TITLES = ("memory+swap: usage ", "kmem: usage ", "Memory cgroup min protection ", "Tasks state (memory values in ")

_PAGES = {"total_vm", "rss", "rss_anon", "rss_file", "rss_shmem", "swapents"}


def parse(records: Iterable[KernelRecord], *, page_size: int) -> tuple[KernelReport, ...]:
    """Return the OOM killer's reports in the records of the kernel log, in order; page_size: bytes."""
    parser = KernelLogParser(page_size)
    for record in records:
        parser.feed(record)
    last = parser.unfinished()
    return (*parser.finished(), *((last,) if last else ()))


class KernelLogParser:
    """Puts records together into reports; each method of `_kinds` returns whether it took the record."""

    def __init__(self, page_size: int) -> None:
        """Start with no record; page_size: bytes."""
        self._page_size = page_size
        self._current: Draft | None = None
        self._last: Draft | None = None
        self._finished: list[KernelReport] = []
        self._torn = ""
        self._asked_by_sysrq = False
        self._kinds = (
            self._stat_lines, self._task, self._counter, self._stat, self._table, self._title,
            self._summary, self._score, self._killed, self._group, self._invoked, self._sysrq,
        )  # fmt: skip

    def feed(self, record: KernelRecord) -> None:
        """Take the next record of the log; one that is not part of a report is skipped."""
        text = record.text
        if record is LOST:
            self._current = None
        elif not self._torn and self._unfinished() is None and not _FIRST.search(text):
            return
        elif len(text) <= LONGEST and not self._mend(text) and any(takes(text) for takes in self._kinds):
            self._torn = ""
            if self._current is not None:
                self._current.at = record.at

    def finished(self) -> list[KernelReport]:
        """Return the reports that are complete, each once: not again at the next call."""
        finished, self._finished = self._finished, []
        return finished

    def unfinished(self) -> KernelReport | None:
        """Return the last report as far as it has been read, None before the first."""
        return None if self._last is None else finished(self._last, page_size=self._page_size)

    def _begin(self, *, is_mixed: bool = False) -> Draft:
        if last := self.unfinished():
            self._finished.append(last)
        self._current = self._last = Draft(is_mixed=is_mixed)
        return self._current

    def _unfinished(self) -> Draft | None:
        return None if self._current is None or self._current.is_over else self._current

    def _invoked(self, record: str) -> bool:
        if found := _INVOKED.match(record):
            draft = self._begin(is_mixed=self._unfinished() is not None)
            draft.invoked_by = found[1]
            draft.sysrq = found[2] == _SYSRQ_ORDER
            self._asked_by_sysrq |= draft.sysrq
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
        """Take the first line of the statistics of oom_memcg; before 5.3 one for each cgroup below follows."""
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
        if len(lines) > 1 and len(record) >= CUT_OFF:
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
        """Take a record that is part of a report but whose content is not used here."""
        draft = self._unfinished()
        if draft is None or not record.startswith((*_TITLES, _NONE_KILLABLE)):
            return False
        draft.is_over = record.startswith(_NONE_KILLABLE)
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
        """Put together a summary that another record tore: the kernel writes it piece by piece."""
        if not self._torn or not _continues(self._torn, record):
            return False
        self._torn = self._torn[:LONGEST] + record
        if _SUMMARY.match(self._torn) and all(self._torn.count(name) <= 1 for name in _FIELDS):
            self._summary(self._torn)
            self._torn = ""
        return True

    def _score(self, record: str) -> bool:
        """Take what 5.0 says before it kills that process, or one of its children instead."""
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
            if found[1] == _GLOBAL and not draft.victims_by_pid and (draft.sysrq or draft.invoked_by is None):
                draft.sysrq, self._asked_by_sysrq = self._asked_by_sysrq, False
            draft.constraint = draft.constraint or _constraint(found[1])
            # The first victim of a group kill belongs to the group too, so the kernel kills it twice.
            if known := draft.victims_by_pid.get(pid):
                draft.victims_by_pid[pid] = replace(known, kills=known.kills + 1)
            else:
                draft.victims_by_pid[pid] = _kernel_victim(found)
                draft.records.append(record)
        return found is not None

    def _sysrq(self, record: str) -> bool:
        """Note a kill requested by SysRq, without taking the record; the report on it might leave out the request."""
        self._asked_by_sysrq |= _SYSRQ.match(record) is not None
        return False

    def _group(self, record: str) -> bool:
        found = _GROUP.match(record)
        if found and (draft := self._current) and draft.is_over and draft.oom_group is None:
            draft.oom_group = cgroup_path(found[1])
            draft.records.append(record)
        return found is not None


def _continues(torn: str, record: str) -> bool:
    return record.startswith(",") or torn.endswith("cpuset=") or (torn.endswith("memcg=") and record.startswith("/"))


def _constraint(message: str | None) -> str | None:
    return "CONSTRAINT_MEMCG" if message == "Memory cgroup out of memory" else None


def _row(columns: list[str], record: str) -> tuple[int, dict[str, int], str] | None:
    """Return a row of the table: thread, the numbers by column, and the name, which can look like more numbers."""
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
        # 5.4 and 5.5 print bytes and call them kB: as kB that is more than the memory that the tables map.
        pgtables=None if pgtables is None or pgtables * _KIB > total_vm else pgtables * _KIB,
        oom_score_adj=oom_score_adj,
        record=found.string,
    )
