"""Digests of the contents of a study's files: what is said in them, not how it is laid out.

Tables by their columns and values, JSON by its values, everything else by its bytes. Left out: what depends on the clock,
what names versions and settings (``stage.json``, ``study.yaml``, how ``results.json`` was made), and the page, whose
numbers are all in ``results.json``.

``python -m tests.golden.content STUDY GOLDEN.json`` compares a study with written-down digests; with ``--write`` it writes
them. Sums of floats differ between kinds of processor, so each set of digests names the machine it was made on.
"""

import argparse
import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

LEFT_OUT = {"clock.json", "stage.json", "study.yaml", "report.html", "cohort.json", ".photo-digests.json"}
PICTURES = {".svg", ".xlsx"}  # of what stands beside them as CSV


def machine() -> dict[str, str]:
    """What float sums depend on."""
    return {
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__.split("+")[0],
        "numpy": np.__version__,
    }


def content_digests(study: Path) -> dict[str, str]:
    """Digest by path relative to the study; drawn photos count through the store that holds them all."""
    files = sorted(path for path in study.rglob("*") if path.is_file() and path.name not in LEFT_OUT)
    files = [path for path in files if path.suffix not in PICTURES and path.parent.name != "publication"]
    return {path.relative_to(study).as_posix(): _digest(path) for path in files if study / "photos" not in path.parents}


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """One line per file that is missing, new, or has other contents."""
    lines = [f"{name}: missing" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"{name}: new" for name in sorted(found.keys() - wanted.keys())]
    return lines + [
        f"{name}: other contents" for name in sorted(found) if name in wanted and found[name] != wanted[name]
    ]


def values(study: Path) -> dict[str, dict[str, float]]:
    """What other processors must give too, up to rounding: the baseline's probabilities, and the sum of each photo's scores."""
    predicted = pq.read_table(study / "runs/baseline/predictions.parquet").to_pandas().set_index("visit_id")
    scores = pq.read_table(study / "traces/cosine/scores.parquet").to_pandas()
    return {
        "probability": {
            f"{visit_id} {name}": round(float(value), 9)
            for name in sorted(column for column in predicted if column.startswith("p_"))
            for visit_id, value in predicted[name].items()
        },
        "score": {str(photo): round(float(v), 12) for photo, v in scores.groupby("photo_id")["score"].sum().items()},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    told = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    return " ".join(told.get(key, "?") for key in ("model name", "cpu family", "model"))


def _digest(path: Path) -> str:
    match path.suffix:
        case ".parquet":
            found = hashlib.sha256()
            for name, column in _columns(path).items():
                found.update(f"{name}\n{json.dumps(column)}\n".encode())
            return found.hexdigest()[:24]
        case ".json":
            value: Any = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(value, dict):
                value.pop("study", None)  # the folder's name
                for named in ("clock", "publication", "schema_version"):
                    value.pop(named, None)
                for left_out in ("settings", "versions"):
                    value.get("making", {}).pop(left_out, None)
            return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]
        case _:
            return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


def _columns(path: Path) -> dict[str, list[Any]]:
    table = pq.read_table(path)
    return {
        name: [None if value is None or value != value else value for value in table[name].to_pylist()]
        for name in table.column_names
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("golden", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = content_digests(asked.study)
    if asked.write:
        golden = {"machine": machine(), "digests": found, "values": values(asked.study)}
        asked.golden.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    golden = json.loads(asked.golden.read_text(encoding="utf-8"))
    if golden["machine"] != machine():
        sys.stdout.write(f"made on another machine: {golden['machine']}, this one is {machine()}\n")
    lines = differences(found, golden["digests"])
    sys.stdout.write("\n".join([*lines, f"{len(found)} files, {len(lines)} differ\n"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
