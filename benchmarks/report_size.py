"""How large the report of a study of the paper's size is, and how fast it opens: 38,824 photos in the list of all photos.

    python -m benchmarks.report_size STUDY              pixels of a prepared study, over and over; every other figure is made up
    python -m benchmarks.report_size STUDY --photos 5000

The page is the whole report, with the errors, galleries and tables of a made-up study (``tests/report/fake.py``) and every
photo listed. It is opened from disk in Chromium without a window: seconds until the page is loaded, until the list of photos
stands after a jump to it, and until another order of all photos stands.
"""

import argparse
import dataclasses
import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import write_result
from grasp_psonet.report.explorer import AllPhotos, coded, largest_edge, rounded, sample_of
from grasp_psonet.report.page import render
from grasp_psonet.report.settings import ReportSettings
from grasp_psonet.report.sprites import sprites_of

PAPER_PHOTOS = 38_824
_VIEWS = 46
_OTHER_BYTES = 2_000_000


def listed(study: Path, num_photos: int, most_mb: float) -> AllPhotos:
    """So many photos: pixels from the store of the study in turn, flipped from the second time on; words and numbers drawn."""
    pixels = np.load(study / "store/photos.npy", mmap_mode="r")
    rng = np.random.default_rng(0)

    def photo(number: int) -> Any:
        again, row = divmod(number, len(pixels))
        one = np.asarray(pixels[row])
        return (
            one if again == 0 else np.ascontiguousarray(one[:: -1 if again % 2 else 1, :: -1 if again % 4 > 1 else 1])
        )

    ids = tuple(f"v-{number // _VIEWS:04d}-{number % _VIEWS:02d}" for number in range(num_photos))
    split = rng.choice(["train", "val", "test"], num_photos, p=[0.72, 0.08, 0.2])
    edge = largest_edge(
        [photo(at) for at in sample_of(num_photos)], num_photos, most_mb * 1e6 - _OTHER_BYTES, pixels.shape[1]
    )
    assert edge is not None, f"thumbnails of {num_photos} photos do not fit into {most_mb} MB"
    return AllPhotos(
        photo_ids=ids,
        visits=coded(one[:6] for one in ids),
        words={
            "split": coded(split, ("train", "val", "test")),
            "label": coded(rng.choice(["mild", "moderate", "severe"], num_photos), ("mild", "moderate", "severe")),
            "view": coded(f"view {number % _VIEWS:02d}" for number in range(num_photos)),
            "quality": coded(rng.choice(["nothing unusual", "blurred", "dark"], num_photos, p=[0.96, 0.02, 0.02])),
            "removed": coded(rng.choice(["no", "yes"], num_photos, p=[0.92, 0.08])),
            "fitzpatrick": coded(rng.choice(["I", "II", "III", "IV", "V", "VI"], num_photos)),
            "device": coded(rng.choice(["phone-a", "phone-b", "phone-c"], num_photos)),
        },
        numbers={
            "score": rounded(
                None if s != "train" else x for s, x in zip(split, rng.normal(0, 1e-3, num_photos), strict=True)
            ),
            "attention": rounded(rng.uniform(0, 0.1, num_photos)),
            "loss": rounded(rng.exponential(0.8, num_photos)),
        },
        pictures=sprites_of(((("photo", ids[i]), photo(i)) for i in range(num_photos)), edge),
    )


def opened(page_file: Path) -> dict[str, float]:
    """Seconds in a browser."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is not installed (apt-get install chromium)"
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto(page_file.as_uri())
        found["loaded_s"] = time.perf_counter() - start
        start = time.perf_counter()
        page.evaluate("location.hash = 'photos'")
        page.wait_for_selector("#all-photos .th")
        found["list_stands_s"] = time.perf_counter() - start
        start = time.perf_counter()
        page.select_option("#all-photos label:has-text('Order') select", "-loss")
        found["ordered_s"] = time.perf_counter() - start
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a study whose photos are prepared")
    parser.add_argument("--photos", type=int, default=PAPER_PHOTOS)
    asked = parser.parse_args()
    most_mb = ReportSettings().most_mb
    start = time.process_time()
    photos = listed(asked.study, asked.photos, most_mb)
    thumbnails_s = time.process_time() - start
    fake_report = importlib.import_module("tests.report.fake").fake_report
    start = time.process_time()
    html = render(dataclasses.replace(fake_report(), photos=photos))
    page_s = time.process_time() - start
    assert photos.pictures is not None
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder) / "report.html"
        page_file.write_text(html, encoding="utf-8")
        figures = {
            "photos": asked.photos,
            "most_mb": most_mb,
            "page_mb": page_file.stat().st_size / 1e6,
            "thumbnail_px": photos.pictures.edge_px,
            "thumbnails_cpu_s": thumbnails_s,
            "page_cpu_s": page_s,
            **opened(page_file),
        }
    sys.argv[1:] = ["STUDY" if word == str(asked.study) else word for word in sys.argv[1:]]
    write_result("report-size", figures)


if __name__ == "__main__":
    main()
