"""scopectl-batch(1) says what `scopectl batch` has: options, words, keys and statuses, each in its place."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from scoperun.batch.batches import Batch
from scoperun.batch.columns import COLUMNS
from scoperun.batch.command import command
from scoperun.batch.control import VERBS, control
from scoperun.batch.ending import (
    FAILED_ITSELF_STATUS,
    FAILED_STATUS,
    INTERRUPTED_STATUS,
    OUT_OF_MEMORY_STATUS,
    TIMEOUT_STATUS,
    Ending,
)
from scoperun.batch.events import Finished
from scoperun.batch.job_lines import as_json
from scoperun.batch.joblog import HEADER as JOBLOG
from scoperun.batch.need import need
from scoperun.batch.options import Progress
from scoperun.batch.preview import json_lines
from scoperun.batch.retry import Cause
from scoperun.batch.state import State
from scoperun.batch.summary import summary
from scoperun.ctl.declared import declared
from scoperun.evidence.oom_limit import LimitOf
from scoperun.process.signals import ENDING
from tests.documents import manual, section, terms, terms_in
from tests.subcommands import subcommands

from .attempts import attempt as attempt_of
from .jobs import HEADER, attempt, begun, folder, job

MANUAL = manual("scopectl-batch")
(BATCH,) = [each for each in subcommands() if each.row.name == "batch"]
OPTIONS = {name for option in BATCH.options for name in option.names}
OF_OTHERS = {"--resume-failed"}
"""Options of GNU parallel that the page mentions."""

SUMMARY = summary({"failed": 1}, [(job(1), "failed", [attempt(1)])], need([attempt_of(peak=1)])).to_json()


def part(name: str, heading: str) -> str:
    """Return the part of a section that has this heading."""
    (text,) = re.findall(rf"^\.SS {heading}\n(.*?)(?=^\.SS |\Z)", section(name, MANUAL), re.MULTILINE | re.DOTALL)
    return str(text)


def words(lines: list[str]) -> set[str]:
    return {word for line in lines for word in re.findall(r"[\w-]+", line)}


def bold(text: str) -> set[str]:
    """Return the words of a part of the page that stand out."""
    lines = re.findall(r"^\.B[RI]? (.*)$", text, flags=re.MULTILINE)
    return {word for line in lines for word in re.findall(r"[\w-]+", line)}


def test_it_explains_exactly_the_existing_options() -> None:
    explained = re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", " ".join(terms("OPTIONS", MANUAL)))
    assert sorted(explained) == sorted(OPTIONS)


def test_it_mentions_only_existing_options() -> None:
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", MANUAL)) <= OPTIONS | OF_OTHERS


def test_it_has_the_exit_statuses_before_the_options_in_the_order_in_which_they_apply() -> None:
    statuses = [INTERRUPTED_STATUS, FAILED_ITSELF_STATUS, OUT_OF_MEMORY_STATUS, FAILED_STATUS, TIMEOUT_STATUS, 0]
    assert terms("EXIT STATUS", MANUAL) == [str(status) for status in statuses]
    assert MANUAL.index(".SH EXIT STATUS") < MANUAL.index(".SH OPTIONS")


def test_it_has_every_column_that_sets_something() -> None:
    explained = words(terms_in(part("JOBS", "Columns and keys")))
    assert explained == {*COLUMNS, "id", "command", "cwd", "env"}


@pytest.mark.parametrize("verb", VERBS)
def test_it_explains_each_verb(verb: str) -> None:
    assert [term for term in terms("CONTROL", MANUAL) if term.startswith(f"scopectl batch {verb}")]
    assert re.search(rf"^\.B scopectl batch .*\b{verb}\b", section("SYNOPSIS", MANUAL), flags=re.MULTILINE)


def test_it_has_every_state_of_a_batch() -> None:
    def batch(**seen: Any) -> Batch:
        return Batch(header=HEADER, path="/b", **{"counts": {}, "runner": None, "is_paused": False, **seen})

    states = [batch(runner=1), batch(runner=1, is_paused=True), batch(counts={"waiting": 1}), batch()]
    assert terms("CONTROL", MANUAL)[len(VERBS) :] == [each.state for each in states]


def test_it_has_every_state_of_a_job() -> None:
    about = part("JSON", "A job that has ended for good")
    assert {each.value for each in Ending} <= bold(about)
    counted = re.findall(r"How many are\n\.BR (.*)", part("JSON", "The end of the batch"))
    assert words(counted) - {"and"} == set(SUMMARY["jobs"])


@pytest.mark.parametrize("word", [*Cause, *Progress])
def test_it_has_every_word_that_an_option_takes(word: str) -> None:
    assert re.search(rf"^\.B.*\b{word}\b", section("OPTIONS", MANUAL), flags=re.MULTILINE)


def test_it_has_every_signal_that_ends_a_batch() -> None:
    explained = words(terms("STATE AND RESUMING", MANUAL))
    assert {each.name for each in ENDING} <= explained


def test_it_has_exactly_the_keys_of_a_job_that_has_ended() -> None:
    line = as_json(Finished(job=job(1), attempt=attempt(1), report=None, state="done", memory=1))
    assert words(terms_in(part("JSON", "A job that has ended for good"))) == {*line}


@pytest.mark.parametrize("word", LimitOf)
def test_it_has_every_word_for_whose_limit_it_was(word: str) -> None:
    assert word in bold(part("JSON", "A job that has ended for good").replace(".RB (", ".B "))


def test_it_has_exactly_the_keys_of_the_end() -> None:
    assert words(terms_in(part("JSON", "The end of the batch"))) == {*SUMMARY, "exit_status"}


@pytest.mark.parametrize("key", ["largest", "advice", "failures"])
def test_it_has_the_keys_inside_those_of_the_end(key: str) -> None:
    inside = SUMMARY[key][0] if key == "failures" else SUMMARY[key]
    about = part("JSON", "The end of the batch")
    (text,) = re.findall(rf"^\.TP\n\.BR? [^\n]*\b{key}\b.*?(?=^\.TP$|\Z)", about, re.MULTILINE | re.DOTALL)
    assert {*inside} <= bold(text)


def test_it_has_exactly_the_keys_of_a_status(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with folder(tmp_path) as made, made.database(create=True) as connection:
        state = State(connection)
        state.make(HEADER, [job(1)])
        state.begin(begun(1))
    control("status", [f"{tmp_path}/state"], slots=None, json=True)
    told = json.loads(capfd.readouterr().out)
    about = part("JSON", "status")
    assert words(terms_in(about)) == {*told}
    assert {*told["jobs_running"][0]} <= bold(about)


def test_it_has_exactly_the_keys_of_a_dry_run() -> None:
    (line,) = map(json.loads, json_lines([job(1)]))
    assert words(terms_in(part("JSON", "dry-run"))) == {*line}


def test_it_has_the_columns_of_the_log_in_their_order() -> None:
    assert re.findall(r"\w+", " ".join(terms("THE LOG", MANUAL))) == JOBLOG.split()


def examples() -> list[str]:
    """Return the command lines of the page, without what belongs to the shell."""
    return re.findall(r"\b(scopectl batch .*)$", section("EXAMPLES", MANUAL), flags=re.MULTILINE)


@pytest.mark.parametrize("line", examples())
def test_it_has_only_command_lines_that_are_understood(line: str) -> None:
    before, _, _ = shlex.join(shlex.split(line)[2:]).partition(" -- ")
    declared(command, help_line="").make_context("batch", shlex.split(before))


def test_it_has_command_lines_with_every_way_to_name_jobs() -> None:
    assert len(examples()) >= 10
    text = "\n".join(examples())
    assert [way for way in (".jsonl", ".tsv", ":::", " - -- ", "--resume") if way not in text] == []
