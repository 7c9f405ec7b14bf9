"""From the options of a batch and a job to what is asked of systemd."""

import math
from pathlib import Path
from typing import Any

import pytest

from scoperun.batch.columns import AUTO, COLUMNS, OFFERED
from scoperun.batch.job import Job
from scoperun.batch.limits import Common, common, run_request
from scoperun.console.options import OPTIONS
from scoperun.console.reading import Reading
from scoperun.errors import InvalidValue
from scoperun.record import replace
from scoperun.spec.limits import Limits, OOMPolicy
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.spec.soft_memory import SoftMemory

GIB = 1 << 30
JOB = Job(seq=3, command=("make", "all"), memory=GIB)


def given(**texts: Any) -> dict[str, Any]:
    """Return the parsed values of options, as a command line gives them."""
    return Reading({name.replace("_", "-"): text for name, text in texts.items()}, ()).values(OFFERED)


def request(job: Job = JOB, shared: Common | None = None, *, memory: int = GIB) -> RunRequest:
    return run_request(job, memory, shared or Common(), unit="scoperun-b-3-1", slice="b")


def test_an_attempt_has_its_memory_no_swap_and_its_name() -> None:
    asked = request(memory=2 * GIB)
    assert asked == RunRequest(
        command=("make", "all"), limits=Limits(memory_max=2 * GIB), unit="scoperun-b-3-1.scope", slice="b.slice"
    )
    assert asked.limits.effective_swap_max == 0


def test_what_jobs_have_in_common_is_asked_for() -> None:
    shared = common(
        given(
            mem="3G", swap="1G", cpus="2", cpu_weight="50", tasks="10", timeout="5min", cpu_time="1h", kill_after="3s",
            mem_high="1G", oom_policy="kill", nice="5", oom_score_adj="100", property=("MemoryLow=1G", "KillSignal=2"),
            setenv=("A=1",), working_directory="/srv", require_limits=False, system=True,
        )
    )  # fmt: skip
    assert shared.memory == 3 * GIB
    assert request(shared=shared) == RunRequest(
        command=("make", "all"),
        limits=Limits(
            memory_max=GIB, memory_high=GIB, memory_swap_max=GIB, cpu_quota=2, cpu_weight=50, tasks_max=10,
            runtime_max=300, timeout_stop=3, oom_policy=OOMPolicy.KILL,
        ),
        properties=("MemoryLow=1G", "KillSignal=2"),
        cpu_time=3600,
        context=ExecContext(environment=("A=1",), working_directory="/srv", nice=5, oom_score_adj=100),
        unit="scoperun-b-3-1",
        slice="b",
        require_limits=False,
        system=True,
    )  # fmt: skip


def test_a_job_overrides_what_jobs_have_in_common() -> None:
    shared = common(
        given(timeout="1h", cpus="2", nice="5", setenv=("A=1", "B=1"), working_directory="/srv", soft_mem="100M")
    )
    settings = (("timeout", "infinity"), ("nice", "-1"), ("soft-mem", "200M:USR1"))
    asked = request(replace(JOB, settings=settings, cwd="sub", environment=("A=2",)), shared)
    assert asked.limits == Limits(memory_max=GIB, runtime_max=math.inf, cpu_quota=2)
    assert asked.soft_memory == SoftMemory(200 << 20, 10)
    assert asked.context == ExecContext(environment=("A=1", "B=1", "A=2"), working_directory="sub", nice=-1)


def test_a_job_overrides_a_property_that_sets_the_same() -> None:
    """A property counts after a limit, so it would win."""
    shared = common(given(property=("RuntimeMaxSec=1h", "TasksMax=50%", "KillSignal=2")))
    asked = request(replace(JOB, settings=(("timeout", "5s"), ("tasks", "3"))), shared)
    assert asked.properties == ("KillSignal=2",)
    assert (asked.limits.runtime_max, asked.limits.tasks_max) == (5, 3)
    assert request(shared=shared).properties == ("RuntimeMaxSec=1h", "TasksMax=50%", "KillSignal=2")


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("MemoryMax=1G", "MemoryMax", "each job has a limit of its own: --mem, or the column mem"),
        ("MemoryMax=5%", "MemoryMax", "each job has a limit of its own: --mem, or the column mem"),
        ("Slice=x.slice", "Slice", "a batch has a slice of its own"),
    ],
)
def test_a_property_of_the_batchs_own_is_refused(text: str, name: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        common(given(property=(text,)))
    assert str(refusal.value) == f"-p: {name}= is not for a batch ({hint})"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((("timeout", "x"),), "timeout: 'x' is not a valid time ("),
        ((("oom-policy", "x"),), "oom-policy: 'x' is not one of "),
        ((("soft-mem", "1G"),), "`soft_memory=1G` is not below `memory_max=1G` ("),
    ],
)
def test_a_setting_that_is_not_valid_is_named(settings: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        request(replace(JOB, settings=settings))
    assert str(refusal.value).startswith(message)


def test_auto_is_a_value_of_mem_for_all_jobs_alone() -> None:
    assert common(given(mem="auto")).memory == AUTO
    with pytest.raises(InvalidValue):
        COLUMNS["mem"].value("auto")


def test_each_job_is_limited() -> None:
    for option in (COLUMNS["mem"], *(each for each in OFFERED if each.name == "mem")):
        with pytest.raises(
            InvalidValue, match=r"^'infinity' is not a limit, and each job of a batch has one \(e.g. 2G\)$"
        ):
            option.value("infinity")


def test_a_share_is_one_of_the_machines_memory() -> None:
    memory = common(given(mem="1%")).memory
    total = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    assert isinstance(memory, int)
    assert memory == pytest.approx(int(total.split()[1]) * 1024 / 100, rel=0.05)


def test_a_profile_says_what_jobs_have_in_common(config: Path) -> None:
    """What only a run of scoperun's own can have is left out."""
    config.write_text(
        '[defaults]\nwait = true\nreport = "/srv/r.json"\nslice = "x"\ntimeout = "1h"\nproperty = ["KillSignal=2"]\n'
        '[profiles.small]\nmem = "64M"\nnice = 3\nproperty = ["MemoryLow=1M"]\n[rules]\n"gcc*" = "small"\n',
        encoding="utf-8",
    )
    asked = request(shared=common(given(profile="small", nice="4", property=("MemoryLow=2M",))))
    assert asked == request(
        shared=Common(
            values={"timeout": 3600, "nice": 4},
            properties=tuple((text, "") for text in ("KillSignal=2", "MemoryLow=1M", "MemoryLow=2M")),
        )
    )
    assert common(given(profile="small")).memory == 64 << 20
    assert common(given(), command="gcc-14").memory == 64 << 20
    assert common(given(), command="make").memory is None
    assert common(given(no_config=True, mem="1G")) == Common(memory=GIB, values={"no-config": True})


def test_a_mistake_in_a_config_file_is_named(config: Path) -> None:
    config.write_text('[defaults]\nmemo = "1G"\n', encoding="utf-8")
    with pytest.raises(InvalidValue, match=r"config.toml:2: unknown key 'memo' \(did you mean mem\?\)$"):
        common(given())
    config.write_text('[defaults]\nmem = "infinity"\n', encoding="utf-8")
    assert common(given(mem="1G")).memory == GIB
    with pytest.raises(InvalidValue, match=r"config.toml:2 \[defaults\]: mem: 'infinity' is not a limit, and each job"):
        common(given())
    config.write_text('[defaults]\nproperty = ["MemoryMax=1G"]\n', encoding="utf-8")
    with pytest.raises(InvalidValue, match=r"config.toml:2 \[defaults\]: MemoryMax= is not for a batch"):
        common(given())


def test_the_variable_of_the_report_is_not_a_batchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPERUN_REPORT", "/dev/stdout")
    assert common({}) == Common()


def test_options_of_others_are_left_alone() -> None:
    """The function of a subcommand gets those of the batch's own in the same call."""
    assert common(given(nice="1") | {"jobs": 4}) == common(given(nice="1"))


def test_every_limit_of_scoperun_is_offered_and_a_column() -> None:
    limits = {each.name for each in OPTIONS if each.is_limit}
    assert limits <= set(COLUMNS)
    assert set(COLUMNS) <= {each.name for each in OFFERED}
    assert {"slice", "unit", "slice-inherit"} & {each.name for each in OFFERED} == set()
