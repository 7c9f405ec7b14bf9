"""How scoperun finds the bus: without variables, by a list, in a user namespace, with another user's."""

import os
import subprocess

import pytest

from .story import GENEROUS, Others, Story

IN_THE_SCOPE = ("sh", "-c", 'grep -q "/$0.scope$" /proc/self/cgroup', "found")
RUN = ("scoperun", "--unit", "found", "--mem", "200M", "--", *IN_THE_SCOPE)


def run(*words: str | bytes, **environment: str | bytes) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=GENEROUS, check=False
    )


def test_the_bus_is_found_without_variables_as_under_cron(clean: Others) -> None:
    done = run("env", "-i", f"PATH={os.environ['PATH']}", *RUN)
    assert (done.returncode, done.stderr[:9]) == (0, "scoperun:")


@pytest.mark.parametrize("mapping", ["--map-root-user", "--map-current-user"])
def test_the_bus_is_found_from_a_user_namespace(mapping: str, clean: Others) -> None:
    assert run("unshare", "--user", mapping, *RUN).returncode == 0


def test_the_first_address_of_a_list_that_works_is_used(clean: Others) -> None:
    listed = f"unix:path=/nowhere;unix:path={os.environ['XDG_RUNTIME_DIR']}/bus;unix:path=/never"
    assert run(*RUN, XDG_RUNTIME_DIR="", DBUS_SESSION_BUS_ADDRESS=listed).returncode == 0


def test_the_error_says_that_xdg_runtime_dir_belongs_to_another_user(story: Story) -> None:
    """su(1) keeps the variables, so this happens after it."""
    own = os.environ["XDG_RUNTIME_DIR"]
    said = story.refused("--", "true", XDG_RUNTIME_DIR="/sys", DBUS_SESSION_BUS_ADDRESS="unix:path=/sys/bus")
    assert f"(XDG_RUNTIME_DIR belongs to user root; export XDG_RUNTIME_DIR={own}; check: " in said


def test_a_runtime_directory_that_is_not_utf_8_is_refused_in_one_line(clean: Others) -> None:
    refused = run("scoperun", "--", "true", XDG_RUNTIME_DIR=b"/run/\xff\n", DBUS_SESSION_BUS_ADDRESS="")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (125, "", 1)


def test_the_system_bus_is_refused_as_the_users_bus(story: Story) -> None:
    said = story.refused(
        "--", "true", XDG_RUNTIME_DIR="", DBUS_SESSION_BUS_ADDRESS="unix:path=/run/dbus/system_bus_socket"
    )
    assert "the bus at unix:path=/run/dbus/system_bus_socket belongs to user root" in said
