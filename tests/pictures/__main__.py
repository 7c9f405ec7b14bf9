"""Takes the pictures in a guest of the lab and writes them below docs/: `make pictures`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.project import ROOT

SUITE = "trixie"


def main() -> int:
    """Write docs/NAME.svg for each picture; return the guest's exit status."""
    command = ["python3", "-m", "tests.pictures.inside"]
    lab = [sys.executable, "-m", "tests.lab", "run", SUITE, "--ram", "1G", "--time-limit", "200", "--", *command]
    done = subprocess.run(lab, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        made = json.loads(done.stdout)
        for name, picture in made["pictures"].items():
            (ROOT / "docs" / f"{name}.svg").write_text(picture, encoding="utf-8")
        draw(made["timelines"], ROOT / "docs" / "plot.svg")
    return done.returncode


def draw(timelines: dict[str, str], target: Path) -> None:
    """Draw timelines, by the names of their files, on this machine: guests have no matplotlib."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in timelines.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        scopectl = [sys.executable, "-m", "scoperun.ctl", "plot", "-o", str(target), *timelines]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(scopectl, cwd=folder, env=environment, check=True)
    target.chmod(0o644)


if __name__ == "__main__":
    sys.exit(main())
