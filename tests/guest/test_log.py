"""The log has the verdict and the memory of each run, also of many that run at the same time."""

import subprocess
from pathlib import Path

from .story import GENEROUS, Story

MIB = 1024 * 1024
BATCH = 12


def rows(log: Path) -> list[dict[str, str]]:
    header, *lines = [line.split("\t") for line in log.read_text().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_a_run_out_of_memory_is_in_the_log(story: Story, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ending = story.run("-q", "--mem", "20M", "--oom-exit-code", "99", "--log", str(log), "--", "./bigleak2")
    (row,) = rows(log)
    assert (
        (row["Exitval"], row["Signal"], row["Verdict"])
        == ("99", "9", "oom-kill")
        == (
            str(ending.status),
            str(ending.report["signal"]),
            ending.verdict,
        )
    )
    memory = ending.report["memory"]
    assert (row["MemoryPeak"], row["MemoryMax"]) == (str(memory["peak"]), str(20 * MIB))


def test_many_at_once_have_a_line_each(story: Story, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ("scoperun", "-q", "--mem", "30M", "--log", str(log), "--", "sh", "-c")
    starts = [(*words, "./bigleak2 >/dev/null" if number % 3 == 0 else f"exit {number}") for number in range(BATCH)]
    processes = [subprocess.Popen(each, cwd=story.cwd, stderr=subprocess.DEVNULL) for each in starts]
    statuses = [process.wait(GENEROUS) for process in processes]
    by_pid = {row["Seq"]: row for row in rows(log)}
    assert len(rows(log)) == len(by_pid) == BATCH
    for number, (process, status) in enumerate(zip(processes, statuses, strict=True)):
        row = by_pid[str(process.pid)]
        assert (row["Exitval"], row["Verdict"]) == (str(status), "oom-kill" if number % 3 == 0 else "exit-code")
