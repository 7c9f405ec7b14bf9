"""Signals are held by one thread; a program that uses us can have others."""

import subprocess
import sys

INTERRUPTED = """
import asyncio, os, signal, threading
from scoperun.process.signals import HeldSignals
threading.Thread(target=threading.Event().wait, daemon=True).start()
async def main():
    os.kill(os.getpid(), signal.SIGINT)
    while True:  # until the other thread has taken it
        await asyncio.sleep(0)
try:
    with HeldSignals():
        asyncio.run(main())
except KeyboardInterrupt:
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_an_interrupt_that_another_thread_takes_is_raised() -> None:
    ended = subprocess.run([sys.executable, "-"], input=INTERRUPTED, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr
