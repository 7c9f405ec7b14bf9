"""What a guest of the lab can take and a person's own machine cannot: its bus killed, its kernel log written to."""

from pathlib import Path

import pytest

IN_A_GUEST = "User Mode Linux" in Path("/proc/cpuinfo").read_text(encoding="utf-8")

lab_only = pytest.mark.skipif(not IN_A_GUEST, reason="it would harm this machine; run: python -m tests.lab test")
