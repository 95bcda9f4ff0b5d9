"""The tables of a small study with photos of one class tinted in training, whose flagged photos are known."""

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.diagnosis.described import DescribedPhotos, describe

NUM_VIEWS = 4


def drawn_study(
    seed: int, *, tinted_in_validation: bool = False, with_features: bool = True
) -> tuple[DescribedPhotos, list[str]]:
    """120 visits (80 of training) of 80 patients, and 40 flagged photos.

    A third of the severe training photos are greenish, and of all validation photos a tenth, or of the severe ones a third
    (``tinted_in_validation``); 30 flagged photos are of the greenish ones, 10 are severe photos at random.
    """
    rng = np.random.default_rng(seed)
    severity_V = np.arange(120) % 3
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{v:03d}" for v in range(120)],
            "patient_id": [f"p{v * 2 // 3:03d}" for v in range(120)],
            "severity_reader1": pd.Series(severity_V, dtype="Int64"),
            "pasi_reader1": severity_V * 6.0 + 1,
            "severity_reader2": pd.Series([None] * 120, dtype="Int64"),
            "device": rng.choice(["phone-a", "phone-b"], 120),
            "age": [str(age) for age in rng.integers(18, 90, 120)],
            "split": ["train"] * 80 + ["val"] * 30 + ["test"] * 10,
        }
    )
    photos = pd.DataFrame(
        [
            (f"{visit}-{view}", visit, f"view-{view}", f"{visit}-{view}.jpg")
            for visit in visits["visit_id"]
            for view in range(NUM_VIEWS)
        ],
        columns=["photo_id", "visit_id", "view", "path"],
    )
    of_visit = visits.set_index("visit_id").loc[photos["visit_id"]]
    is_severe = (of_visit["severity_reader1"] == 2).to_numpy(bool)
    is_train = (of_visit["split"] == "train").to_numpy(bool)
    usual = np.where(is_train, is_severe / 3, is_severe / 3 if tinted_in_validation else 0.1)
    is_green = rng.random(len(photos)) < usual
    quality = pd.DataFrame({"photo_id": photos["photo_id"]})
    for name in ("brightness", "contrast", "sharpness", "cast_yellow_blue"):
        quality[name] = rng.normal(size=len(photos)) + 2.0 * (photos["view"] == "view-1")
    quality["cast_red_green"] = 10 + rng.normal(size=len(photos)) - 6.0 * is_green
    quality["near_duplicate_of"] = pd.Series([None] * len(photos), dtype="string")
    feature_PF = rng.normal(size=(len(photos), 8)).astype(np.float32)
    feature_PF[:, 0] += 8.0 * is_green
    index = photos[["photo_id"]].assign(row=range(len(photos)))
    features = (index, feature_PF) if with_features else None
    described = describe(photos, visits, Outcome(), quality, features)
    green = photos.loc[is_green & is_train & is_severe, "photo_id"].to_numpy(dtype=object)
    others = photos.loc[~is_green & is_train & is_severe, "photo_id"].to_numpy(dtype=object)
    flagged = [*rng.permutation(green)[:30], *rng.permutation(others)[:10]]
    return described, flagged
