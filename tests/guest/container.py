"""The first process of a container with new mount and PID namespaces: starts a user manager, then runs a command.

    python3 -m tests.guest.container CGROUP COMMAND...

CGROUP is the folder of the manager's cgroup.
"""

import os
import socket
import subprocess
import sys

RUNTIME_DIR = "/run/user/0"
SYSTEMD = "/lib/systemd/systemd"


def main(cgroup: str, *command: str) -> int:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.makedirs("/run/systemd/system")  # the mark that systemd runs here, see sd_booted(3)
    os.makedirs(RUNTIME_DIR, mode=0o700)
    environment = os.environ | {"XDG_RUNTIME_DIR": RUNTIME_DIR}
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("/run/notify")
        subprocess.Popen(
            ["sh", "-c", f"echo 0 >{cgroup}/cgroup.procs; exec {SYSTEMD} --user"],
            env=environment | {"NOTIFY_SOCKET": "/run/notify"},
            stderr=subprocess.DEVNULL,
        )
        while b"READY=1" not in notify.recv(4096):
            pass
    subprocess.run(["systemctl", "--user", "start", "dbus.socket"], env=environment, check=True)
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
