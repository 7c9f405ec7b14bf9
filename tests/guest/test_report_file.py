"""A report that root writes goes where root asked, even if another user owns the folder or the job changes it."""

import json
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .story import GENEROUS

pytestmark = pytest.mark.guest(user="root", suite="trixie")  # it depends on the kernel and on scoperun alone

STRANGER = "plain"
WORDS = "root's own words\n"


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """Return a folder of root with a file that must not change."""
    folder = tmp_path / "secret"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text(WORDS)
    (folder / "file").chmod(0o600)
    yield folder
    assert [each.name for each in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == WORDS
    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o600
    assert (folder / "file").stat().st_uid == 0


@pytest.fixture
def theirs(secret: Path) -> Iterator[Path]:
    """Return a folder of the stranger; assert that no temporary file is left in it."""
    for each in secret.parent, secret.parent.parent, secret.parent.parent.parent:
        each.chmod(0o755)
    folder = secret.parent / "theirs" / "jobs"
    folder.mkdir(parents=True)
    for each in folder, folder.parent:
        shutil.chown(each, STRANGER, STRANGER)
    yield folder
    assert list(folder.parent.rglob("*.tmp")) == []


def as_stranger(script: str, *words: str) -> None:
    """Run a shell script as the stranger."""
    identity = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--init-groups", "--reset-env"]
    subprocess.run([*identity, "sh", "-ec", script, "sh", *words], check=True, timeout=GENEROUS)


def run(
    report: Path | str, script: str, *words: object, umask: int = 0o022, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a job as the stranger, with scoperun as root and a report."""
    options = ["-q", "--system", "--uid", STRANGER, "--report", str(report)]
    return subprocess.run(
        ["scoperun", *options, "--", "sh", "-ec", f"{script}\nexit 3", "sh", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
        umask=umask,
        env=os.environ | environment,
    )


def is_roots_report(file: Path, mode: int = 0o600) -> bool:
    status = file.lstat()
    is_file = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == mode and status.st_uid == 0
    return is_file and json.loads(file.read_text())["exit_code"] == 3


def refusal(report: Path | str, started: Path) -> str:
    """Assert that a report there is refused in one line and nothing was started; return the reason."""
    done = run(report, 'touch "$1"', started)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert not started.exists()
    return done.stderr.removeprefix(f"scoperun: cannot write the report to '{report}': ").removesuffix("\n")


@pytest.mark.parametrize(
    "trick",
    [
        'ln -s "$2/file" "$1/r.json"',
        'ln -s "$2/new" "$1/r.json"',
        'mkfifo "$1/r.json"',
        'touch "$1/r.json"; ln -sf "$2/file" "$1/r.json"',
        'echo "{}" >"$1/r.json"; chmod 600 "$1/r.json"',
    ],
)
def test_what_a_job_puts_in_the_reports_place_is_replaced(theirs: Path, secret: Path, trick: str) -> None:
    done = run(theirs / "r.json", trick, theirs, secret)
    assert (done.returncode, done.stderr) == (3, "")
    assert is_roots_report(theirs / "r.json")


@pytest.mark.parametrize("level", ["jobs", ""])
def test_a_folder_that_a_job_replaces_by_a_link_still_gets_the_report(theirs: Path, secret: Path, level: str) -> None:
    """The report goes to the folder that was opened before the start, wherever it has been moved."""
    moved = theirs.parent.with_name("moved")
    moved.mkdir()
    shutil.chown(moved, STRANGER, STRANGER)
    theirs.parent.parent.chmod(0o777)
    done = run(theirs / "r.json", 'mv "$1" "$3/"; ln -s "$2" "$1"', theirs.parent / level, secret, moved)
    assert (done.returncode, done.stderr) == (3, "")
    (report,) = moved.rglob("r.json")
    assert is_roots_report(report)


def test_a_link_that_a_job_puts_in_place_of_a_removed_folder_is_not_followed(theirs: Path, secret: Path) -> None:
    done = run(theirs / "r.json", 'rmdir "$1"; ln -s "$2" "$1"', theirs, secret)
    user = pwd.getpwnam(STRANGER).pw_uid
    reason = f"{theirs} is a link that belongs to user {user}, not to root"
    assert (done.returncode, done.stderr) == (3, f"scoperun: cannot write the report to '{theirs}/r.json': {reason}\n")


def test_the_error_about_a_link_is_one_line_whatever_its_name(theirs: Path, secret: Path) -> None:
    folder = theirs / "a\nscoperun: ok: job\x1b[A"
    as_stranger('mkdir "$1"', str(folder))
    done = run(folder / "r.json", 'rmdir "$1"; ln -s "$2" "$1"', folder, secret)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.removesuffix("\n").isprintable()


def test_a_folder_that_a_job_removes_and_makes_again_gets_the_report(theirs: Path) -> None:
    done = run(theirs / "r.json", 'rmdir "$1"; mkdir "$1"', theirs)
    assert (done.returncode, done.stderr) == (3, "")
    assert is_roots_report(theirs / "r.json")


SWAP = """
import os, sys, time
folder, target = sys.argv[1:]
os.chdir(folder)
end = time.monotonic() + 60
while not os.path.exists("stop") and time.monotonic() < end:
    for name in os.listdir():
        if name.endswith(".tmp"):
            try:
                os.unlink(name)
                os.symlink(target, name)
            except OSError:
                pass
"""


def test_a_link_that_a_job_puts_in_place_of_the_temporary_file_is_not_followed(theirs: Path, secret: Path) -> None:
    """The job can only destroy its own report that way."""
    script = 'python3 -c "$3" "$1" "$2/file" </dev/null >/dev/null 2>&1 &'
    subprocess.run(["sysctl", "-qw", "fs.protected_symlinks=0"], check=True)
    try:
        for number in range(5):
            folder = theirs / str(number)
            as_stranger('mkdir "$1"', str(folder))
            done = run(folder / "r.json", script, folder, secret, SWAP)
            (folder / "stop").touch()
            assert done.returncode == 3
    finally:
        subprocess.run(["sysctl", "-qw", "fs.protected_symlinks=1"], check=True)
    shutil.rmtree(theirs)


def test_a_hard_link_to_another_file_is_replaced(theirs: Path, secret: Path) -> None:
    subprocess.run(["sysctl", "-qw", "fs.protected_hardlinks=0"], check=True)
    try:
        secret.chmod(0o755)
        as_stranger('ln "$1" "$2"', str(secret / "file"), str(theirs / "r.json"))
    finally:
        secret.chmod(0o700)
        subprocess.run(["sysctl", "-qw", "fs.protected_hardlinks=1"], check=True)
    assert run(theirs / "r.json", "").returncode == 3
    assert is_roots_report(theirs / "r.json")


@pytest.mark.parametrize("make", [["ln", "-s", "file"], ["mkfifo"]])
def test_a_hard_link_to_roots_link_or_fifo_is_refused(theirs: Path, secret: Path, make: list[str]) -> None:
    common = secret.parent / "links"
    common.mkdir(mode=0o755)
    subprocess.run([*make, str(common / "it")], check=True)
    subprocess.run(["sysctl", "-qw", "fs.protected_hardlinks=0"], check=True)
    try:
        as_stranger('ln -P "$1" "$2"', str(common / "it"), str(theirs / "r.json"))
    finally:
        subprocess.run(["sysctl", "-qw", "fs.protected_hardlinks=1"], check=True)
    line = refusal(theirs / "r.json", secret.parent / "started")
    assert line.endswith(" has several names (hard links), and others might have made this one")


@pytest.mark.parametrize("target", ["file", "missing"])
def test_a_strangers_link_is_not_followed(theirs: Path, secret: Path, target: str) -> None:
    as_stranger('ln -s "$1" "$2"', str(secret / target), str(theirs / "r.json"))
    user = pwd.getpwnam(STRANGER).pw_uid
    line = refusal(theirs / "r.json", secret.parent / "started")
    assert line == f"{theirs / 'r.json'} is a link that belongs to user {user}, not to root"


def test_a_strangers_link_on_the_way_is_not_followed(theirs: Path, secret: Path) -> None:
    as_stranger('ln -s "$1" "$2"', str(secret), str(theirs / "link"))
    user = pwd.getpwnam(STRANGER).pw_uid
    for path in theirs / "link" / "file", theirs / "link" / "new", theirs / "link" / ".." / "secret" / "file":
        line = refusal(path, secret.parent / "started")
        assert line.startswith(f"{theirs / 'link'} is a link that belongs to user {user}, not to root")


def test_a_strangers_link_behind_roots_link_is_not_followed(theirs: Path, secret: Path) -> None:
    as_stranger('ln -s "$1" "$2"', str(secret / "file"), str(theirs / "link"))
    ours = secret.parent / "r.json"
    ours.symlink_to(theirs / "link")
    assert refusal(ours, secret.parent / "started").startswith(f"{theirs / 'link'} is a link that belongs to user ")


def test_roots_link_is_followed_and_kept(theirs: Path, secret: Path) -> None:
    (secret.parent / "kept").mkdir()
    (secret.parent / "kept" / "r.json").touch(mode=0o640)
    (theirs / "r.json").symlink_to(secret.parent / "kept" / "r.json")
    assert run(theirs / "r.json", "").returncode == 3
    assert (theirs / "r.json").is_symlink()
    assert is_roots_report(secret.parent / "kept" / "r.json", mode=0o640)


def test_a_strangers_fifo_is_not_waited_for(theirs: Path, secret: Path) -> None:
    as_stranger('mkfifo -m 666 "$1"', str(theirs / "r.json"))
    user = pwd.getpwnam(STRANGER).pw_uid
    line = refusal(theirs / "r.json", secret.parent / "started")
    assert line == f"it is a FIFO or a device that belongs to user {user}, not to root"


def test_roots_device_is_written_to(theirs: Path) -> None:
    assert run("/dev/null", "").stderr == ""
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o777])
@pytest.mark.parametrize(("before", "after"), [(None, 0o600), (0o600, 0o600), (0o640, 0o640), (0o4755, 0o644)], ids=str)
@pytest.mark.parametrize("owner", ["root", STRANGER])
def test_the_mode_is_never_wider_than_before(
    theirs: Path, owner: str, before: int | None, after: int, umask: int
) -> None:
    if before is not None:
        (theirs / "r.json").touch()
        shutil.chown(theirs / "r.json", owner, owner)
        (theirs / "r.json").chmod(before)
    assert run(theirs / "r.json", "", umask=umask).returncode == 3
    assert is_roots_report(theirs / "r.json", mode=after)


def common(folder: Path) -> Path:
    """Make a folder that all users can write to, like /tmp."""
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def test_a_strangers_file_in_a_common_folder_does_not_decide_the_mode(theirs: Path) -> None:
    folder = common(theirs.parent.parent / "common")
    as_stranger('umask 0; echo >"$1"', str(folder / "r.json"))
    assert run(folder / "r.json", "").returncode == 3
    assert is_roots_report(folder / "r.json")


def test_a_file_in_a_common_folder_that_cannot_be_replaced_is_refused_before_the_start(theirs: Path) -> None:
    folder = common(theirs.parent.parent / "common")
    (folder / "r.json").write_text(WORDS)
    (folder / "r.json").chmod(0o666)
    done = as_stranger_scoperun("--report", str(folder / "r.json"), "--", "touch", str(folder / "started"))
    reason = "Operation not permitted"
    assert (done.returncode, done.stderr) == (
        125,
        f"scoperun: cannot write the report to '{folder}/r.json': {reason}\n",
    )
    assert [each.name for each in folder.iterdir()] == ["r.json"]


def as_stranger_scoperun(*words: str) -> subprocess.CompletedProcess[str]:
    identity = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--init-groups", "--reset-env"]
    return subprocess.run(
        [*identity, "scoperun", *words], capture_output=True, text=True, timeout=GENEROUS, check=False
    )


def socket(path: Path) -> None:
    subprocess.run(["python3", "-c", f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"], check=True)


def block_device(path: Path) -> None:
    subprocess.run(["mknod", str(path), "b", "7", "200"], check=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "Is a directory (it has to be a file)"),
        (socket, "it is a socket or a block device"),
        (block_device, "it is a socket or a block device"),
    ],
)
def test_a_place_that_cannot_hold_a_report_is_refused(
    theirs: Path, secret: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(theirs / "it")
    assert refusal(theirs / "it", secret.parent / "started") == reason
    if reason.startswith("Is a directory"):
        (theirs / "it").rmdir()
    else:
        (theirs / "it").unlink()


def test_a_read_only_file_system_is_refused_before_the_start(tmp_path: Path, theirs: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=True)
    try:
        assert refusal(disk / "r.json", theirs / "started") == "Read-only file system"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_mount_point_is_refused_before_the_start(tmp_path: Path, theirs: Path) -> None:
    """As with a single file of the host in a container."""
    file, other = tmp_path / "r.json", tmp_path / "other"
    file.touch()
    other.write_text(WORDS)
    subprocess.run(["mount", "--bind", str(other), str(file)], check=True)
    try:
        assert refusal(file, theirs / "started") == "it is a mount point, which no other file can replace"
    finally:
        subprocess.run(["umount", str(file)], check=True)
    assert other.read_text() == WORDS


def test_the_environments_report_file_is_ignored_with_uid(theirs: Path, secret: Path) -> None:
    words = ["scoperun", "--system", "--uid", STRANGER, "--", "sh", "-c", "exit 3"]
    environment = os.environ | {"SCOPERUN_REPORT": str(secret / "file")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert done.returncode == 3
    warning = "SCOPERUN_REPORT is ignored with --uid or --gid; use --report FILE"
    assert done.stderr.startswith(f"scoperun: warning: {warning}\n")
