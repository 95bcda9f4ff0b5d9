"""How long `grasp check` takes on a table of a million photos, and how much memory.

    python -m benchmarks.check_tables                    draws the tables into a temporary folder; a minute or two
    python -m benchmarks.check_tables --photos 100000

Two parts, each in a process of its own: ``tables`` reads and looks across tables without a fault; ``missing`` is the whole
command where no photo lies where the table says, so that every row is a fault and check.csv has a row for each. Seconds are
CPU seconds of the process, its start included; what opening photos costs is that of `grasp prepare` (``benchmarks.prepare``).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import write_result

_PHOTOS_A_VISIT = 50
_VISITS_A_PATIENT = 2
_TABLES = (
    "import sys; from pathlib import Path; from grasp_psonet.cohort.check import check_tables; "
    "from grasp_psonet.cohort.outcome import Outcome; from grasp_psonet.cohort.settings import SplitSettings; "
    "from grasp_psonet.cohort.tables import TableFiles; folder = Path(sys.argv[1]); "
    "found = check_tables(TableFiles(folder / 'visits.csv', folder / 'photos.csv'), Outcome(), SplitSettings(), 0); "
    "assert not found.faults and found.summary['num_photos'] == int(sys.argv[2])"
)


def draw_tables(folder: Path, num_photos: int) -> None:
    """visits.csv and photos.csv of a study of this many photos, without a fault."""
    num_visits = num_photos // _PHOTOS_A_VISIT
    skin = ("I", "II", "III", "IV", "V", "VI")
    with (folder / "visits.csv").open("w", encoding="utf-8") as file:
        file.write("visit_id,patient_id,study_day,pasi_reader1,pasi_reader2,fitzpatrick\n")
        for v in range(num_visits):
            patient, day = v // _VISITS_A_PATIENT, 14 * (v % _VISITS_A_PATIENT)
            file.write(f"v-{v:07d},p-{patient:07d},{day},{v % 720 / 10},{7 * v % 720 / 10},{skin[patient % 6]}\n")
    with (folder / "photos.csv").open("w", encoding="utf-8") as file:
        file.write("photo_id,visit_id,view,path\n")
        for n in range(num_visits * _PHOTOS_A_VISIT):
            v, view = divmod(n, _PHOTOS_A_VISIT)
            file.write(f"v-{v:07d}-{view:02d},v-{v:07d},view-{view:02d},photos/v-{v:07d}/{view:02d}.jpg\n")


def cost_of(words: list[str], code: int) -> tuple[float, float]:
    """CPU seconds and most memory (GiB) of a Python process with these arguments, which must end with this exit code."""
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == code, f"{' '.join(words)} ended with exit code {process.returncode}"
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def figures(folder: Path, num_photos: int) -> dict[str, Any]:
    """Both parts on drawn tables."""
    draw_tables(folder, num_photos)
    tables_s, tables_gib = cost_of(["-c", _TABLES, str(folder), str(num_photos)], 0)
    missing_s, missing_gib = cost_of(["-m", "grasp_psonet", "check", str(folder)], 1)
    with (folder / "check.csv").open("rb") as file:
        told = sum(1 for _ in file) - 1
    assert told >= num_photos, f"check.csv has {told} rows"
    return {
        "num_photos": num_photos,
        "tables_cpu_s": round(tables_s, 1),
        "tables_gib": round(tables_gib, 2),
        "missing_cpu_s": round(missing_s, 1),
        "missing_gib": round(missing_gib, 2),
        "rows_of_check_csv": told,
    }


def main() -> None:
    """Measures, prints and writes the figures down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000_000, help="rows of photos.csv")
    known = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = figures(Path(folder), known.photos // _PHOTOS_A_VISIT * _PHOTOS_A_VISIT)
    write_result("check", found)


if __name__ == "__main__":
    main()
