"""A report for a person is one line if the run succeeded, and several lines otherwise."""

from dataclasses import replace

import pytest

from scoperun.evidence.events import ConnectionLost, Counters, Event, LeftActive, Process, ResultChanged, StateChanged
from scoperun.evidence.kernel_report import KernelReport
from scoperun.evidence.oom import LimitOf
from scoperun.report.oom_report import Oom
from scoperun.report.text import kernel_log_text, report_text
from scoperun.spec.limits import LimitsInForce
from scoperun.spec.sizes import INFINITY
from tests.unit.stories import LIMITS, MIB, STORIES, TIMED, Story, counted, exited, read, told

INVOCATION = "0123456789abcdef0123456789abcdef"
UNKNOWN = "whether it ran out of memory is not known, for want of memory.events oom_kill, user.oomd_ooms, Result"


def text(*events: Event, limits: LimitsInForce = LIMITS) -> str:
    return report_text(told(events, limits))


def row(label: str, shown: str) -> str:
    (line,) = [line for line in shown.splitlines() if line.lstrip().startswith(f"{label}: ")]
    return line.lstrip().removeprefix(f"{label}: ")


def test_a_success_is_one_line() -> None:
    shown = text(exited(0), counted(0), StateChanged("inactive"), read("success"))
    assert shown == "scoperun: job.scope: success; 2s, CPU time 750ms; memory peak 20M of 20M"


def test_an_oom_kill_has_the_peak_the_limit_and_the_number_of_kills() -> None:
    shown = text(exited(-9), counted(1), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill"))
    verdict = "the kernel killed a process (which is not known); at whose limit, if at any, is not known"
    assert shown.splitlines() == [
        f"     Scope: job.scope; invocation {INVOCATION}",
        f"   Verdict: oom-kill: {verdict}",
        "   Command: was killed by signal 9 (SIGKILL)",
        "    Memory: peak 20M of 20M, OOM kills 1",
        "   Runtime: 2s, CPU time 750ms",
    ]


def test_an_oom_kill_of_a_child_has_the_commands_own_end() -> None:
    shown = text(exited(0), counted(1), StateChanged("inactive"), read("success", "continue"))
    assert row("Verdict", shown).startswith("oom-kill: the kernel killed a process")
    assert row("Command", shown) == "exited with status 0"


def test_a_command_that_systemd_stopped_after_an_oom_kill_is_described() -> None:
    shown = text(exited(-15), counted(1), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill"))
    assert row("Command", shown) == (
        "was killed by signal 15 (SIGTERM), as systemd stops the rest of the scope then (OOMPolicy=stop)"
    )


def test_an_uncounted_oom_kill_has_no_number() -> None:
    shown = text(exited(-9), ResultChanged("oom-kill"), ConnectionLost("gone"))
    assert row("Memory", shown) == "peak unknown of 20M"
    assert row("Runtime", shown) == "2s"


def test_a_signal_has_a_number_and_a_name() -> None:
    shown = text(exited(-11), counted(0), StateChanged("inactive"), read("success"))
    assert shown.splitlines() == [
        f"     Scope: job.scope; invocation {INVOCATION}",
        "   Verdict: signal: the command was killed by signal 11 (SIGSEGV)",
        "    Memory: peak 20M of 20M",
        "   Runtime: 2s, CPU time 750ms",
    ]


def test_an_exit_status_is_named() -> None:
    shown = text(exited(3), counted(0), StateChanged("inactive"), read("success"))
    assert row("Verdict", shown) == "exit-code: the command exited with status 3"


def test_a_timeout_has_its_limit() -> None:
    shown = text(LeftActive(101.6), exited(-15), counted(0), StateChanged("failed"), read("timeout"), limits=TIMED)
    assert row("Verdict", shown) == (
        "timeout: the scope ran for longer than 2s; the command was killed by signal 15 (SIGTERM)"
    )


def test_a_timeout_without_a_limit_is_a_slow_stop() -> None:
    shown = text(exited(-9), counted(0), StateChanged("failed"), read("timeout"))
    assert row("Verdict", shown) == (
        "timeout: it did not stop when it was told to; the command was killed by signal 9 (SIGKILL)"
    )


def test_the_resources_are_systemds() -> None:
    shown = text(exited(0), counted(0), StateChanged("failed"), read("resources"))
    assert row("Verdict", shown) == (
        "resources: systemd could not keep the scope running; the command exited with status 0"
    )


def test_an_unknown_end_names_what_is_missing() -> None:
    shown = text(exited(-9), ConnectionLost("gone"))
    assert shown.splitlines() == [
        f"     Scope: job.scope; invocation {INVOCATION}",
        f"   Verdict: unknown: the command was killed by signal 9 (SIGKILL); {UNKNOWN}",
        "    Memory: peak unknown of 20M",
        "   Runtime: 2s",
    ]


def test_an_end_that_could_be_a_timeout_says_so() -> None:
    """The kernel counted no OOM kill; it is not known whether systemd told the command to stop."""
    shown = row("Verdict", text(exited(0), counted(0), ConnectionLost("gone"), limits=TIMED))
    assert shown.startswith("unknown: the command exited with status 0; ")
    assert "Result" in shown
    assert "out of memory" not in shown


def test_a_sigkill_that_could_be_a_timeout_says_so() -> None:
    """Neither the kernel nor systemd-oomd killed; systemd might have, because the time limit was over."""
    shown = row("Verdict", text(exited(-9), counted(0), ConnectionLost("gone"), limits=TIMED))
    assert shown.startswith("unknown: the command was killed by signal 9 (SIGKILL); ")
    assert shown.endswith("time is not known, for want of Result")
    assert "memory" not in shown


def test_an_end_that_could_be_an_oom_kill_says_so() -> None:
    """The kernel counted none, but systemd-oomd's count is unknown; there was no time limit."""
    shown = row("Verdict", text(exited(3), counted(0, oomd_marks=None), ConnectionLost("gone")))
    assert shown == (
        "unknown: the command exited with status 3; "
        "whether it ran out of memory is not known, for want of user.oomd_ooms, Result"
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("sleep",), "1 process left in the scope: sleep (pid 5000)"),
        (("sh", "a\nb"), r"2 processes left in the scope: sh (pid 5000), a\nb (pid 5001)"),
        (
            ("sh",) * 6,
            "6 processes left in the scope: " + "".join(f"sh (pid {pid}), " for pid in range(5000, 5005)) + "…",
        ),
    ],
)
def test_processes_left_running_are_reported(names: tuple[str, ...], words: str) -> None:
    left = [Process(pid=pid, name=name) for pid, name in enumerate(names, start=5000)]
    assert row("Running", text(exited(3), counted(0, *left), read("success"))) == words


def test_processes_left_running_are_reported_after_a_success_too() -> None:
    shown = text(exited(0), counted(0, Process(pid=5000, name="sleep")), read("success"))
    assert "1 process left in the scope" in shown


def test_swap_is_reported_if_it_was_used() -> None:
    counters = replace(counted(0), memory_swap_peak=MIB)
    shown = text(exited(3), counters, read("success"), limits=replace(LIMITS, memory_swap_max=2 * MIB))
    assert row("Memory", shown) == "peak 20M of 20M, swap peak 1M of 2M"


def test_an_infinite_limit_is_not_mentioned() -> None:
    unlimited = LimitsInForce(memory_max=INFINITY, memory_swap_max=INFINITY)
    shown = text(exited(3), replace(counted(0), memory_swap_peak=MIB), read("success"), limits=unlimited)
    assert row("Memory", shown) == "peak 20M, swap peak 1M"


def test_a_scope_without_the_memory_controller_says_so() -> None:
    shown = text(exited(3), Counters(), read("success"), limits=LimitsInForce())
    assert "the scope has no memory controller" in row("Memory", shown)
    assert "peak" not in shown


def oom_of(*records: tuple[str, ...], reason: str | None = None) -> Oom:
    """Return an OOM with kernel reports that consist of these records."""
    return Oom(
        kills=1,
        policy="stop",
        limit_of=LimitOf.SCOPE,
        limit_unit="job.scope",
        limit=20 * MIB,
        has_other_limits=False,
        needed=20 * MIB,
        victims=None,
        tasks=None,
        kernel_log=tuple(KernelReport(records=each) for each in records) or None,
        kernel_log_reason=reason,
    )


def test_the_kernels_words_are_quoted_in_order_one_per_line() -> None:
    first, second = ("sh invoked oom-killer", "Killed process 1 (a\nb\x1b[2J)"), ("Killed process 2 (c)",)
    assert kernel_log_text(oom_of(first, second)).split("\n") == [
        "sh invoked oom-killer",
        r"Killed process 1 (a\nb\x1b[2J)",
        "Killed process 2 (c)",
    ]


def test_without_the_kernels_words_there_is_the_reason() -> None:
    assert kernel_log_text(oom_of(reason="it is closed")) == "scoperun: it is closed"
    assert kernel_log_text(oom_of()) == "scoperun: the kernel log was not asked"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_report_has_only_a_few_lines(story: Story) -> None:
    lines = report_text(told(story.events, story.limits)).splitlines()
    assert len(lines) <= 5
    assert all(line.rstrip() == line and "None" not in line for line in lines)


EVIL = "/job.scope/a\r\x1b[2K\n   Verdict: success\x07\x9b\u202e\u2028"


def test_no_value_starts_a_row_or_deletes_one() -> None:
    """With Delegate=yes the command can give cgroups below the scope any name."""
    report = told([exited(0), counted(1), StateChanged("inactive"), read("success", "continue")])
    assert report.oom is not None
    forged = report_text(replace(report, oom=replace(report.oom, limit_of=LimitOf.SCOPE, limit_unit=EVIL)))
    assert len(forged.splitlines()) == len(report_text(report).splitlines())
    assert row("Verdict", forged).endswith(
        r"at the limit of /job.scope/a\r\x1b[2K\n   Verdict: success\x07\x9b\u202e\u2028 inside the scope"
    )


def test_a_success_with_processes_left_running_is_one_line() -> None:
    left = Process(pid=5000, name="a\n     Scope: b\x1b[A")
    (shown,) = text(exited(0), counted(0, left), StateChanged("active"), read("success")).splitlines()
    assert shown.endswith(r"left in the scope: a\n     Scope: b\x1b[A (pid 5000)")
