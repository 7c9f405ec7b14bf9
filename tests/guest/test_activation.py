"""What systemd passes to a process by PID or by pidfd reaches the command, as it does under env(1)."""

import socket
import subprocess
from pathlib import Path

import pytest

from .story import GENEROUS

pytestmark = pytest.mark.usefixtures("story")

TELL = """
import ctypes
systemd = ctypes.CDLL("libsystemd.so.0")
print(systemd.sd_listen_fds(0), "sockets, watchdog", systemd.sd_watchdog_enabled(0, None))
"""
COMMAND = ("scoperun", "-q", "--", "python3", "-c", TELL)


def test_the_command_takes_the_socket_of_socket_activation(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    words = ["systemd-socket-activate", "-E", "XDG_RUNTIME_DIR", "-l", path, *COMMAND]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as activated:
        assert activated.stderr is not None
        assert b"Listening on" in activated.stderr.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            out, _ = activated.communicate(timeout=GENEROUS)
    assert out == b"1 sockets, watchdog 0\n"


def test_the_command_gets_the_watchdog() -> None:
    words = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "-p", "WatchdogSec=30", *COMMAND]
    done = subprocess.run(words, capture_output=True, timeout=GENEROUS, check=True)
    assert done.stdout == b"0 sockets, watchdog 1\n"
