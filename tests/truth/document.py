"""The scores of many runs as tables: on a terminal, and as docs/truth.md."""

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence

from .score import WHAT, Mark, Score

INTRODUCTION = """\
# Is what scoperun says true?

This file is written by `make truth`. Each run below is a command whose end was arranged, so that it is known what
really happened: whether it ran out of memory, whom the kernel killed, and at whose limit. What scoperun reported was
then held against that. The stories are in `tests/truth/`; `.ci/run` plays each of them once on every suite.

**unknown** is an answer too, and the right one where what would tell was withheld:

* a victim, where the kernel log cannot be read and two processes remain of which either may have been it, or where it
  was born and killed before anybody could look;
* limit, victims and their number, where the whole scope was killed and the counters went with it, or where its
  processes were so small that the kernel took the one that holds the counters;
* the same, where the kernel left it out of its log: after ten reports within five seconds it says who was killed and
  no more, and of a whole scope it does not name whom systemd, which kills too under `OOMPolicy=kill`, hit first;
* the verdict, under `OOMPolicy=continue`, where somebody killed all of the scope, or the kernel the last of it.

It is *unknown without need* where something was left that tells. That is a bug as much as *wrong* is one, and fails
the test. The kernel log is *withheld* from a user outside of the groups that may read it, or by having no journalctl;
the processor is *busy* with an endless loop beside the command.
"""


def matrix_lines(scores: Iterable[Score]) -> list[str]:
    """Return what happened against what was said, for a terminal."""
    matrix = Counter((each.happened, each.verdict) for each in scores)
    rows = [f"{truth:15}{verdict:10}{runs:>5}" for (truth, verdict), runs in sorted(matrix.items())]
    return [f"{'what happened':15}{'verdict':10}{'runs':>5}", *rows]


def document(scores: Sequence[Score]) -> str:
    """Return the document."""
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [
        INTRODUCTION,
        f"{len(scores)} runs of {len({each.kind for each in scores})} kinds, {today}.\n",
        table(("systemd", "kernel", "runs"), systems(scores)),
        "## What happened, and the verdict\n",
        matrix(scores),
        "## What is known under which circumstances\n",
        "Of those runs that ran out of memory, and for the verdict of all:\n",
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
    """Return the rows of the systems that were asked."""
    runs = Counter((each.systemd, each.kernel) for each in scores)
    return [(systemd, kernel, count) for (systemd, kernel), count in sorted(runs.items())]


def matrix(scores: Iterable[Score]) -> str:
    """Return the confusion matrix."""
    runs = Counter((each.happened, each.verdict) for each in scores)
    verdicts = sorted({verdict for _, verdict in runs}, key=lambda verdict: (verdict == "unknown", verdict))
    rows = [
        (happened, *(runs[happened, verdict] or "" for verdict in verdicts))
        for happened in sorted({truth for truth, _ in runs})
    ]
    return table(("what happened", *verdicts), rows)


def circumstances(scores: Sequence[Score]) -> Iterable[Sequence[object]]:
    """Return the rows of marks by what they are for, log and load."""
    for what in WHAT:
        for log, load in ((True, False), (True, True), (False, False), (False, True)):
            marks = Counter(each.marks.get(what) for each in scores if (each.log, each.load) == (log, load))
            words = ("readable" if log else "withheld", "busy" if load else "idle")
            yield (what, *words, *(marks[mark] for mark in Mark))


def kinds(scores: Sequence[Score]) -> Iterable[Sequence[object]]:
    """Return a row for each kind, in the order in which they were played."""
    for kind in dict.fromkeys(each.kind for each in scores):
        of_kind = [each for each in scores if each.kind == kind]
        yield (kind.replace("|", "\\|"), len(of_kind), *(cell(of_kind, what) for what in WHAT))


def cell(scores: Sequence[Score], what: str) -> str:
    """Return the marks of a kind for one thing."""
    marks = Counter(each.marks.get(what) for each in scores)
    if not marks.keys() - {None}:
        return ""
    failures = "".join(f" **{marks[mark]} {mark}**" for mark in Mark if mark.is_failure and marks[mark])
    return f"{marks[Mark.RIGHT]} / {marks[Mark.UNKNOWN]}{failures}"
