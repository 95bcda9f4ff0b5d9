"""A small study with words that must never reach a reader's browser, and its audit's list."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from grasp_psonet.tables.schemas.audit import REVIEW

NUM_VISITS, NUM_PHOTOS, NUM_FLAGGED = 12, 3, 3
VIEWS = (
    ("Qv-back", "trunk", "right"),
    ("Qv-face", "head", "middle"),
    ("Qv-shin", "lower_limbs", "<script>alert(1)</script>"),
)
EXIF_TIME = "2031:04:05 06:07:08"
EXIF_WORDS = "Zqserial-5551"
SCORES = (3.7, 11.3, 6.1, 23.9, 8.3, 4.9, 13.1, 31.7, 5.3, 7.9, 14.7, 2.9)


def visit_id(number: int) -> str:
    return f"zqvisit-{number:02d}"


def secrets_of_the_study() -> list[str]:
    """What a reader's session must not receive in any form."""
    words = [
        EXIF_TIME,
        EXIF_TIME[:10].replace(":", "-"),
        EXIF_WORDS,
        "zqvisit",
        "zqpatient",
        "Zqfile",
        "Zqreader",
        "zqphoto",
    ]
    return words + [f"{score}" for score in SCORES] + [code for code, _, _ in VIEWS]


def make_study(folder: Path, settings: str = "") -> Path:
    """The study, complete up to ``audit/review.parquet``."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    visits: list[list[object]] = []
    photos: list[list[object]] = []
    for v in range(NUM_VISITS):
        visits.append(
            [
                visit_id(v),
                f"zqpatient-{v:02d}",
                SCORES[v],
                "Zqreader-one",
                "val" if v == 6 else "test" if v == 7 else "train",
            ]
        )
        for p, (view, _, _) in enumerate(VIEWS[:NUM_PHOTOS]):
            name = f"Zqfile-{v}-{p}.jpg"
            photos.append([f"zqphoto-{v}-{p}", visit_id(v), view, f"photos/{name}"])
            _photo(folder / "photos" / name, rng, v)
    _csv(folder / "visits.csv", ["visit_id", "patient_id", "pasi_reader1", "reader1_id", "split"], visits)
    _csv(folder / "photos.csv", ["photo_id", "visit_id", "view", "path"], photos)
    _csv(folder / "views.csv", ["code", "body_region", "side"], [list(view) for view in VIEWS])
    (folder / "study.yaml").write_text(settings, encoding="utf-8")
    (folder / "audit").mkdir()
    REVIEW.write(_review(), folder / "audit" / "review.parquet")
    return folder


def _review() -> pd.DataFrame:
    """All visits, the last first; the first three are to be inspected."""
    order = list(reversed(range(NUM_VISITS)))
    return pd.DataFrame(
        {
            "rank": pd.Series(range(1, NUM_VISITS + 1), dtype="int64"),
            "to_inspect": [place < NUM_FLAGGED for place in range(NUM_VISITS)],
            "visit_id": [visit_id(v) for v in order],
            "patient_id": [f"zqpatient-{v:02d}" for v in order],
            "split": "train",
            "label_reader1": pd.Series([0] * NUM_VISITS, dtype="int64"),
            "label_reader2": pd.Series([None] * NUM_VISITS, dtype="Int64"),
            "predicted": pd.Series([1] * NUM_VISITS, dtype="int64"),
            "readers_disagree": pd.Series([None] * NUM_VISITS, dtype="boolean"),
            "num_draws": pd.Series([3] * NUM_VISITS, dtype="int64"),
            "is_audited": True,
        }
    )


def _photo(path: Path, rng: np.random.Generator, visit: int) -> None:
    path.parent.mkdir(exist_ok=True)
    noise = rng.integers(0, 40, (300, 400, 3), dtype=np.uint8)
    image = Image.fromarray(noise + np.uint8(60 + 15 * visit))
    exif = Image.Exif()
    exif[0x0132], exif[0x9003], exif[0x010E], exif[0x010F] = EXIF_TIME, EXIF_TIME, visit_id(visit), EXIF_WORDS
    exif.get_ifd(0x8825)[1] = "N"
    image.save(path, exif=exif, comment=EXIF_WORDS.encode())


def _csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
