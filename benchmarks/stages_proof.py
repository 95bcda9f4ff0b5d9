"""What it costs to look at a finished study and to prove it, and which damages to its files are named before use.

    python -m benchmarks.stages_proof                        draws and finishes the demo study first (minutes; resumes)
    python -m benchmarks.stages_proof --study STUDY          a finished study; it is left as it is

Seconds are the least of several calls, each in a process of its own. ``noop_over_python_start`` compares the CPU seconds of a
``grasp run`` that finds nothing to do with those of an interpreter that does nothing. ``proof_s`` is the reading of every byte
of every stage, which a command pays only for the stages that it uses.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.damages import damages_of, is_named_before_use
from benchmarks.record import write_result
from grasp_psonet.proof import NOTE, damage_of, read_note

_TIMES = 7
_GRASP = ("-m", "grasp_psonet")


def cost_of(words: Sequence[str]) -> tuple[float, float]:
    """The least CPU and wall-clock seconds of a Python process with these arguments. It must end with exit code 0."""
    found = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{' '.join(words)} ended with exit code {process.returncode}"
        found.append((used.ru_utime + used.ru_stime, time.perf_counter() - start))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def looks(study: Path) -> dict[str, Any]:
    """Seconds of a look at a study in which everything stands."""
    bare_cpu_s, _ = cost_of(("-c", "pass"))
    run_cpu_s, run_wall_s = cost_of((*_GRASP, "run", str(study)))
    plan_cpu_s, plan_wall_s = cost_of((*_GRASP, "run", str(study), "--dry-run"))
    return {
        "python_start_cpu_s": bare_cpu_s,
        "noop_run_cpu_s": run_cpu_s,
        "noop_run_wall_s": run_wall_s,
        "noop_over_python_start": run_cpu_s / bare_cpu_s,
        "dry_run_cpu_s": plan_cpu_s,
        "dry_run_wall_s": plan_wall_s,
    }


def proof(study: Path) -> dict[str, float]:
    """Seconds to read every byte of every stage, once more after they were read, and how fast that is."""
    stages = [note.parent for note in sorted(study.rglob(NOTE))]
    size = sum((stage / name).stat().st_size for stage in stages for name in read_note(stage)["outputs"])
    start = time.perf_counter()
    found = [damage_of(stage, reads_bytes=True) for stage in stages]
    elapsed_s = time.perf_counter() - start
    assert found == [None] * len(stages), found
    return {"proof_s": elapsed_s, "proof_gib": size / 2**30, "proof_gib_per_s": size / 2**30 / elapsed_s}


def damages(study: Path) -> dict[str, Any]:
    """How many damages of each kind were tried and named before use; and those that were not."""
    tried = damages_of(study)
    with tempfile.TemporaryDirectory(dir=study.parent) as copies:
        named = [is_named_before_use(study, one, Path(copies) / str(n)) for n, one in enumerate(tried)]
    return {
        "damages_tried": len(tried),
        "damages_named": sum(named),
        "damages_by_kind": dict(Counter(one.kind for one in tried)),
        "damages_not_named": [
            f"{one.file}: {one.kind}" for one, is_named in zip(tried, named, strict=True) if not is_named
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, help="a finished study (default: the demo, in work-bench-stages)")
    study: Path | None = parser.parse_args().study
    if study is None:
        study = Path("work-bench-stages") / "demo"
        subprocess.run([sys.executable, *_GRASP, "demo", str(study)], check=True, stdout=subprocess.DEVNULL)
    files = [path for path in study.rglob("*") if path.is_file()]
    about = {"stages": len(list(study.rglob(NOTE))), "files": len(files)}
    figures = json.loads(
        json.dumps(about | looks(study) | proof(study)), parse_float=lambda text: round(float(text), 4)
    )
    write_result("stages-proof", figures | damages(study))


if __name__ == "__main__":
    main()
