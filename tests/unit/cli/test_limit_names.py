"""A limit is called what the user has written: an option with its value, a profile, or -p."""

from pathlib import Path

import pytest

from scoperun.cli.options import parse
from scoperun.report.names import LimitName

pytestmark = pytest.mark.usefixtures("config")

MIB = 1 << 20

CONFIG = """
[defaults]
timeout = "1min"
[profiles.build]
mem = "4G"
property = ["TasksMax=50"]
"""


def names(*argv: str) -> dict[str, LimitName]:
    parsed = parse([*argv, "--", "true"])
    assert parsed is not None
    return dict(parsed.names())


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        ([], {}),
        (["--mem", "20M"], {"memory_max": LimitName("--mem 20M", 20 * MIB)}),
        (["--mem=20480K"], {"memory_max": LimitName("--mem 20480K", 20 * MIB)}),
        (["--mem", "1M", "--mem", "2M"], {"memory_max": LimitName("--mem 2M", 2 * MIB)}),
        (["--timeout", "5min 20s"], {"runtime_max": LimitName("--timeout 5min 20s", 320.0)}),
        (["--cpus", "0.5"], {"cpu_quota": LimitName("--cpus 0.5", 0.5)}),
        (["--oom-policy", "kill"], {"oom_policy": LimitName("--oom-policy kill")}),
        (["--soft-mem", "15M:USR1"], {"soft_memory": LimitName("--soft-mem 15M:USR1")}),
        (["-p", "MemoryMax=20M"], {"memory_max": LimitName("-p MemoryMax=", 20 * MIB)}),
        (["--mem", "1M", "-p", "MemoryMax=20M"], {"memory_max": LimitName("-p MemoryMax=", 20 * MIB)}),
        (["-p", "RuntimeMaxSec=5min"], {"runtime_max": LimitName("-p RuntimeMaxSec=", 300.0)}),
        (["-p", "CPUQuota=50%"], {"cpu_quota": LimitName("-p CPUQuota=", 0.5)}),
        (["-p", "TasksMax=10%"], {"tasks_max": LimitName("-p TasksMax=")}),
        (["-p", "OOMPolicy=stop"], {"oom_policy": LimitName("-p OOMPolicy=")}),
        (["-p", "Description=words", "--nice", "5"], {}),
    ],
)
def test_on_the_command_line(argv: list[str], found: dict[str, LimitName]) -> None:
    assert names(*argv) == found


def test_in_a_file_of_properties(tmp_path: Path) -> None:
    (tmp_path / "limits").write_text("# limits\nTasksMax=5\n")
    assert names("-p", f"@{tmp_path}/limits") == {"tasks_max": LimitName(f"-p @{tmp_path}/limits:2", 5)}


def test_in_the_configuration(config: Path) -> None:
    config.write_text(CONFIG)
    found = names("-P", "build")
    assert found == {
        "runtime_max": LimitName("[defaults] in the configuration", 60.0),
        "memory_max": LimitName("profile build", 4096 * MIB),
        "tasks_max": LimitName("profile build", 50),
    }
    assert names("-P", "build", "--mem", "1G")["memory_max"] == LimitName("--mem 1G", 1024 * MIB)
