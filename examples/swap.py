#!/usr/bin/env python3
"""Runs the same leak with no swap, with 10M of it, with as much as there is, and compressed in memory (zswap).

    cc -o bigleak2 examples/bigleak2.c
    python3 examples/swap.py ./bigleak2

Each run may have 20M of memory, and the leak wants 50M. The table is made of scoperun's reports: how each run ended;
the most memory and swap that it had; how much went to zswap and how much to the disk (zswpout and pswpout of
memory.stat); and how often it ran into its limit and was killed (max and oom_kill of memory.events).
"""

import json
import mmap
import subprocess
import sys
import tempfile
from pathlib import Path

ZSWAP = Path("/sys/module/zswap/parameters/enabled")
ROW = "{:<15}{:<10}{:>7}{:>8}{:>8}{:>8}{:>6}{:>10}"


def main() -> None:
    """Print the table."""
    leak = sys.argv[1:] or ["./bigleak2"]
    print(ROW.format("", "verdict", "memory", "swap", "zswap", "disk", "max", "oom_kill"), flush=True)
    show("no swap", run(leak, "--swap", "0"))
    show("10M of swap", run_without_zswap(leak, "--swap", "10M"))
    show("unlimited swap", run_without_zswap(leak, "--swap", "infinity"))
    if is_zswap_on():
        show("with zswap", run(leak, "--swap", "infinity"))
    else:
        print(f"zswap is off here; as root: echo Y >{ZSWAP}")
    if len(Path("/proc/swaps").read_text().splitlines()) == 1:
        print("there is no swap here: no run could have any")


def is_zswap_on() -> bool:
    """Tell whether what is swapped out is compressed in memory first, unless it may not."""
    return ZSWAP.exists() and ZSWAP.read_text() == "Y\n"


def run_without_zswap(leak: list[str], *options: str) -> dict:
    """Run the leak so that it swaps to the disk; before systemd 253 zswap cannot be forbidden."""
    return (is_zswap_on() and run(leak, *options, "--zswap", "0")) or run(leak, *options)


def run(leak: list[str], *options: str) -> dict:
    """Run the leak until it is killed, or has touched everything; return the report, empty if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        scoperun = ["scoperun", "-q", "--report", str(file), "--mem", "20M", *options, "--", *leak]
        with subprocess.Popen(scoperun, stdout=subprocess.PIPE, text=True) as running:
            if "touched everything\n" in running.stdout:
                running.terminate()  # scoperun passes it on
        return json.loads(file.read_text()) if file.exists() else {}


def show(name: str, report: dict) -> None:
    """Print the row of one run."""
    if not report:
        raise SystemExit(f"{name}: scoperun could not run it")
    memory, stat, events = report["memory"], report["memory"]["stat"], report["memory"]["events"]
    swapped = [stat[key] * mmap.PAGESIZE if key in stat else None for key in ("zswpout", "pswpout")]
    sizes = [mib(size) for size in (memory["peak"], memory["swap_peak"], *swapped)]
    print(ROW.format(name, report["verdict"], *sizes, events["max"], events["oom_kill"]), flush=True)


def mib(size: int | None) -> str:
    """Return a size in MiB; an older kernel does not know all of them."""
    return "?" if size is None else f"{size / 2**20:.1f}M"


main()
