"""Takes the pictures in a guest of the lab and writes them below docs/: `make pictures`."""

import json
import subprocess
import sys

from tests.lab.project import ROOT

SUITE = "trixie"


def main() -> int:
    """Write docs/NAME.svg for each picture; return the guest's exit status."""
    command = ["python3", "-m", "tests.pictures.inside"]
    lab = [sys.executable, "-m", "tests.lab", "run", SUITE, "--ram", "1G", "--time-limit", "200", "--", *command]
    done = subprocess.run(lab, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        for name, picture in json.loads(done.stdout).items():
            (ROOT / "docs" / f"{name}.svg").write_text(picture, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
