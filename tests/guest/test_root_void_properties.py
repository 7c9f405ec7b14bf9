"""The system's manager can enforce more than a user's: accepted properties hold, and others are refused."""

import pytest

from .story import Story

pytestmark = pytest.mark.guest(user="root")

CONNECT = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
client.settimeout(1)
client.connect(listening.getsockname())
"""
BIND = "import socket; socket.create_server(('127.0.0.1', 0))"


def test_a_denied_address_cannot_be_reached(story: Story) -> None:
    assert story.run("--system", "-p", "IPAddressDeny=any", "--", "python3", "-c", CONNECT).status == 1
    assert story.run("--system", "-p", "IPAddressAllow=any", "--", "python3", "-c", CONNECT).status == 0


def test_a_device_that_is_not_allowed_cannot_be_opened(story: Story) -> None:
    ending = story.run("--system", "-p", "DevicePolicy=strict", "--", "head", "-c1", "/dev/zero")
    assert (ending.status, ending.stdout) == (1, b"")


@pytest.mark.parametrize("setting", ["IOWriteBandwidthMax=/dev/ubda 1M", "IOReadIOPSMax=/dev/ubda 100"])
def test_a_disk_limit_that_the_kernel_enforces_is_accepted(story: Story, setting: str) -> None:
    ending = story.run("--system", "-p", setting, "--", "true")
    assert ending.status == 0
    assert ending.report["io"]["written"] == 0


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("SocketBindDeny=any", "systemd has attached no BPF program for it"),
        ("AllowedCPUs=0", "the kernel has no cpuset controller"),
        ("IOWeight=50", "this kernel has neither io.weight nor io.bfq.weight"),
    ],
)
def test_a_property_that_this_system_cannot_enforce_is_refused(story: Story, setting: str, reason: str) -> None:
    """The guest lacks one of systemd's libraries, a controller, and an I/O scheduler with weights."""
    assert reason in story.refused("--system", "-p", setting, "--", "true")
    free = story.run("--system", "--no-require-limits", "-p", setting, "--", "python3", "-c", BIND)
    assert free.status == 0, "and it does not"
