"""A cgroup's files are read without counting the keeper; a missing value is None."""

import errno
import itertools
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.errors import ScoperunError
from scoperun.evidence.events import OomdMark, Process
from scoperun.kernel.cgroup import Cgroup, cgroup_of, hierarchy
from scoperun.kernel.readback import why_void
from scoperun.kernel.scope_cgroup import ScopeCgroup, ooms
from scoperun.spec.limits import Ceiling, not_in_force
from scoperun.spec.properties import parse_property
from scoperun.spec.scope import scope_request
from scoperun.spec.sizes import INFINITY

KEEPER = 4241


def scope(path: Path, **files: str) -> ScopeCgroup:
    """Make a scope's cgroup with these files; pids_max is pids.max."""
    return ScopeCgroup(cgroup(path, **files), KEEPER)


def cgroup(path: Path, **files: str) -> Cgroup:
    """Make a cgroup with these files; pids_max is pids.max."""
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(f"{text}\n", encoding="ascii")
    return Cgroup("/job.scope", str(path))


def after_each_file(path: Path, happens: Callable[[str, str | None], None]) -> ScopeCgroup:
    """Return the scope whose cgroup is at `path`; `happens` is called after each read of one of its files."""

    class Changing(Cgroup):
        def text(self, file: str) -> str | None:
            text = super().text(file)
            happens(file, text)
            return text

    return ScopeCgroup(Changing("/job.scope", str(path)), KEEPER)


def nested(tmp_path: Path, **limits: str | None) -> Cgroup:
    """Make c.scope in a-b.slice in a.slice; limits: memory.max of each, by its last letter, None for no such file."""
    folder, name = tmp_path, ""
    for level, unit in {"a": "a.slice", "b": "a-b.slice", "c": "c.scope"}.items():
        folder, name = folder / unit, f"{name}/{unit}"
        folder.mkdir()
        if (limit := limits.get(level, "max")) is not None:
            (folder / "memory.max").write_text(f"{limit}\n", encoding="ascii")
    return Cgroup(name, str(folder))


@pytest.mark.parametrize(
    ("limits", "limit", "cgroup"),
    [
        ({}, INFINITY, "/a.slice"),
        ({"c": "4096"}, 4096, "/a.slice/a-b.slice/c.scope"),
        ({"a": "8192", "c": "4096"}, 4096, "/a.slice/a-b.slice/c.scope"),
        ({"a": "8192", "b": "4096"}, 4096, "/a.slice/a-b.slice"),
        ({"a": "4096", "b": "8192", "c": "12288"}, 4096, "/a.slice"),
        ({"a": "4096", "b": "4096", "c": "4096"}, 4096, "/a.slice"),
    ],
)
def test_the_ceiling_is_the_least_limit_of_all(tmp_path: Path, limits: dict[str, str], limit: int, cgroup: str) -> None:
    found = nested(tmp_path, **limits).memory_ceiling()
    assert found == Ceiling(limit=limit, cgroup=cgroup, is_known=True)


@pytest.mark.parametrize("missing", ["a", "b"])
def test_a_limit_above_that_cannot_be_read_might_be_lower(tmp_path: Path, missing: str) -> None:
    limits: dict[str, str | None] = {"c": "8192", missing: None}
    found = nested(tmp_path, **limits).memory_ceiling()
    assert found == Ceiling(limit=8192, cgroup="/a.slice/a-b.slice/c.scope", is_known=False)


def test_above_the_root_of_a_container_there_might_be_a_lower_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.events.local").touch()
    (tmp_path / "memory.max").write_text("4096\n")
    assert nested(tmp_path, c="8192").memory_ceiling() == Ceiling(limit=4096, cgroup="/", is_known=False)


def test_a_scope_without_a_memory_controller_has_no_ceiling(tmp_path: Path) -> None:
    assert nested(tmp_path, c=None).memory_ceiling() is None


@pytest.mark.parametrize(("pids_max", "tasks_max"), [("51", 50), ("2", 1), ("max", INFINITY)])
def test_the_tasks_limit_in_force_excludes_the_keeper(tmp_path: Path, pids_max: str, tasks_max: int) -> None:
    assert scope(tmp_path, pids_max=pids_max).limits().tasks_max == tasks_max


def test_the_tasks_peak_excludes_the_keeper(tmp_path: Path) -> None:
    assert scope(tmp_path, pids_peak="3").counters().tasks_peak == 2


def test_uncounted_tasks_are_none(tmp_path: Path) -> None:
    assert scope(tmp_path).limits().tasks_max is None
    assert scope(tmp_path).counters().tasks_peak is None


def test_the_requested_tasks_are_in_force_without_the_keeper(tmp_path: Path) -> None:
    """TasksMax=50 is 51 for systemd and for the kernel, and 50 again in the report."""
    request = scope_request("job.scope", [parse_property("TasksMax=50")])
    assert request.value("TasksMax") == 51
    in_force = scope(tmp_path, pids_max="51").limits()
    assert in_force.tasks_max == 50
    assert not_in_force(request.properties, in_force, page_size=4096) == []


def test_kills_by_systemd_oomd_are_read_from_the_cgroups_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = {(str(tmp_path), "user.oomd_ooms"): b"2", (str(tmp_path), "user.oomd_kill"): b"7"}
    monkeypatch.setattr(os, "getxattr", lambda path, name: attributes[path, name])
    counters = scope(tmp_path).counters()
    assert counters.oomd_kills == 2
    assert counters.oomd_marks == [OomdMark(2, cgroup="/job.scope", processes=7)]


@pytest.mark.parametrize(
    ("error", "kills"),
    [(errno.ENODATA, 0), (errno.ENOTSUP, None), (errno.ENOENT, None), (errno.ENODEV, None), (errno.EACCES, None)],
)
def test_a_missing_attribute_is_0_and_an_unreadable_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, kills: int | None
) -> None:
    """A kernel before 5.7 does not have such attributes, and a removed cgroup has lost them."""

    def refuse(*_: object) -> bytes:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "getxattr", refuse)
    assert scope(tmp_path).counters().oomd_kills is kills


def test_a_removed_cgroup_has_no_count_of_systemd_oomds_kills(tmp_path: Path) -> None:
    assert ScopeCgroup(Cgroup("/job.scope", str(tmp_path / "gone")), KEEPER).counters().oomd_kills is None


@pytest.mark.parametrize(
    ("stat", "taken"),
    [
        ("pgfault 10\nthp_fault_alloc 2", 10 * 4096 + 2 * 2**21),
        ("pgfault 10\nthp_fault_alloc 1\nthp_collapse_alloc 2", 10 * 4096 + 3 * 2**21),
        ("pgfault 10\nfile_dirty 8192\nfile_writeback 4096", 13 * 4096),
        ("pgfault 10", 10 * 4096),
        ("anon 4096", None),
        ("pgfault 10\nshmem 4096\nsock 8192\nkernel 12288\nslab 4096", 16 * 4096),
        ("pgfault 10\nslab 4096\nkernel_stack 16384\npagetables 4096\npercpu 8192", 18 * 4096),
    ],
)
def test_memory_is_taken_by_page_faults_of_any_size_and_without_them(
    tmp_path: Path, stat: str, taken: int | None
) -> None:
    job = scope(tmp_path, memory_current="1", memory_stat=stat, cgroup_procs="", memory_events="oom_kill 0")
    snapshot = job.snapshot()
    assert snapshot is not None
    assert snapshot.taken == taken


def test_an_ended_process_has_its_last_name_and_what_it_was_seen_with(tmp_path: Path) -> None:
    with subprocess.Popen(["sh", "-c", "read _; exec true"], stdin=subprocess.PIPE) as process:
        job = scope(tmp_path, cgroup_procs=f"{process.pid}", memory_events="oom_kill 0")
        before = job.snapshot()
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        after = job.snapshot(before=before)
    assert before is not None
    assert after is not None
    (ended,) = after.ended
    assert (ended.task, ended.task.name, ended.name, ended.status) == (before.tasks[0], "sh", "true", 0)


def test_what_a_process_takes_after_it_was_seen_is_not_counted_with_it(tmp_path: Path) -> None:
    """It can execute another program between two files, whose memory would not count as taken since."""
    scope(tmp_path, memory_current="1", memory_stat="pgfault 1", cgroup_procs="", memory_events="oom_kill 0")

    def fault(file: str, _: str | None) -> None:
        if file == "cgroup.procs":
            (tmp_path / "memory.stat").write_text("pgfault 100\n")

    snapshot = after_each_file(tmp_path, fault).snapshot()
    assert snapshot is not None
    assert snapshot.taken == 4096


@pytest.mark.parametrize(
    ("own", "in_scope", "known"), [(2, 2, 2), (2, None, 2), (2, 3, None), (0, 0, None), (None, 2, None)]
)
def test_earlier_counts_of_a_removed_cgroup_are_used_unless_the_scopes_are_higher_or_0(
    own: int | None, in_scope: int | None, known: int | None
) -> None:
    """The cgroup, or one below, might have reached its limit since."""
    read_before = {} if own is None else {"oom": own}
    assert ooms({"/job.scope": {}}, read_before, in_scope=in_scope) == {"/job.scope": known}


def test_counts_that_are_still_readable_are_preferred() -> None:
    assert ooms({"/job.scope": {"oom": 3}}, {"oom": 2}, in_scope=4) == {"/job.scope": 3}


@pytest.mark.parametrize(("pids_max", "tasks_max"), [("5", 4), ("max", INFINITY), ("0", None)])
def test_the_tasks_limit_excludes_the_keeper_and_is_unknown_while_systemd_kills(
    tmp_path: Path, pids_max: str, tasks_max: int | None
) -> None:
    assert scope(tmp_path, pids_max=pids_max).limits().tasks_max == tasks_max


def test_the_limits_of_a_cgroup_that_disappears_while_it_is_read_are_unknown(tmp_path: Path) -> None:
    job = scope(tmp_path / "job.scope", memory_events="oom_kill 0", pids_peak="2", memory_max="20000000")
    limits = job.counters().limits
    assert limits is not None
    assert limits.memory_max == 20_000_000

    def remove(file: str, _: str | None) -> None:
        if file == "pids.peak":
            shutil.rmtree(tmp_path / "job.scope")

    assert after_each_file(tmp_path / "job.scope", remove).counters().limits is None


def test_a_snapshot_is_repeated_if_a_kill_happens_during_it(tmp_path: Path) -> None:
    """Memory from before a kill and counters from after it never existed at the same time."""
    scope(tmp_path, memory_current="20000000", cgroup_procs="", memory_events="oom_kill 0")
    cgroup(tmp_path, memory_stat="anon 20000000")

    def kill(file: str, text: str | None) -> None:
        if file == "memory.stat" and text != "anon 0\n":
            cgroup(tmp_path, memory_stat="anon 0", memory_current="100000", memory_events="oom_kill 1")

    snapshot = after_each_file(tmp_path, kill).snapshot()
    assert snapshot is not None
    assert (snapshot.stat, snapshot.current, snapshot.oom_kill) == ({"anon": 0}, 100_000, 1)


def test_if_kills_follow_each_other_the_memory_is_unknown(tmp_path: Path) -> None:
    """A snapshot does not wait for the end of the kills, because signals must be forwarded in time."""
    scope(tmp_path, memory_current="20000000", memory_stat="anon 1", cgroup_procs="", memory_events="oom_kill 0")
    kills = itertools.count(1)

    def kill(file: str, _: str | None) -> None:
        if file == "memory.events":
            cgroup(tmp_path, memory_events=f"oom_kill {next(kills)}")

    snapshot = after_each_file(tmp_path, kill).snapshot()
    assert snapshot is not None
    assert snapshot.oom_kill > 0
    assert (snapshot.stat, snapshot.current, snapshot.swap_current, snapshot.rested) == (None, None, None, True)


@pytest.mark.parametrize("mark", [b"x", b"-5", b" 3", b"1_0", b"9" * 20])
def test_an_attribute_that_is_not_a_number_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    """The cgroup belongs to the command's user, who can write anything there."""
    monkeypatch.setattr(os, "getxattr", lambda *_: mark)
    assert scope(tmp_path).counters().oomd_kills is None


def test_a_cgroup_below_that_disappears_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scope(tmp_path, cgroup_procs=f"{os.getpid()}\n")
    cgroup(tmp_path / "below", cgroup_procs="1\n")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "below":
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [process.pid for process in job.processes() or ()] == [os.getpid()]


def test_the_child_of_a_process_that_forks_and_ends_during_the_listing_is_listed(tmp_path: Path) -> None:
    """Daemons start like this: a process in the middle forks and ends."""
    scope(tmp_path, cgroup_procs=f"{2**22 + 1}\n")

    def fork_and_end(*_: object) -> None:
        (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")

    job = after_each_file(tmp_path, fork_and_end)
    assert [process.pid for process in job.processes() or ()] == [os.getpid()]


def test_a_listed_process_that_has_ended_is_left_out(tmp_path: Path) -> None:
    job = scope(tmp_path, cgroup_procs=f"{os.getpid()}\n{2**22 + 1}")
    assert [process.pid for process in job.processes() or ()] == [os.getpid()]


def test_a_listed_process_that_is_hidden_has_no_name(tmp_path: Path) -> None:
    """E.g. a process in another PID namespace, which the kernel lists as 0."""
    job = scope(tmp_path, cgroup_procs=f"{os.getpid()}\n0", memory_events="oom_kill 0")
    mine, hidden = job.processes() or ()
    assert (mine.pid, hidden) == (os.getpid(), Process(pid=0, name=None))
    snapshot = job.snapshot()
    assert snapshot is not None
    assert [task.pid for task in snapshot.tasks] == [os.getpid(), 0]
    assert snapshot.ended == ()


@pytest.mark.parametrize("mark", [b"1", b"x", b"-5", b" 3", b"1_0"])
def test_a_mark_of_systemd_oomd_is_forged_if_a_process_of_the_cgroup_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    """systemd-oomd kills all processes of a cgroup, the keeper too."""
    monkeypatch.setattr(os, "getxattr", lambda *_: mark)
    job = ScopeCgroup(cgroup(tmp_path, cgroup_procs=f"{os.getpid()}"), keeper=os.getpid())
    assert job.counters().oomd_kills == 0


def test_a_mark_below_the_scope_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd-oomd kills leaf cgroups."""
    job = scope(tmp_path, cgroup_procs=f"{os.getpid()}")
    cgroup(tmp_path / "leaf", cgroup_procs="")
    marks = {str(tmp_path): b"1", str(tmp_path / "leaf"): b"2"}
    monkeypatch.setattr(os, "getxattr", lambda path, _: marks[path])
    assert job.counters().oomd_kills == 2


@pytest.mark.parametrize("odd", ["\f", "\x0b", "\x85", "\u2028"])
def test_a_mount_point_can_have_any_name(odd: str) -> None:
    mounts = f"tmpfs /mnt/a{odd}b tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,memory_localevents 0 0\n"
    assert hierarchy(mounts) == ("/sys/fs/cgroup", True)


def test_a_file_of_proc_that_cannot_be_opened_is_named() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(ScoperunError, match=rf"^cannot read /proc/{os.getpid()}/cgroup: Too many open files$"):
            cgroup_of(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_cgroup_without_cgroup_procs_has_been_removed(tmp_path: Path) -> None:
    assert scope(tmp_path).processes() is None


def test_a_containers_root_cgroup_has_limits_and_the_real_one_does_not(tmp_path: Path) -> None:
    """A cgroup namespace shows the container's own cgroup as the root."""
    cgroup(tmp_path, memory_events_local="oom 7")
    cgroup(tmp_path / "a.slice", memory_events_local="oom 0")
    job = scope(tmp_path / "a.slice" / "job.scope", memory_events_local="oom 0")
    inside = Cgroup("/a.slice/job.scope", job.cgroup.path)
    nothing = {"/a.slice/job.scope": {"oom": 0}, "/a.slice": {"oom": 0}}
    assert inside.own_events_upwards() == {**nothing, "/": {"oom": 7}}
    (tmp_path / "memory.events.local").unlink()
    assert inside.own_events_upwards() == nothing


@pytest.mark.parametrize(
    ("name", "system", "slice_"),
    [
        ("/user.slice/user-7.slice/user@7.service/app.slice/job.scope", False, "app.slice"),
        ("/user.slice/user-7.slice/user@7.service/app.slice/app-x.slice/job.service/payload", False, "app-x.slice"),
        ("/user.slice/user-7.slice/user@7.service/init.scope", False, "-.slice"),
        ("/user.slice/user-7.slice/session-2.scope", True, "user-7.slice"),
        ("/user.slice/user-7.slice/user@7.service/app.slice/job.scope", True, "user-7.slice"),
        ("/init.scope", True, "-.slice"),
    ],
)
def test_the_slice_is_the_deepest_one_of_the_manager(name: str, system: bool, slice_: str) -> None:
    assert Cgroup(name, name).slice_of_manager(system=system) == slice_


def test_a_login_session_is_not_in_a_slice_of_the_users_manager() -> None:
    session = Cgroup("/user.slice/user-7.slice/session-2.scope", "/nonexistent")
    with pytest.raises(ScoperunError, match=r"^`slice_inherit`: .* name a slice with `slice`"):
        session.slice_of_manager(system=False)


@pytest.mark.parametrize(
    ("setting", "files", "is_void"),
    [
        ("CPUWeight=50", {"cpu_weight": "50"}, False),
        ("CPUWeight=50", {"cpu_weight": "100"}, True),
        ("CPUWeight=50", {}, True),
        ("CPUWeight=idle", {}, False),
        ("MemoryLow=5000", {"memory_low": "4096"}, False),
        ("MemoryLow=10M", {"memory_low": "0"}, True),
        ("MemoryMin=5%", {"memory_min": "1048576"}, False),
        ("MemoryMin=5%", {"memory_min": "0"}, True),
        ("TasksMax=10%", {"pids_max": "100"}, False),
        ("TasksMax=10%", {"pids_max": "max"}, True),
        ("AllowedCPUs=0", {"cpuset_cpus_effective": "0"}, False),
        ("AllowedCPUs=0,2-9", {"cpuset_cpus_effective": "0,3-5"}, False),
        ("AllowedCPUs=64", {"cpuset_cpus_effective": "64"}, False),
        ("AllowedCPUs=64", {"cpuset_cpus_effective": "0-64"}, True),
        ("AllowedCPUs=0", {"cpuset_cpus": "0", "cpuset_cpus_effective": "1"}, True),
        ("AllowedCPUs=0", {}, True),
        ("AllowedMemoryNodes=0", {"cpuset_mems_effective": "0"}, False),
        ("AllowedMemoryNodes=1", {"cpuset_mems_effective": "0"}, True),
        ("IOWriteBandwidthMax=/dev/sda 1M", {"io_max": "8:0 rbps=max wbps=1000000 riops=max wiops=max"}, False),
        ("IOWriteBandwidthMax=/dev/sda 1M", {"io_max": ""}, True),
        ("IOReadIOPSMax=/dev/sda infinity", {"io_max": "8:0 rbps=1 wbps=max riops=max wiops=max"}, False),
        ("IODeviceLatencyTargetSec=/dev/sda 25ms", {"io_latency": "8:0 target=25000"}, False),
        ("IODeviceLatencyTargetSec=/dev/sda 25ms", {}, True),
        ("KillSignal=SIGINT", {}, False),
        ("DevicePolicy=auto", {}, False),
    ],
)
def test_a_setting_that_the_kernel_does_not_have_is_void(
    tmp_path: Path, setting: str, files: dict[str, str], is_void: bool
) -> None:
    job = cgroup(tmp_path, **files)
    assert (why_void(parse_property(setting), job) is not None) is is_void


@pytest.mark.parametrize(
    ("setting", "files", "reason"),
    [
        ("AllowedCPUs=7", {"cpuset_cpus": "", "cpuset_cpus_effective": "0-1"}, "what the scope can use is 0-1"),
        ("IODeviceLatencyTargetSec=/ 1s", {"io_max": ""}, "this kernel has no io.latency"),
        ("IOWeight=50", {"io_max": ""}, "this kernel has neither io.weight nor io.bfq.weight"),
        ("IOReadIOPSMax=/ 5", {"io_max": ""}, "the kernel has not kept it"),
    ],
)
def test_the_reason_says_what_the_kernel_has_instead(
    tmp_path: Path, setting: str, files: dict[str, str], reason: str
) -> None:
    assert why_void(parse_property(setting), cgroup(tmp_path, **files)) == reason


BFQ, NO_BFQ = "none mq-deadline [bfq]", "[none] mq-deadline bfq"
COST, NO_COST = "8:0 enable=1 ctrl=auto", "8:0 enable=0 ctrl=auto"


@pytest.mark.parametrize(
    ("setting", "files", "scheduler", "cost", "is_void"),
    [
        ("IOWeight=50", {"io_weight": "default 50"}, NO_BFQ, COST, False),
        ("IOWeight=50", {"io_weight": "default 50"}, BFQ, "", False),
        ("IOWeight=50", {"io_bfq_weight": "default 91"}, BFQ, None, False),
        ("IOWeight=50", {"io_weight": "default 100"}, NO_BFQ, COST, True),
        ("IOWeight=50", {"io_weight": "default 50"}, NO_BFQ, NO_COST, True),
        ("IOWeight=50", {"io_weight": "default 50"}, NO_BFQ, "", True),
        ("IOWeight=50", {"io_weight": "default 50"}, NO_BFQ, None, False),
        ("IODeviceWeight=/dev/sda 60", {"io_weight": "default 100\n8:0 60"}, NO_BFQ, COST, False),
        ("IODeviceWeight=/dev/sda 60", {"io_weight": "default 60"}, NO_BFQ, COST, True),
        ("IODeviceWeight=/dev/sda 60", {"io_bfq_weight": "default 100\n8:0 96"}, BFQ, None, False),
    ],
)
def test_a_weight_is_void_where_no_disk_shares_by_it(
    tmp_path: Path, setting: str, files: dict[str, str], scheduler: str, cost: str | None, is_void: bool
) -> None:
    """The kernel keeps a weight all the same. In a container it cannot be known: the root's io.cost.qos is missing."""
    (queue := tmp_path / "disks" / "sda" / "queue").mkdir(parents=True)
    (queue / "scheduler").write_text(f"{scheduler}\n", encoding="ascii")
    job = cgroup(tmp_path / "job.scope", io_max="", **files)
    if cost is not None:
        (tmp_path / "io.cost.qos").write_text(f"{cost}\n", encoding="ascii")
    reason = why_void(parse_property(setting), job, disks=str(tmp_path / "disks"))
    assert (reason is not None) is is_void


def test_what_was_read_and_written_is_the_sum_over_all_disks(tmp_path: Path) -> None:
    counts = "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n259:0 \n8:0 wbytes=10 wios=1"
    assert scope(tmp_path, io_stat=counts).counters().io == {
        "rbytes": 1, "wbytes": 12, "dbytes": 5, "rios": 3, "wios": 5, "dios": 6,
    }  # fmt: skip


def test_without_a_disk_nothing_was_read_and_without_a_controller_nothing_is_known(tmp_path: Path) -> None:
    assert set((scope(tmp_path / "with", io_stat="").counters().io or {}).values()) == {0}
    assert scope(tmp_path / "without").counters().io is None
