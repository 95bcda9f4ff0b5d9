"""What ``grasp prepare`` says of photos whose faults are known: those to take again, copies, and strangers taken for copies.

    make bench-photos

The demo's cohort is drawn and prepared. Stated: how many of the planted blurred and under-exposed photos the list of photos to
take again names, and how many others; how many pairs of different patients the difference hash alone calls near-duplicates,
and how alike the pictures of the most alike of them are; how many copies of 200 photos are found, by what was done to them.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.record import write_result
from grasp_psonet.cli import main as grasp
from grasp_psonet.photos.measures import measure_quality
from grasp_psonet.photos.near import near_pairs
from grasp_psonet.photos.quality import NEAR_BITS
from grasp_psonet.photos.store import PhotoStore, open_store

_COPIED = 200
_LOOKS = {"blur": "is_blurred", "under_exposure": "is_dark"}


def _stored_anew(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "stored_anew": _stored_anew,
    "half_the_size": lambda image: image.resize((image.width // 2, image.height // 2)).resize(image.size),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "greyer": lambda image: ImageEnhance.Color(image).enhance(0.3),
    "mirrored": ImageOps.mirror,
    "turned_by_90_degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored_and_turned": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "cropped_by_a_tenth": lambda image: image.resize(image.size, box=(3, 3, image.width - 3, image.height - 3)),
}


def named(study: Path) -> dict[str, Any]:
    """Planted photos that the list names, those planted, and others that it names."""
    photos = pd.read_parquet(study / "quality/photos.parquet").set_index("photo_id")
    fault = pd.read_parquet(study / "truth.parquet").set_index("photo_id")["fault"].reindex(photos.index)
    is_named = photos["is_blurred"] | photos["is_dark"]
    found = {what: int((photos[flag] & (fault == what)).sum()) for what, flag in _LOOKS.items()}
    return {
        "named": found,
        "planted": {what: int((fault == what).sum()) for what in _LOOKS},
        "others_named": int((is_named & ~fault.isin(list(_LOOKS))).sum()),
        "photos": len(photos),
    }


def strangers(store: PhotoStore, visits: pd.DataFrame) -> dict[str, Any]:
    """Pairs of different patients that the hash alone calls near-duplicates, and the largest correlation among them."""
    bits = np.array([int(text, 16) for text in store.index["hash"]], dtype=np.uint64)
    patient = store.index["visit_id"].map(visits.set_index("visit_id")["patient_id"]).to_numpy(dtype=object)
    pairs = [
        (row, other)
        for row in range(len(bits) - 1)
        for other in row + 1 + np.flatnonzero(np.bitwise_count(bits[row + 1 :] ^ bits[row]) <= NEAR_BITS)
        if patient[row] != patient[other]
    ]
    alike = [float(np.corrcoef(_grey(store.pixels[row]), _grey(store.pixels[other]))[0, 1]) for row, other in pairs]
    return {"pairs_by_hash_alone": len(pairs), "largest_correlation": round(max(alike, default=0.0), 3)}


def copies_found(store: PhotoStore) -> dict[str, float]:
    """The share of the copies of the first photos that is found, by what was done to them."""
    originals = [np.asarray(store.pixels[row]) for row in range(_COPIED)]
    found = {}
    for how, change in COPIES.items():
        pixels = np.stack([*originals, *(np.asarray(change(Image.fromarray(one))) for one in originals)])
        names = [f"p{row}" for row in range(2 * _COPIED)]
        index = pd.DataFrame({"photo_id": names, "visit_id": names}).astype("string")
        index["hash"] = [measure_quality(one).hash for one in pixels]
        visits = pd.DataFrame({"visit_id": names, "patient_id": names, "split": "train"})
        pairs = near_pairs(PhotoStore(pixels, index), visits)
        wanted = {(f"p{row}", f"p{row + _COPIED}") for row in range(_COPIED)}
        found[how] = len(wanted & set(zip(pairs["photo_id"], pairs["other_photo_id"], strict=True))) / _COPIED
    return found


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    small = Image.fromarray(np.asarray(pixels)).convert("L").resize((32, 32), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).ravel()


def figures_of(study: Path, *settings: str) -> dict[str, Any]:
    """Draws and prepares the demo's cohort in ``study``, and all figures of it."""
    for command in ("cohort", "prepare"):
        if grasp([command, str(study), *settings]):
            raise SystemExit(1)
    visits = pd.read_csv(study / "visits.csv", dtype=str)
    store = open_store(study / "store")
    pairs = pd.read_parquet(study / "quality/near_duplicates.parquet")
    return {
        **named(study),
        **strangers(store, visits),
        "strangers_called_copies": int(pairs["across"].isin(["patients", "splits"]).sum()),
        "copies_found": copies_found(store),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_result("photos", figures_of(Path(folder) / "study"))


if __name__ == "__main__":
    main()
