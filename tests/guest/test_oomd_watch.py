"""scopectl watch tells of the real systemd-oomd's kills, also soon after one of the kernel's."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.schema import told_by

from .oomd import MONITORED, quick_oomd
from .pages import on_disk
from .story import Story, systemctl
from .test_ctl_watch import listening, run_out_of_memory
from .waiting import line_from

pytestmark = pytest.mark.guest(user="root", kernel="stock", swap="512M")

MIB = 1 << 20


@pytest.fixture
def file() -> Iterator[str]:
    with on_disk(48 * MIB) as name:
        yield name


def test_a_kill_by_systemd_oomd_soon_after_one_by_the_kernel_is_told_as_such(
    story: Story, file: str, tmp_path: Path
) -> None:
    limits = ("MemoryHigh=20M", "MemorySwapMax=infinity", *MONITORED)
    thrash = ["systemd-run", "--user", "--quiet", "--scope", "--unit", "second.scope"]
    thrash += [word for each in limits for word in ("-p", each)]
    with quick_oomd(), listening(tmp_path, "--json", "--no-notify", "--no-journal") as watch:
        run_out_of_memory(story, "first.scope", "sh", "-c", "./bigleak2; true", policy="continue")
        first = told_by("watch", line_from(watch))
        assert (first["unit"], first["limit_of"]) == ("first.scope", "unit")
        subprocess.run([*thrash, "./thrash", file], cwd=story.cwd, check=False)
        second = told_by("watch", line_from(watch))
    systemctl("reset-failed")
    assert (second["unit"], second["limit_of"], second["kills"]) == ("second.scope", "systemd-oomd", None)
