"""scoperun itself is killed by SIGKILL: the command does not notice."""

import os
import select
from pathlib import Path

from .story import GENEROUS, Story, cgroup_of, pids_of, systemctl


def test_the_command_keeps_running_under_its_limit_and_the_keeper_ends(story: Story) -> None:
    run = story.start("--unit", "orphan", "--mem", "20M", "--", "sh", "-c", "echo $$; exec sleep 1000")
    assert run.stdout is not None
    command = int(run.stdout.readline())
    scope = cgroup_of(command)
    (keeper,) = pids_of(scope) - {command}
    keeper_end = os.pidfd_open(keeper)
    run.kill()
    run.wait()
    assert select.select([keeper_end], [], [], GENEROUS)[0], "the keeper lives on"
    os.close(keeper_end)
    assert pids_of(scope) == {command}
    assert Path(f"/sys/fs/cgroup{scope}/memory.max").read_text() == "20971520\n"
    systemctl("stop", "orphan.scope")
    run.communicate()
