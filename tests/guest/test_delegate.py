"""The command can divide a delegated scope: the keeper is not in its way, and appears in no list."""

import pytest

from .story import Story, systemctl

DIVIDE = """
here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
mkdir $here/rest $here/work
echo $$ >$here/rest/cgroup.procs
echo '+memory +pids' >$here/cgroup.subtree_control || exit 7
echo 20M >$here/work/memory.max
echo 0 >$here/work/memory.swap.max
"""


@pytest.mark.parametrize("delegate", ["yes", "memory pids"])
def test_a_container_manager_can_delegate_its_controllers(story: Story, delegate: str) -> None:
    script = f"{DIVIDE} (echo 0 >$here/work/cgroup.procs; exec ./bigleak2); exit $?"
    ending = story.run("-p", f"Delegate={delegate}", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["oom"] | {"limit_of": "scope", "kills": 1} == ending.report["oom"]
    assert ending.report["left_running"] == []


def test_a_stop_that_systemd_does_not_begin_is_not_waited_for(story: Story) -> None:
    """Since 259, it does nothing under OOMPolicy=kill after a kill in a cgroup below that has a lower limit."""
    leak = "(echo 0 >$here/work/cgroup.procs; exec ./bigleak2) >/dev/null 2>&1"
    words = ("--oom-policy", "kill", "--kill-after", "1h", "-p", "Delegate=yes", "--", "sh", "-c")
    ending = story.run(*words, f"{DIVIDE} {leak}; sleep 1000 >/dev/null 2>&1 & exit 0")
    if ending.report["left_running"]:
        systemctl("stop", ending.report["unit"])
    assert ending.verdict == "oom-kill"
    assert ending.status in {0, 143}, "earlier versions stop the command, if it still runs"


def test_the_keeper_is_not_listed_as_left_running(story: Story) -> None:
    script = f"{DIVIDE} (echo 0 >$here/work/cgroup.procs; exec sleep 1000) >/dev/null 2>&1 & exit 3"
    ending = story.run("--kill-leftovers", "-p", "Delegate=yes", "--", "sh", "-c", f"{script}")
    assert (ending.status, ending.verdict, ending.report["left_running"]) == (3, "exit-code", [])


def test_the_keeper_is_not_counted_as_a_task_in_a_delegated_scope(story: Story) -> None:
    assert story.run("-p", "Delegate=yes", "--", "sleep", "0.1").report["tasks_peak"] == 1


def test_delegate_subgroup_works_as_without_scoperun(story: Story) -> None:
    """Systemd has the setting for scopes too, and starts the command in that subgroup."""
    words = ("sh", "-c", "cut -d: -f3 /proc/self/cgroup")
    ending = story.run("-q", "-p", "Delegate=yes", "-p", "DelegateSubgroup=sub", "--", *words)
    if ending.status == 125:
        assert "DelegateSubgroup" in ending.stderr  # before systemd 254
        return
    assert ending.report["left_scope"] is None
    assert ending.stdout.decode().strip().startswith(ending.report["cgroup"])
    assert ending.report["cgroup"].endswith(ending.report["unit"])
