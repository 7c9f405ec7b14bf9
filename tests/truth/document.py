"""The scores of many runs as tables: on a terminal, and as docs/truth.md."""

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence

from .score import WHAT, Mark, Score

INTRODUCTION = """\
# Is what scoperun says true?

This file is written by `make truth`. Each run below is a command whose end is arranged, so that the truth is known:
whether it runs out of memory, which processes the kernel kills, and at whose limit. scoperun's report is then compared
with the truth. The stories are in `tests/truth/`. `.ci/run` plays each of them once on every suite in user-mode Linux,
which has one processor, and once on Linux 6.12 with two; `make truth` plays all of them on all platforms.

**unknown** is an answer too. It is right for a fact of which no trace is left:

* a victim, if the kernel log cannot be read and either of two processes can have been the victim, or if the victim was
  born and killed before scoperun could see it, or, on a busy machine, last seen a second or more before its end;
* the name of a victim, if the log cannot be read and memory does not prove it: after kills of several processes, and at
  another limit than the scope's own, one that leaves no zombie can have executed another program since it was seen;
* a victim at such a limit, if the log cannot be read and the kernel, before Linux 6.15, does not tell how it ended;
* limit, victims and their number, if the whole scope was killed and the counters were removed with it, or if its
  processes were so small that the kernel chose the one that holds the counters;
* the same, if the kernel left it out of its log: after ten reports within five seconds it logs which process was killed
  and nothing more; and of a whole scope it does not log the processes that systemd, which kills too under
  `OOMPolicy=kill`, hit first;
* the verdict, under `OOMPolicy=continue`, if another process killed the whole scope, or the kernel killed the last
  process in it.

It is *unknown without need* if a trace was left. That is a bug as much as *wrong* is, and fails the test. The kernel
log is *withheld* by running as a user outside of the groups that can read it, or by hiding journalctl; the processor is
*busy* with an endless loop beside the command. Half of the commands that a story leaves alone are run as *jobs* of a
`scoperun.Batch`, which decides by the same report.
"""


def matrix_lines(scores: Iterable[Score]) -> list[str]:
    """Return the confusion matrix as lines for a terminal."""
    matrix = Counter((each.happened, each.verdict) for each in scores)
    rows = [f"{truth:15}{verdict:10}{runs:>5}" for (truth, verdict), runs in sorted(matrix.items())]
    return [f"{'what happened':15}{'verdict':10}{'runs':>5}", *rows]


def document(scores: Sequence[Score]) -> str:
    """Return the document."""
    today = datetime.datetime.now(datetime.UTC).date()
    runs, jobs = f"{len(scores)} runs of {len({each.kind for each in scores})} kinds", sum(each.job for each in scores)
    parts = [
        INTRODUCTION,
        f"{runs}, {today}; {jobs} of them were jobs of a batch.\n",
        table(("systemd", "kernel", "runs"), systems(scores)),
        "## What happened, and the verdict\n",
        matrix(scores),
        "## What is known under which circumstances\n",
        "The verdict of all runs, and the facts of those whose verdict was oom-kill:\n",
        table(("", "kernel log", "processor", *Mark), circumstances(scores)),
        "## Kind by kind\n",
        "right / unknown, and what is neither in bold.\n",
        table(("kind", "runs", *WHAT), kinds(scores)),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    ruler = ["---" if index == 0 else "---:" for index in range(len(head))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, ruler, *rows)) + "\n"


def systems(scores: Iterable[Score]) -> Iterable[Sequence[object]]:
    """Return the rows of the versions of systemd and the kernel."""
    runs = Counter((each.systemd, each.kernel) for each in scores)
    return [(systemd, kernel, count) for (systemd, kernel), count in sorted(runs.items())]


def matrix(scores: Iterable[Score]) -> str:
    """Return the confusion matrix as a table in Markdown."""
    runs = Counter((each.happened, each.verdict) for each in scores)
    verdicts = sorted({verdict for _, verdict in runs}, key=lambda verdict: (verdict == "unknown", verdict))
    rows = [
        (happened, *(runs[happened, verdict] or "" for verdict in verdicts))
        for happened in sorted({truth for truth, _ in runs})
    ]
    return table(("what happened", *verdicts), rows)


def circumstances(scores: Sequence[Score]) -> Iterable[Sequence[object]]:
    """Return the rows of marks, by fact, log and load."""
    for what in WHAT:
        for log, load in ((True, False), (True, True), (False, False), (False, True)):
            marks = Counter(each.marks.get(what) for each in scores if (each.log, each.load) == (log, load))
            words = ("readable" if log else "withheld", "busy" if load else "idle")
            yield (what, *words, *(marks[mark] for mark in Mark))


def kinds(scores: Sequence[Score]) -> Iterable[Sequence[object]]:
    """Return a row for each kind, in the order in which the kinds were played."""
    for kind in dict.fromkeys(each.kind for each in scores):
        of_kind = [each for each in scores if each.kind == kind]
        yield (kind.replace("|", "\\|"), len(of_kind), *(cell(of_kind, what) for what in WHAT))


def cell(scores: Sequence[Score], what: str) -> str:
    """Return the marks of a kind for one fact."""
    marks = Counter(each.marks.get(what) for each in scores)
    if not marks.keys() - {None}:
        return ""
    failures = "".join(f" **{marks[mark]} {mark}**" for mark in Mark if mark.is_failure and marks[mark])
    return f"{marks[Mark.RIGHT]} / {marks[Mark.UNKNOWN]}{failures}"
