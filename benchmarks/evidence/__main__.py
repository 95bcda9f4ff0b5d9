"""What the evidence is worth: whether intervals cover, whether findings name the cause.

make bench-evidence                                 every part
python -m benchmarks.evidence --parts coverage      one part; the others keep the figures that stand in the folder
python -m benchmarks.evidence --parts study --study STUDY --tuned-on FILE    verdicts on a study, and plantings on it
python -m benchmarks.evidence --quick               a few small cases: shows that everything runs, its figures mean nothing
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.evidence.coverage import coverage
from benchmarks.evidence.diagnosis import diagnosis
from benchmarks.evidence.enrichment import enrichment
from benchmarks.evidence.on_study import on_study
from benchmarks.evidence.removals import removals
from benchmarks.evidence.scope import Scope
from benchmarks.record import write_result

log = logging.getLogger("benchmarks")

PARTS: Mapping[str, Callable[[Scope], dict[str, Any]]] = {
    "coverage": coverage,
    "removals": removals,
    "enrichment": enrichment,
    "diagnosis": diagnosis,
    "study": on_study,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="only these parts are made")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-evidence"))
    parser.add_argument("--quick", action="store_true", help="a few small cases: shows that everything runs")
    parser.add_argument("--cohorts", type=int, help="so many of the drawn cohorts, the first ones (default: all)")
    parser.add_argument("--processes", type=int, default=1, help="cohorts made at the same time")
    parser.add_argument("--study", type=Path, help="a study with photos, for the part of that name (default: skipped)")
    parser.add_argument("--tuned-on", type=Path, help="its patients on whom anything was tuned, one a line")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = words.folder / ("quick" if words.quick else "full")
    scope = Scope(folder, words.quick, words.cohorts, words.processes, words.study, words.tuned_on)
    scope.folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    for part, make in PARTS.items():
        path = scope.folder / f"{part}.json"
        if part in words.parts:
            log.info("part %s", part)
            path.write_text(json.dumps(make(scope), indent=1) + "\n", encoding="utf-8")
        if path.exists():
            figures |= json.loads(path.read_text(encoding="utf-8"))
    # a result file names no place of this machine
    places = {str(words.folder): "FOLDER", str(words.study): "STUDY", str(words.tuned_on): "FILE"}
    sys.argv[1:] = [places.get(word, word) for word in sys.argv[1:]]
    write_result("evidence-quick" if words.quick else "evidence", figures)


if __name__ == "__main__":
    main()
