"""Flagged photos: those of the keep list, and as many that are harmful within their class and view."""

import numpy as np
import pandas as pd

from grasp_psonet.diagnosis.flagged import flagged_photos, within_class_and_view


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two classes, one view; class 1 scores lower as a whole, two photos of class 0 stand out within it."""
    rng = np.random.default_rng(0)
    photos = pd.DataFrame(
        {
            "photo_id": [f"a{n:02d}" for n in range(40)],
            "visit_id": [f"v{n // 2:02d}" for n in range(40)],
            "stratum": [0] * 20 + [1] * 20,
            "view": pd.Series([None] * 40, dtype="string"),
        }
    )
    score = rng.uniform(-1, 1, 40) - 10 * (photos["stratum"] == 1)
    score[[3, 7]] = [-5.0, -6.0]
    halves = [photos[["photo_id"]].assign(query_id=query, score=score / 2) for query in ("q1", "q2")]
    return photos, pd.concat(halves, ignore_index=True)


def test_harm_is_summed_over_queries_and_centred_within_class_and_view() -> None:
    photos, scores = _tables()
    harm = within_class_and_view(scores, photos).set_index("photo_id")
    summed = {photo: scores.loc[scores["photo_id"] == photo, "score"].sum() for photo in photos["photo_id"]}
    for stratum, members in photos.groupby("stratum"):
        middle = np.median([summed[photo] for photo in members["photo_id"]])
        assert abs(middle) > 8 or stratum == 0
        for photo in members["photo_id"]:
            assert np.isclose(harm.loc[photo, "centred"], summed[photo] - middle)


def test_removed_photos_and_as_many_within_their_class_are_flagged() -> None:
    photos, scores = _tables()
    keep = photos[["photo_id"]].assign(kept=~photos["photo_id"].isin(["a25", "a30"]))
    flagged = flagged_photos(keep, scores, photos, is_within_class=False)
    assert flagged.set_index("photo_id")["reason"].to_dict() == {
        "a25": "removed",
        "a30": "removed",
        "a03": "within class",
        "a07": "within class",
    }
    assert flagged["score"].is_monotonic_increasing
    assert set(flagged_photos(keep, scores, photos, is_within_class=True)["photo_id"]) == {"a25", "a30"}
    assert len(flagged_photos(None, scores, photos, is_within_class=False)) == 0


def test_without_queries_no_photo_is_harmful() -> None:
    photos, scores = _tables()
    assert within_class_and_view(scores.iloc[:0], photos)["centred"].eq(0).all()
