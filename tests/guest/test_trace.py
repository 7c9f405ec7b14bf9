"""The trace of a real run leads to the same report again."""

import json
import subprocess
import sys

import pytest

from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(suite="trixie")


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("--mem", "20M", "--", "./bigleak2"), "oom-kill"),
        (("--mem", "20M", "--oom-policy", "continue", "--", "sh", "-c", "./bigleak2; exit 3"), "oom-kill"),
        (("--cpu-time", "300ms", "--", "sh", "-c", "while :; do :; done"), "timeout"),
        (("--timeout", "100ms", "--", "sleep", "60"), "timeout"),
        (("--soft-mem", "10M", "--mem", "100M", "--kill-after", "100ms", "--", "./bigleak2"), "signal"),
        (("--", "true"), "success"),
    ],
)
def test_a_trace_leads_to_the_same_report(story: Story, words: tuple[str, ...], verdict: str) -> None:
    trace = story.report_file.with_name("trace")
    ending = story.run("--trace", str(trace), *words)
    assert ending.verdict == verdict
    assert json.loads(replayed("--json", str(trace))) == ending.report
    assert ending.stderr.endswith(replayed(str(trace)))  # the command's own output comes before


@pytest.mark.parametrize(("command", "is_asked"), [(("true",), False), (("sh", "-c", "kill -9 $$"), True)])
def test_systemd_is_asked_for_properties_only_if_they_can_add_something(
    story: Story, command: tuple[str, ...], is_asked: bool
) -> None:
    trace = story.report_file.with_name("trace")
    story.run("--trace", str(trace), "--mem", "20M", "--", *command)
    assert ('"ScopeProperties"' in trace.read_text(encoding="utf-8")) is is_asked


def replayed(*words: str) -> str:
    """Return what the program that reads traces prints."""
    replay = [sys.executable, "-m", "scoperun.supervision.replay", *words]
    done = subprocess.run(replay, check=True, capture_output=True, text=True, timeout=GENEROUS)
    assert done.stderr == ""
    return done.stdout
