"""What a run imports, with each suite's Python."""

import re
import shutil
import subprocess
import sys

from scoperun.startup import POSTPONED

from .story import GENEROUS

FROM_FILE = re.compile(r"^import '([^']+)' # <\S+\.SourceFileLoader\b", re.MULTILINE)


def test_a_run_imports_nothing_that_can_wait() -> None:
    program = shutil.which("scoperun")
    assert program is not None
    words = [sys.executable, "-v", program, "-qq", "--mem", "20M", "--", "true"]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=GENEROUS, check=True)
    imported = set(FROM_FILE.findall(done.stderr))
    assert "asyncio" in imported
    assert imported.isdisjoint(POSTPONED)
