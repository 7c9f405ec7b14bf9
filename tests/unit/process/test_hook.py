"""A hook runs once, without input and without a terminal, and keeps nobody waiting."""

import errno
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.process.hook import Hook
from scoperun.process.identity import identity
from scoperun.process.streams import inherited_descriptors
from scoperun.spec.request import ExecContext
from tests.child import in_child

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "GREETING": "hello"}


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Hook]:
    """Return a function that makes a hook of a script of sh."""

    def make(script: str, *, begin: str = "#!/bin/sh\n", within: float = 60.0) -> Hook:
        path = tmp_path / "hook"
        path.write_text(begin + script)
        path.chmod(0o755)
        return Hook(path=str(path), within=within)

    return make


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        ("exit 0", None),
        ("exit 3", "it exited with status 3"),
        ("kill -TERM $$", "it was killed by SIGTERM"),
        ("kill -40 $$", "it was killed by SIGRTMIN+6"),
    ],
)
def test_how_it_ends_is_told(program: Callable[..., Hook], script: str, wrong: str | None) -> None:
    assert in_child(lambda: program(script).run(ENVIRONMENT)) == wrong


def test_it_has_no_arguments_and_the_environment_that_it_is_given(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f'echo "$# $GREETING" >"{tmp_path}/said"')
    assert in_child(lambda: hook.run(ENVIRONMENT)) is None
    assert (tmp_path / "said").read_text() == "0 hello\n"


def test_it_has_no_input_and_prints_to_standard_error(
    program: Callable[..., Hook], capfd: pytest.CaptureFixture[str]
) -> None:
    hook = program("read word && exit 4; echo one; echo two >&2")
    assert in_child(lambda: hook.run(ENVIRONMENT)) is None
    assert capfd.readouterr() == ("", "one\ntwo\n")


def test_it_inherits_no_descriptor_of_ours(program: Callable[..., Hook], tmp_path: Path) -> None:
    """But standard error, also if that was closed when we started and another file has been opened in its place."""
    hook = program(f'readlink /proc/$$/fd/* >"{tmp_path}/said"; exit 0')

    def run() -> str | None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2, inheritable=False)
        for fd in inherited_descriptors() - {0, 1, 2}:
            os.close(fd)
        with open(tmp_path / "ours", "w", encoding="utf-8"):
            return hook.run(ENVIRONMENT)

    assert in_child(run) is None
    assert set((tmp_path / "said").read_text().split()) == {"/dev/null", hook.path, f"{tmp_path}/said"}


def test_it_leads_a_session(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f"cut -d ' ' -f 1,5,6,7 /proc/$$/stat >\"{tmp_path}/said\"")
    assert in_child(lambda: hook.run(ENVIRONMENT)) is None
    pid, group, session, terminal = (tmp_path / "said").read_text().split()
    assert (group, session, terminal) == (pid, pid, "0")


def test_signals_do_what_they_do_by_default(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f'exec grep Sig /proc/self/status >"{tmp_path}/said"')

    def run() -> str | None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return hook.run(ENVIRONMENT)

    assert in_child(run) is None
    said = dict(line.split() for line in (tmp_path / "said").read_text().splitlines())
    assert int(said["SigBlk:"], 16) == 0
    ignored = int(said["SigIgn:"], 16)  # the C library's own signals can be among them
    assert [number for number in signal.valid_signals() if ignored & 1 << number - 1] == []


def test_a_script_without_an_interpreter_is_the_shells(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f'echo said >"{tmp_path}/said"', begin="")
    assert in_child(lambda: hook.run(ENVIRONMENT)) is None
    assert (tmp_path / "said").exists()


def test_a_program_whose_interpreter_is_missing_cannot_be_executed(program: Callable[..., Hook]) -> None:
    hook = program("", begin="#!/nonexistent\n")
    wrong = "it cannot be executed: No such file or directory"
    assert in_child(lambda: hook.run(ENVIRONMENT)) == wrong


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except OSError:
        return True


def test_one_that_does_not_end_is_killed_with_its_process_group(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f'trap "" TERM; sleep 1000 & echo $! >"{tmp_path}/child"; wait', within=0.5)
    assert in_child(lambda: hook.run(ENVIRONMENT)) == "it was killed because it had not ended after 0.5s"
    while not is_gone(int((tmp_path / "child").read_text())):
        pass


def test_an_interruption_kills_it_with_its_process_group(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program(f'sleep 1000 & echo $! >"{tmp_path}/child"; kill -USR1 $PPID; wait')

    def run() -> str:
        def interrupt(*_: object) -> None:
            raise InterruptedError(errno.EINTR, "interrupted")

        signal.signal(signal.SIGUSR1, interrupt)
        with pytest.raises(InterruptedError) as interrupted:
            hook.run(ENVIRONMENT)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        return str(interrupted.value.strerror)

    assert in_child(run) == "interrupted"
    while not is_gone(int((tmp_path / "child").read_text())):
        pass


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda _: None, errno.ENOENT),
        (Path.mkdir, errno.EACCES),
        (os.mkfifo, errno.EACCES),
        (lambda path: path.touch(mode=0o644), errno.EACCES),
        (lambda path: path.symlink_to(path), errno.ELOOP),
    ],
)
def test_what_cannot_be_executed_is_known_before(tmp_path: Path, make: Callable[[Path], object], number: int) -> None:
    make(tmp_path / "it")
    with pytest.raises(OSError, match=r".") as refused:
        Hook(path=f"{tmp_path}/it").check()
    assert (refused.value.errno, bool(refused.value.strerror)) == (number, True)


def test_what_a_user_cannot_execute_is_known_before_too(tmp_path: Path) -> None:
    """A child finds out, whose status a parent that ignores SIGCHLD would not get."""
    ourselves = identity(ExecContext())
    (tmp_path / "program").touch(mode=0o755)

    def check() -> int | None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        Hook(path=f"{tmp_path}/program", identity=ourselves).check()
        with pytest.raises(OSError, match="No such file or directory") as refused:
            Hook(path=f"{tmp_path}/missing", identity=ourselves).check()
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
        return refused.value.errno

    assert in_child(check) == errno.ENOENT


def test_a_file_that_can_be_executed_is_fine(program: Callable[..., Hook], tmp_path: Path) -> None:
    hook = program("exit 0")
    hook.check()
    (tmp_path / "link").symlink_to(hook.path)
    Hook(path=f"{tmp_path}/link").check()
    assert stat.S_IMODE(os.stat(hook.path).st_mode) == 0o755
