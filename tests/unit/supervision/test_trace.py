"""A trace is read back exactly, and leads to the same report."""

import datetime
import itertools
import json
import math
import signal
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

import scoperun
from scoperun.errors import ScoperunError
from scoperun.evidence.events import Event, LeftActive, MemorySnapshot, Process, StateChanged, Task
from scoperun.evidence.start import Start
from scoperun.record import replace
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure
from scoperun.supervision.replay import main, replay
from scoperun.supervision.trace import Begun, Concluded, line, record
from tests.report_rows import named
from tests.unit.stories import START, STARTED, STORIES, TIMED, Story, counted, exited, read, told
from tests.unit.test_shape import constituents

COMMAND = ("./work", "a b", "\udcff")

RECORDS = sorted(
    {*constituents(Event), *constituents(Start)} - {SoftMemory, SoftPressure}, key=lambda cls: cls.__name__
)

TEXTS = itertools.cycle(["", "a", "\x1b[2K\n", "\u202e", "\udcff", "class", "é"])
WHOLES = itertools.cycle([0, 1, 2**64 - 1, -9])
NUMBERS = itertools.cycle([0.1, math.inf, 1e-9, 100.000001])
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=datetime.UTC)


def trace(*records: object) -> list[str]:
    """Return the lines of a trace with these records after the first line."""
    whole = (Begun(scoperun=scoperun.__version__, command=COMMAND), *records)
    return [f"{line(each, at=float(number))}\n" for number, each in enumerate(whole)]


def of_story(story: Story) -> list[str]:
    start = replace(START, limits=story.limits, systemd=None)
    return trace(*STARTED, start, *story.events, Concluded(systemd=START.systemd))


def hints(cls: type) -> dict[str, Any]:
    names = {name: getattr(scoperun, name) for name in scoperun.__all__}
    return get_type_hints(cls, localns=names | {"Mapping": Mapping, "Sequence": Sequence, "datetime": datetime})


def values(hint: Any) -> Iterator[Any]:
    """Yield values of a type, one for each of its variants."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        for part in parts:
            yield from values(part)
    elif origin is tuple:
        yield from ((), tuple(values(parts[0])))
    elif origin is Sequence:
        yield from (tuple(values(parts[0])), list(values(parts[0])))
    elif origin is Mapping:
        keys = [next(TEXTS) for _ in range(7)] if parts[0] is str else [next(WHOLES), 7]
        yield from ({}, dict(zip(keys, itertools.cycle(values(parts[1])), strict=False)))
    elif hint is SoftMemory:
        yield from (SoftMemory(1), SoftMemory(2**40, signal=signal.SIGUSR1.value))
    elif hint is SoftPressure:
        yield from (SoftPressure(0.25, 2.0), SoftPressure(1, 0.5, signal=None))
    elif isinstance(hint, type) and hint.__module__.startswith("scoperun."):
        yield from instances(hint)
    else:
        scalars = {bool: [False, True], int: WHOLES, float: NUMBERS, str: TEXTS, datetime.datetime: [NOW]}
        yield from itertools.islice([None] if hint is type(None) else scalars[hint], 7)


def instances(cls: type) -> Iterator[Any]:
    """Yield instances of a class that together contain every value of every field."""
    fields = {name: list(values(hint)) for name, hint in hints(cls).items()}
    for number in range(max(map(len, fields.values()), default=1)):
        yield cls(**{name: each[number % len(each)] for name, each in fields.items()})


@pytest.mark.parametrize("cls", [*get_args(Event), Start, Begun, Concluded], ids=lambda cls: cls.__name__)
def test_every_record_is_read_back_exactly(cls: type) -> None:
    for each in instances(cls):
        written = line(each, at=12.5)
        assert record(written) == each
        assert json.loads(written)["time"] == 12.5
        assert written.isascii()
        assert written.isprintable()


def test_lists_stay_lists_and_tuples_stay_tuples() -> None:
    for marks in ([scoperun.OomdMark(1)], (scoperun.OomdMark(1),)):
        read = record(line(scoperun.Counters(oomd_marks=marks), at=0.0))
        assert type(read.oomd_marks) is type(marks)


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_no_field_has_the_name_of_a_lines_own_key(cls: type) -> None:
    assert not hints(cls).keys() & {"time", "class"}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_traced_story_leads_to_the_same_report(story: Story) -> None:
    expected = told(story.events, story.limits, COMMAND)
    assert replay(of_story(story)) == (expected, True, {})


def test_events_after_the_report_do_not_change_it() -> None:
    story = STORIES[0]
    later = line(scoperun.ConnectionLost("it was closed"), at=200.0)
    assert replay([*of_story(story), f"{later}\n"]) == replay(of_story(story))


@pytest.mark.parametrize("last", [[], ['{"time": 3.5, "cla']])
def test_a_truncated_trace_leads_to_a_report_of_its_events(last: list[str]) -> None:
    *lines, _ = of_story(STORIES[0])
    report, is_whole, _ = replay([*lines, *last])
    assert not is_whole
    assert report == replace(told(STORIES[0].events, STORIES[0].limits, COMMAND), systemd=None)


WRONG = {
    "[]": "not an object with a time",
    "{": "not JSON",
    "[" * 100_000: "nested too deeply",
    '{"class": "JobRemoved", "result": "done"}': "not an object with a time",
    '{"time": 1, "class": "Evil\\u001b[2K"}': "a line of the unknown class 'Evil\\x1b[2K'",
    '{"time": 1, "class": "Process", "pid": 1, "name": "x"}': "a line of the unknown class 'Process'",
    '{"time": 1, "class": ["JobRemoved"]}': "a line of the unknown class ['JobRemoved']",
    '{"time": 1, "class": "JobRemoved", "result": "done", "more": 1}': "JobRemoved has an unknown key 'more'",
    '{"time": 1, "class": "JobRemoved"}': "no JobRemoved can be made of its keys",
    '{"time": 1, "class": "JobRemoved", "result": {"class": "os.system"}}': "the unknown class 'os.system', or one "
    "with unknown keys",
    '{"time": 1, "class": "JobRemoved", "result": {"class": "float", "value": "1"}}': "the unknown class 'float', or "
    "one with unknown keys",
    line(Begun(scoperun="1", command=()), at=1.0): "the first line of a trace has to be Begun, and no other line",
}


@pytest.mark.parametrize(("wrong", "reason"), WRONG.items(), ids=range(len(WRONG)))
def test_an_invalid_line_is_named(wrong: str, reason: str) -> None:
    with pytest.raises(ScoperunError) as failure:
        replay([*trace(*STARTED), f"{wrong}\n"])
    version = scoperun.__version__
    assert str(failure.value) == f"line 7: {reason} (scoperun {version} wrote it, and this is {version})"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it is empty"),
        (trace(), "it ends before the scope had started"),
        (trace(*STARTED, START), "it ends before the command had ended"),
        (['{"schema": 1}\n'], "line 1: not an object with a time"),
        (trace(*STARTED)[1:], "line 1: the first line of a trace has to be Begun, and no other line"),
    ],
)
def test_a_trace_without_a_report_is_refused(lines: list[str], reason: str) -> None:
    with pytest.raises(ScoperunError) as failure:
        replay(lines)
    assert str(failure.value) == reason


def test_the_program_prints_the_report_as_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text("".join(of_story(STORIES[0])))
    assert main([str(file)]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("scoperun: KILLED BY AN OOM KILLER: ./work 'a b' '\\xff'\n")
    assert err == ""


def test_the_text_names_limits_as_the_run_did(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start, timed = replace(START, limits=TIMED), (LeftActive(101.6), exited(-15), counted(0), StateChanged("failed"))
    events = trace(*STARTED, start, *timed, read("timeout"), Concluded(systemd=None))
    for names, name in (named(runtime_max="--timeout 2s"), "--timeout"), ({}, "RuntimeMaxSec="):
        begun = line(Begun(scoperun=scoperun.__version__, command=COMMAND, names=names), at=0.0)
        (tmp_path / "trace").write_text("".join([f"{begun}\n", *events[1:]]))
        assert main([f"{tmp_path}/trace"]) == 0
        assert capfd.readouterr().out.startswith(f"scoperun: TIMED OUT after 2s ({name}): ./work")


def test_the_program_prints_the_report_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text("".join(of_story(STORIES[0])[:-1]))
    assert main(["--json", str(file)]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["verdict"] == "oom-kill"
    assert err == "scoperun: the trace is incomplete: the report might say less than the one of the run\n"


def test_printed_text_is_safe_for_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start = replace(START, unit="\x1b[2Kx.scope", cgroup="/\x1b[2K")
    file = tmp_path / "trace"
    file.write_text("".join(trace(*STARTED, start, *STORIES[0].events, Concluded(systemd="\x1b[2K"))))
    assert main([str(file)]) == 0
    assert all(text.isprintable() for text in capfd.readouterr().out.splitlines())


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"\0\n", b'{"time": 1, "class": "\x1b[2K"}\n', b"1\n" * 3])
def test_a_file_that_is_not_a_trace_is_an_error_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "a\nb"
    file.write_bytes(content)
    assert main([str(file)]) == 125
    (text,) = capfd.readouterr().err.splitlines()
    assert text.startswith(f"scoperun: {str(file)!r}: line 1: ")
    assert text.isprintable()


def test_a_name_of_another_type_is_one_line_and_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text(
        "".join(of_story(STORIES[-1])).replace(
            '"names": {}', '"names": {"runtime_max": {"class": "LimitName", "text": 5, "value": null}}'
        )
    )
    assert main([str(file)]) == 125
    (text,) = capfd.readouterr().err.splitlines()
    assert text.startswith(f"scoperun: {str(file)!r} is not valid: ")


def test_a_value_of_another_type_is_one_line_and_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text("".join(of_story(STORIES[0])).replace('"status": -9', '"status": "-9"'))
    assert main([str(file)]) == 125
    (text,) = capfd.readouterr().err.splitlines()
    assert text.startswith(f"scoperun: {str(file)!r} is not valid: TypeError: ")


@pytest.mark.parametrize("arguments", [[], ["--yaml", "x"], ["x", "y"]])
def test_other_arguments_print_the_usage(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 125
    assert capfd.readouterr().err == "scoperun: usage: python3 -m scoperun.supervision.replay [--json] FILE\n"


def test_a_missing_file_is_an_error_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([f"{tmp_path}/none"]) == 125
    assert capfd.readouterr().err == f"scoperun: cannot read '{tmp_path}/none': No such file or directory\n"


def test_a_snapshot_is_read_back_with_all_its_values() -> None:
    snapshot = MemorySnapshot(
        at=1.0,
        events={"oom_kill": 1},
        ooms={"/a": 1, "class": None},
        tasks=(Task(pid=1, name=None, rss=4096),),
        places={1: "/a"},
    )
    assert record(line(snapshot, at=1.0)) == snapshot
    assert Process(pid=1, name=None) != snapshot.tasks[0]
