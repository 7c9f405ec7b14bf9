"""Text that the command chooses is printed escaped: it deletes no row of the report, and adds none."""

import re
from pathlib import Path

import pytest

from tests.report_rows import rows

from .story import Ending, Story

pytestmark = pytest.mark.guest(suite="trixie")

CGROUP = "a\r\x1b[2K    killed  nothing\a\x1b]0;title\a\u202e\x9b"
"""The kernel takes no newline here, or /proc/PID/cgroup could not be read."""

EVIL = "a\r\x1b[2K\n    killed  nothing\a\x1b]0;title\a\u202e\x9b\n"
SHOWN = r"a\r\x1b[2K\n    killed  nothing\x07\x1b]0;title\x07\u202e\x9b\n"

LEAK_BELOW = """
cg=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
below="$cg/$1"
mkdir "$cg/leaf" "$below" || exit
for pid in $(cat "$cg/cgroup.procs"); do echo "$pid" >"$cg/leaf/cgroup.procs"; done 2>/dev/null
echo +memory >"$cg/cgroup.subtree_control" && echo 10M >"$below/memory.max" && echo 0 >"$below/memory.swap.max"
sh -c 'echo 0 >"$0/cgroup.procs"; exec ./bigleak2' "$below"
"""
"""A shell's words that leak in a cgroup of that name below the scope, at a limit of its own."""


def has_nothing_to_act_on(ending: Ending) -> bool:
    return ending.stderr.replace("\n", "").isprintable()


def test_a_cgroup_of_any_name_below_the_scope_is_named_on_its_line(story: Story) -> None:
    ending = story.run("-p", "Delegate=yes", "--", "sh", "-c", LEAK_BELOW, "sh", CGROUP)
    assert ending.verdict == "oom-kill"
    assert ending.report["oom"]["limit_unit"].endswith(CGROUP)
    assert has_nothing_to_act_on(ending)
    shown = r" of 'a\r\x1b[2K    killed  nothing\x07\x1b]0;title\x07\u202e\x9b' inside this scope"
    assert rows(ending.stderr)["killed"].split()[-7:] == shown.split()


def test_a_process_of_any_name_is_named_on_its_line(story: Story, tmp_path: Path) -> None:
    name = EVIL[:15]
    script = 'import sys; open("/proc/self/comm", "w").write(sys.argv[1]); leak = bytearray(50 << 20)'
    ending = story.run("--mem", "20M", "--", "python3", "-c", script, name)
    assert [victim["name"] for victim in ending.report["oom"]["victims"]] == [name]
    assert has_nothing_to_act_on(ending)
    assert rows(ending.stderr)["killed"].startswith(r"'a\r\x1b[2K\n   ")
    assert len(rows(ending.stderr)) == len(re.findall("^ {1,9}[a-z]", ending.stderr, flags=re.MULTILINE))


def test_a_directory_of_any_name_that_is_not_there_is_quoted_on_one_line(story: Story) -> None:
    """What the parser refuses is tried in tests/unit/cli/test_refusals.py."""
    ending = story.run("-d", f"/{EVIL}", "--", "true")
    assert (ending.status, ending.stderr.count("\n")) == (125, 1)
    assert has_nothing_to_act_on(ending)


def test_a_command_of_any_name_that_is_not_there_is_quoted_on_one_line(story: Story) -> None:
    ending = story.run("--", f"/{EVIL}")
    assert (ending.status, ending.stderr.count("\n")) == (127, 1)
    assert has_nothing_to_act_on(ending)


def test_a_configuration_is_named_on_one_line(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / EVIL / "scoperun"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[defaults]\n"a\\u001b[2K" = 1\n')
    ending = story.run("--", "true", XDG_CONFIG_HOME=str(folder.parent))
    assert (ending.status, ending.stderr.count("\n")) == (125, 1)
    assert has_nothing_to_act_on(ending)
    assert f"{SHOWN}/scoperun/config.toml:2: " in ending.stderr
