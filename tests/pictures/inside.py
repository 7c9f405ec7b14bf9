"""What runs in the guest: some commands in scopes, and scopectl on a terminal; prints the pictures as JSON."""

import asyncio
import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scoperun.ctl.ordering import Key, View
from scoperun.ctl.rounds import rounds
from scoperun.ctl.session import session
from scoperun.ctl.top_screen import TopApp

COLUMNS, ROWS = 104, 24
ROUNDS, DELAY = 12, 0.25

HOLD = """#!/usr/bin/python3 -S
import signal, sys
held = bytearray(int(sys.argv[1]) << 20)
for at in range(0, len(held), 4096): held[at] = 1
print(flush=True)
while len(sys.argv) > 2: pass
signal.pause()
"""
"""Holds so many MiB, and with one more argument uses a processor too."""

LEAK = """#!/usr/bin/python3 -S
import sys, time
kept, most = [], int(sys.argv[1])
for number in range(100):
    kept.append(bytearray(b"x" * (1 << 20)))
    del kept[:max(len(kept) - most, 0)]
    time.sleep(0.04)
"""
"""Takes a MiB again and again, and keeps so many."""

LEAKS = {"leak.jsonl": ("100",), "fixed.jsonl": ("30",)}
"""The timelines by file, and how much each run keeps."""

COMMANDS = (
    ("nightly-backup", ("--mem", "200M"), ("150",)),
    ("train", ("--mem", "256M", "--swap", "0"), ("240", "--epochs=10")),
    ("render", ("--mem-high", "400M", "--tasks", "20"), ("96",)),
    ("fetch", ("--mem", "64M"), ("12",)),
)


def main() -> None:
    """Print the pictures by name, and timelines to draw."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name, options, words in COMMANDS:
            stack.enter_context(running(Path(folder, name), options, words))
        of_list, of_top = picture("scopectl list", shown("scopectl", "list")), asyncio.run(picture_of_top())
        timelines = {name: timeline(Path(folder, name), *words) for name, words in LEAKS.items()}
        json.dump({"pictures": {"list": of_list, "top": of_top}, "timelines": timelines}, sys.stdout)


@contextmanager
def running(program: Path, options: tuple[str, ...], words: tuple[str, ...]) -> Iterator[None]:
    """Run a program in a scope with its own name, from the moment that it has its memory."""
    program.write_text(HOLD, encoding="ascii")
    program.chmod(0o755)
    scoperun = ["scoperun", "--unit", program.name, *options, "--", f"./{program.name}", *words]
    with subprocess.Popen(scoperun, cwd=program.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        run.stdout.readline()
        try:
            yield
        finally:
            run.terminate()


def timeline(file: Path, *words: str) -> str:
    """Run the leak, and return its timeline."""
    program = file.with_suffix("")
    program.write_text(LEAK, encoding="ascii")
    program.chmod(0o755)
    options = ["--mem", "64M", "--timeline", str(file), "--timeline-interval", "50ms"]
    subprocess.run(["scoperun", "-qq", *options, "--", str(program), *words], check=False)
    return file.read_text(encoding="utf-8")


def shown(*command: str) -> str:
    """Return what a command prints on a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        text = b""
        while part := _read(ours):
            text += part
    os.close(ours)
    return text.decode()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # the terminal has no other side any more
        return b""


def picture(title: str, text: str) -> str:
    """Return text with colours as an SVG that needs nothing from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in text.splitlines():
        console.print(Text.from_ansi(line))
    return without_fonts(console.export_svg(title=title, unique_id=title.replace(" ", "-")))


async def picture_of_top() -> str:
    """Return the table of `scopectl top` after some rounds."""
    async with session(system=False) as opened:
        with rounds(opened, await opened.manager.control_group(), every=False) as taken:
            app = TopApp(taken, opened, View(key=Key.MEMORY), DELAY)
            async with app.run_test(size=(COLUMNS, ROWS // 2)):
                await asyncio.sleep(ROUNDS * DELAY)
                return without_fonts(app.export_screenshot(title="scopectl top"))


def without_fonts(svg: str) -> str:
    """Return a picture that names no other place: each program that shows it has fonts of its own."""
    return re.sub(r"\s*(@font-face \{.*?\}|<!--.*?-->)", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
