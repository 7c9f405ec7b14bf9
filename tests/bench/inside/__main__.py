"""Takes the measurements in the arguments, NAME=ROUNDS, one after the other, and writes the results as JSON."""

import importlib
import json
import sys
import time
from pathlib import Path

RESULTS = Path("/bench/out/results.json")


def main() -> None:
    """Measure, and write all results at the end, by an atomic rename."""
    results = {}
    for argument in sys.argv[1:]:
        name, _, rounds = argument.partition("=")
        start = time.monotonic()
        results[name] = importlib.import_module(f"inside.{name}").measure(int(rounds))
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    partial = RESULTS.with_suffix(".new")
    partial.write_text(json.dumps(results), encoding="utf-8")
    partial.rename(RESULTS)


if __name__ == "__main__":
    main()
