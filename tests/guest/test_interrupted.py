"""scoperun is interrupted before the command runs, at moments that differ each time."""

import signal
import subprocess
import time

from .story import GENEROUS, units

ATTEMPT = ["scoperun", "-qq", "--", "sleep", "1000"]
ROUNDS = 6


def test_an_interrupted_attempt_leaves_no_unit() -> None:
    """Above all while systemd starts the scope: it never notices the end of a scope of dead processes."""
    before = units()
    began = time.monotonic()
    subprocess.run(["scoperun", "-qq", "--", "true"], check=True, timeout=GENEROUS)
    whole = time.monotonic() - began
    for number in range(ROUNDS):
        run = subprocess.Popen(ATTEMPT, stderr=subprocess.PIPE)
        time.sleep(whole * (0.5 + number / ROUNDS / 2))
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=GENEROUS)
        assert run.returncode in {-signal.SIGTERM, 125, 143}, said
    assert units() == before
