"""A report for a person is one line if the run succeeded or just failed, and a block of rows otherwise."""

import signal
import sys
from dataclasses import replace

import pytest

from scoperun.evidence.events import (
    ConnectionLost,
    Counters,
    Event,
    KernelLogRead,
    LeftActive,
    Process,
    ResultChanged,
    StateChanged,
    Task,
)
from scoperun.evidence.kernel_report import KernelReport
from scoperun.evidence.last_seen import Victim
from scoperun.evidence.oom_limit import LimitOf
from scoperun.printable import one_line
from scoperun.report.layout import wrapped
from scoperun.report.names import LimitName
from scoperun.report.oom_report import Oom
from scoperun.report.outcome import Tone
from scoperun.report.report import Io, Report
from scoperun.report.text import kernel_log_text, report_line, report_text
from scoperun.spec.limits import LimitsInForce
from scoperun.spec.sizes import INFINITY
from tests.report_rows import head, named, rows
from tests.unit.stories import LIMITS, MIB, STORIES, TIMED, Story, counted, exited, read, told

DONE = StateChanged("inactive")
NAMES = named(memory_max="--mem 20M", runtime_max="--timeout 2s", oom_policy="--oom-policy continue")


def text(*events: Event, limits: LimitsInForce = LIMITS) -> str:
    return report_text(told(events, limits))


def row(label: str, shown: str) -> str:
    return rows(shown)[label]


def test_a_success_is_one_line() -> None:
    shown = text(exited(0), counted(0), DONE, read("success"))
    assert shown == "scoperun: ok: ./work   2s, CPU 750ms, memory 20M of 20M"


@pytest.mark.parametrize(
    ("status", "words"), [(3, "exit 3"), (-13, "SIGPIPE"), (-11, "SIGSEGV"), (-2, "SIGINT"), (-15, "SIGTERM")]
)
def test_a_plain_failure_is_one_line(status: int, words: str) -> None:
    shown = text(exited(status), counted(0), DONE, read("success"))
    assert shown == f"scoperun: {words}: ./work   2s, CPU 750ms, memory 20M of 20M"


def test_a_sigkill_that_is_proven_to_be_no_oom_kill_says_so() -> None:
    assert text(exited(-9), counted(0), DONE, read("success")).splitlines() == [
        "scoperun: KILLED (SIGKILL), not out of memory: ./work",
        "    memory  peak 20M of 20M",
        "      time  2s, CPU 750ms",
        "     scope  job.scope",
    ]


def test_what_could_not_be_identified_is_called_that() -> None:
    shown = text(exited(-9), counted(1), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill"))
    assert head(shown) == "scoperun: KILLED BY AN OOM KILLER: ./work"
    assert rows(shown) == {
        "killed": "an unidentified process, by the kernel at an unidentified limit, or at none",
        "ended": "KILLED (SIGKILL)",
        "memory": "peak 20M of 20M, no swap allowed",
        "time": "2s, CPU 750ms",
        "scope": "job.scope",
    }


def test_what_killed_is_said_to_be_the_kernel_only_if_it_was() -> None:
    """Result= alone does not tell the kernel from systemd-oomd."""
    shown = text(exited(-9), ResultChanged("oom-kill"), ConnectionLost("gone"))
    assert row("killed", shown).startswith(
        "an unidentified process, by the kernel or by systemd-oomd at an unidentified"
    )
    assert row("memory", shown) == "peak unknown of 20M, no swap allowed"
    assert row("time", shown) == "2s"


def oom_report(status: int = -9, policy: str = "continue", **more: object) -> Report:
    """Return the report on a run with an OOM kill at the scope's own limit."""
    report = told([exited(status), counted(1), StateChanged("failed"), read("oom-kill", policy)])
    assert report.oom is not None
    own = {
        "limit_of": LimitOf.SCOPE,
        "limit_unit": "job.scope",
        "limit": 20 * MIB,
        "needed": 20 * MIB,
        "policy": policy,
    }
    return replace(report, oom=replace(report.oom, **(own | more)))


WORK = Victim(pid=4242, name="work", rss=20 * MIB, anon=19 * MIB, source="kernel log")
NEED = Victim(pid=872, name="need", rss=20 * MIB, anon=19 * MIB, source="kernel log")


def task(pid: int, name: str, anon: int | None = MIB) -> Task:
    return Task(pid=pid, name=name, rss=None, anon=anon, swap=None)


def test_a_command_that_ran_out_of_memory_is_a_block() -> None:
    assert report_text(oom_report(victims=(WORK,)), names=NAMES).splitlines() == [
        "scoperun: OUT OF MEMORY: ./work",
        "    killed  work[4242], 19M, by the kernel at this scope's limit (--mem 20M)",
        "    memory  peak 20M of 20M, no swap allowed",
        "    needed  more than 20M (how much more is unknown)",
        "      time  2s, CPU 750ms",
        "     scope  job.scope",
    ]


def test_a_child_that_ran_out_of_memory_comes_after_the_commands_own_exit_status() -> None:
    beside = (task(872, "need"), task(1, "sh", 4 * MIB), *(task(pid, "need", 20 * MIB) for pid in (2, 3, 4, 5)))
    shown = report_text(oom_report(0, victims=(NEED,), tasks=beside), names=NAMES)
    assert head(shown) == "scoperun: exit 0, but a child RAN OUT OF MEMORY: ./work"
    assert row("others", shown) == "need x4 80M, sh[1] 4M; went on (--oom-policy continue)"
    assert "ended" not in rows(shown)


def test_what_systemd_stops_after_an_oom_kill_is_told_as_such() -> None:
    shown = report_text(oom_report(-15, "stop", victims=(NEED,), tasks=(task(4242, "sh"),)))
    assert head(shown) == "scoperun: OUT OF MEMORY: ./work"
    assert row("others", shown) == "sh[4242] 1M"
    assert row("ended", shown) == "SIGTERM: systemd stopped the rest of the scope (OOMPolicy=stop)"
    for policy, words in {"stop": "stopped by systemd", "kill": "killed too"}.items():
        shown = report_text(oom_report(-9, policy, victims=(NEED,), tasks=(task(4242, "sh"),)))
        assert row("others", shown) == f"sh[4242] 1M; {words} (OOMPolicy={policy})"


def test_a_command_that_exited_by_itself_is_not_said_to_be_stopped() -> None:
    shown = report_text(oom_report(0, "stop", victims=(NEED,), tasks=(task(4242, "sh"),)))
    assert row("others", shown) == "sh[4242] 1M"
    shown = report_text(oom_report(0, "stop", victims=(NEED,), tasks=(task(4242, "sh"), task(7, "sleep"))))
    assert row("others", shown).endswith("; stopped by systemd (OOMPolicy=stop)")


def test_of_many_victims_five_are_named() -> None:
    many = tuple(replace(NEED, pid=pid) for pid in range(1, 8))
    shown = report_text(oom_report(0, victims=many, kills=9))
    assert head(shown).startswith("scoperun: exit 0, but children RAN OUT OF MEMORY")
    named = ", ".join(f"need[{pid}] 19M" for pid in range(1, 6))
    assert row("killed", shown).startswith(f"{named}, 2 more and 2 unidentified others, by the kernel at this scope's")
    assert row("memory", shown) == "peak 20M of 20M, no swap allowed, 9 OOM kills"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("--mem 20M", "(--mem 20M)"),
        ("--mem 20480K", "of 20M (--mem 20480K)"),
        ("-p MemoryMax=", "of 20M (-p MemoryMax=)"),
        ("profile build", "of 20M (profile build)"),
        (None, "of 20M (MemoryMax=)"),
    ],
)
def test_a_limit_is_named_as_the_user_wrote_it(name: str | None, words: str) -> None:
    names = {} if name is None else named(memory_max=name)
    assert row("killed", report_text(oom_report(victims=(WORK,)), names=names)).endswith(f"this scope's limit {words}")


def test_a_limit_that_was_changed_is_not_said_to_be_the_users() -> None:
    report = replace(oom_report(victims=(WORK,), limit=10 * MIB), limits_changed={"memory_max": 30 * MIB})
    shown = report_text(report, names=NAMES)
    assert row("killed", shown).endswith("by the kernel at this scope's limit of 10M")
    assert row("memory", shown).startswith("peak 20M (MemoryMax= was 30M at the start, 20M at the end)")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (20 * MIB, "(--mem 20M)"),
        (20 * MIB + 4095, "(--mem 20M)"),
        (30 * MIB, "of 20M (MemoryMax=)"),
        (10 * MIB, "of 20M (MemoryMax=)"),
        (INFINITY, "of 20M (MemoryMax=)"),
    ],
)
def test_a_limit_that_is_not_in_force_as_asked_is_not_said_to_be_the_users(asked: int, words: str) -> None:
    """A drop-in for scopes can override it; and the kernel counts in pages."""
    names = {"memory_max": LimitName("--mem 20M", asked)}
    shown = report_text(oom_report(victims=(WORK,)), names=names)
    assert row("killed", shown).endswith(f"by the kernel at this scope's limit {words}")


def test_a_time_that_a_drop_in_has_set_is_not_said_to_be_the_users() -> None:
    events = LeftActive(101.6), exited(-15), counted(0), StateChanged("failed"), read("timeout")
    for asked, words in (2.0, "--timeout"), (3600.0, "RuntimeMaxSec="):
        names = {"runtime_max": LimitName("--timeout 1h", asked)}
        assert head(report_text(told(events, TIMED), names=names)).startswith(f"scoperun: TIMED OUT after 2s ({words})")


@pytest.mark.parametrize(
    ("stat", "words"),
    [
        ({"anon": 20 * MIB, "file": MIB, "shmem": 0}, ""),
        ({"anon": 10 * MIB, "file": 10 * MIB, "shmem": 0}, ", of it 10M page cache"),
        (
            {"anon": 5 * MIB, "file": 14 * MIB, "shmem": 7 * MIB},
            ", of it 7M page cache and 7M tmpfs and shared memory",
        ),
        ({"anon": 4 * MIB, "file": 4 * MIB, "shmem": 0}, ", of it 4M page cache when last seen"),
        ({}, ""),
    ],
)
def test_what_the_memory_was_is_said_if_it_was_not_all_anonymous(stat: dict[str, int], words: str) -> None:
    report = oom_report(victims=(WORK,), tasks=(task(4242, "work"),))
    shown = report_text(replace(report, memory=replace(report.memory, stat=stat)))
    assert row("memory", shown) == f"peak 20M of 20M, no swap allowed{words}"


def test_a_timeout_is_told_with_its_limit() -> None:
    events = LeftActive(101.6), exited(-15), counted(0), StateChanged("failed"), read("timeout")
    shown = report_text(told(events, TIMED), names=NAMES)
    assert head(shown) == "scoperun: TIMED OUT after 2s (--timeout): ./work"
    assert row("ended", shown) == "SIGTERM"
    assert head(text(*events, limits=TIMED)) == "scoperun: TIMED OUT after 2s (RuntimeMaxSec=): ./work"


def test_a_timeout_without_a_limit_is_a_slow_stop() -> None:
    shown = text(exited(-9), counted(0), StateChanged("failed"), read("timeout"))
    assert head(shown) == "scoperun: KILLED (SIGKILL) after a stop that took too long (TimeoutStopSec=): ./work"
    assert "ended" not in rows(shown)


def test_the_resources_are_systemds() -> None:
    shown = text(exited(0), counted(0), StateChanged("failed"), read("resources"))
    assert head(shown) == "scoperun: exit 0, but systemd could not keep the scope running: ./work"


def test_an_unknown_end_is_told_with_what_is_missing() -> None:
    reason = "the kernel log may not be read by this user: join group systemd-journal"
    shown = text(exited(-9), KernelLogRead(reports=None, reason=reason), ConnectionLost("gone"))
    assert head(shown) == "scoperun: KILLED (SIGKILL), cannot tell whether it ran out of memory: ./work"
    assert rows(shown) == {
        "missing": "memory.events (the cgroup was gone); systemd-oomd's mark on the cgroup; "
        f"Result= (systemd did not tell); {reason}",
        "memory": "peak unknown of 20M",
        "time": "2s",
        "scope": "job.scope",
    }


def test_an_end_that_could_be_a_timeout_says_so() -> None:
    """The kernel counted no OOM kill; it is not known whether systemd told the command to stop."""
    shown = text(exited(0), counted(0), ConnectionLost("gone"), limits=TIMED)
    assert head(shown) == "scoperun: exit 0, cannot tell whether it ran out of time: ./work"
    assert row("missing", shown) == "Result= (systemd did not tell)"
    assert "out of memory" not in shown


def test_a_sigkill_that_may_be_a_timeout_is_told_as_that() -> None:
    """Neither the kernel nor systemd-oomd killed; systemd might have, because the time was over."""
    shown = text(exited(-9), counted(0), ConnectionLost("gone"), limits=TIMED)
    assert head(shown) == "scoperun: KILLED (SIGKILL), cannot tell whether it ran out of time: ./work"
    assert row("missing", shown) == "Result= (systemd did not tell)"


def test_an_end_that_may_be_an_oom_kill_is_told_as_that() -> None:
    """The kernel counted none, but it is not known what systemd-oomd did; there was no time limit."""
    shown = text(exited(3), counted(0, oomd_marks=None), ConnectionLost("gone"))
    assert head(shown) == "scoperun: exit 3, cannot tell whether it ran out of memory: ./work"
    assert row("missing", shown) == "systemd-oomd's mark on the cgroup; Result= (systemd did not tell)"


def test_a_command_that_left_its_scope_is_told_where_it_went() -> None:
    report = replace(told([exited(-9), ConnectionLost("gone")]), left_scope="/user.slice/other.scope")
    shown = report_text(report)
    assert row("left", shown) == "the command left this scope and its limits; it ended in /user.slice/other.scope"
    assert "missing" not in rows(shown)
    assert head(shown) == "scoperun: KILLED (SIGKILL), cannot tell whether it ran out of memory: ./work"
    shown = report_text(
        replace(told([exited(-9), counted(0), ConnectionLost("gone")], TIMED), left_scope="/other.scope")
    )
    assert head(shown) == "scoperun: KILLED (SIGKILL), cannot tell whether it ran out of memory: ./work"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("sleep",), "sleep[5000]"),
        (("sh", "a\nb"), r"sh[5000], 'a\nb'[5001]"),
        (("sh",) * 6, "".join(f"sh[{pid}], " for pid in range(5000, 5005)) + "..."),
    ],
)
@pytest.mark.parametrize("status", [0, 3, -9])
def test_what_was_left_running_is_told_with_how_to_stop_it(names: tuple[str, ...], words: str, status: int) -> None:
    left = [Process(pid=pid, name=name) for pid, name in enumerate(names, start=5000)]
    report = told([exited(status), counted(0, *left), read("success")])
    for manager, stop in ("user", "systemctl --user stop"), ("system", "systemctl stop"):
        told_so = rows(report_text(replace(report, manager=manager)))
        assert told_so["running"] == f"{words}, still in this scope and under its limits"
        assert told_so["to stop"] == f"{stop} job.scope"


def test_swap_is_told_where_some_was_used() -> None:
    counters, limits = replace(counted(0), memory_swap_peak=MIB), replace(LIMITS, memory_swap_max=2 * MIB)
    assert text(exited(3), counters, read("success"), limits=limits).endswith(", memory 20M of 20M, swap 1M of 2M")


def test_an_infinite_limit_is_not_mentioned() -> None:
    unlimited = LimitsInForce(memory_max=INFINITY, memory_swap_max=INFINITY)
    shown = text(exited(3), replace(counted(0), memory_swap_peak=MIB), read("success"), limits=unlimited)
    assert shown.endswith(", memory 20M, swap 1M")


def test_a_scope_without_the_memory_controller_says_so() -> None:
    words = "this scope has no memory controller: limits on memory were not enforced"
    for status in 0, 3:
        assert row("memory", text(exited(status), Counters(), read("success"), limits=LimitsInForce())) == words
    assert row("memory", text(exited(-9), Counters(), limits=LimitsInForce())) == f"unknown; {words}"


@pytest.mark.parametrize(
    ("read_bytes", "written_bytes", "words"),
    [
        (3 * MIB, 12 * MIB, "3M read, 12M written"),
        (0, MIB, "1M written"),
        (200_000, 0, None),
    ],
)
def test_use_of_disks_is_told_in_a_block_if_it_is_more_than_a_start_takes(
    read_bytes: int, written_bytes: int, words: str | None
) -> None:
    use = Io(read=read_bytes, written=written_bytes, discarded=0, reads=9, writes=9, discards=0)
    assert rows(report_text(replace(oom_report(), io=use))).get("disk") == words
    assert "disk" not in rows(report_text(oom_report()))


def test_limits_that_were_reached_are_told_with_who_set_them() -> None:
    counters = replace(
        counted(0), cpu_throttled=1.5, tasks_peak=5, tasks_refused=4,
        memory_events={"high": 12, "oom": 0, "oom_kill": 0, "oom_group_kill": 0},
    )  # fmt: skip
    limits = replace(LIMITS, memory_high=15 * MIB, cpu_quota=0.5, tasks_max=5)
    report = told([exited(0), counters, DONE, read("success")], limits)
    names = named(memory_high="profile build", cpu_quota="--cpus 0.5", tasks_max="-p TasksMax=")
    assert rows(report_text(report, names=names)) == {
        "slowed": "12 times, because it needed more than the high limit of 15M (profile build)",
        "throttled": "for 1.500s by the limit on processors (--cpus 0.5)",
        "tasks": "the limit of 5 (-p TasksMax=) was reached; new processes or threads were refused 4 times",
    }
    above = replace(report, tasks_peak=3, limits=replace(limits, cpu_quota=INFINITY))
    assert row("throttled", report_text(above)) == "for 1.500s by a limit above this scope"
    assert row("tasks", report_text(replace(above, tasks_refused=1))) == (
        "a limit above this scope was reached; a new process or thread was refused"
    )


def test_what_was_used_outside_is_told() -> None:
    report = told([exited(0), counted(0), DONE, read("success")])
    shown = report_text(replace(report, cpu=replace(report.cpu, outside=1.25)))
    assert row("outside", shown) == "1.250s of processor time was used outside this scope and its limits"


class TestLayout:
    """No line is wider than the terminal."""

    LONG = ("./job", "--input", "/srv/data/set number one", *(f"--option-{number}" for number in range(30)), "last")

    @pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
    @pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
    def test_of_any_report(self, story: Story, width: int) -> None:
        for command in ("./work",), self.LONG, ("x" * 300,), ("猫" * 90, "é" * 200):
            report = replace(told(story.events, story.limits), command=command, unit=f"scoperun-{'x' * 90}.scope")
            lines = report_text(report, width=width, names=NAMES).splitlines()
            assert all(cells_of(line) <= width and line == line.rstrip() for line in lines)
            assert not any("None" in line for line in lines)

    def test_values_are_wrapped_at_words_under_themselves(self) -> None:
        shown = report_text(oom_report(victims=(WORK,)), names=NAMES, width=50)
        assert shown.splitlines()[1:3] == [
            "    killed  work[4242], 19M, by the kernel at this",
            "            scope's limit (--mem 20M)",
        ]

    @pytest.mark.parametrize(
        ("name", "last"),
        [
            ("--mem 20M", "            (--mem 20M)"),
            ("profile build", "            20M (profile build)"),
        ],
    )
    def test_short_parentheses_stay_together(self, name: str, last: str) -> None:
        shown = report_text(oom_report(victims=(replace(WORK, pid=4_000_000),)), names=named(memory_max=name), width=72)
        assert shown.splitlines()[2] == last
        assert wrapped("at a limit (of a profile with a long name)", 20)[1] == "profile with a long"

    def test_a_word_that_is_too_long_is_broken(self) -> None:
        report = replace(oom_report(victims=(WORK,)), unit=f"scoperun-{'x' * 90}.scope")
        shown = report_text(report)
        assert "".join(row("scope", shown).split()) == report.unit

    def test_of_a_long_command_the_beginning_and_the_end_are_shown(self) -> None:
        report = replace(told([exited(3), counted(0), DONE, read("success")]), command=self.LONG)
        assert report_text(report) == "scoperun: exit 3: ./job --input ... last   2s, CPU 750ms, memory 20M of 20M"
        wide = report_text(report, width=120)
        assert wide == (
            "scoperun: exit 3: ./job --input '/srv/data/set number one' ... --option-29 last   "
            "2s, CPU 750ms, memory 20M of 20M"
        )

    def test_where_the_outcome_takes_the_line_the_command_has_the_next(self) -> None:
        report = replace(told([exited(-9), ConnectionLost("gone")]), command=self.LONG)
        first, second, *_ = report_text(report).splitlines()
        assert first == "scoperun: KILLED (SIGKILL), cannot tell whether it ran out of memory:"
        assert second.startswith("            ./job --input '/srv/data/set number one' ... ")

    def test_words_are_quoted_as_in_a_shell(self) -> None:
        report = replace(told([exited(3), counted(0), DONE, read("success")]), command=("sh", "-c", "it's $x", ""))
        assert "exit 3: sh -c 'it'\\''s $x' ''   2s" in report_text(report)


def cells_of(line: str) -> int:
    """Return the cells of a line in which 猫 is the only wide character."""
    return len(line) + line.count("猫")


def test_the_outcome_is_painted_and_nothing_else() -> None:
    def mark(words: str, tone: Tone) -> str:
        return f"<{tone.name} {words}>"

    def painted(*events: Event) -> str:
        return report_text(told(events), paint=mark).splitlines()[0]

    assert painted(exited(0), counted(0), DONE, read("success")).startswith("scoperun: <GOOD ok>: ./work   2s")
    assert painted(exited(3), counted(0), DONE, read("success")).startswith("scoperun: <DOUBTFUL exit 3>: ./work")
    first = report_text(oom_report(victims=(WORK,)), paint=mark).splitlines()[0]
    assert first == "scoperun: <BAD OUT OF MEMORY>: ./work"
    line = report_line(oom_report(victims=(WORK,)), status=137, paint=mark)
    assert line == "scoperun: <BAD OUT OF MEMORY>, status 137, 2s, 20M/20M: ./work"


class TestLine:
    """--report-format line: one line a run, whatever happened."""

    @pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
    def test_every_report_is_one(self, story: Story) -> None:
        report = told(story.events, story.limits)
        line = report_line(report, status=report.exit_status)
        assert len(line.splitlines()) == 1
        assert line.endswith("/20M: ./work")

    @pytest.mark.parametrize(
        ("limits", "memory"),
        [
            (LIMITS, "20M/20M"),
            (LimitsInForce(memory_max=INFINITY), "20M/infinity"),
            (LimitsInForce(), "20M/unknown"),
        ],
    )
    def test_it_has_outcome_status_time_memory_and_command(self, limits: LimitsInForce, memory: str) -> None:
        report = told([exited(3), counted(0), DONE, read("success")], limits)
        assert report_line(report, status=3) == f"scoperun: exit 3, status 3, 2s, {memory}: ./work"

    def test_the_status_is_what_scoperun_exits_with(self) -> None:
        line = report_line(oom_report(0, victims=(NEED,)), status=99)
        assert line == "scoperun: exit 0, but a child RAN OUT OF MEMORY, status 99, 2s, 20M/20M: ./work"

    def test_a_log_has_the_whole_command_and_a_terminal_what_fits(self) -> None:
        report = replace(told([exited(3), counted(0), DONE, read("success")]), command=TestLayout.LONG)
        assert report_line(report, status=3).endswith(" --option-28 --option-29 last")
        assert len(report_line(report, status=3, width=80)) <= 80
        assert report_line(report, status=3, width=80).endswith(" last")

    def test_a_newline_in_the_command_is_an_escape(self) -> None:
        report = replace(told([exited(3), counted(0), DONE, read("success")]), command=("a\nscoperun: ok",))
        assert report_line(report, status=3).endswith(r": 'a\nscoperun: ok'")


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


def test_statistics_that_are_0_are_left_out_of_the_kernels_words() -> None:
    words = (
        "Memory cgroup stats for /job.scope:",
        "anon 20",
        "file 0",
        "zswp_in 0",
        "Killed process 1 (file 0)",
        "Call 0",
    )
    kept = [words[0], "anon 20", words[4], "Call 0"]
    assert kernel_log_text(oom_of(words)).split("\n") == kept


def test_statistics_in_one_record_are_lines_of_their_own() -> None:
    """Linux 6.1 writes them like that."""
    words = ("Memory cgroup stats for /job.scope:", "anon 20\nfile 0\nworkingset_refault_anon 3", "Call 0")
    kept = [words[0], "anon 20", "workingset_refault_anon 3", words[2]]
    assert kernel_log_text(oom_of(words)).split("\n") == kept


@pytest.mark.parametrize("last", ["pgfault 0", "pgfault 51", "pgfault ", "pgfau", ""])
def test_a_statistic_that_the_kernel_cut_off_is_marked(last: str) -> None:
    """More digits might have followed, so a 0 is not left out either."""
    whole = "\n".join(f"stat_{number:03d} 7" for number in range(100))
    shown = kernel_log_text(oom_of((f"{whole}\n{last}",))).split("\n")
    assert shown == [*whole.split("\n"), f"{last}..."]


@pytest.mark.parametrize(
    "record",
    [
        "anon 20\nfile 0 invoked oom-killer: order=0",
        "anon 20\n\nfile 1",
        "Killed process 1 (anon 20\nfile 3)",
        "anon 20\nKilled process 1 (a)",
        "anon 20\n\u0663 3",
        "a 1\n" * 300 + "b 2 invoked oom-killer: order=0",
    ],
)
def test_a_name_does_not_add_a_line_to_the_kernels_words(record: str) -> None:
    """A process chooses its name, which can contain line feeds."""
    assert kernel_log_text(oom_of((record,))) == one_line(record)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_report_is_a_handful_of_rows(story: Story) -> None:
    assert len(rows(report_text(told(story.events, story.limits)))) <= 6


EVIL = "/job.scope/a\r\x1b[2K\n    killed  nothing\x07\x9b\u202e\u2028"


def test_no_value_starts_a_row_or_deletes_one() -> None:
    """With Delegate=yes the command can give cgroups below the scope any name."""
    shown = report_text(oom_report(victims=(WORK,), limit_unit=EVIL, limit=None))
    assert row("killed", shown).endswith(
        r"at the limit of '/job.scope/a\r\x1b[2K\n    killed  nothing\x07\x9b\u202e\u2028' inside this scope"
    )
    assert "".join(shown.splitlines()).isprintable()


@pytest.mark.parametrize("width", [20, 41, 80])
def test_a_name_with_blanks_makes_no_row_wherever_it_is_wrapped(width: int) -> None:
    """A continuation line begins below the values, which no row does."""
    evil = " " * 30 + "memory  peak 1M of 20M\n" + " " * 30 + "scope  other.scope"
    shown = report_text(oom_report(victims=(replace(WORK, name=evil),), limit_unit=evil), width=width)
    assert list(rows(shown)) == list(rows(report_text(oom_report(victims=(WORK,), limit_unit="x"))))


def test_a_command_makes_no_row() -> None:
    report = replace(
        told([exited(3), counted(0), DONE, read("success")]), command=("a\n    killed  b\x1b[A", "\n" * 99)
    )
    assert len(report_text(report).splitlines()) == 1
    assert report_text(report).isprintable()


def test_the_name_of_a_process_that_runs_on_makes_no_row() -> None:
    left = Process(pid=5000, name="a\n     scope  b\x1b[A")
    first, *_ = shown = text(exited(0), counted(0, left), StateChanged("active"), read("success")).splitlines()
    assert first == "scoperun: ok: ./work   2s, CPU 750ms, memory 20M of 20M"
    assert list(rows("\n".join(shown))) == ["running", "to stop"]
    assert row("running", "\n".join(shown)).startswith(r"'a\n     scope  b\x1b[A'[5000], still in this scope")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_every_signal_of_an_unknown_end_is_named(number: signal.Signals) -> None:
    shown = text(exited(-number), ConnectionLost("gone"), limits=TIMED)
    assert number.name in head(shown)


@pytest.mark.parametrize("width", [10, 80])
def test_of_a_long_command_only_what_is_shown_is_measured(width: int) -> None:
    """A script, or ten thousand file names, with characters beyond ASCII, of which each has to be looked up."""
    looked_up = 0

    def see(_frame: object, event: str, called: object) -> None:
        nonlocal looked_up
        looked_up += event == "c_call" and getattr(called, "__name__", "") == "east_asian_width"

    report = replace(told((exited(0), counted(0), DONE, read("success"))), command=("echo", "\u6f22" * 100_000))
    sys.setprofile(see)
    try:
        report_text(report, width=width)
        report_line(report, status=0, width=width)
    finally:
        sys.setprofile(None)
    assert 0 < looked_up < 1000


def test_an_unknown_status_is_called_that() -> None:
    """The command was not our child."""
    untold = replace(exited(0), status=None)
    report = told((untold, counted(0), DONE, read("success")))
    assert (report.verdict, report.exit_code, report.signal) == ("unknown", None, None)
    assert head(report_text(report)).startswith("scoperun: ended, with an unknown status: ./work")
    assert row("missing", report_text(report)) == "how it ended (only its parent learns that)"


def test_an_oom_kill_is_told_without_a_status() -> None:
    untold = replace(exited(0), status=None)
    shown = text(untold, counted(1), StateChanged("failed"), read("oom-kill"))
    assert head(shown).startswith("scoperun: ended, with an unknown status, and an OOM KILLER killed something in its")


def test_an_oom_kill_at_a_known_limit_is_told_without_a_status() -> None:
    report = replace(oom_report(victims=(WORK,)), signal=None, exit_code=None)
    shown = head(report_text(replace(report, pid=1)))
    assert shown.startswith("scoperun: ended, with an unknown status, and something in its scope RAN OUT OF MEMORY:")
    assert head(report_text(replace(report, pid=WORK.pid))).startswith("scoperun: OUT OF MEMORY: ")
