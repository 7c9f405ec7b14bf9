"""What --dry-run shows of jobs."""

import itertools
import json
import shlex

from scoperun.batch.job import Job
from scoperun.batch.preview import json_lines, text_lines

GIB = 1 << 30
WHOLE = Job(
    seq=7, command=("sort", "a b", "\udcff\n"), memory=GIB + 1, name="seven x", settings=(("timeout", "5min 20s"),),
    cwd="/srv", environment=("A=b c",),
)  # fmt: skip


def test_a_line_has_what_a_job_says() -> None:
    jobs = [Job(seq=1, command=("/bin/sh", "-c", "sort a > b"), memory=GIB), WHOLE]
    assert list(text_lines(jobs)) == [
        "1\t1G\t-\t/bin/sh -c 'sort a > b'",
        "7\t1073741825\tid='seven x' timeout='5min 20s' cwd=/srv 'A=b c'\tsort 'a b' $'\\377\\n'",
    ]


def test_a_line_is_one_line_that_a_shell_reads_back() -> None:
    words = ("a\tb", "; rm -rf ~", "$(x)", "'", "", "\x1b[2J")
    (line,) = text_lines([Job(seq=1, command=words, memory=GIB)])
    assert line.isprintable() or line.count("\t") == 3
    assert shlex.split(line.split("\t")[3])[1:5] == list(words[1:5])


def test_an_object_has_what_a_job_says() -> None:
    (line,) = json_lines([WHOLE])
    assert json.loads(line) == {
        "seq": 7,
        "id": "seven x",
        "memory": GIB + 1,
        "command": ["sort", "a b", "\\xff\n"],
        "settings": {"timeout": "5min 20s"},
        "cwd": "/srv",
        "env": {"A": "b c"},
    }


def test_jobs_are_shown_while_they_are_read() -> None:
    endless = (Job(seq=seq, command=("a",), memory=GIB) for seq in itertools.count(1))
    assert next(itertools.islice(text_lines(endless), 5, None)).startswith("6\t")
