"""A report is read as far as it is one, whichever version of scoperun wrote it."""

import json
from typing import Any

import pytest

from scoperun.history.past_run import past_run, reports_in

from .reports import MIB, killed, report


def test_a_report_of_a_file_and_the_last_line_of_a_descriptor_are_the_same() -> None:
    text = json.dumps(report(5))
    lines = "\n".join([json.dumps({"event": "started"}), json.dumps({"event": "finished"} | report(5)), ""])
    assert [each["memory"] for each in reports_in(text)] == [each["memory"] for each in reports_in(lines)]
    assert [each["memory"] for each in reports_in(json.dumps(report(5), indent=2))] == [report(5)["memory"]]


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", "3", '{"verdict": 3}', '{"verdict": "success"', '"verdict"',
                                  pytest.param("[" * 200_000, id="deep"), pytest.param("1" * 5000, id="large"),
                                  'x\n{"verdict": "success"}\n'])  # fmt: skip
def test_what_is_not_a_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  json has its own subclass
        reports_in(text)


@pytest.mark.parametrize("cut", ['{"event": "finished", "verd', pytest.param("[" * 200_000, id="deep"), "x", " "])
def test_a_last_line_that_was_cut_is_ignored_after_a_report(cut: str) -> None:
    whole = json.dumps({"event": "finished"} | report(5))
    assert [each["memory"] for each in reports_in(f"{whole}\n{cut}")] == [report(5)["memory"]]
    if cut.strip():
        with pytest.raises(ValueError):  # noqa: PT011  as above
            reports_in(f"{whole}\n{cut}\n{whole}\n")


@pytest.mark.parametrize(
    "value", [None, "infinity", "5", -1, 5.5, True, [], {}, 2**63, pytest.param(10**400, id="large")]
)
def test_what_is_not_a_size_is_not_known(value: Any) -> None:
    odd = {"verdict": "success", "memory": {"peak": value, "swap_peak": value}, "limits": {"memory_max": value}}
    run = past_run(odd)
    assert (run.peak, run.swap_peak, run.limit, run.known_need) == (None, None, None, None)


@pytest.mark.parametrize("value", [None, 5, "x", []])
def test_a_part_that_is_missing_or_of_another_kind_is_not_known(value: Any) -> None:
    run = past_run({"verdict": "oom-kill", "memory": value, "limits": value, "oom": value, "timeline": value})
    assert (run.known_need, run.ended_at_limit, run.largest_anon) == (None, False, None)


def test_a_kill_at_the_limit_of_the_run_is_told_from_others() -> None:
    assert past_run(killed(5, 6)).known_need == 6 * MIB
    assert past_run(killed(7, 6)).known_need == 7 * MIB
    assert past_run(killed(5, 6, limit_of="slice")).known_need == 5 * MIB
