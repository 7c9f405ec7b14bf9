"""A timeline of a real scope: memory rises, kills and signals are marked, and the report counts the samples."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from .story import Story
from .terminal import terminal

pytestmark = pytest.mark.guest(suite="trixie")

LEAK = """#!/usr/bin/python3 -S
import time
held = []
while True:
    held.append(b"x" * (1 << 20))
    time.sleep(0.02)
"""


def leak(folder: Path) -> str:
    program = folder / "leak"
    program.write_text(LEAK)
    program.chmod(0o755)
    return str(program)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_leak_rises_until_it_is_marked_as_killed(story: Story) -> None:
    file = story.report_file.with_name("leak.jsonl")
    words = ("--timeline", str(file), "--timeline-interval", "50ms", "--soft-mem", "15M:none", "--mem", "24M")
    ending = story.run(*words, "--", leak(story.report_file.parent))
    assert ending.verdict == "oom-kill"
    beginning, *rows = lines(file)
    assert (beginning["timeline"], beginning["unit"]) == (1, ending.report["unit"])
    marks = [row["mark"] for row in rows if row["mark"] is not None]
    assert {"soft-mem", "memory-max", "oom-kill"} <= set(marks)
    samples = [row for row in rows if row["mark"] is None]
    killed = next(row["time"] for row in rows if row["mark"] == "oom-kill")
    rising = [row["anon"] for row in samples if row["time"] < killed]
    leaking = [anon for anon in rising if anon > 8 << 20]  # before that, Python frees some of what it used to start
    assert len(leaking) > 1
    assert leaking == sorted(leaking)
    assert rising[-1] > 2 * rising[0]
    assert all(row["memory_max"] == 24 << 20 for row in samples)
    assert [row["cpu"] for row in samples] == sorted(row["cpu"] for row in samples)
    told = ending.report["timeline"]
    assert told == {
        "interval": 0.05,
        "last_interval": 0.05,
        "wakes": len(samples),
        "largest_anon": max(row["anon"] for row in samples),
    }


def test_a_table_has_samples_until_the_end_and_no_timeline_has_none(story: Story) -> None:
    file = story.report_file.with_name("t.csv")
    ending = story.run("--timeline", str(file), "--tasks", "1", "--", "sh", "-c", "(:) & sleep 0.3")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert rows[-1]["tasks"] == "0"
    assert "tasks-max" in {row["mark"] for row in rows}
    assert ending.report["timeline"]["wakes"] == sum(not row["mark"] for row in rows)
    assert story.run("--", "true").report["timeline"] is None


def test_the_line_is_drawn_on_the_terminal_if_nothing_else_is(story: Story) -> None:
    with terminal(story, "bash", "--norc", "--noprofile") as term:
        term.type("scoperun --live --mem 50M -u watched -- sleep 100 >out 2>err\n")
        term.wait_for("\rmemory ")
        assert " of 50M  swap " in term.wait_for("watched.scope")
        term.type("\x03")
        term.type("scoperun --live -- true >out; echo status $?\n")
        said = term.wait_for("status 125")
        assert "redirect it and its errors" in said
        assert "scopectl top" in said
        term.type("exit\n")
        assert term.status() == 0
