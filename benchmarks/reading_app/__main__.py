"""The reading app under load, killed, and under random requests; a dated file in benchmarks/results/ for each.

python -m benchmarks.reading_app load
python -m benchmarks.reading_app killed --kills 100
python -m benchmarks.reading_app fuzz --requests 10000
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.reading_app.fuzz import fuzz
from benchmarks.reading_app.killed import killed
from benchmarks.reading_app.load import load
from benchmarks.record import write_result


def main() -> None:
    """Runs one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("load", "killed", "fuzz"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think-s", type=float, default=1.0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        match told.what:
            case "load":
                figures: dict[str, Any] = load(Path(folder), told.readers, told.seconds, told.think_s)
            case "killed":
                figures = dict(killed(Path(folder), told.kills, told.seed))
            case _:
                figures = fuzz(Path(folder), told.requests, told.seed)
    write_result(f"reading-app-{told.what}", figures)


if __name__ == "__main__":
    main()
