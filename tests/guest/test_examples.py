"""The examples do what they say: a rerun with more memory, a job that a timer or cron starts, a slice with a limit."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import CHECKOUT, snippets
from tests.schema import validated

from .batches import batch, left
from .story import GENEROUS, Story, systemctl

pytestmark = pytest.mark.guest(suite="trixie")

EXAMPLES = CHECKOUT / "examples"


def test_a_command_runs_again_with_more_memory_until_it_has_enough(story: Story) -> None:
    done = subprocess.run(
        ["python3", str(EXAMPLES / "rerun.py"), "20", "1000", "sh", "-c", "head -c 50M /dev/zero | tail -n 1 | wc -c"],
        cwd=story.cwd,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=True,
    )
    assert [line for line in done.stderr.splitlines() if line.endswith("MiB")] == [
        "sh: oom-kill with 20 MiB",
        "sh: oom-kill with 40 MiB",
        "sh: success with 80 MiB",
    ]
    assert done.stdout.splitlines()[-1] == str(50 << 20)


def test_it_gives_up_at_the_most_memory(story: Story) -> None:
    done = subprocess.run(
        ["python3", str(EXAMPLES / "rerun.py"), "20", "30", "./bigleak2"],
        cwd=story.cwd,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    assert done.returncode == 137
    assert done.stderr.splitlines() == ["./bigleak2: oom-kill with 20 MiB", "./bigleak2: oom-kill with 30 MiB"]


JOBS = EXAMPLES / "batch"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have batches keep their state in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.usefixtures("state")
def test_a_row_that_needs_more_memory_is_tried_again_with_more() -> None:
    """The sizes are those of the README's session, which shows what is printed."""
    words = ["--mem", "40M", "--retries", "2", "--json", "jobs.tsv", "--", "./simulate", "{id}", "{size}", "{seed}"]
    done = batch(*words, cwd=JOBS)
    ends = [(end["id"], end["attempt"], end["memory_max"] >> 20) for _, end in sorted(done.ends.items())]
    assert ends == [("coarse", 1, 40), ("medium", 1, 40), ("fine", 2, 80), ("finest", 1, 120)]
    assert (done.status, left()) == (0, "")


@pytest.mark.usefixtures("state")
def test_objects_are_run_with_what_they_say() -> None:
    done = batch("-k", "jobs.jsonl", cwd=JOBS)
    assert done.status == 0, done
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["alone", "first", "second", "waited"]


def test_a_program_has_sizes_run_again_with_more_memory(story: Story) -> None:
    done = subprocess.run(
        [str(JOBS / "sizes.py"), "5", "50", "100"],
        cwd=story.cwd,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=True,
    )
    assert sorted(line for line in done.stderr.splitlines() if line.startswith("size ")) == [
        "size 100: done with 120 MiB, attempt 3",
        "size 50: done with 60 MiB, attempt 2",
        "size 5: done with 30 MiB, attempt 1",
    ]
    assert left() == ""


def test_a_timer_starts_a_job_whose_report_is_kept() -> None:
    units, job = Path.home() / ".config/systemd/user", Path.home() / "bin/backup"
    units.mkdir(parents=True, exist_ok=True)
    job.parent.mkdir(exist_ok=True)
    job.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    job.chmod(0o755)
    for name in ("backup.service", "backup.timer"):
        shutil.copy(EXAMPLES / name, units)
    systemctl("daemon-reload")
    systemctl("start", "backup.timer")
    assert systemctl("show", "-P", "Unit", "backup.timer").strip() == "backup.service"
    failed = subprocess.run(["systemctl", "--user", "start", "backup.service"], check=False, timeout=GENEROUS)
    report = validated((Path.home() / "backup.json").read_text(encoding="utf-8"))
    assert failed.returncode == 1
    assert (report["exit_code"], report["limits"]["memory_max"]) == (3, 500 << 20)
    assert systemctl("show", "-P", "ExecMainStatus", "backup.service").strip() == "3"
    systemctl("stop", "backup.timer")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder in which scoperun is installed as pipx does it."""
    scoperun = shutil.which("scoperun")
    assert scoperun is not None
    (tmp_path / ".local/bin").mkdir(parents=True)
    (tmp_path / ".local/bin/scoperun").symlink_to(scoperun)
    return tmp_path


@pytest.mark.parametrize(
    ("script", "status", "mail"),
    [
        ("exit 3", 3, ""),
        ("echo full >&2", 0, "full\n"),
        ("exec python3 -c \"b'x' * (50 << 20)\"", 137, r"scoperun: OUT OF MEMORY: .*/bin/backup\n(.*\n)+"),
    ],
)
def test_cron_mails_what_a_job_prints_and_that_it_ran_out_of_memory(
    script: str, status: int, mail: str, home: Path
) -> None:
    """The line of the README's crontab, as cron runs it, with less memory: a guest takes a minute to fill 500M."""
    (line,) = snippets("crontab")
    _, command = re.split(r" {2,}", line.rstrip("\n").replace("500M", "20M"))
    (home / "bin").mkdir()
    (home / "bin/backup").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (home / "bin/backup").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"HOME": str(home), "LOGNAME": "tester", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    assert done.returncode == status
    assert re.fullmatch(mail, done.stdout)


@pytest.fixture
def limited_slice() -> Iterator[None]:
    """Give scoperun.slice the README's limit by a drop-in, as an administrator does for all users; take it back."""
    (content,) = [text for text in snippets("ini") if "[Slice]" in text]
    folder = Path.home() / ".config/systemd/user/scoperun.slice.d"
    folder.mkdir(parents=True)
    (folder / "50-memory.conf").write_text(content, encoding="utf-8")
    systemctl("daemon-reload")
    yield
    shutil.rmtree(folder)
    systemctl("daemon-reload")


@pytest.mark.usefixtures("limited_slice")
def test_a_drop_in_for_the_slice_limits_what_runs_in_it(story: Story) -> None:
    report = story.cwd / "report.json"
    words = ["scoperun", "--slice", "scoperun", "--mem", "5G", "--report", str(report), "--", "true"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=True)
    assert validated(report.read_text(encoding="utf-8"))["effective_memory_max"] == 4 << 30
    assert "scoperun.slice, which the scope is in, allows 4G" in done.stderr
