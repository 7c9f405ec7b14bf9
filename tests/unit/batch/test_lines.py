"""Lines of files of jobs."""

import os
import threading
from pathlib import Path

import pytest

from scoperun.batch.lines import Line, lines
from scoperun.errors import InvalidValue


def read(tmp_path: Path, content: bytes, *, longest: int = 1000) -> list[tuple[str, str]]:
    file = tmp_path / "jobs"
    file.write_bytes(content)
    return [(each.place.rpartition(":")[2], each.text) for each in lines(str(file), longest=longest)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", []),
        (b"a\nb\n", [("1", "a"), ("2", "b")]),
        (b"a\r\nb", [("1", "a"), ("2", "b")]),
        (b"\n \n\t\r\na\n\n", [("4", "a")]),
        (b"  a \n", [("1", "  a ")]),
        (b"a\rb\n", [("1", "a\rb")]),
        (b"a\x0bb\x0c\xc2\x85\xe2\x80\xa8c\n", [("1", "a\x0bb\x0c\x85\u2028c")]),
        (b"\xff\xfe\n", [("1", "\udcff\udcfe")]),
        (b"a\r", [("1", "a\r")]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [("1", "a"), ("2", "\ufeffb")]),
        (b"\xef\xbb\xbf\r\na", [("2", "a")]),
        (b"\xef\xbb\xbf", []),
    ],
)
def test_a_line_ends_at_a_line_feed_alone_and_a_mark_before_the_first_is_left_out(
    tmp_path: Path, content: bytes, found: list[tuple[str, str]]
) -> None:
    assert read(tmp_path, content) == found


def test_random_bytes_are_kept(tmp_path: Path) -> None:
    content = bytes(each for each in os.urandom(5000) if each not in b"\0\r\n \t") + b"x"
    ((_, text),) = read(tmp_path, content, longest=9000)
    assert os.fsencode(text) == content


def test_a_file_is_named_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "jobs"
    file.write_bytes(b"\na")
    assert list(lines(str(file))) == [Line(f"{file}:2", "a")]


def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"jobs:2: a NUL byte, which no command can contain$"):
        read(tmp_path, b"a\nb\0c\n")


def test_a_line_is_as_long_as_the_limit_at_most(tmp_path: Path) -> None:
    assert read(tmp_path, b"12345678\n", longest=9) == [("1", "12345678")]
    with pytest.raises(InvalidValue, match=r"jobs:2: the line is longer than 9B$"):
        read(tmp_path, b"1\n123456789\n", longest=9)


def test_a_file_without_line_ends_does_not_fill_the_memory() -> None:
    with pytest.raises(InvalidValue, match=r"^/dev/zero:1: a NUL byte"):
        next(iter(lines("/dev/zero")))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere/jobs", "cannot read /nowhere/jobs: No such file or directory"),
        ("/", "cannot read /: Is a directory"),
        ("a\0b", r"cannot read 'a\x00b': it has a NUL byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(path: str, message: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        list(lines(path))
    assert str(refusal.value) == message


def test_a_fifo_is_read_while_it_is_written(tmp_path: Path) -> None:
    """Its first line is there before its writer goes on."""
    fifo, go_on = tmp_path / "fifo", threading.Event()
    os.mkfifo(fifo)

    def write() -> None:
        with open(fifo, "wb", buffering=0) as file:
            file.write(b"a\n")
            go_on.wait(20)
            file.write(b"b\n")

    writer = threading.Thread(target=write)
    writer.start()
    found = lines(str(fifo))
    assert next(found).text == "a"
    go_on.set()
    assert [each.text for each in found] == ["b"]
    writer.join()


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_is_read_from_where_it_is_and_stays_open(tmp_path: Path, name: str) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"read before\na\nb\n")
    with open(file, "rb", buffering=0) as opened:
        opened.seek(12)
        kept = os.dup(0)
        os.dup2(opened.fileno(), 0)
    try:
        assert list(lines(name)) == [Line(f"{name}:1", "a"), Line(f"{name}:2", "b")]
        os.fstat(0)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
