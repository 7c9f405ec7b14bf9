"""scopectl watch hears the OOM kills of units that nothing of ours has started, and leaves those of scoperun to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scoperun.ctl.watch_texts import MESSAGE_ID
from tests.schema import told_by

from .life import main_pid, running
from .story import GENEROUS, Story, systemctl
from .waiting import line_from

MIB = 1 << 20
LIMIT = ("-p", "MemoryMax=20M", "-p", "MemorySwapMax=0")
WATCH = "scoperun-watch.service"


@contextmanager
def reading(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose lines are read, and end it."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as program:
        try:
            yield program
        finally:
            program.kill()


@contextmanager
def watching() -> Iterator[int]:
    """Install the watch as a user does, and take it away again; yield its PID."""
    done = scopectl("units", "install", "--now")
    assert [line.split(": ")[:2] for line in done.stdout.splitlines()] == [
        ["scoperun.slice", "installed"],
        ["scoperun-batch.slice", "installed"],
        [WATCH, "installed"],
    ]
    try:
        yield main_pid(WATCH)
    finally:
        scopectl("units", "uninstall")


def scopectl(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run scopectl with the folder of configuration that the user's systemd has."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    done = subprocess.run(
        ["scopectl", *words], env=environment, capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    assert done.returncode == status, done
    return done


def limited(unit: str, *words: str, policy: str | None = None) -> list[str]:
    """Return the words of systemd-run that start a unit with a limit on memory."""
    chosen = () if policy is None else ("-p", f"OOMPolicy={policy}")
    kind = ("--scope",) if unit.endswith(".scope") else ("--wait",)
    return ["systemd-run", "--user", "--quiet", *kind, "--unit", unit, *LIMIT, *chosen, *words]


def run_out_of_memory(story: Story, unit: str, *words: str, policy: str | None = None) -> None:
    """Have a unit run out of memory, and return when it has ended."""
    command = limited(unit, *words, policy=policy)
    subprocess.run(command, cwd=story.cwd, capture_output=True, check=False, timeout=GENEROUS)


def next_notified(notified: subprocess.Popen[bytes]) -> str:
    """Wait for the next notification; return what it is about."""
    summary_and_body: list[str] = json.loads(line_from(notified))
    return summary_and_body[1].partition(":")[0]


def entry_of(unit: str) -> dict[str, Any]:
    """Return the watch's entry about a unit, as soon as it is in the journal."""
    match = [f"MESSAGE_ID={MESSAGE_ID}", f"SCOPERUN_UNIT={unit}"]
    with reading("journalctl", "--quiet", "--output=json", "--all", "--follow", "--no-tail", *match) as journalctl:
        found: dict[str, Any] = json.loads(line_from(journalctl))
        return found


def switches(pid: int) -> int:
    """Return how often a process has waited: each time it is woken, it waits again."""
    fields = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return int(fields["voluntary_ctxt_switches"])


def private(pid: int) -> int:
    """Return the bytes of memory that are a process's own."""
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    return sum(int(words[1]) * 1024 for words in lines if words[0].startswith("Private_"))


@pytest.fixture
def application() -> Iterator[None]:
    """Install a desktop application whose name looks like markup."""
    file = Path.home() / ".local" / "share" / "applications" / "watched.desktop"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[Desktop Entry]\nName=<b>Web\n")
    yield
    file.unlink()


@pytest.mark.usefixtures("application")
def test_every_kill_is_told_once_under_every_policy_and_those_of_scoperun_by_that(story: Story) -> None:
    server = reading(sys.executable, "-m", "tests.notifications")
    with server as notified, watching() as pid:
        assert json.loads(line_from(notified)) == ["ready", ""]
        units = {"watched-stop.scope": "stop", "watched-kill.scope": "kill", "app-watched-1.scope": "continue"}
        for unit, policy in units.items():
            run_out_of_memory(story, unit, "./bigleak2", policy=policy)
            # Two units that have ended within a second of each other could each have had the other's kill.
            assert next_notified(notified) == ("&lt;b&gt;Web" if unit.startswith("app-") else unit)
        run_out_of_memory(story, "watched.service", f"{story.cwd}/bigleak2")
        assert next_notified(notified) == "watched.service"

        assert story.run("--mem", "20M", "--unit", "ours", "--", "./bigleak2").verdict == "oom-kill"
        last = limited("zz-last.scope", "sh", "-c", "./bigleak2; read _", policy="continue")
        with subprocess.Popen(last, cwd=story.cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL):
            assert next_notified(notified) == "zz-last.scope"  # so nothing was told of ours.scope

        entry = entry_of("zz-last.scope")
        assert (entry["USER_UNIT"], entry["SCOPERUN_VICTIM_NAME"]) == ("zz-last.scope", "bigleak2")
        assert (entry["SCOPERUN_LIMIT_OF"], entry["SCOPERUN_MEMORY_MAX"]) == ("unit", str(20 * MIB))
        assert entry["SCOPERUN_OOM_KILLS"] == "1"

        before = switches(pid)
        subprocess.run(["python3", "-c", "import scoperun.ctl.command"], check=True)  # no unit starts or ends
        assert switches(pid) == before
        assert private(pid) <= 25 * MIB
        systemctl("reset-failed")


def follows(watch: subprocess.Popen[bytes], keepers: int) -> None:
    """Return once the watch waits for the ends of so many keepers."""
    late = time.monotonic() + GENEROUS
    while pidfds(watch.pid) != keepers:
        assert time.monotonic() < late
        os.sched_yield()


def pidfds(pid: int) -> int:
    """Return how many processes a process waits for."""
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found += "pidfd" in os.readlink(each)
    return found


def test_kills_are_told_where_no_scoperun_is_left_to_report_them(story: Story, tmp_path: Path) -> None:
    leak = "read line; exec ./bigleak2"
    with listening(tmp_path, "--json", "--no-notify") as watch:
        for options in ((), ("--unit", "attached")):
            with subprocess.Popen(["sh", "-c", leak], cwd=story.cwd, stdin=subprocess.PIPE) as process:
                scopectl("attach", "--mem", "20M", *options, str(process.pid))
                process.communicate(b"\n")
            assert told_by("watch", line_from(watch))["kills"] == 1

        with running(story, "--mem", "20M", name="orphan", then="exec ./bigleak2") as run:
            follows(watch, 1)
            run.scoperun.kill()
            follows(watch, 0)
            run.go_on()
            assert told_by("watch", line_from(watch))["unit"] == "orphan.scope"

        with subprocess.Popen(["sh", "-c", leak], cwd=story.cwd, stdin=subprocess.PIPE) as process:
            words = ("scopectl", "attach", "--wait", "--mem", "20M", "--unit", "left", str(process.pid))
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as waiting:
                follows(watch, 1)
                waiting.send_signal(signal.SIGINT)
                follows(watch, 0)
            process.communicate(b"\n")
        assert told_by("watch", line_from(watch))["unit"] == "left.scope"


@pytest.mark.guest(user="plain")
def test_without_the_log_the_process_and_the_limit_are_unknown(story: Story, tmp_path: Path) -> None:
    with listening(tmp_path, "--json", "--no-notify") as watch:
        run_out_of_memory(story, "watched.scope", "sh", "-c", "./bigleak2; true", policy="continue")
        told = told_by("watch", line_from(watch))
    assert (told["unit"], told["kills"], told["victims"], told["limit_of"]) == ("watched.scope", 1, [], "unknown")
    assert told["kernel_log_reason"].startswith("this user is not allowed to read the kernel log")


@contextmanager
def listening(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start scopectl watch, and go on when it says that it listens, as it does to systemd."""
    import socket  # noqa: PLC0415

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(folder / "notify"))
        ours.settimeout(GENEROUS)
        environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify")}
        with subprocess.Popen(["scopectl", "watch", *options], stdout=subprocess.PIPE, env=environment) as watch:
            try:
                assert ours.recv(100) == b"READY=1"
                yield watch
            finally:
                watch.kill()


def test_the_units_are_valid_and_taken_back_only_unchanged() -> None:
    folder = Path.home() / ".config" / "systemd" / "user"
    scopectl("units", "install")
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["scoperun-batch.slice", WATCH, "scoperun.slice"]
    verify = ["systemd-analyze", "--user", "verify", *map(str, files)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False, timeout=GENEROUS)
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["unit"]: row for row in told_by("units", scopectl("units", "list", "--json").stdout)}
    assert [(row["file"], row["path"]) for row in rows.values()] == [("installed", str(folder / unit)) for unit in rows]
    assert systemctl("show", "-P", "FragmentPath", WATCH).strip() == rows[WATCH]["path"]
    with (folder / "scoperun.slice").open("a") as file:
        file.write("[Slice]\nMemoryMax=4G\n")
    said = scopectl("units", "uninstall", status=1).stderr
    assert said == f"scopectl: {folder}/scoperun.slice is not as scopectl has written it, and was left alone\n"
    assert [file.name for file in folder.iterdir()] == ["scoperun.slice"]
    (folder / "scoperun.slice").unlink()
    systemctl("daemon-reload")


def test_a_watch_that_cannot_work_is_not_started_again_for_ever() -> None:
    """A restart counts as a start; by default systemd allows five in ten seconds."""
    scopectl("units", "install")
    drop_in = Path.home() / ".config" / "systemd" / "user" / f"{WATCH}.d" / "test.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nExecStart=\nExecStart=false\nRestartSec=0\n")
    try:
        systemctl("daemon-reload")
        assert systemctl("show", "-P", "StartLimitIntervalUSec", WATCH).strip() == "5min"
        systemctl("start", "--no-block", WATCH)
        late = time.monotonic() + GENEROUS
        while systemctl("show", "-P", "ActiveState", WATCH).strip() != "failed":
            assert time.monotonic() < late
        assert systemctl("show", "-P", "NRestarts", WATCH).strip() == "10"
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()
        scopectl("units", "uninstall")
        systemctl("reset-failed")
