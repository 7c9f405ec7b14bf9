"""The lab itself: a guest's exit status is the command's own, and a guest without a report is an error."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from . import image, qemu
from .errors import LabError
from .inside.agent import Line, receive_job
from .inside.job import Job
from .inside.wire import Frames, Kind, frame
from .matrix import PLUGIN, TESTS, Row, rows, runs, runs_alone, runs_on_stock_kernels
from .needs import Needs
from .parallel import Command, side_by_side
from .project import ROOT
from .recipe import PLATFORMS, SUITES, Recipe

RECIPE = Recipe(suite=SUITES["trixie"], packages=["systemd"], requirements=["tomli>=2"], files={"a": b"1"})
GENEROUS = 60.0
"""Seconds after which a test fails instead of waiting for the guest's time limit."""

EVERY_BYTE = bytes(range(256)) * 4096
COPIES = "tee /dev/stderr; printf end >&2; exit 3"

LAB = (sys.executable, "-m", "tests.lab")


BOTH = ("trixie", "trixie-stock")

on_both_kernels = pytest.mark.parametrize("platform", BOTH)


def lab(
    *options: str,
    command: Sequence[str],
    platform: str = "trixie",
    given: bytes = b"",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    argv = [*LAB, "run", platform, *options, "--", *command]
    return subprocess.run(argv, cwd=ROOT, input=given, capture_output=True, env=environment, timeout=300, check=False)


def is_same(data: bytes, other: bytes) -> bool:
    """Compare data that pytest should not print."""
    return hashlib.sha256(data).digest() == hashlib.sha256(other).digest()


@pytest.fixture(scope="session")
def built() -> None:
    """Skip the guests if the lab was not built, except in CI: pytest does not build it, it takes root and a minute."""
    if not (image.exists(SUITES["trixie"]) and shutil.which(qemu.PROGRAM)):
        leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
        leave_out(f"the lab is not built: python -m tests.lab build {' '.join(BOTH)}")


@pytest.fixture
def private(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield an environment in which guests have a temporary folder of their own; it must be empty at the end."""
    yield {**os.environ, "TMPDIR": str(tmp_path)}
    assert list(tmp_path.iterdir()) == []
    assert guests(tmp_path) == []


def guests(folder: Path) -> list[str]:
    """Return the command lines of the processes that run a kernel with its files in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith(("linux.uml", qemu.PROGRAM)) and any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.usefixtures("built")
class TestRun:
    """A command behaves under `run` as it does outside of a guest."""

    def test_streams_are_separate_and_byte_exact(self) -> None:
        """The line, which can start as a terminal, passes all 256 byte values in both directions, 1 MiB of them."""
        result = lab(command=["sh", "-c", COPIES], given=EVERY_BYTE)
        assert result.returncode == 3
        assert is_same(result.stdout, EVERY_BYTE)
        assert is_same(result.stderr, EVERY_BYTE + b"end")

    def test_the_command_has_a_user_manager_and_the_project(self) -> None:
        """Limits can be enforced, and scoperun is installed for all users, with bytecode for the guest's Python."""
        group = "/sys/fs/cgroup$(systemctl --user show --property=ControlGroup --value)"
        script = f"cat {group}/cgroup.controllers; command -v scoperun; python3 -c 'import scoperun, pytest'; "
        script += "python3 -v -c 'import scoperun.errors' 2>&1 | grep -c \"code object from '/usr/.*/errors\""
        result = lab(command=["sh", "-c", script])
        assert result.stderr == b""
        assert result.stdout == b"cpu memory pids\n/usr/local/bin/scoperun\n1\n"

    def test_a_stock_kernel_has_what_user_mode_linux_lacks(self) -> None:
        """It has two processors, pressure, swap if that is asked for, and a user manager and exact streams too."""
        script = "systemctl --user is-system-running --wait; nproc; cut -d ' ' -f 1 /proc/pressure/memory; "
        script += "tail -1 /proc/swaps | cut -d ' ' -f 1; uname -r; "
        result = lab("--swap", "64M", platform="trixie-stock", command=["sh", "-c", script + COPIES], given=EVERY_BYTE)
        *features, copied = result.stdout.split(b"\n", 6)
        *rest, release = features
        assert rest == [b"running", b"2", b"some", b"full", b"/dev/vdb"]
        assert release.endswith(b"-cloud-amd64")
        assert result.returncode == 3
        assert is_same(copied, EVERY_BYTE)
        assert is_same(result.stderr, EVERY_BYTE + b"end")

    def test_a_signal_is_128_and_its_number(self) -> None:
        """Input that the command does not read changes nothing."""
        result = lab(command=["sh", "-c", "kill -KILL $$"], given=b"unread" * 100_000)
        assert (result.returncode, result.stdout, result.stderr) == (137, b"", b"")


@pytest.mark.usefixtures("built")
class TestNoReport:
    """A guest that does not report an exit status is an error, and leaves no process or file behind."""

    def test_a_guest_that_powers_off_has_failed(self, private: dict[str, str]) -> None:
        """Output before the poweroff does not make it a success."""
        result = lab("--root", command=["sh", "-c", "echo fine; poweroff -ff"], environment=private)
        assert result.returncode == 125
        assert result.stderr.endswith(b"lab: The trixie guest ended without reporting.\n")

    @on_both_kernels
    def test_a_kernel_panic_shows_its_text(self, private: dict[str, str], platform: str) -> None:
        """The error has the end of the console's log, which is needed for debugging."""
        script = "echo c > /proc/sysrq-trigger"
        result = lab("--root", platform=platform, command=["sh", "-c", script], environment=private)
        assert result.returncode == 125
        assert b"sysrq triggered crash" in result.stderr

    def test_the_time_limit_ends_all_processes(self, private: dict[str, str]) -> None:
        """The guest's processes are processes of the host, and none is left."""
        result = lab("--time-limit", "6", command=["sleep", "infinity"], environment=private)
        assert result.returncode == 125
        assert result.stderr.endswith(b"lab: The trixie guest exceeded its time limit of 6 s.\n")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_to_the_lab_ends_the_guest(self, private: dict[str, str], number: signal.Signals) -> None:
        """The lab ends with 128+n, the status of a process that signal n killed."""
        argv = [*LAB, "run", "trixie", "--", "sh", "-c", "echo started; sleep infinity"]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, env=private) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            process.send_signal(number)
            assert process.wait(timeout=GENEROUS) == 128 + number


class TestKey:
    """An image's key changes with its ingredients and with nothing else."""

    def test_it_is_stable(self) -> None:
        """The order of packages does not matter."""
        one, other = (replace(RECIPE, packages=list(order)) for order in (("a", "b"), ("b", "a")))
        assert one.key == other.key

    @pytest.mark.parametrize(
        "changed",
        [
            replace(RECIPE, suite=SUITES["sid"]),
            replace(RECIPE, packages=["systemd", "strace"]),
            replace(RECIPE, requirements=["tomli>=3"]),
            replace(RECIPE, files={"a": b"2"}),
            replace(RECIPE, files={"b": b"1"}),
        ],
    )
    def test_it_changes_with_an_ingredient(self, changed: Recipe) -> None:
        """Changing any one ingredient changes the key."""
        assert changed.key != RECIPE.key


class TestFrames:
    """Frames are complete wherever the line splits them."""

    @pytest.mark.parametrize("cut", range(1, 16))
    def test_any_cut_gives_the_same_frames(self, cut: int) -> None:
        """A split can be inside a header."""
        stream = frame(Kind.STDOUT, b"out") + frame(Kind.STDIN) + frame(Kind.EXIT, b"0")
        frames = Frames()
        pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
        seen = [whole for piece in pieces for whole in frames.feed(piece)]
        assert seen == [(Kind.STDOUT, b"out"), (Kind.STDIN, b""), (Kind.EXIT, b"0")]


def test_input_that_comes_with_the_job_is_not_lost() -> None:
    """Input that arrives together with the job is kept: it might be all the input that the host ever sends."""
    job = Job(command=["cat"], user="root", uid=0, directory="/", environment={}, swap=False, window=None)
    host, guest = os.openpty()
    try:
        line = Line(os.ttyname(guest))
        os.write(host, frame(Kind.JOB, job.to_json()) + frame(Kind.STDIN, b"short") + frame(Kind.STDIN))
        assert receive_job(line) == (job, [b"short", b""])
        os.close(line.fd)
    finally:
        os.close(host)
        os.close(guest)


COLLECT = """
import json, pytest, sys
for words in json.load(sys.stdin):
    status = pytest.main([*words, "--collect-only", "-q"])
    print("collected with status", int(status), flush=True)
"""
"""Collects for several lists of words, each in a session of its own, and imports the test modules only once."""


def collected(*lists: Sequence[str], folder: Path = ROOT) -> list[list[str]]:
    """Return the node IDs of the tests that pytest collects when it is started in `folder` with each list of words."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    given, argv = json.dumps(lists), [sys.executable, "-c", COLLECT]
    done = subprocess.run(argv, cwd=folder, env=environment, input=given, capture_output=True, text=True, check=True)
    *sessions, rest = re.split(r"^collected with status (\d+)\n", done.stdout, flags=re.MULTILINE)
    assert (set(sessions[1::2]), rest) == ({"0"}, "")
    return [[line for line in lines.splitlines() if "::" in line] for lines in sessions[::2]]


MARKED = {
    "test_all.py": """
pytestmark = pytest.mark.guest(user="root")
def test_of_root(): ...
@pytest.mark.guest(swap="512M")
def test_of_another_guest(): ...
@pytest.mark.guest(user="root", suite="sid")
def test_of_one_suite(): ...
""",
    "test_some.py": """
def test_of_any_guest(): ...
@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.guest(swap="512M"))])
def test_of_two_guests(number): ...
@pytest.mark.guest(kernel="each")
def test_of_both_kernels(): ...
@pytest.mark.guest(also="sid-stock")
def test_of_one_more_platform(): ...
""",
}


class TestRows:
    """Each test runs in the guest that its marker names, once on each of its suites."""

    @pytest.fixture
    def marked(self, tmp_path: Path) -> Path:
        """Return a folder with tests that have the marker on a module, a test or a parameter, or have no marker."""
        for name, text in MARKED.items():
            (tmp_path / name).write_text(f"import pytest{text}", encoding="utf-8")
        return tmp_path

    def test_the_closest_marker_decides_on_the_guest(self, marked: Path) -> None:
        """A file can have tests for several guests; each guest runs only its own."""
        found = {row.needs: row for row in rows([marked])}
        each_row = collected(*(row.pytest_words[2:] for row in found.values()), folder=marked)
        tests = {
            needs: {each.rpartition("::")[2] for each in ours} for needs, ours in zip(found, each_row, strict=True)
        }
        assert tests == {
            Needs(): {
                "test_of_any_guest",
                "test_of_two_guests[1]",
                "test_of_both_kernels",
                "test_of_one_more_platform",
            },
            Needs(kernel="stock", suite="sid"): {"test_of_one_more_platform"},
            Needs(kernel="stock"): {"test_of_both_kernels"},
            Needs(swap="512M"): {"test_of_another_guest", "test_of_two_guests[2]"},
            Needs(user="root"): {"test_of_root"},
            Needs(user="root", suite="sid"): {"test_of_one_suite"},
        }
        assert [Path(file).name for file in found[Needs()].files] == ["test_some.py"]
        assert [each.name for each in found[Needs(user="root", suite="sid")].needs.platforms] == ["sid"]

    def test_the_row_with_the_most_tests_is_first(self, marked: Path) -> None:
        """It takes longest, and the other rows run beside it."""
        tests = [row.tests for row in rows([marked])]
        assert tests == sorted(tests, reverse=True)
        assert sum(tests) == 10

    def test_every_test_is_in_one_row(self) -> None:
        """No test is left out, and none runs twice on a platform."""
        found = rows()
        every, *each_row = collected([*PLUGIN, *TESTS], *(row.pytest_words[2:] for row in found))
        ours = [(row.needs.platforms, test) for row, tests in zip(found, each_row, strict=True) for test in tests]
        each_once = [(platform, test) for platforms, test in ours for platform in platforms]
        assert {test for _, test in ours} == set(every)
        assert len(each_once) == len(set(each_once))
        assert len(ours) == sum(row.tests for row in found)

    @pytest.mark.parametrize(
        ("marker", "reason"),
        [
            ('guest(user="nobody")', "there is no user 'nobody'"),
            ('guest(suite="buster")', "there is no suite 'buster'"),
            ('guest(swap="much")', "not a size: 'much'"),
            ('guest(kernel="bsd")', "there is no kernel 'bsd'"),
            ('guest(also="bsd")', "there is no platform 'bsd'"),
            ("guest(disk=1)", "unexpected keyword argument 'disk'"),
            ('guest("root")', "positional argument"),
        ],
    )
    def test_a_marker_with_an_invalid_value_is_an_error(self, tmp_path: Path, marker: str, reason: str) -> None:
        """A test in the wrong guest might pass there, and one without a guest would never run."""
        text = f"import pytest\n@pytest.mark.{marker}\ndef test_it(): ...\n"
        (tmp_path / "test_marked.py").write_text(text, encoding="utf-8")
        with pytest.raises(LabError) as failure:
            rows([tmp_path])
        assert reason in failure.value.log
        assert "test_marked.py::test_it: the marker guest: " in failure.value.log

    @pytest.mark.parametrize(
        ("needs", "text", "options"),
        [
            (Needs(), "user=tester", ["--user", "tester"]),
            (Needs(user="root", swap="1G"), "user=root swap=1G", ["--user", "root", "--swap", "1G"]),
            (Needs(ram="256M", alone=True), "user=tester ram=256M alone=True", ["--user", "tester", "--ram", "256M"]),
            (
                Needs(memory_controller=False, suite="sid"),
                "user=tester memory_controller=False suite=sid",
                ["--user", "tester", "--no-memory"],
            ),
            (Needs(kernel="stock"), "user=tester kernel=stock", ["--user", "tester"]),
        ],
    )
    def test_needs_have_a_name_and_options(self, needs: Needs, text: str, options: list[str]) -> None:
        """The name is also that of the row."""
        assert (str(needs), needs.options) == (text, options)

    def test_tests_that_run_alone_run_after_the_others(self) -> None:
        """It does not wait for an image, because all images exist by then."""
        alone, other = (Row(Needs(alone=each), files=("test_a.py",), tests=1) for each in (True, False))
        platforms = [PLATFORMS["sid"]]
        beside = runs([alone, other], platforms, [])
        by_itself = runs_alone([alone, other], platforms, [])
        assert [(name, command.after) for name, command in beside.items()] == [("sid user=tester", "sid")]
        assert [(name, command.after) for name, command in by_itself.items()] == [("sid user=tester alone=True", None)]

    def test_long_rows_start_before_the_labs_own_tests_and_these_before_short_rows(self) -> None:
        """A long row that starts last would run on alone, on one of the processors."""
        found = [
            Row(Needs(user=user), files=("test_a.py",), tests=tests) for user, tests in (("tester", 300), ("root", 9))
        ]
        names = list(runs(found, [PLATFORMS["trixie"]], []))
        assert names == ["trixie user=tester", "trixie tests/lab", "trixie user=root"]

    def test_stock_kernels_run_after_user_mode_linux(self) -> None:
        """Each runs on a platform of its own; by then all images exist."""
        stock, uml = (Row(Needs(kernel=kernel), files=("test_a.py",), tests=1) for kernel in ("stock", "uml"))
        platforms = [PLATFORMS["sid"], PLATFORMS["sid-stock"]]
        first, then = (each([uml, stock], platforms, []) for each in (runs, runs_on_stock_kernels))
        assert [(name, command.after) for name, command in first.items()] == [("sid user=tester", "sid")]
        assert [(name, command.after) for name, command in then.items()] == [
            ("sid-stock user=tester kernel=stock", None)
        ]

    def test_rows_that_differ_in_their_suite_share_the_boot_of_a_stock_kernel(self) -> None:
        """Of user-mode Linux, which boots quickly, each has its own."""
        every, one = Needs(kernel="stock"), Needs(kernel="stock", suite="sid")
        found = [Row(every, files=("a.py", "b.py"), tests=2), Row(one, files=("b.py",), tests=1)]
        (shared,) = runs_on_stock_kernels(found, [PLATFORMS["sid-stock"]], []).values()
        assert shared.words[-6:] == ["--guest", str(every), "--guest", str(one), "a.py", "b.py"]


class TestSideBySide:
    """Command lines run in the given order, once the one that they wait for has ended."""

    def test_the_first_command_that_can_run_does(self, tmp_path: Path) -> None:
        """With one lane they run in the given order, except those that wait for a later one."""
        told = tmp_path / "told"
        tell = {name: ["-c", f"open({str(told)!r}, 'a').write('{name} ')"] for name in "abc"}
        commands = {"a": Command(tell["a"], after="c"), "b": Command(tell["b"]), "c": Command(tell["c"])}
        assert side_by_side(commands, lanes=[[]]) == 0
        assert told.read_text() == "b c a "

    def test_a_failed_command_is_reported_and_its_dependents_are_not_run(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A command line that waits for a failed one is not run; the others are."""
        fails, succeeds = Command(["-c", "exit(3)"]), Command(["-c", "print('so')"])
        commands = {"a": Command(["-c", "print('never')"], after="b"), "b": fails, "c": succeeds}
        assert side_by_side(commands, lanes=[[], []]) == 3
        printed = capfd.readouterr().out
        assert "a: not run, for want of b\n" in printed
        assert "b: failed with status 3 after " in printed
        assert "so\nc: done after " in printed
        assert "never" not in printed
