"""How fast photos are prepared, beside a plain Pillow loop over the same files.

    make bench-prepare

Drawn JPEGs of 4000 x 3000 pixels become a store of 224 px. The plain loop is what one would write with Pillow: open, turn
upright, convert, resize, in one process and with full decoding; ours is ``write_store`` with its processes, their start, the
measures of quality and the index. Both run in turns, each in a process of its own; ``speedup`` is the plain loop's seconds
over ours, the median of the rounds, and ``cpu_ratio`` the same of CPU seconds, which other work on the machine disturbs less.
``memory_growth_mib``: how much more memory ours takes at its peak, in any of its processes, for four times the photos.
"""

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from benchmarks.record import write_result
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.store import StoreForm, open_store, write_store
from grasp_psonet.workers import Workers

EDGE_PX, SIZE, PROCESSES = 224, (4000, 3000), 2
_SCENES = 4


def draw_photos(folder: Path, num_photos: int) -> None:
    """JPEGs of some megabytes as phones write them: shading, blotches and the noise of a sensor; every file has bytes of its
    own."""
    for scene in range(_SCENES):
        rng = np.random.default_rng(scene)
        width, height = SIZE
        rough = rng.integers(0, 90, (30, 40, 1)) + np.array([120, 85, 65])
        image = Image.fromarray(rough.astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
        noise = rng.normal(0, 6, (height, width, 1)).astype(np.float32)
        noisy = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
        for number in range(scene, num_photos, _SCENES):
            buffer = io.BytesIO()
            if number == scene:
                noisy.save(buffer, "JPEG", quality=90)
                whole = buffer.getvalue()
            (folder / f"{number:04d}.jpg").write_bytes(whole + number.to_bytes(2, "big"))


def plain_loop(folder: Path, num_photos: int) -> np.ndarray:
    """Photos [P, edge, edge, RGB] as one would read them with Pillow."""
    pixels = np.empty((num_photos, EDGE_PX, EDGE_PX, 3), dtype=np.uint8)
    for number in range(num_photos):
        with Image.open(folder / f"{number:04d}.jpg") as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            pixels[number] = np.asarray(upright.resize((EDGE_PX, EDGE_PX), Image.Resampling.BICUBIC))
    return pixels


def ours(folder: Path, num_photos: int, store: Path) -> None:
    """The store of the same photos."""
    names = [f"{number:04d}" for number in range(num_photos)]
    photos = pd.DataFrame({"photo_id": names, "visit_id": names, "path": [f"{name}.jpg" for name in names]})
    photos = photos.assign(view=None).astype("string")
    write_store(photos, PhotoRoot(folder), StoreForm(EDGE_PX), store, Workers(PROCESSES))


def measure(what: str, folder: Path, num_photos: int) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory in MiB of one way over this many photos, in a process of its own."""
    # not as a main module, which each process of ours would load again; that of the command line is a light one
    program = f"from benchmarks.prepare import print_one; print_one({what!r}, {str(folder)!r}, {num_photos})"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def one(what: str, folder: Path, num_photos: int) -> dict[str, float]:
    """What ``measure`` runs: the clock starts once everything is loaded."""
    with tempfile.TemporaryDirectory() as store:
        started, before = time.monotonic(), _cpu_s()
        match what:
            case "draw":
                draw_photos(folder, num_photos)
            case "plain":
                plain_loop(folder, num_photos)
            case _:
                ours(folder, num_photos, Path(store))
        return {"seconds": time.monotonic() - started, "cpu_s": _cpu_s() - before, "peak_mib": _peak_mib()}


def print_one(what: str, folder: str, num_photos: int) -> None:
    """The same, on the last line of the output."""
    print(json.dumps(one(what, Path(folder), num_photos)))


def _cpu_s() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_mib() -> float:
    return max(resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def figures_of(folder: Path, num_photos: int, rounds: int) -> dict[str, float | int]:
    """All figures; photos are drawn into ``folder``."""
    measure(
        "draw", folder, num_photos
    )  # in a process of its own: peak memory is handed down to processes started later
    size = sum(file.stat().st_size for file in folder.iterdir()) / num_photos
    turns = [{what: measure(what, folder, num_photos) for what in ("plain", "ours")} for _ in range(rounds)]

    def ratio(key: str) -> float:
        return round(statistics.median(turn["plain"][key] / turn["ours"][key] for turn in turns), 2)

    few = measure("ours", folder, num_photos // 4)
    most = max(turn["ours"]["peak_mib"] for turn in turns)
    with tempfile.TemporaryDirectory() as store:
        ours(folder, _SCENES, Path(store))
        difference = np.abs(open_store(Path(store)).pixels.astype(int) - plain_loop(folder, _SCENES))
    return {
        "speedup": ratio("seconds"),
        "cpu_ratio": ratio("cpu_s"),
        "photos_per_second": round(statistics.median(num_photos / turn["ours"]["seconds"] for turn in turns), 1),
        "photos_per_second_plain": round(statistics.median(num_photos / turn["plain"]["seconds"] for turn in turns), 1),
        "peak_mib": round(most),
        "memory_growth_mib": round(most - few["peak_mib"]),
        "mean_difference": round(float(difference.mean()), 3),
        "largest_difference": int(difference.max()),
        "photos": num_photos,
        "megabytes_a_photo": round(size / 1e6, 2),
        "processes": PROCESSES,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_result("prepare", figures_of(Path(folder), asked.photos, asked.rounds))


if __name__ == "__main__":
    main()
