"""Unit names: each is used once at a time, and can be used again afterwards."""

import shlex

import pytest

from .story import Story, systemctl


def test_a_name_in_use_is_refused_in_one_line(story: Story) -> None:
    first = story.start("--unit", "taken", "--", "sh", "-c", "echo ready; read word")
    assert first.stdout is not None
    assert first.stdout.readline() == b"ready\n"
    line = story.refused("--unit", "taken", "--", "true")
    assert line == "scoperun: Failed to start scope 'taken.scope': a unit with that name already exists\n"
    first.communicate(b"on\n")
    assert first.returncode == 0


def test_a_failed_scope_does_not_block_its_name(story: Story) -> None:
    for _ in range(2):
        assert story.run("--unit", "again", "--mem", "20M", "--", "./bigleak2").verdict == "oom-kill"


def test_the_unit_is_there_while_the_command_runs(story: Story) -> None:
    run = story.start("--unit", "seen", "--mem", "20M", "--", "sh", "-c", "echo ready; read word")
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    shown = systemctl("show", "seen.scope", "-p", "ActiveState", "-p", "MemoryMax", "-p", "Description").splitlines()
    assert set(shown) == {"ActiveState=active", "MemoryMax=20971520", "Description=sh -c echo ready; read word"}
    run.communicate(b"on\n")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ["man:scoperun(1)"]),
        (("-p", "Documentation=man:true(1) https://example.org/a"), ["man:true(1)", "https://example.org/a"]),
    ],
)
def test_the_unit_has_our_documentation_unless_another_is_requested(
    story: Story, options: tuple[str, ...], shown: list[str]
) -> None:
    run = story.start("--unit", "ours", *options, "--", "sh", "-c", "echo ready; read word")
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    name, _, value = systemctl("show", "ours.scope", "-p", "Documentation").partition("=")
    run.communicate(b"on\n")
    assert (name, shlex.split(value)) == ("Documentation", shown)


@pytest.mark.parametrize(
    "name", ["_job", "cgroup.x", "memory.job", "pids.a.b", "tasks", "__", "._", "io.x", "notify_on_release"]
)
def test_a_name_that_systemd_escapes_in_the_cgroup_works_too(story: Story, name: str) -> None:
    """Systemd prefixes names with an underscore that the kernel or systemd itself might use for a file."""
    ending = story.run("--unit", name, "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["oom"] | {"limit_of": "scope", "limit_unit": f"{name}.scope"} == ending.report["oom"]


@pytest.mark.parametrize("name", ["_my", "memory.my"])
def test_a_slice_whose_cgroup_name_is_escaped_is_reported_by_its_unit_name(story: Story, name: str) -> None:
    ending = story.run("--slice", name, "--mem", "20M", "--", "true")
    assert (ending.status, ending.report["slice"]) == (0, f"{name}.slice")
    systemctl("stop", f"{name}.slice")
