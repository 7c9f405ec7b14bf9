"""What a guest of the lab can take and a person's own session cannot: its bus killed, its user manager ended."""

from pathlib import Path

import pytest

IN_A_GUEST = "User Mode Linux" in Path("/proc/cpuinfo").read_text(encoding="utf-8")

lab_only = pytest.mark.skipif(not IN_A_GUEST, reason="it would end this session; run: python -m tests.lab test")
