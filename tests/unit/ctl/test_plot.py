"""Timelines are drawn as they say, and a file that is not one is an error that names it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scoperun.ctl.plot_text import text_of
from scoperun.ctl.ticks import SIZES, axis
from scoperun.ctl.timelines import BYTES, Picture, chosen, picture, thinned, time_text
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.spec.sizes import format_size, parse_size
from tests.documents import CHECKOUT

MIB = 1 << 20
EVIL = "a\r\x1b[2J\u202e $x$.jsonl"


def written(file: Path, *rows: dict[str, Any]) -> str:
    """Write a timeline and return its path."""
    file.write_text("\n".join(map(json.dumps, ({"timeline": 1}, *rows))) + "\n", encoding="utf-8")
    return str(file)


def leak(file: Path) -> str:
    rows = [{"time": second / 2, "memory": second * MIB, "memory_max": 20 * MIB, "anon": second * MIB // 2,
             "cpu": second / 4, "tasks": 2} for second in range(21)]  # fmt: skip
    marks = [{"time": 10 + part, "mark": "oom-kill", "memory": 0, "value": 1} for part in (0.1, 0.2, 0.3, 0.4)]
    return written(file, *rows, {"time": 9.9, "mark": "cpu-time", "value": None}, *marks)


@pytest.fixture(scope="module", autouse=True)
def folder_of_matplotlib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where matplotlib keeps what it knows about fonts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


def image_of(drawn: Picture, kind: str) -> bytes:
    from scoperun.ctl import plot_image  # noqa: PLC0415  it imports matplotlib, which makes its folder

    return plot_image.image_of(drawn, kind)


def plotted(*files: str, columns: str = "memory", **how: Any) -> str:
    options = {"width": 80, "height": 24, "coloured": False, "in_ascii": False} | how
    return text_of(picture(files, chosen(columns)), **options)


@pytest.mark.parametrize("width", [60, 80, 133])
@pytest.mark.parametrize("coloured", [False, True])
def test_a_plot_has_the_size_of_its_terminal(tmp_path: Path, width: int, coloured: bool) -> None:
    text = plotted(leak(tmp_path / f"{'long' * 40}.jsonl"), leak(tmp_path / "b.jsonl"), width=width, coloured=coloured)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert (plain == text) is not coloured
    assert max(map(len, plain.split("\n"))) <= width
    assert len(plain.split("\n")) <= 24


def test_marks_are_named_with_their_times(tmp_path: Path) -> None:
    text = plotted(leak(tmp_path / "a.jsonl"))
    assert text.split("\n")[-4:] == [
        "1 memory",
        "2 limit",
        "A cpu-time at 9.9s",
        "B oom-kill at 10.1s, 10.2s, 10.3s and 1 more",
    ]
    above = text.partition("1 memory")[0]
    assert "A" in above
    assert "B" in above


def test_runs_are_told_apart_without_colours(tmp_path: Path) -> None:
    text = plotted(leak(tmp_path / "a.jsonl"), written(tmp_path / "b.jsonl", {"time": 0, "memory": MIB}))
    assert text.split("\n")[-4:-2] == ["1 a.jsonl", "2 b.jsonl"]
    assert "B oom-kill at 10.1s, 10.2s, 10.3s and 1 more (a.jsonl)" in text
    assert "limit" not in text


def test_files_of_the_same_name_keep_their_folders(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    files = [leak(tmp_path / folder / "t.jsonl") for folder in "ab"]
    assert [line.label for line in picture(files, ("memory",)).lines] == files


def test_a_plot_without_utf8_has_stars(tmp_path: Path) -> None:
    text = plotted(leak(tmp_path / "a.jsonl"), in_ascii=True)
    assert text.isascii()
    assert "**" in text


@pytest.mark.parametrize("columns", [*BYTES[:2], "memory,anon", "cpu", "tasks"])
def test_every_kind_of_column_can_be_drawn(tmp_path: Path, columns: str) -> None:
    assert "oom-kill" in plotted(leak(tmp_path / "a.jsonl"), columns=columns)


def test_processors_are_what_was_used_since_the_sample_before(tmp_path: Path) -> None:
    [line] = picture([leak(tmp_path / "a.jsonl")], ("cpu",)).lines
    assert line.points[0] == (0.5, 0.5)
    assert {value for _, value in line.points} == {0.5}


def test_two_samples_at_nearly_the_same_time_give_no_rate(tmp_path: Path) -> None:
    rows = [{"time": 0, "cpu": 0}, {"time": 5e-324, "cpu": 1}, {"time": 2, "cpu": 2}]
    [line] = picture([written(tmp_path / "a.jsonl", *rows)], ("cpu",)).lines
    assert line.points == ((2, 0.5),)


@pytest.mark.parametrize("row", [{"time": 0, "memory": 0}, {"time": 3, "memory": 5, "mark": "oom-kill"}])
def test_a_single_point_can_be_drawn(tmp_path: Path, row: dict[str, Any]) -> None:
    file = written(tmp_path / "a.jsonl", row)
    assert "memory" in plotted(file)
    assert image_of(picture([file], ("memory",)), "png")


def test_a_mark_after_the_last_sample_can_be_drawn(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", {"time": 1, "memory": 5}, {"time": 9, "mark": "timeout"})
    assert plotted(file).split("\n")[-1] == "A timeout at 9s"
    assert picture([file], ("memory",)).length == 9


@pytest.mark.parametrize("text", ["nothing", "", "memory,cpu", "cpu,tasks"])
def test_columns_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="--columns: "):
        chosen(text)


def test_a_limit_far_above_is_not_drawn(tmp_path: Path) -> None:
    for size, lines in ((2 * MIB, 2), (3 * MIB, 1), ("infinity", 1)):
        file = written(tmp_path / "a.jsonl", {"time": 0, "memory": MIB, "memory_max": size})
        assert len(picture([file], ("memory",)).lines) == lines


def test_what_can_be_seen_of_many_points_stays() -> None:
    points = [(float(number), float(number % 100)) for number in range(10_000)]
    kept = thinned(points, length=10_000.0, places=50)
    assert len(kept) <= 200
    assert (max(value for _, value in kept), min(value for _, value in kept)) == (99.0, 0.0)
    assert kept == sorted(kept)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (1.5, "1.5s"), (320, "5min 20s"), (3661, "1h 1min"), (86400 * 999, "999d")]
)
def test_a_time_is_short(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", ":1: it is empty"),
        ("x\n", ":1: it is not JSON"),
        ('{"timeline": 1}\n{"time": 1}\n{"time\n', ":3: it is not JSON"),
        ('{"timeline": 1}\n\n', ":2: it is not JSON"),
        ('{"timeline": 1}\n', "there is nothing to draw"),
        ('{"timeline": 1}\n{"time": 1, "memory": "\\u001b[2J"}\n', ":2: memory is not a number"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / EVIL
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ScoperunError) as caught:
        picture([str(file)], ("memory",))
    assert reason in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["nope", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScoperunError, match=r"^cannot read .*: "):
        picture([str(tmp_path / name)], ("memory",))


def test_names_of_strangers_are_text_in_the_plot(tmp_path: Path) -> None:
    file = leak(tmp_path / EVIL)
    other = written(tmp_path / "b.jsonl", {"time": 1, "memory": 1, "mark": "\x1b[2J\n$x^{"})
    text = plotted(file, other)
    assert all(line.isprintable() for line in text.split("\n"))
    for kind in ("svg", "png"):
        image_of(picture([file, other], ("memory",)), kind)


def test_a_picture_names_runs_and_marks_and_is_the_same_each_time(tmp_path: Path) -> None:
    drawn = picture([leak(tmp_path / "_a.jsonl"), leak(tmp_path / "b.jsonl")], ("memory",))
    svg = image_of(drawn, "svg")
    assert svg == image_of(drawn, "svg")
    texts = {"".join(each.itertext()) for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314  ours
    assert {"./_a.jsonl", "b.jsonl", "oom-kill x4", "cpu-time", "16M"} <= texts
    assert image_of(drawn, "png").startswith(b"\x89PNG")


def scopectl(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "scoperun.ctl", "plot", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_the_program_prints_a_plot_or_writes_a_picture(tmp_path: Path) -> None:
    leak(tmp_path / "a.jsonl")
    done = scopectl("a.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "B oom-kill" in done.stdout
    assert "\x1b" not in done.stdout
    done = scopectl("a.jsonl", "-o", "a.svg", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "oom-kill" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("a.jsonl", "-o", "a.pdf"), 2, "a picture's name has to end in .svg or .png"),
        (("a.jsonl", "-o", "no/a.svg"), 1, "cannot write the picture to no/a.svg: No such file or directory"),
        (("nope", "-o", "a.svg"), 1, "cannot read nope: No such file or directory"),
        ((), 2, "Missing argument 'FILE...'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    tmp_path: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    leak(tmp_path / "a.jsonl")
    done = scopectl(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("last", ['{"time": 9, "mem', '{"time": 9, "memory": 7}'])
def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path, last: str) -> None:
    file = written(tmp_path / "a.jsonl", {"time": 1, "memory": 5})
    with open(file, "a", encoding="utf-8") as timeline:
        timeline.write(last)
    assert picture([file], ("memory",)).length == (9 if last.endswith("}") else 1)


def sides(text: str) -> tuple[list[str], list[str]]:
    """Return the labels of a plot: those of values, from below, and those of times."""
    lines = text.split("\n")
    (below,) = [number for number, line in enumerate(lines) if line.endswith("> (time)")]
    values = [label for line in lines[1:below] if (label := line.partition(" |")[0].strip())]
    return values[::-1], re.split(r" {2,}", lines[below + 1].partition("| ")[2].strip())


@pytest.mark.parametrize(
    ("size", "values"),
    [
        ((80, 24), ["0B", "5M", "10M", "15M", "20M"]),
        ((120, 30), ["0B", "4M", "8M", "12M", "16M", "20M", "24M"]),
        ((200, 9), ["0B", "10M", "20M"]),
    ],
)
def test_the_labels_of_sizes_are_round(tmp_path: Path, size: tuple[int, int], values: list[str]) -> None:
    width, height = size
    assert sides(plotted(leak(tmp_path / "a.jsonl"), width=width, height=height))[0] == values


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (0.05, ["0s", "0.01s", "0.02s", "0.03s", "0.04s", "0.05s"]),
        (17.3, ["0s", "4s", "8s", "12s", "16s", "20s"]),
        (320, ["0s", "1min", "2min", "3min", "4min", "5min"]),
        (90 * 60, ["0s", "20min", "40min", "1h", "1h 20min", "1h 40min"]),
        (13 * 3600, ["0s", "3h", "6h", "9h", "12h", "15h"]),
        (20 * 86400, ["0s", "4d", "8d", "12d", "16d", "20d"]),
    ],
)
def test_the_labels_of_times_are_round(tmp_path: Path, seconds: float, times: list[str]) -> None:
    file = written(tmp_path / "a.jsonl", {"time": 0, "memory": 1}, {"time": seconds, "memory": 1})
    assert sides(plotted(file))[1] == times


@pytest.mark.parametrize("rows", [5, 6, 7, 17, 40])
@pytest.mark.parametrize("largest", [1, 700, 1023, 3 * MIB // 2, 20 * MIB, 1331 * MIB, 5 << 40, 1 << 62])
def test_an_axis_of_sizes_has_room_for_the_largest_and_exact_labels(largest: int, rows: int) -> None:
    found = axis(largest, SIZES, cells=rows, spacings=(2, 3, 4, 5))
    assert largest * (1 + 1 / rows) <= found.end
    labels = [place for row in range(rows + 1) if (place := found.label_at(row * found.end / rows)) is not None]
    assert len(labels) >= 2
    assert all(parse_size(format_size(int(each))) == each for each in labels)


def test_the_labels_of_tasks_are_whole_and_those_of_processors_round(tmp_path: Path) -> None:
    file = leak(tmp_path / "a.jsonl")
    assert sides(plotted(file, columns="tasks"))[0] == ["0", "1", "2", "3"]
    assert sides(plotted(file, columns="cpu"))[0] == ["0", "0.2", "0.4", "0.6"]
    many = written(tmp_path / "b.jsonl", {"time": 1, "tasks": 2345})
    assert sides(plotted(many, columns="tasks"))[0] == ["0", "500", "1000", "1500", "2000", "2500"]


def test_the_labels_of_a_picture_are_round(tmp_path: Path) -> None:
    svg = image_of(picture([leak(tmp_path / "a.jsonl")], ("memory",)), "svg")
    texts = {"".join(each.itertext()) for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314  ours
    assert {"0s", "1.5s", "3s", "4.5s", "6s", "9s", "0B", "4M", "8M", "12M", "16M", "20M"} <= texts
