"""The summary says what was read: the first failures, the totals, and what the peaks suggest."""

import json

from rich.text import Text

from scoperun.batch.ending_lines import how
from scoperun.batch.job import SHELL, Job
from scoperun.batch.need import need
from scoperun.batch.summary import ROWS, Summary, summary
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from scoperun.record import replace
from tests.unit.batch.attempts import GIB, attempt, ran_out, ran_out_at

MIB = 1 << 20


def job(seq: int, text: str = "./leak") -> Job:
    return Job(seq=seq, command=(*SHELL, text), memory=GIB)


FAILED = [
    (
        job(3),
        "out-of-memory",
        [ran_out(seq=3), ran_out(4 * GIB, seq=3, number=2, needed=4 * GIB + 200 * MIB, victim="big\x1b[2J")],
    ),
    (job(4, "sort\n-n"), "failed", [attempt(Verdict.EXIT_CODE, seq=4, exit_status=3)]),
    (job(5), "failed", [attempt(Verdict.SIGNAL, seq=5, exit_status=139, signal=11)]),
    (job(6), "timeout", [attempt(Verdict.TIMEOUT, seq=6, exit_status=124)]),
    (job(7), "not-executed", [attempt(None, seq=7, exit_status=127, error="./leak: not found")]),
    (job(8), "out-of-memory", [ran_out_at(LimitOf.SLICE, "app-batch.slice", seq=8, needed=None)]),
    (job(9), "out-of-memory", [ran_out_at(LimitOf.HOST, seq=9, needed=None)]),
    (job(10), "out-of-memory", [ran_out_at(LimitOf.SYSTEMD_OOMD, "app.slice", seq=10, needed=None)]),
    (job(11), "out-of-memory", [ran_out_at(LimitOf.SCOPE, "child", seq=11)]),
    (job(12), "out-of-memory", [ran_out_at(LimitOf.UNKNOWN, seq=12)]),
    (job(13), "failed", [attempt(Verdict.UNKNOWN, seq=13, exit_status=0)]),
]
COUNTS = {"done": 200, "out-of-memory": 6, "failed": 3, "timeout": 1, "not-executed": 1, "waiting": 2}


def told(*, elapsed: float | None = 83.0) -> Summary:
    done = [attempt(seq=seq, peak=seq * MIB) for seq in range(100, 300)]
    ends = [each for _, _, attempts in FAILED for each in attempts]
    return summary(COUNTS, FAILED, need([*ends, *done]), elapsed=elapsed)


def test_the_table_has_each_failure_with_what_is_known() -> None:
    lines = told().text().splitlines()
    assert [line.split("\t") for line in lines[: 1 + len(FAILED)]] == [
        ["SEQ", "COMMAND", "VERDICT", "NEEDED", "VICTIM", "LIMIT"],
        ["3", "./leak", "oom-kill", ">4.1G", r"big\x1b[2J", "its own, 4G"],
        ["4", r"sort\n-n", "exit-code 3", "-", "-", "-"],
        ["5", "./leak", "signal SIGSEGV", "-", "-", "-"],
        ["6", "./leak", "timeout", "-", "-", "-"],
        ["7", "./leak", "not-executed: ./leak: not found", "-", "-", "-"],
        ["8", "./leak", "oom-kill", "-", "-", "app-batch.slice"],
        ["9", "./leak", "oom-kill", "-", "-", "the machine's"],
        ["10", "./leak", "oom-kill", "-", "-", "systemd-oomd"],
        ["11", "./leak", "oom-kill", ">1G", "-", "inside it: child"],
        ["12", "./leak", "oom-kill", ">1G", "-", "unknown"],
        ["13", "./leak", "unknown", "-", "-", "-"],
    ]


def test_the_slice_of_the_batch_is_named_by_what_it_is_for() -> None:
    end = ran_out_at(LimitOf.SLICE, "app-scoperun_batch_x.slice", seq=8, needed=None, victim="leak")
    found = summary({"out-of-memory": 1}, [(job(8), "out-of-memory", [end])], need([end]))
    assert found.text().splitlines()[1] == "8\t./leak\toom-kill\t-\tleak\tthe total"
    assert how(end) == "ran out of the memory of all jobs together (leak was killed)"


def test_a_failure_has_options_and_escapes_where_other_programs_read_it() -> None:
    odd = attempt(None, exit_status=125, error="`context.nice=-5` for \udce9: not permitted")
    found = [(replace(job(1), command=("caf\udce9",)), "not-executed", [odd])]
    told = summary({"not-executed": 1}, found, need([odd]))
    (failure,) = told.to_json()["failures"]
    assert (failure["command"], failure["error"]) == (["caf\\xe9"], r"--nice -5 for \xe9: not permitted")
    assert r"not-executed: --nice -5 for \xe9: not permitted" in told.text()


def test_the_totals_and_the_advice_follow() -> None:
    left_out = "left out: 4 failed for another reason, 1 whose end is not known"
    assert told().text().splitlines()[1 + len(FAILED) :] == [
        "213 jobs in 1min 23s: 200 done, 3 failed, 6 out of memory, 1 timed out, 1 not executed, 2 waiting",
        "1 job retried",
        "most reserved at once: 215G; largest peak, with page cache: 4G (job 3)",
        f"p95 peak 295M of 1G: --mem 320M fits 200 of 206 ({left_out})",
    ]


def test_a_batch_in_which_all_went_well_is_one_or_two_lines() -> None:
    found = need([ran_out(), attempt(number=2, started=110.0, ended=120.0, memory=2 * GIB, peak=GIB + 1)])
    assert summary({"done": 1}, [], found).text().splitlines() == [
        "1 job: 1 done",
        "1 job retried, 1 of them done after running out of memory",
        "most reserved at once: 2G; largest peak, with page cache: 1G (job 1)",
    ]
    assert summary({}, [], need([])).text() == "0 jobs: none"


def test_different_first_limits_are_given_as_a_range() -> None:
    found = need(attempt(seq=seq, peak=MIB * seq, memory=(1 + seq % 2) * GIB) for seq in range(1, 101))
    text = summary({"done": 100}, [], found).text()
    assert text.splitlines()[-1] == "p95 peak 95M of 1G to 2G: --mem 96M fits 96 of 100, --mem 104M fits 100 of 100"


def test_at_most_twenty_failures_are_shown_and_the_others_counted() -> None:
    asked = 0

    def failures() -> object:
        nonlocal asked
        for seq in range(1, 100_000):
            asked += 1
            yield job(seq), "failed", [attempt(Verdict.EXIT_CODE, seq=seq, exit_status=1)]

    counts = {"failed": 99_990, "out-of-memory": 4, "timeout": 3, "not-executed": 2, "done": 7}
    found = summary(counts, failures(), need([]))  # type: ignore[arg-type]
    assert asked <= ROWS + 1
    assert found.more_failures == 99_999 - ROWS
    lines = found.text().splitlines()
    assert len([line for line in lines if "./leak" in line]) == ROWS
    assert lines[ROWS + 1] == "and 99979 more"


def test_on_a_terminal_it_is_aligned_and_no_line_is_wider() -> None:
    lines = [Text.from_ansi(line).plain for line in told().text(width=60).splitlines()]
    assert "./leak" in lines[1]
    assert all(len(line) <= 60 for line in lines[: 1 + len(FAILED)])


def test_json_has_what_the_text_has_and_null_for_what_is_not_known() -> None:
    found = json.loads(json.dumps(told(elapsed=None).to_json()))
    assert found["jobs"] == COUNTS | {"running": 0}
    assert (found["retried"], found["retries"], found["done_with_more_memory"], found["elapsed"]) == (1, 1, 0, None)
    assert found["largest"] == {"seq": 3, "peak": 4 * GIB}
    assert found["advice"] == {
        "jobs": 206,
        "needed_more": 6,
        "failed": 4,
        "unknown": 1,
        "without_peak": 0,
        "p95": 295 * MIB,
        "fits": [{"memory_max": 320 * MIB, "jobs": 200}],
    }
    assert (len(found["failures"]), found["more_failures"]) == (len(FAILED), 0)
    first, *_, last = found["failures"]
    assert (first["verdict"], first["needed"], first["limit_of"], first["attempts"]) == (
        "oom-kill",
        4 * GIB + 200 * MIB,
        "scope",
        2,
    )
    assert (last["verdict"], last["exit_status"], last["limit_of"], last["victim"]) == ("unknown", 0, None, None)


def test_nothing_known_is_null_in_json() -> None:
    found = summary({}, [], need([])).to_json()
    assert (found["most_reserved"], found["largest"], found["advice"]["p95"]) == (None, None, None)
    assert found["failures"] == found["advice"]["fits"] == []


def test_a_limit_is_suggested_only_by_what_was_read() -> None:
    ends = [attempt(seq=seq, peak=None) for seq in range(100)]
    assert "--mem" not in summary({"done": 100}, [], need(ends)).text()
