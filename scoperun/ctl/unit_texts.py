r"""The unit files that `scopectl units` installs, as text. No I/O.

The folder units/ has the same for a wheel and for distributions, whose scopectl systemd finds by its name.
"""

from __future__ import annotations

from scoperun.errors import InvalidValue

WATCH = "scoperun-watch.service"

_SLICE = """\
# A slice to put scopes under one cap: scoperun --slice scoperun.slice ...
# Set the cap with: systemctl --user set-property scoperun.slice MemoryMax=4G

[Unit]
Description=Commands run by scoperun
Documentation=man:scoperun(1)
"""

_BATCH = """\
# A slice for commands that can wait: scoperun --slice scoperun-batch.slice ...
# They get the processors that others leave, and are under the caps of scoperun.slice too.

[Unit]
Description=Commands run by scoperun that can wait
Documentation=man:scoperun(1)

[Slice]
CPUWeight=20
"""

_WATCH = """\
# Tells of every OOM kill in the session: systemctl --user enable --now scoperun-watch.service
# Options for it are in ~/.config/scoperun/watch.conf, e.g.: OPTIONS=--mute firefox --mute 'build-*'

[Unit]
Description=Tell of OOM kills in this session
Documentation=man:scopectl(1)
# Where it cannot work, e.g. without the memory controller, it is not started again for ever.
StartLimitIntervalSec=5min
StartLimitBurst=10

[Service]
Type=notify
Environment=OPTIONS=
EnvironmentFile=-%E/scoperun/watch.conf
ExecStart={program} watch $OPTIONS
# What it prints is in the journal already, with fields; but not why it cannot start.
StandardOutput=null
StandardError=journal
Restart=on-failure
RestartSec=10s
# Options that it does not know stay unknown.
RestartPreventExitStatus=2
# Not in app.slice, whose cap is for applications.
Slice=session.slice

[Install]
WantedBy=default.target
"""

UNITS = {"scoperun.slice": _SLICE, "scoperun-batch.slice": _BATCH, WATCH: _WATCH}
"""The text of each unit by its name."""


def unit_text(name: str, *, program: str) -> str:
    """Return the text of a unit. program: the path of scopectl, or its name; raises InvalidValue if it cannot be put.

    systemd.service(5), COMMAND LINES, says how a path is quoted.
    """
    return UNITS[name].replace("{program}", _quoted(program))


def _quoted(program: str) -> str:
    if not program.isprintable() or "$" in program:
        raise InvalidValue(f"systemd cannot start {program!r}: its path has a '$' or an unprintable character")
    text = program.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if {" ", "\\", '"', "'", ";"} & set(program) else text


DELEGATION = """\
#!/bin/sh
# From scopectl units --print-delegation. Read it first; then run it as root: sh FILE
# It lets every user's systemd limit disks (io) and choose processors (cpuset).
# A user's systemd has them from its next start: log out of every session and in
# again, or systemctl restart user@UID, which ends everything of that user.
set -e
mkdir -p /etc/systemd/system/user@.service.d
cat >/etc/systemd/system/user@.service.d/50-scoperun-delegate.conf <<'END'
[Service]
Delegate=cpu cpuset io memory pids
END
systemctl daemon-reload
"""
