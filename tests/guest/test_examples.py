"""The examples do what they say: a rerun with more memory, a job that a timer starts."""

import shutil
import subprocess
from pathlib import Path

from tests.documents import CHECKOUT
from tests.schema import validated

from .story import GENEROUS, Story, systemctl

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
