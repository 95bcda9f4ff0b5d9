"""The reading app under load, and killed; a dated file in benchmarks/results/ for each.

python -m benchmarks.reading_app load
python -m benchmarks.reading_app killed --kills 100
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.reading_app.killed import killed
from benchmarks.reading_app.load import load
from benchmarks.record import write_result


def main() -> None:
    """Runs one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("load", "killed"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think-s", type=float, default=1.0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if told.what == "load":
            figures: dict[str, float] = load(Path(folder), told.readers, told.seconds, told.think_s)
        else:
            figures = dict(killed(Path(folder), told.kills, told.seed))
    write_result(f"reading-app-{told.what}", figures)


if __name__ == "__main__":
    main()
