"""`scopectl history`, `advise` and `status` answer from what is recorded."""

import datetime
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scoperun.ctl.advice_text import lines
from scoperun.ctl.advise import command as advise
from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.history import command as history
from scoperun.ctl.history_rows import Row
from scoperun.ctl.last_run import ended_run, last_run, lines_about_ended, summary
from scoperun.ctl.moments import moment
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.history import store
from scoperun.history.advice import advice
from scoperun.history.database import FILE
from scoperun.history.past_run import past_run
from scoperun.history.set_aside import Aside
from scoperun.history.store import Recorded
from scoperun.report.report import Report
from tests.schema import told_by
from tests.unit.history.reports import MIB, killed, report, told_to_end
from tests.unit.stories import STARTED, STORIES, told

KILLED = told([*STARTED, *STORIES[0].events], command=("./a b", "\x1b[2J\n"))
FINE = told([*STARTED, *next(each.events for each in STORIES if each.verdict == "success")])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(base: Path) -> Iterator[int]:
    (base / "scoperun").mkdir(mode=0o700)
    fd = os.open(base / "scoperun", os.O_PATH)
    yield fd
    os.close(fd)


def add(folder: int, name: str, run: Report) -> None:
    store.add(folder, Aside.now(name, run))


@pytest.fixture
def three(folder: int) -> None:
    add(folder, "build", FINE)
    add(folder, "build", KILLED)
    add(folder, "bench", FINE)


def rows(capfd: pytest.CaptureFixture[str], *words: Any, **options: Any) -> list[Any]:
    history(*words, json=True, **options)
    found: list[Any] = told_by("history", capfd.readouterr().out)
    return found


def printed(capfd: pytest.CaptureFixture[str], *words: Any, **options: Any) -> list[str]:
    history(*words, **options)
    return capfd.readouterr().out.splitlines()


def test_without_a_history_there_are_no_runs(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert rows(capfd) == rows(capfd, names=True) == []
    assert printed(capfd) == ["NAME\tENDED\tVERDICT\tPEAK\tLIMIT\tRUNTIME\tKILLED\tUNIT\tCOMMAND"]
    assert os.listdir(base) == []
    with pytest.raises(NoSuchUnit, match=r"no run is recorded as 'build' \(scoperun --record NAME records one\)"):
        history("build")


@pytest.mark.usefixtures("three")
def test_a_pipe_gets_a_line_for_each_run_in_which_nothing_moves_a_cursor(capfd: pytest.CaptureFixture[str]) -> None:
    found = [line.split("\t") for line in printed(capfd, legend=False)]
    assert [row[0] for row in found] == ["build", "build", "bench"]
    assert found[1][2:5] == ["oom-kill", "20M", "20M"]
    assert found[1][-2:] == ["job.scope", r"'./a b' $'\033[2J\n'"]


@pytest.mark.usefixtures("three")
def test_runs_are_chosen(capfd: pytest.CaptureFixture[str]) -> None:
    def names(*words: Any, **options: Any) -> list[str]:
        return [row["name"] for row in rows(capfd, *words, **options)]

    assert names("build") == names("bu") == ["build", "build"]
    assert names(oom=True) == names(oom=True, since="7d") == names("build", oom=True, before="2999-01-01") == ["build"]
    assert names(lines=1) == ["bench"]
    assert names(since="2999-01-01") == names(before="2000-01-01 10:00") == names(system=True) == []
    assert len(names(since="today")) == len(names(system=False)) == 3
    assert names("b*") == ["build", "build", "bench"]
    assert names("bu[i]*", oom=True) == ["build"]
    assert printed(capfd, "b*h", names=True) == ["bench"]
    assert rows(capfd, names=True) == ["bench", "build"]
    assert printed(capfd, names=True) == ["bench", "build"]
    assert printed(capfd, names=True, oom=True) == printed(capfd, "bu", names=True) == ["build"]
    with pytest.raises(InvalidValue, match=r"--names goes with none"):
        history("b", names=True, delete=True)
    with pytest.raises(InvalidValue, match=r"'b' is not one name \(bench, build\)"):
        history("b")
    with pytest.raises(NoSuchUnit, match=r"'x' \(there is bench, build\)"):
        history("x")
    with pytest.raises(NoSuchUnit, match=r"'x\*' \(there is bench, build\)"):
        history("x*")


@pytest.mark.usefixtures("three")
def test_the_whole_reports_are_given_on_request(capfd: pytest.CaptureFixture[str]) -> None:
    (row,) = rows(capfd, oom=True, reports=True)
    assert row["report"] == json.loads(KILLED.to_json())
    assert (row["memory_peak"], row["memory_max"], row["invocation_id"]) == (20 * MIB, 20 * MIB, KILLED.invocation_id)
    with pytest.raises(InvalidValue, match=r"--reports needs --json"):
        history(reports=True)


@pytest.mark.usefixtures("three")
def test_only_runs_that_are_named_are_deleted(capfd: pytest.CaptureFixture[str]) -> None:
    wide: list[dict[str, Any]] = [{}, {"system": False}, {"since": "2000-01-01"}, {"oom": True}, {"lines": 9}]
    for options in wide:
        with pytest.raises(InvalidValue, match=r"^--delete needs a NAME or --before DATE"):
            history(delete=True, **options)
    assert len(rows(capfd)) == 3
    with pytest.raises(NoSuchUnit):  # a beginning could be another name tomorrow
        history("buil", delete=True)
    assert [row["name"] for row in rows(capfd, "build", delete=True, oom=True)] == ["build"]
    assert len(rows(capfd)) == 2
    assert rows(capfd, delete=True, before="7d") == []
    assert len(rows(capfd, "b*", delete=True)) == 2
    assert rows(capfd) == []


@pytest.mark.parametrize("since", ["", "x", "infinity", "2026-11-31", "7 dogs", "2025", "12", "0"])
def test_what_is_not_a_date_is_refused(base: Path, since: str) -> None:
    with pytest.raises(InvalidValue, match=rf"^--since: '{since}' is not a date \("):
        history(since=since)


def test_a_moment_is_a_date_of_this_time_zone_or_a_time_ago() -> None:
    noon = datetime.datetime(2026, 11, 28, 12, 0).astimezone()
    now = noon.timestamp()
    for text, hours in {
        "2026-11-28": -12, "2026-11-28 11:00": -1, "2026-11-28T12:00:00": 0, "today": -12, "yesterday": -36, "7d": -168,
        "90min": -1.5, "0s": 0,
    }.items():  # fmt: skip
        assert moment(text, now=now) == now + hours * 3600, text
    assert moment("2026-11-28T12:00:00+00:00", now=now) == 1795867200


def test_a_midnight_that_the_clock_skips_is_the_next_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Santiago")
    time.tzset()
    try:
        assert moment("2026-09-06", now=0.0) == datetime.datetime(2026, 9, 6, 4, tzinfo=datetime.UTC).timestamp()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_history_that_cannot_be_opened_is_one_line(
    folder: int, base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (base / "scoperun" / FILE).write_text("something else\n" * 100)
    with pytest.raises(
        ScoperunError, match=rf"^cannot open the history {base}/scoperun/{FILE}: file is not a database"
    ):
        history()
    assert last_run("job.scope", system=False) is None
    assert capfd.readouterr().err == (
        f"scopectl: warning: cannot open the history {base}/scoperun/{FILE}: file is not a database\n"
    )
    base.chmod(0o707)
    with pytest.raises(
        ScoperunError, match=rf"^cannot open the history: {base} is writable by others \(chmod o-w {base}\)$"
    ):
        history()


def test_a_newline_in_a_variable_makes_no_second_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "a\nb"
    (base / "scoperun").mkdir(parents=True, mode=0o700)
    (base / "scoperun" / FILE).write_text("something else\n" * 100)
    monkeypatch.setenv("XDG_STATE_HOME", str(base))
    with pytest.raises(ScoperunError) as refused:
        history()
    assert "\n" not in refused.value.complaint
    assert last_run("job.scope", system=False) is None
    assert capfd.readouterr().err.count("\n") == 1


def test_a_time_in_the_database_that_cannot_be_one_breaks_no_list(
    folder: int, capfd: pytest.CaptureFixture[str]
) -> None:
    add(folder, "job", FINE)
    store.add(folder, replace(Aside.now("odd", FINE), ended=1e300))
    found = [line.split("\t")[:3] for line in printed(capfd, legend=False)]
    assert [row[0] for row in found] == ["job", "odd"]
    assert (found[1][1], found[1][2]) == ("-", "success")
    assert len(rows(capfd)) == 2


def test_a_row_of_any_report_is_shown() -> None:
    """Of one that is damaged too."""
    for text in ["", "[]", "{}", '{"memory": 3, "oom": {"victims": [3, {}]}}', json.dumps(killed(3, 4)), "[" * 200_000]:
        row = Row.of(Recorded(key="1", name="a", ended=0.0, report=text))
        assert len(row.cells()) == 9
        told_by("history", json.dumps([row.to_json(whole=True)]))
        assert summary(row, now=1.0).endswith("(scopectl history a)")
    odd = {"memory": {"peak": 10**400}, "limits": {"memory_max": []}, "runtime": 1e300, "command": 3}
    row = Row.of(Recorded(key="1", name="a", ended=0.0, report=json.dumps(odd | {"oom": {"victims": 3}})))
    assert [cell.text for cell in row.cells()][3:] == ["-"] * 6
    assert "memory peak unknown (" in summary(row, now=1.0)


@pytest.mark.parametrize("ended", [1e300, float("inf"), -1.0, 253402300800.0, "x", None])
def test_what_cannot_be_a_time_is_a_dash(ended: Any) -> None:
    row = Row.of(Recorded(key="1", name="a", ended=ended, report="{}"))
    assert row.cells()[1].text == "-"
    assert "ended at an unknown time; " in summary(row, now=1.0)


def test_a_damaged_report_is_advised_on_as_a_run_without_a_peak(folder: int, capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("[" * 200_000, "{}", json.dumps(report(10**400))):
        run = replace(Aside.now("job", FINE), report=text)
        store.add(folder, run)
    (found,) = advised(capfd, "job")
    assert (found["runs"], found["without_peak"]) == (0, 3)


@pytest.mark.usefixtures("three")
def test_the_last_run_of_a_unit_is_found_with_or_without_systemd() -> None:
    row = last_run("job.scope", system=False)
    assert row is not None
    assert row.report["verdict"] == "success"
    assert last_run("job.scope", system=True) is None
    assert last_run("other.scope", system=False) is None
    assert ended_run("jo", system=False) is not None
    assert ended_run("x", system=False) is ended_run("job", system=True) is None
    texts = [line.text for line in lines_about_ended(row, now=row.recorded.ended + 61, utf8=True, width=None)]
    assert texts[0] == "○ job.scope - ./work"
    assert "success, ended " in texts[2]
    assert "1min 1s ago; memory peak 20M of 20M" in texts[2]


def reported(folder: Path, *reports: dict[str, Any]) -> list[str]:
    """Write reports into files and return their paths."""
    paths = [folder / f"{number}.json" for number in range(len(reports))]
    for path, each in zip(paths, reports, strict=True):
        path.write_text(json.dumps(each))
    return [str(path) for path in paths]


def advised(capfd: pytest.CaptureFixture[str], *words: str) -> list[Any]:
    advise(list(words), json=True)
    found: list[Any] = told_by("advise", capfd.readouterr().out)
    return found


@pytest.mark.usefixtures("three")
def test_names_and_files_are_advised_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = reported(tmp_path, *(report(each) for each in range(1, 201)))
    build, bench, in_files = advised(capfd, "bu", *files, "bench", "build")
    assert (build["name"], build["runs"], build["at_limit"] + build["ran_out_elsewhere"]) == ("build", 2, 1)
    assert (build["more_than"], build["missing"], build["p95"]) == (20 * MIB, "too-many-ran-out", None)
    assert (bench["name"], bench["missing"]) == ("bench", "too-few-runs")
    assert (in_files["name"], in_files["p95"]) == (None, 190 * MIB)
    assert in_files["fits"] == [{"memory_max": 192 * MIB, "runs": 192}, {"memory_max": 208 * MIB, "runs": 200}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        *((content, "there is no report in it") for content in ("", "{}")),
        *((content, "it is not JSON") for content in ("not JSON", "\udcff")),
        pytest.param("1" * 5000, "it is not JSON", id="large"),
        pytest.param("[" * 200_000, "it is nested too deeply", id="deep"),
    ],
)
def test_a_file_that_is_not_a_report_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "r.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ScoperunError, match=rf"^{tmp_path}/r\.json: not a report of scoperun: {reason}$"):
        advise([f"{tmp_path}/r.json"])
    os.mkfifo(tmp_path / "fifo.json")
    for path in ("fifo.json", "missing.json", "."):
        with pytest.raises(ScoperunError, match=rf"^cannot read {tmp_path}/"):
            advise([f"{tmp_path}/{path}"])


def test_a_name_without_runs_is_refused(base: Path) -> None:
    with pytest.raises(NoSuchUnit, match=r"^no run is recorded as 'x'"):
        advise(["x"])


@pytest.mark.usefixtures("three")
def test_advice_is_about_one_name_and_not_about_a_glob() -> None:
    with pytest.raises(NoSuchUnit, match=r"^no run is recorded as 'b\*' \(a word is the name of one job, not a glob\)"):
        advise(["build", "b*"])


@pytest.mark.usefixtures("folder")
def test_a_name_that_looks_like_a_glob_is_the_name_first(folder: int, capfd: pytest.CaptureFixture[str]) -> None:
    add(folder, "b[1]", FINE)
    add(folder, "b1", FINE)
    assert [row["name"] for row in rows(capfd, "b[1]")] == ["b[1]"]
    assert [row["name"] for row in rows(capfd, "b[12]")] == ["b1"]
    advise(["b[1]"])


def texts(*reports: dict[str, Any]) -> list[str]:
    return list(lines("job", advice(map(past_run, reports))))


def test_the_words_say_what_fits() -> None:
    timeline = {"wakes": 1, "interval": 0.2, "last_interval": 0.2, "largest_anon": 7 * MIB}
    assert texts(*(report(each) for each in range(1, 200)), report(2000, timeline=timeline), report(None)) == [
        "job: 200 runs, and 1 without a known peak, left out",
        "  --mem 192M  fits 192 of 200 runs",
        "  --mem 2G    fits 200 of 200 runs",
        "  peaks, with page cache: 1M to 1.9G, median 100M, 95th percentile 190M",
        "  anonymous memory: largest sample 7M, in 1 run with a timeline",
    ]


def test_the_words_say_why_nothing_is_known() -> None:
    assert texts(report(3)) == [
        "job: 1 run",
        "  --mem: at least 3M were used so far: 20 runs are needed for a percentile",
        "  peaks, with page cache: 3M to 3M, median 3M",
    ]
    failed = report(9, verdict="timeout", swap_peak=1)
    assert texts(killed(2, 2), killed(5, 9, limit_of="slice"), report(1, swap_peak=1), failed) == [
        "job: 3 runs",
        "  --mem: more than 5M, because 2 of 3 runs ran out of memory and would have needed more",
        "  at least 9M were used by one run",
        "  peaks of the others, with page cache: 1M to 1M, median 1M",
        "  1 run ran out of memory at the run's own limit: counted as more than that",
        "  1 run ran out of memory at another limit: counted as more than the peak",
        "  1 run ended without success for another reason, left out: what was needed is not known",
        "  1 run used swap too, which the peaks do not contain",
    ]
    assert texts(told_to_end(5)) == [
        "job: 1 run",
        "  --mem: more than 5M, because 1 of 1 run was signalled or killed at a soft limit and would have needed more",
        "  1 run was signalled or killed at a soft limit: counted as more than the peak",
    ]
    of_both = texts(told_to_end(5), killed(2, 2), report(9))
    assert "2 of 3 runs ran out of memory or were signalled or killed at a soft limit and would" in of_both[1]
    assert of_both[2] == "  at least 9M were used by one run"
    assert texts(report(9, verdict="exit-code"))[:3] == [
        "job: 0 runs",
        "  nothing is known about the memory that it needs",
        "  at least 9M were used by one run",
    ]
    fine, unknown = [report(9)] * 20, report(20, verdict="unknown")
    assert texts(*fine, unknown, unknown) == [
        "job: 20 runs",
        "  --mem: at least 20M were used so far: no percentile, because 2 of 22 runs might have run out of memory",
        "  peaks, with page cache: 9M to 9M, median 9M",
        "  2 runs whose end is not known, left out: they might have run out of memory",
    ]
    assert texts(*fine, unknown)[-1] == "  1 run whose end is not known, left out: it might have run out of memory"
    assert texts(*fine, *fine, killed(2, 2), unknown, unknown)[1].endswith(
        " 2 of 43 runs might have run out of memory, beside 1 that needed more"
    )
    assert texts(report(None)) == [
        "job: 0 runs, and 1 without a known peak, left out",
        "  nothing is known about the memory that it needs",
    ]
