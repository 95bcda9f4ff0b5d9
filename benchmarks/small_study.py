"""How long a small study takes once its features stand: every value of k, its control, and several training seeds.

    make bench-small

240 visits of 12 drawn photos with the preset `small` (photos of 128 px; the size changes the extraction alone): ``grasp
prepare`` and ``grasp features``, then, timed, ``grasp run`` in a process of its own, which makes the rest up to the report.
The figure that another machine can be compared by is the ratio to the time of the extraction, which ran in the same call.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from grasp_psonet.settings import load
from grasp_psonet.stages.declared.tasks import trainings
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2)  # always five lists: how many the scores name depends on the cohort


def _timed(*words: str) -> tuple[float, float]:
    """Seconds, and CPU seconds of all its processes, of a command."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "grasp_psonet", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(time.monotonic() - start, 1), round(cpu_s, 1)


def figures_of(folder: Path, settings: list[str]) -> dict[str, Any]:
    """Draws a study in a new folder, makes it, and says what that took."""
    shutil.rmtree(folder, ignore_errors=True)
    _timed(
        "cohort",
        str(folder),
        "--preset",
        "small",
        "--photos.edge_px",
        "128",
        "--prune.k",
        str(list(FRACTIONS)),
        *settings,
    )
    _timed("prepare", str(folder))
    features_s, features_cpu_s = _timed("features", str(folder))
    rest_s, rest_cpu_s = _timed("run", str(folder))
    job = Job(Study(folder), load(folder / "study.yaml"))
    return {
        "seconds_after_features": rest_s,
        "cpu_seconds_after_features": rest_cpu_s,
        "ratio_to_extraction": round(rest_cpu_s / features_cpu_s, 2),
        "seconds_of_extraction": features_s,
        "visits": len(job.cohort.visits),
        "photos": len(job.cohort.photos),
        "trainings": len(trainings(job)),
        "training_seeds": job.settings.evaluate.training_seeds,
        "k": list(job.settings.prune.k),
        "processes": job.settings.machine.processes,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("work-bench-small"), help="made anew")
    parser.add_argument("--seeds", type=int, default=5, help="training seeds")
    words = parser.parse_args(arguments)
    figures = figures_of(words.folder, ["--evaluate.training_seeds", str(words.seeds)])
    sys.argv[1:] = ["FOLDER" if word == str(words.folder) else word for word in sys.argv[1:]]
    write_result("small-study", figures)


if __name__ == "__main__":
    main()
