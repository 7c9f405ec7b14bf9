"""A slice above a batch has a limit: the jobs are kept below that, as below what the machine has."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import scoperun

from .batches import batch, left, lines_of, started
from .story import GENEROUS, systemctl
from .waiting import line_from

pytestmark = pytest.mark.guest(suite="trixie")  # it is about the kernel's files, which are the same everywhere

MIB = 1 << 20
FULL = 150 * MIB
"""The limit of app.slice."""

EAT = ["python3", "-c", "import sys; print(len(b'x' * (int(sys.argv[1]) << 20)) >> 20)"]
"""Takes so many MiB, and says so."""

HOLD = "import sys; kept = b'x' * (90 << 20); print('full', flush=True); sys.stdin.read()"
IN_APP_SLICE = ["systemd-run", "--user", "--scope", "--collect", "-q", "--slice=app.slice"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have batches keep their state in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture(autouse=True)
def small_slice() -> Iterator[None]:
    """Limit app.slice, in which the slices of batches are."""
    systemctl("start", "app.slice")
    systemctl("set-property", "--runtime", "app.slice", f"MemoryMax={FULL}")
    yield
    systemctl("revert", "app.slice")


def test_the_usual_total_and_an_equal_share_are_of_what_it_leaves() -> None:
    shown = batch("--mem", "auto", "-j", "2", "--dry-run", "--json", "--", *EAT, ":::", "1")
    (job,) = shown.lines
    assert 0 < job["memory"] <= 0.8 * FULL / 2, shown


def test_jobs_that_do_not_fit_below_it_run_one_after_the_other(home: Path) -> None:
    log = home / "log"
    words = ["--mem", "95M", "--mem-total", "400M", "-j", "4", "--joblog", str(log)]
    done = batch(*words, "--", *EAT, ":::", *["85"] * 4)
    assert (done.status, done.stdout) == (0, "85\n" * 4), done
    assert done.stderr.splitlines()[0].startswith(
        "scopectl: warning: --mem-total 400M cannot be reached: app.slice, which the jobs are in, allows 150M for "
        "everything in it together; the total is 1"
    )
    assert len(lines_of(log)) == 1 + 4
    assert left() == ""


def test_a_batch_that_is_resumed_is_kept_below_it(home: Path) -> None:
    """Its --mem-total was possible when it began."""
    systemctl("set-property", "--runtime", "app.slice", "MemoryMax=infinity")
    words = ["--mem", "95M", "--mem-total", "300M", "-j", "1", "--halt", "soon,fail=1", "--state", f"{home}/state"]
    first = batch(*words, "--", *EAT, ":::", "no", *["85"] * 3)
    assert (first.status, first.stdout, "warning" in first.stderr) == (1, "", False), first
    systemctl("set-property", "--runtime", "app.slice", f"MemoryMax={FULL}")
    again = batch("--resume", "--state", f"{home}/state", "-j", "3", "--json")
    assert (again.status, again.total["jobs"]["done"]) == (1, 3), again
    assert "--mem-total 300M cannot be reached: app.slice" in again.stderr


@pytest.mark.parametrize("total", [[], ["--mem-total", "400M"]])
def test_a_job_that_has_or_gets_the_whole_total_does_not_wait_forever(total: list[str]) -> None:
    """Some of the limit is in use by others, the guard among them."""
    for words in (["--mem", "auto"], ["--mem", "40M", "--retries", "5"]):
        done = batch("-j", "1", *words, *total, "--", *EAT, ":::", "80")
        assert (done.status, done.stdout) == (0, "80\n"), done


async def test_a_programs_batch_is_kept_below_it() -> None:
    async with scoperun.Batch(memory_total=400 * MIB) as batch:
        with pytest.raises(scoperun.InvalidValue, match="is more than all commands may have together"):
            batch.submit(["true"], memory=150 * MIB)
        for _ in range(3):
            batch.submit([*EAT, "80"], memory=90 * MIB)
        assert [each.ending async for each in batch.results()] == ["done"] * 3


def test_a_job_that_can_never_fit_below_it_is_refused_before_any_starts(home: Path) -> None:
    jobs = home / "jobs.jsonl"
    jobs.write_text('{"command": "touch ran", "mem": "10M"}\n{"command": "true", "mem": "200M"}\n')
    for how in ([], ["--dry-run"]):
        done = batch("--mem-total", "400M", *how, str(jobs), cwd=home)
        assert (done.status, done.stderr.count("\n")) == (125, 2), done
        assert "job 2 asks for 200M, and all together may have " in done.stderr
    assert not (home / "ran").exists()


def test_what_others_in_it_use_is_waited_for_and_it_is_named() -> None:
    with subprocess.Popen(
        [*IN_APP_SLICE, "python3", "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as filler:
        assert line_from(filler) == "full"
        runner = started("--mem", "100M", "--mem-total", "150M", "--", *EAT, ":::", "80")
        assert runner.stderr is not None
        assert runner.stderr.readline().startswith("scopectl: waiting for memory: app.slice has ")
        filler.communicate(timeout=GENEROUS)
    out, err = runner.communicate(timeout=GENEROUS)
    assert (runner.returncode, out) == (0, "80\n"), err
    assert left() == ""
