"""An error in a setting of a job's own is about that job, and one in what all jobs have is not."""

import pytest

from scoperun.batch.running_job import is_its_own
from scoperun.errors import BusUnavailable, CommandNotFound, LimitNotEnforced, PropertyRefused, ScoperunError

from .jobs import job

ZSWAP = PropertyRefused("this systemd has no MemoryZSwapMax= for scopes", name="x", property_name="MemoryZSwapMax")
CPU = LimitNotEnforced("CPUQuota=50% would not be enforced: no cpu controller")
SOFT = LimitNotEnforced("`soft_pressure=30%/2s` would have no effect: no PSI")
MEMORY = LimitNotEnforced("MemoryMax=1048576 would not be enforced: no memory controller")


@pytest.mark.parametrize(
    ("error", "settings", "is_own"),
    [
        (ZSWAP, {"zswap": "1M"}, True),
        (ZSWAP, {"tasks": "5"}, False),
        (ZSWAP, {}, False),
        (CPU, {"cpus": "0.5"}, True),
        (CPU, {"cpu-weight": "5"}, False),
        (SOFT, {"soft-pressure": "30%/2s"}, True),
        (SOFT, {"soft-mem": "1M"}, False),
        (MEMORY, {"tasks": "5", "mem-high": "1M"}, False),
        (CommandNotFound("x"), {}, True),
        (BusUnavailable("x"), {"tasks": "5"}, False),
    ],
)
def test_an_error_is_a_jobs_own_if_its_setting_is_named(
    error: ScoperunError, settings: dict[str, str], is_own: bool
) -> None:
    assert is_its_own(error, job(1, settings=tuple(settings.items()))) is is_own
