"""Jobs from lines, objects, tables and values."""

import itertools
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from scoperun.batch.job import Job
from scoperun.batch.job_files import Asked, asked, jobs
from scoperun.batch.limits import Common
from scoperun.errors import InvalidValue

GIB = 1 << 30
SHARED = Common(memory=GIB)
SOME = {"command": "make", "mem": "2G"}


def read(tmp_path: Path, name: str, content: str | bytes, *command: str, shared: Common = SHARED) -> list[Job]:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else os.fsencode(content))
    return list(jobs(Asked(file=str(file), command=command), shared))


def refused(tmp_path: Path, name: str, content: str | bytes, *command: str, shared: Common = SHARED) -> str:
    with pytest.raises(InvalidValue) as refusal:
        read(tmp_path, name, content, *command, shared=shared)
    return str(refusal.value).removeprefix(f"{tmp_path}/")


def test_a_line_is_a_text_for_the_shell(tmp_path: Path) -> None:
    assert read(tmp_path, "jobs", b"sort a > b\n\necho {} \xff'") == [
        Job(seq=1, command=("/bin/sh", "-c", "sort a > b"), memory=GIB, tag="sort a > b"),
        Job(seq=2, command=("/bin/sh", "-c", "echo {} \udcff'"), memory=GIB, tag="echo {} \udcff'"),
    ]


@pytest.mark.parametrize("name", ["jobs", "x.jsonl", "x.tsv"])
def test_a_byte_order_mark_at_the_beginning_is_no_part_of_a_job(tmp_path: Path, name: str) -> None:
    contents = {"jobs": "make\n", "x.jsonl": json.dumps({"command": "make"}), "x.tsv": "command\nmake\n"}
    marked = b"\xef\xbb\xbf" + contents[name].encode()
    assert read(tmp_path, name, marked) == read(tmp_path, name, contents[name])


def test_a_line_fills_a_command(tmp_path: Path) -> None:
    assert read(tmp_path, "jobs", "a b\n; rm\n", "cat", "--in={}") == [
        Job(seq=1, command=("cat", "--in=a b"), memory=GIB, tag="a b"),
        Job(seq=2, command=("cat", "--in=; rm"), memory=GIB, tag="; rm"),
    ]


def test_values_fill_a_command() -> None:
    source = asked(None, ["cat", "{}", ":::", "a", "", "b c"])
    assert [job.command for job in jobs(source, SHARED)] == [("cat", "a"), ("cat", ""), ("cat", "b c")]
    assert [job.tag for job in jobs(source, SHARED)] == ["a", "cat ", "b c"]


@pytest.mark.parametrize(
    ("file", "words", "message"),
    [
        ("jobs", "cat ::: a", "jobs: jobs are in a file or are values after :::, not both"),
        (None, "::: a", "no command before ::: (-- CMD {} ::: A B)"),
        (None, "cat :::", "no values after ::: (-- CMD {} ::: A B)"),
        (None, "cat ::: a ::: b", "::: is there twice (there is one list of values)"),
    ],
)
def test_values_that_are_not_one_list_are_refused(file: str | None, words: str, message: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        asked(file, words.split())
    assert str(refusal.value) == message


def test_what_is_asked_for_is_a_file_and_a_command() -> None:
    assert asked("-", ["cat"]) == Asked(file="-", command=("cat",))
    assert asked(None, []) == Asked()


def test_a_job_without_memory_is_refused(tmp_path: Path) -> None:
    message = "no memory given (--mem SIZE, or --mem auto)"
    assert refused(tmp_path, "jobs", "a\n\nb", shared=Common()) == f"jobs:1: {message}"
    assert refused(tmp_path, "x.tsv", "mem\tcommand\n1G\ta\n\tb\n", shared=Common()) == f"x.tsv:3: {message}"
    with pytest.raises(InvalidValue, match=r"^value 1: no memory given"):
        list(jobs(asked(None, ["cat", ":::", "a"]), Common()))


def test_an_object_is_a_job(tmp_path: Path) -> None:
    whole = {
        "id": "a 1", "command": ["sort", "x y", ""], "mem": "2G", "cpus": 0.5, "timeout": 90, "tasks": "50",
        "soft-mem": "1G:USR1", "nice": 5, "oom-policy": "kill", "cwd": "/srv/é", "env": {"A": "1=2", "B": ""},
    }  # fmt: skip
    settings = (
        *(("cpus", "0.5"), ("timeout", "90"), ("tasks", "50"), ("soft-mem", "1G:USR1")),
        *(("nice", "5"), ("oom-policy", "kill")),
    )
    assert read(tmp_path, "x.jsonl", f"{json.dumps(whole)}\n\n{json.dumps(SOME)}\n") == [
        Job(
            seq=1, command=("sort", "x y", ""), memory=2 * GIB, name="a 1", tag="sort x y ", settings=settings,
            cwd="/srv/é", environment=("A=1=2", "B="),
        ),
        Job(seq=2, command=("/bin/sh", "-c", "make"), memory=2 * GIB, tag="make"),
    ]  # fmt: skip


def test_an_object_keeps_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (job,) = read(tmp_path, "x.jsonl", b'{"command": ["cat", "\xff"], "cwd": "/\xfe", "env": {"A": "\xfd"}}')
    assert (job.command, job.cwd, job.environment) == (("cat", "\udcff"), "/\udcfe", ("A=\udcfd",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mem": "2X"}, "mem: '2X' is not a valid size ("),
        ({"mem": 5}, "mem: '5' is less than a page of memory ("),
        ({"mem": True}, "mem: true where a number or text should be"),
        ({"mem": None}, "mem: null where a number or text should be"),
        ({"mem": "infinity"}, "mem: 'infinity' is not a limit, and each job of a batch has one (e.g. 2G)"),
        ({"mem": "auto"}, "mem: 'auto' is not a valid size ("),
        ({"cpus": [2]}, "cpus: a list where a number or text should be"),
        ({"oom-policy": 1}, "oom-policy: a number where text should be"),
        ({"timeout": "never"}, "timeout: 'never' is not a valid time ("),
        ({"nice": 99}, "nice: '99' is not a valid nice level (-20 to 19)"),
        ({"command": 5}, "command: a number where text, or a list of words should be"),
        ({"command": ["a", 5]}, "command: a list where text, or a list of words should be"),
        ({"command": {}}, "command: an object where text, or a list of words should be"),
        ({"command": " "}, "command: it is empty"),
        ({"command": []}, "command: it is empty"),
        ({"command": ["", "a"]}, "the first word of the command is empty"),
        ({"command": "a\0b"}, "command: a NUL byte, which no command can contain"),
        ({"command": "\ud800"}, r"command: '\ud800' is not text: half of a surrogate pair"),
        ({"id": 5}, "id: a number where text should be"),
        ({"id": "a\nb"}, r"id: 'a\nb' is not one line of printable text"),
        ({"id": ""}, "id: '' is not one line of printable text"),
        ({"cwd": 5}, "cwd: a number where text should be"),
        ({"cwd": ""}, "cwd: it is empty"),
        ({"cwd": "a\0"}, "cwd: a NUL byte, which no command can contain"),
        ({"env": ["A=1"]}, "env: a list where an object of texts should be"),
        ({"env": {"A": 1}}, "env: A: a number where text should be"),
        ({"env": {"A=B": "1"}}, "env: 'A=B' is not a valid name of a variable"),
        ({"env": {"": "1"}}, "env: '' is not a valid name of a variable"),
        ({"env": {"A": "\0"}}, "env: a NUL byte, which no command can contain"),
        ({"memory": "1G"}, "unknown key 'memory' ("),
        ({"mem_high": "1G"}, "unknown key 'mem_high' (did you mean mem-high?)"),
        ({"slice": "x"}, "unknown key 'slice' ("),
        ({"soft-mem": "3G"}, "`soft_memory=3G` is not below `memory_max=2G` ("),
    ],
)
def test_an_object_with_a_mistake_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    content = f"{json.dumps(SOME)}\n{json.dumps(SOME | changes)}\n"
    assert refused(tmp_path, "x.jsonl", content).startswith(f"x.jsonl:2: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", "no command ("),
        ("[]", "a list where an object should be ("),
        ("5", "a number where an object should be ("),
        ("make", "not JSON: Expecting value"),
        ('{"command": "a"', "not JSON: "),
        ('{"command": "a"} {}', "not JSON: Extra data"),
        ('{"command": "a", "command": "b"}', "command: it is there twice"),
        ('{"command": "a", "cpus": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "JSON that is nested too deep"),
        ('{"command": "a", "mem": ' + "9" * 5000 + "}", "not JSON: "),
        (' \ufeff{"command": "a"}', "not JSON: "),
    ],
)
def test_a_line_that_is_not_an_object_is_refused(tmp_path: Path, line: str, message: str) -> None:
    assert refused(tmp_path, "x.jsonl", f"{line}\n").startswith(f"x.jsonl:1: {message}")


def test_objects_fill_no_command(tmp_path: Path) -> None:
    message = "x.jsonl: its jobs have commands of their own, and one follows -- (use lines or a .tsv)"
    assert refused(tmp_path, "x.jsonl", "{}", "cat", "{}") == message


def test_a_row_is_a_job(tmp_path: Path) -> None:
    content = (
        "id\tsample\tmem\ttimeout\tcwd\tcommand\r\n"
        "one\ta b\t2G\t5min\t/srv\tsort {sample} > {id}.out\r\n"
        "\t$(x)\t\t\t\techo {sample}{timeout}\n"
    )
    assert read(tmp_path, "x.TSV", content) == [
        Job(
            seq=1, command=("/bin/sh", "-c", "sort 'a b' > one.out"), memory=2 * GIB, name="one",
            tag="sort 'a b' > one.out", settings=(("timeout", "5min"),), cwd="/srv",
        ),
        Job(seq=2, command=("/bin/sh", "-c", "echo '$(x)'''"), memory=GIB, tag="echo '$(x)'''"),
    ]  # fmt: skip


def test_a_row_fills_a_command(tmp_path: Path) -> None:
    content = "sample\tinput\tmem-high\nA\tx y\t1G\nB\t\t\n"
    assert read(tmp_path, "x.tsv", content, "align", "--name={sample}", "{input}") == [
        Job(seq=1, command=("align", "--name=A", "x y"), memory=GIB, tag="A x y", settings=(("mem-high", "1G"),)),
        Job(seq=2, command=("align", "--name=B", ""), memory=GIB, tag="B "),
    ]


def test_rows_that_only_set_something_run_the_command_as_it_is(tmp_path: Path) -> None:
    assert [job.memory for job in read(tmp_path, "x.tsv", "mem\n1G\n2G\n", "make")] == [GIB, 2 * GIB]


@pytest.mark.parametrize(
    ("content", "command", "message"),
    [
        ("a\tb\n1\n", "x {a}", "x.tsv:2: 1 column where the header has 2"),
        ("a\n1\t2\n", "x", "x.tsv:2: 2 columns where the header has 1"),
        ("a\ta\n", "x {a}", "x.tsv:1: two columns are named 'a'"),
        ("a\t\n", "x {a}", "x.tsv:1: the name of column 2 is '' (printable text)"),
        ("b\t\ufeffa\n", "x", r"x.tsv:1: the name of column 2 is '\ufeffa' (printable text)"),
        ("a\n", "", "x.tsv:1: no column is named command (or a command with {NAME} follows --)"),
        ("command\n", "x", "x.tsv:1: a column is named command, and a command follows -- (leave one of them out)"),
        ("Mem\tcommand\n", "", "x.tsv:1: the column 'Mem' would set nothing (did you mean mem?)"),
        ("mem \tcommand\n", "", "x.tsv:1: the column 'mem ' would set nothing (did you mean mem?)"),
        ("mem_high\ta\n", "x", "x.tsv:1: the column 'mem_high' would set nothing (did you mean mem-high?)"),
        ("a\tb\n", "x", "x.tsv:1: nothing in 'x' says where the columns go (write {a} or {b})"),
        ("a\tb\n", "x {c}", "x.tsv:1: {c} is not a column (the columns are a, b; { c } stays as it is)"),
        ("a\tcommand\n1\techo {b}\n", "", "x.tsv:2: {b} is not a column (the columns are a, command; "),
        ("a\tcommand\n1\t \n", "", "x.tsv:2: command: it is empty"),
        ("mem\tcommand\n2X\tx\n", "", "x.tsv:2: mem: '2X' is not a valid size ("),
        ("nice\tcommand\n20\tx\n", "", "x.tsv:2: nice: '20' is not a valid nice level (-20 to 19)"),
        ("id\tcommand\na\x1bb\tx\n", "", r"x.tsv:2: id: 'a\x1bb' is not one line of printable text"),
        ("a\n\0\n", "x", "x.tsv:2: a NUL byte"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_refused(tmp_path: Path, content: str, command: str, message: str) -> None:
    assert refused(tmp_path, "x.tsv", content, *command.split()).startswith(message)


@pytest.mark.parametrize("name", ["jobs", "x.tsv", "x.jsonl", "tsv"])
def test_an_empty_file_has_no_jobs(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, "\n\n") == []


def test_only_an_ending_makes_a_table(tmp_path: Path) -> None:
    assert [job.tag for job in read(tmp_path, "tsv", "a\tb\n")] == ["a\tb"]


def test_a_word_that_the_kernel_does_not_take_is_refused(tmp_path: Path) -> None:
    most = 32 * os.sysconf("SC_PAGE_SIZE") - 1
    (job,) = read(tmp_path, "jobs", "é" * (most // 2) + "x")
    assert len(os.fsencode(job.command[2])) == most
    message = f"command: {most + 1} bytes are too long (the kernel takes {most})"
    assert refused(tmp_path, "jobs", f"a\n{'x' * (most + 1)}") == f"jobs:2: {message}"


def test_the_kernel_takes_the_longest_word() -> None:
    most = 32 * os.sysconf("SC_PAGE_SIZE") - 1
    assert os.spawnv(os.P_WAIT, "/bin/true", ["true", "x" * most]) == 0
    assert os.spawnv(os.P_WAIT, "/bin/true", ["true", "x" * (most + 1)]) == 127


@pytest.mark.parametrize(
    ("name", "line", "command"),
    [
        ("jobs", "sort {0} > out", ()),
        ("jobs", "file {0}", ("sort", "{}")),
        ("x.jsonl", '{{"command": "sort {0}", "mem": "1G"}}', ()),
        ("x.tsv", "{0}\t1G\tsort {{a}}", ()),
    ],
)
def test_many_jobs_do_not_fill_the_memory(tmp_path: Path, name: str, line: str, command: tuple[str, ...]) -> None:
    """What is held at any moment is less than a list of them would be: 440 to 870 KB."""
    file = tmp_path / name
    header = ["a\tmem\tcommand\n"] if name.endswith(".tsv") else []
    file.write_text("".join([*header, *(f"{line.format(number)}\n" for number in range(2000))]), encoding="utf-8")
    found = jobs(Asked(file=str(file), command=command), SHARED)
    list(itertools.islice(found, 100))  # what is made once
    tracemalloc.start()
    try:
        count = sum(1 for _ in found)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1900
    assert peak < 250_000


def test_a_number_can_have_an_exponent(tmp_path: Path) -> None:
    (job,) = read(tmp_path, "x.jsonl", '{"command": "a", "mem": 1e9}\n')
    assert job.memory == 10**9
