"""`scopectl batch`: limits, retries, admission and control, on a real systemd with real OOM kills."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import scoperun
from scoperun.kernel.wait import readable

from .batches import batch, left, lines_of, started
from .story import GENEROUS, systemctl
from .waiting import process_gone, ready

MIB = 1 << 20
EAT = """python3 -c 'import sys; print(len(b"x" * (int(sys.argv[1]) << 20)) >> 20)'"""
"""Takes so many MiB, and says so."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have batches keep their state in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


def jobs_file(folder: Path, *lines: str, name: str = "jobs") -> str:
    file = folder / name
    file.write_text("".join(f"{line}\n" for line in lines))
    return str(file)


def test_each_job_ends_in_its_own_way(home: Path) -> None:
    lines = ["echo one", f"{EAT} 90", f"{EAT} 90 | cat; true", "exit 3", "kill -9 $$", "sleep 600", "nosuch"]
    jobs = [{"command": line} | ({"timeout": "1s"} if "sleep" in line else {}) for line in lines]
    file = jobs_file(home, *map(json.dumps, jobs), name="jobs.jsonl")
    done = batch("--mem", "40M", "--mem-total", "200M", "-j", "3", "--json", file)
    assert done.status == 3, done
    ends = {seq: (end["state"], end["verdict"], end["exit_status"]) for seq, end in done.ends.items()}
    assert ends == {
        1: ("done", "success", 0),
        2: ("out-of-memory", "oom-kill", 137),
        3: ("out-of-memory", "oom-kill", 137),
        4: ("failed", "exit-code", 3),
        5: ("failed", "signal", 137),
        6: ("timeout", "timeout", 124),
        7: ("failed", "exit-code", 127),
    }
    assert (done.ends[2]["limit_of"], done.ends[2]["victim"]) == ("scope", "python3")
    assert done.ends[2]["memory_max"] == 40 * MIB
    assert done.total["jobs"]["failed"] == 3
    assert [each["seq"] for each in done.total["failures"]] == [2, 3, 4, 5, 6, 7]
    assert left() == ""


@pytest.mark.guest(suite="trixie", also="trixie-stock")
def test_only_what_ran_out_is_tried_again_with_more_until_it_is_enough(home: Path) -> None:
    jobs = jobs_file(home, f"{EAT} 100", "exit 3", f"{EAT} 500")
    log = home / "joblog"
    options = ["--retries", "3", "--retry-factor", "2", "--retry-max", "160M", "--joblog", str(log), "--json"]
    done = batch("--mem", "40M", "--mem-total", "300M", "-j", "2", *options, jobs)
    assert done.status == 3, done
    first, second, third = (done.ends[seq] for seq in (1, 2, 3))
    assert (first["state"], first["attempt"], first["memory_max"]) == ("done", 3, 160 * MIB)
    assert (second["state"], second["attempt"]) == ("failed", 1)
    assert (third["state"], third["attempt"], third["memory_max"]) == ("out-of-memory", 3, 160 * MIB)
    rows = [line.split("\t") for line in lines_of(log)[1:]]
    assert sorted((row[0], row[6]) for row in rows) == [
        *[("1", "0"), ("1", "137"), ("1", "137")],
        ("2", "3"),
        *[("3", "137")] * 3,
    ]
    assert (done.total["retried"], done.total["done_with_more_memory"]) == (2, 1)


GROW = """
import mmap, sys
blocks = []
for _ in range(int(sys.argv[1])):
    blocks.append(mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))
"""
"""Takes so many MiB, one after the other."""


@pytest.mark.guest(also="trixie-stock")
def test_a_job_that_has_run_out_of_the_whole_total_is_not_tried_again(home: Path) -> None:
    """The slice has the same limit as the job then, and as a rule is the one that is reached."""
    job = ["--", "python3", "-c", GROW, "{}", ":::", "90"]
    done = batch("--mem", "16M", "-j", "1", "--retries", "6", "--mem-total", "64M", "--json", *job)
    (end,) = done.ends.values()
    assert (done.status, end["state"], end["attempt"]) == (3, "out-of-memory", 3), done
    assert (end["memory_max"], end["limit_of"] in {"scope", "slice"}) == (64 * MIB, True)
    assert done.stderr.count("it is tried again with") == 2


@pytest.mark.guest(suite="trixie")
def test_a_part_of_a_page_is_not_more_memory(home: Path) -> None:
    """--mem auto is whole pages, and the total need not be."""
    job = ["--", "python3", "-c", GROW, "{}", ":::", "90"]
    done = batch("--mem", "auto", "-j", "1", "--retries", "6", "--mem-total", f"{64 * MIB - 1}", "--json", *job)
    (end,) = done.ends.values()
    assert (done.status, end["state"], end["attempt"]) == (3, "out-of-memory", 1), done
    assert (end["memory_max"], end["limit_of"] in {"scope", "slice"}) == (64 * MIB - 4096, True)


@pytest.mark.guest(suite="trixie")
def test_what_jobs_print_is_printed_whole_and_kept(home: Path) -> None:
    results = home / "results"
    options = ["--mem", "20M", "-k", "--tag", "--results", str(results)]
    done = batch(*options, "--", "sh", "-c", "echo out $1; echo err >&2", "job", "{}", ":::", "a b", "$(id)", "c;d")
    assert (done.status, done.stdout) == (0, "a b\tout a b\n$(id)\tout $(id)\nc;d\tout c;d\n"), done
    assert done.stderr.startswith("a b\terr\n$(id)\terr\nc;d\terr\n")
    assert (results / "2" / "stdout").read_text() == "out $(id)\n"
    assert json.loads((results / "3" / "report.json").read_text())["verdict"] == "success"


@pytest.mark.guest(suite="trixie")
def test_jobs_run_in_sessions_of_their_own_and_read_nothing(home: Path) -> None:
    line = "cat; ps -o sid= -p $$ | tr -d ' '; echo $$; test -t 0; echo $?"
    done = batch("--mem", "20M", jobs_file(home, line))
    session, pid, terminal = done.stdout.split()
    assert session == pid
    assert terminal == "1"


def test_the_sum_of_limits_stays_within_the_total_and_the_slice_has_it(home: Path) -> None:
    """Each job writes the limit of the slice and how many scopes are in it."""
    here = "$(cut -d: -f3 /proc/self/cgroup)"
    line = f"up=/sys/fs/cgroup{here}/..; cat $up/memory.max; ls -d $up/scoperun-batch-*.scope | wc -l; sleep 0.3"
    done = batch("--mem", "50M", "--mem-total", "170M", "-j", "9", jobs_file(home, *[line] * 9))
    assert done.status == 0, done
    limits, counts = done.stdout.split()[::2], [*map(int, done.stdout.split()[1::2])]
    assert set(limits) == {str(170 * MIB)}
    assert 1 < max(counts) <= 3


@pytest.mark.guest(suite="trixie")
def test_a_job_that_can_never_run_is_refused_before_any_starts(home: Path) -> None:
    jobs = home / "jobs.jsonl"
    jobs.write_text('{"command": "touch ran", "mem": "10M"}\n{"command": "true", "mem": "1G"}\n')
    done = batch("--mem-total", "100M", "jobs.jsonl", cwd=home)
    assert (done.status, done.stderr.count("\n")) == (125, 1), done
    assert "job 2 asks for 1G" in done.stderr
    assert not (home / "ran").exists()
    assert not [*(home / "home").rglob("batch.db")]


class Gate:
    """Jobs that say that they run, and then wait until the gate opens."""

    def __init__(self, home: Path) -> None:
        self.home = home
        os.mkfifo(home / "running")
        self._running = os.open(home / "running", os.O_RDWR)
        self._gate = os.open(home / "gate", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        self._pids: dict[int, int] = {}

    def jobs(self, count: int, *, first: str = "") -> str:
        """Return a file of so many jobs. first: what each does first."""
        line = f"{first}echo %d $$ > {self.home}/running; flock -s {self.home}/gate true; echo %d"
        return jobs_file(self.home, *[line % (seq, seq) for seq in range(1, count + 1)])

    def open(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    def pids(self, *seqs: int) -> list[int]:
        """Return the PIDs of jobs, once they run."""
        while not set(seqs) <= set(self._pids):
            lines = os.read(ready(self._running), 4096).split(b"\n")
            self._pids |= {int(seq): int(pid) for seq, pid in (line.split() for line in lines if line)}
        return [self._pids[seq] for seq in seqs]

    def close(self) -> None:
        os.close(self._running)
        os.close(self._gate)


@pytest.fixture
def gate(home: Path) -> Iterator[Gate]:
    made = Gate(home)
    yield made
    made.close()


@pytest.mark.guest(suite="trixie")
def test_an_interrupt_lets_jobs_end_and_the_rest_is_resumed(home: Path, gate: Gate) -> None:
    jobs = gate.jobs(5)
    runner = started("--mem", "20M", "-j", "2", "--state", f"{home}/state", jobs)
    gate.pids(1, 2)
    runner.send_signal(signal.SIGINT)
    assert runner.stderr is not None
    assert "no more jobs are started; 2 jobs are left to end" in runner.stderr.readline()
    gate.open()
    out, err = runner.communicate(timeout=GENEROUS)
    assert (runner.returncode, sorted(out.split())) == (130, ["1", "2"]), err
    assert f"scopectl batch --resume --state {home}/state" in err
    assert left() == ""
    again = batch("--resume", "--state", f"{home}/state")
    assert (again.status, sorted(again.stdout.split())) == (0, ["3", "4", "5"]), again


def test_a_second_interrupt_stops_jobs_and_a_third_kills_them(home: Path, gate: Gate) -> None:
    jobs = gate.jobs(2, first="trap '' TERM; ")
    runner = started("--mem", "20M", "-j", "2", "--kill-after", "10min", "--state", f"{home}/state", jobs)
    assert runner.stderr is not None
    running = gate.pids(1, 2)
    for word in ("no more jobs", "2 jobs are stopped", "2 jobs are killed"):
        runner.send_signal(signal.SIGINT)
        assert word in runner.stderr.readline()
    runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 130
    for pid in running:
        process_gone(pid)
    assert left() == ""


@pytest.mark.guest(suite="trixie")
def test_sigterm_stops_jobs_at_once(home: Path, gate: Gate) -> None:
    runner = started("--mem", "20M", "-j", "2", "--state", f"{home}/state", gate.jobs(3))
    running = gate.pids(1, 2)
    runner.terminate()
    runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 130
    for pid in running:
        process_gone(pid)
    gate.open()
    assert sorted(batch("--resume", "--state", f"{home}/state").stdout.split()) == ["1", "2", "3"]


@pytest.mark.guest(suite="trixie")
def test_another_terminal_sees_and_steers_it(home: Path, gate: Gate) -> None:
    runner = started("--mem", "20M", "-j", "1", gate.jobs(4))
    gate.pids(1)
    (seen,) = json.loads(batch("status", "--json").stdout)
    assert (seen["state"], seen["jobs"], seen["running"], seen["waiting"]) == ("running", 4, 1, 3)
    assert seen["runner"] == runner.pid
    assert batch("resume", "-j", "3").status == 0
    gate.pids(2, 3)
    assert batch("pause", seen["id"]).status == 0
    one = json.loads(batch("status", seen["id"], "--json").stdout)
    assert (one["state"], [each["seq"] for each in one["jobs_running"]]) == ("paused", [1, 2, 3])
    scopes = systemctl("list-units", "--plain", "--no-legend", "scoperun-batch-*.scope").split()
    assert {each["unit"] for each in one["jobs_running"]} <= set(scopes)
    assert batch("stop").status == 0
    runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 130
    assert left() == ""
    missing = batch("pause", seen["id"])
    assert (missing.status, "does not run" in missing.stderr) == (125, True)


@pytest.mark.guest(suite="trixie")
def test_halt_now_ends_the_others_and_the_status_is_that_of_the_failure(home: Path) -> None:
    jobs = jobs_file(home, "sleep 60", "exit 3", "sleep 60")
    done = batch("--mem", "20M", "-j", "2", "--halt", "now,fail=1", "--state", f"{home}/state", "--json", jobs)
    assert done.status == 1, done
    assert [*done.ends] == [2]
    assert done.total["jobs"]["waiting"] == 2


@pytest.mark.guest(also="trixie-stock")
def test_jobs_end_with_their_runner_and_another_one_goes_on(home: Path, gate: Gate) -> None:
    runner = started("--mem", "20M", "-j", "2", "--state", f"{home}/state", gate.jobs(3))
    running = gate.pids(1, 2)
    runner.kill()
    runner.communicate()
    for pid in running:
        process_gone(pid)
    gate.open()
    again = batch("--resume", "--state", f"{home}/state", "-j", "3")
    assert (again.status, sorted(again.stdout.split())) == (0, ["1", "2", "3"])
    assert left() == ""


def test_a_slice_that_is_stopped_by_hand_comes_back_with_its_limit(home: Path, gate: Gate) -> None:
    """Without that, the next scope in it would have systemd make one that has none."""
    jobs = gate.jobs(3, first="cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/../memory.max; ")
    runner = started("--mem", "20M", "--mem-total", "100M", "-j", "1", "--state", f"{home}/state", jobs)
    gate.pids(1)
    systemctl("stop", systemctl("list-units", "--plain", "--no-legend", "*-scoperun_batch_*").split()[0])
    gate.open()
    out, err = runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 1, err
    assert out.split() == [f"{100 * MIB}", f"{100 * MIB}", "2", f"{100 * MIB}", "3"]
    assert "job 1 was ended by SIGTERM" in err
    assert left() == ""


@pytest.mark.guest(suite="trixie")
def test_output_that_cannot_be_written_is_a_failure_and_is_printed_later(home: Path) -> None:
    words = ["scopectl", "batch", "--mem", "20M", "--", "echo", "{}", ":::", "one"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, "not all that jobs print was printed: No space" in done.stderr) == (125, True), done
    (state,) = (home / "home" / "scoperun" / "batch").iterdir()
    assert f"--resume --state {state}" in done.stderr
    again = batch("--resume", "--state", f"{state}")
    assert (again.status, again.stdout) == (0, "one\n"), again


@pytest.mark.guest(suite="trixie")
def test_jobs_have_their_streams_though_ours_are_closed(home: Path) -> None:
    words = ["--mem", "20M", "--results", f"{home}/results", "--", "sh", "-c", "echo out; echo err >&2", ":::", "a"]
    closed = ["sh", "-c", 'exec "$@" <&- >&-', "sh", "scopectl", "batch", *words]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, "cannot print" in done.stderr) == (0, False), done
    assert [(home / "results" / "1" / name).read_text() for name in ("stdout", "stderr")] == ["out\n", "err\n"]


@pytest.mark.guest(suite="trixie")
@pytest.mark.parametrize("name", ["nosuch/log", "pipe"])
def test_a_log_that_cannot_be_written_is_refused_and_nothing_is_left(home: Path, name: str) -> None:
    """A pipe would keep it waiting for a reader."""
    os.mkfifo(home / "pipe")
    done = batch("--mem", "20M", "--joblog", f"{home}/{name}", "--", "touch", f"{home}/ran", ":::", "1")
    assert (done.status, done.stderr.count("\n"), "--joblog: cannot write" in done.stderr) == (125, 1, True), done
    assert not (home / "ran").exists()
    assert not [*(home / "home").rglob("batch.db")]


@pytest.mark.guest(suite="trixie")
def test_a_pipe_that_a_job_puts_in_place_of_its_output_is_not_waited_for(home: Path) -> None:
    line = f"mkfifo pipe; mv pipe {home}/results/1/stdout; echo one"
    done = batch("--mem", "20M", "--results", f"{home}/results", jobs_file(home, line, "echo two"), cwd=home)
    assert (done.status, done.stdout) == (125, "two\n"), done
    assert "printed: that of job 1: it is not the file that the job was given\n" in done.stderr


@pytest.mark.guest(suite="trixie")
def test_a_wish_is_granted_to_a_runner_that_still_reads_its_jobs(home: Path) -> None:
    assert batch("--mem", "20M", "--state", f"{home}/state", jobs_file(home, "exit 3")).status == 1
    os.mkfifo(home / "again")
    runner = started("--retry-failed", "--state", f"{home}/state", f"{home}/again")
    with open(home / "again", "w") as jobs:  # it holds the lock now
        assert batch("stop", f"{home}/state").status == 0
        jobs.write("exit 3\n")
    _, err = runner.communicate(timeout=GENEROUS)
    assert (runner.returncode, "\n1 job: 1 waiting\n" in f"\n{err}") == (130, True), err


@pytest.mark.guest(suite="trixie")
def test_a_wait_for_memory_that_the_machine_does_not_have_is_told(home: Path) -> None:
    runner = started("--mem", "500G", "--mem-total", "900G", "--state", f"{home}/state", jobs_file(home, "true"))
    assert runner.stderr is not None
    assert "waiting for memory: the machine has" in runner.stderr.readline()
    runner.send_signal(signal.SIGINT)
    _, err = runner.communicate(timeout=GENEROUS)
    assert (runner.returncode, "1 waiting" in err, "waiting for memory" in err) == (130, True, False), err


@pytest.mark.guest(suite="trixie")
def test_the_cursor_is_there_while_the_batch_is_stopped(home: Path, gate: Gate) -> None:
    jobs = gate.jobs(1)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("scopectl", ["scopectl", "batch", "--mem", "20M", "--progress", "bar", jobs])
    gate.pids(1)
    shown = b""
    while b"largest: job 1" not in shown:
        shown += os.read(ready(terminal), 4096)
    os.kill(pid, signal.SIGTSTP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    os.set_blocking(terminal, False)
    with suppress(BlockingIOError):  # it has printed nothing since
        shown += os.read(terminal, 1 << 16)
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
    os.kill(pid, signal.SIGCONT)
    gate.open()
    os.set_blocking(terminal, True)
    with suppress(OSError):  # EIO: nothing has it open any more
        while os.read(terminal, 4096):
            pass
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.guest(suite="trixie")
def test_two_runners_of_one_batch_are_refused(home: Path, gate: Gate) -> None:
    runner = started("--mem", "20M", "--state", f"{home}/state", gate.jobs(1))
    gate.pids(1)
    second = batch("--resume", "--state", f"{home}/state")
    assert (second.status, "another process runs this batch" in second.stderr) == (125, True)
    gate.open()
    runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 0


@pytest.mark.guest(suite="trixie")
def test_the_runner_is_not_woken_while_nothing_ends(home: Path, gate: Gate) -> None:
    """With jobs that wait and jobs that run, it is not woken until something ends."""
    runner = started("--mem", "20M", "--mem-total", "100M", "-j", "2", "--state", f"{home}/state", gate.jobs(9))
    gate.pids(1, 2)

    def wakes() -> int:
        (line,) = [each for each in lines_of(Path(f"/proc/{runner.pid}/status")) if each.startswith("voluntary")]
        return int(line.split()[1])

    settled = subprocess.run(["sleep", "1"], check=True) and wakes()
    subprocess.run(["sleep", "3"], check=True)
    assert wakes() - settled <= 1
    gate.open()
    runner.communicate(timeout=GENEROUS)
    assert runner.returncode == 0


@pytest.mark.guest(suite="trixie")
def test_jobs_that_ran_out_are_tried_again_with_the_memory_that_is_typed_now(home: Path) -> None:
    """The batch is found by its ID, and its state is removed once all went well."""
    first = batch("--mem", "40M", "--mem-total", "300M", jobs_file(home, f"{EAT} 90", "echo fine"))
    assert first.status == 3, first
    (seen,) = json.loads(batch("status", "--json").stdout)
    same = batch("--retry-failed", seen["id"])
    assert same.status == 3, same
    again = batch("--retry-failed", seen["id"], "--mem", "150M")
    assert (again.status, again.stdout) == (0, "90\n"), again
    assert json.loads(batch("status", "--json").stdout) == []


@pytest.mark.guest(suite="trixie")
def test_a_second_batch_leaves_to_the_first_what_that_has_reserved(home: Path, gate: Gate) -> None:
    (row,) = [line for line in lines_of(Path("/proc/meminfo")) if line.startswith("MemAvailable:")]
    available = int(row.split()[1]) * 1024
    first = started("--mem", "20M", "--mem-total", "400M", "-j", "1", gate.jobs(1))
    gate.pids(1)
    line = "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/../memory.max"
    second = batch("--mem", "20M", "--", "sh", "-c", line, "job", "{}", ":::", "1")
    gate.open()
    first.communicate(timeout=GENEROUS)
    assert (first.returncode, second.status) == (0, 0), second
    assert 0 < int(second.stdout) < 0.8 * (available - 300 * MIB)


@pytest.mark.guest(suite="trixie")
def test_the_state_of_a_batch_that_went_well_is_removed(home: Path) -> None:
    assert batch("--mem", "20M", "--", "true", "{}", ":::", "1", "2").status == 0
    assert os.listdir(home / "home" / "scoperun" / "batch") == []


async def ended(batch: scoperun.Batch) -> dict[int, scoperun.BatchResult]:
    return {result.seq: result async for result in batch.results()}


@pytest.mark.guest(suite="trixie")
def test_a_program_has_its_own_batch(home: Path) -> None:
    """What ran out is tried again, the slice is gone afterwards, and leaving early ends what runs."""
    eat = ["python3", "-c", "print(len(b'x' * (70 << 20)))"]

    async def work() -> dict[int, scoperun.BatchResult]:
        async with scoperun.Batch(slots=2, memory_total=200 * MIB, retries=1) as batch:
            first = batch.submit(eat, memory=40 * MIB, stdout=str(home / "out"))
            second = batch.submit(["sh", "-c", "exit 3"], memory=20 * MIB)
            found = await ended(batch)
            third = batch.submit(["nosuch"], memory=20 * MIB)
            assert (first, second, third) == (1, 2, 3)
            return found | await ended(batch)

    async def left_early() -> int:
        async with scoperun.Batch(memory_total=200 * MIB) as batch:
            batch.submit(["sh", "-c", f"echo $$ > {home}/pid; exec sleep 600"], memory=20 * MIB)
            reading = os.open(home / "pid", os.O_RDONLY | os.O_NONBLOCK)
            await readable(reading)
            return int(os.read(reading, 100))

    results = asyncio.run(work())
    assert [(results[seq].ending, results[seq].attempts) for seq in (1, 2, 3)] == [
        ("done", 2),
        ("failed", 1),
        ("not-executed", 1),
    ]
    assert results[1].memory_max == 80 * MIB
    assert (home / "out").read_text() == f"{70 << 20}\n"
    report = results[2].report
    assert report is not None
    assert report.exit_code == 3
    assert "nosuch" in f"{results[3].error}"
    os.mkfifo(home / "pid")
    process_gone(asyncio.run(left_early()))
    assert left() == ""
