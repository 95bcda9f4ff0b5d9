"""Copies are found wherever they lie, and different scenes are not taken for copies."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from grasp_psonet.photos.duplicates import digests_of_equal_sizes, same_bytes
from grasp_psonet.photos.measures import measure_quality
from grasp_psonet.photos.near import near_pairs
from grasp_psonet.photos.reshoot import judged, reshoot_list
from grasp_psonet.photos.store import PhotoStore
from grasp_psonet.tables.safe_csv import safe_frame

EDGE = 64
_TO = Image.Transpose
TURNED = {  # by what undoes it: mirrored first, then turned clockwise (Pillow turns the other way)
    "mirrored": _TO.FLIP_LEFT_RIGHT,
    "turned 90": _TO.ROTATE_90,
    "turned 180": _TO.ROTATE_180,
    "turned 270": _TO.ROTATE_270,
    "mirrored and turned 90": _TO.TRANSVERSE,
    "mirrored and turned 180": _TO.FLIP_TOP_BOTTOM,
    "mirrored and turned 270": _TO.TRANSPOSE,
}


def blotches(seed: int) -> np.ndarray:
    """A skin-coloured scene of its own."""
    rough = np.random.default_rng(seed).integers(0, 90, (9, 9, 1)) + np.array([120, 85, 65])
    return np.asarray(Image.fromarray(rough.astype(np.uint8)).resize((EDGE, EDGE), Image.Resampling.BICUBIC))


def copy_of(pixels: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(pixels)
    match how:
        case "stored anew":
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=40)
            image = Image.open(buffer)
        case "smaller":
            image = image.resize((24, 24)).resize((EDGE, EDGE), Image.Resampling.BICUBIC)
        case "darker":
            image = ImageEnhance.Brightness(image).enhance(0.7)
        case "greyer":
            image = ImageEnhance.Color(image).enhance(0.3)
        case _:
            image = image.transpose(TURNED[how])
    return np.asarray(image.convert("RGB"))


def store_of(pixels: list[np.ndarray]) -> PhotoStore:
    names = [f"p{n}" for n in range(len(pixels))]
    index = pd.DataFrame({"photo_id": names, "visit_id": [f"v{n}" for n in range(len(pixels))]}).astype("string")
    index["view"] = pd.Series(["face"] * len(pixels), dtype="string")
    measured = [measure_quality(one) for one in pixels]
    for name in ("hash", "brightness", "sharpness"):
        index[name] = [getattr(one, name) for one in measured]
    return PhotoStore(np.stack(pixels), index)


def visits_of(num: int) -> pd.DataFrame:
    """v0 and v1 of one patient in train, v2 of another in train, all others in test."""
    names = [f"v{n}" for n in range(num)]
    patients = ["a", "a", "b", *[f"t{n}" for n in range(num)]][:num]
    splits = ["train"] * 3 + ["test"] * num
    return pd.DataFrame(
        {"visit_id": names, "patient_id": patients, "split": splits[:num], "fitzpatrick": ["II"] * num}, dtype="string"
    )


@pytest.mark.parametrize("how", ["stored anew", "smaller", "darker", "greyer"])
def test_copies_are_found_within_and_across_patients_and_splits(how: str) -> None:
    scene = blotches(0)
    others = [blotches(seed) for seed in range(1, 30)]
    store = store_of([scene, copy_of(scene, how), copy_of(scene, how), copy_of(scene, how), *others])
    pairs = near_pairs(store, visits_of(33))
    told = {(row.photo_id, row.other_photo_id): row.across for row in pairs.itertuples()}
    wanted = {("p0", "p1"): "visits", ("p0", "p2"): "patients", ("p0", "p3"): "splits", ("p1", "p2"): "patients"}
    assert told == wanted | {("p1", "p3"): "splits", ("p2", "p3"): "splits"}
    assert pairs["across"].tolist()[:3] == ["splits"] * 3
    assert set(pairs["orientation"]) == {"same"}


@pytest.mark.parametrize("how", TURNED)
def test_mirrored_and_turned_copies_are_found_and_named(how: str) -> None:
    scene, others = blotches(0), [blotches(seed) for seed in range(1, 30)]
    turned = copy_of(copy_of(scene, how), "stored anew")
    store = store_of([scene, *others[:4], turned, *others[4:]])
    (pair,) = near_pairs(store, visits_of(31)).to_dict("records")
    assert (pair["photo_id"], pair["other_photo_id"], pair["across"]) == ("p0", "p5", "splits")
    assert pair["orientation"] == how


def test_a_symmetric_scene_is_the_same_and_not_mirrored() -> None:
    half = blotches(3)[:, : EDGE // 2]
    scene = np.concatenate([half, half[:, ::-1]], axis=1)
    (pair,) = near_pairs(store_of([scene, copy_of(scene, "stored anew")]), visits_of(2)).to_dict("records")
    assert pair["orientation"] == "same"


def test_scenes_that_only_share_their_hash_are_told_apart() -> None:
    """Two gradients that rise alike: the hash sees only that they rise, the correlation sees how."""
    x = np.linspace(0, 1, EDGE)[None, :, None].repeat(EDGE, axis=0).repeat(3, axis=2)
    ramp, bent = 60 + 140 * x, 60 + 50 * x + 90 * x**8
    store = store_of([ramp.astype(np.uint8), bent.astype(np.uint8)])
    hashes = [int(text, 16) for text in store.index["hash"]]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4, "the hashes differ: nothing is proved"
    assert near_pairs(store, visits_of(2)).empty
    flat = store_of([np.full((EDGE, EDGE, 3), 20, np.uint8), np.full((EDGE, EDGE, 3), 20, np.uint8)])
    assert near_pairs(flat, visits_of(2)).empty, "two dark frames show nothing"


@pytest.mark.parametrize(
    ("visits", "across", "words"),
    [
        (("v0", "v0"), "", "of one visit"),
        (("v0", "v1"), "visits", "different visits"),
        (("v0", "v2"), "patients", "different patients"),
        (("v0", "v3"), "splits", "different splits"),
    ],
)
def test_equal_bytes_are_told_with_what_they_cross(
    tmp_path: Path, visits: tuple[str, str], across: str, words: str
) -> None:
    for name, data in (("a", b"same!"), ("b", b"same!"), ("c", b"other"), ("d", b"longer than these")):
        (tmp_path / name).write_bytes(data)
    photos = pd.DataFrame(
        {"photo_id": ["p0", "p1", "p2", "p3"], "visit_id": [*visits, "v1", "v2"], "path": list("abcd")}, dtype="string"
    )
    digests = digests_of_equal_sizes(photos["path"], lambda path: tmp_path / path)
    assert set(digests) == {"a", "b", "c"}, "a file of its own size is not read"
    (told,) = same_bytes(photos, digests, visits_of(4))
    assert (told.photo_ids, told.across) == (("p0", "p1"), across)
    assert words in told.words
    assert "p0" in told.words


def test_the_list_of_photos_to_take_again() -> None:
    """30 like photos, one blurred, one dark; a required view that one visit lacks; a photo that could not be read."""
    rng = np.random.default_rng(3)
    sharp = [np.clip(blotches(seed) + rng.normal(0, 12, (EDGE, EDGE, 3)), 0, 255) for seed in range(30)]
    sharp[4] = blotches(4)
    sharp[9] = sharp[9] * 0.3
    store = store_of([one.astype(np.uint8) for one in sharp])
    visits = pd.concat([visits_of(30), visits_of(31).tail(1)], ignore_index=True)
    photos = judged(store.index, visits)
    assert photos.loc[photos["is_blurred"], "photo_id"].tolist() == ["p4"]
    assert photos.loc[photos["is_dark"], "photo_id"].tolist() == ["p9"]
    views = pd.DataFrame({"code": ["face", "back"], "required": [True, False]})
    skipped = pd.DataFrame(
        {"photo_id": ["=p99"], "visit_id": ["v3"], "view": ["face"], "reason": ["is damaged: truncated"]}
    )
    again = reshoot_list(photos, visits, views, skipped)
    assert sorted(zip(again["visit_id"], again["reason"], strict=True)) == [
        ("v3", "cannot be read: is damaged: truncated"),
        ("v30", "missing: a required view"),
        ("v4", "blurred"),
        ("v9", "dark"),
    ]
    assert safe_frame(again)["photo_id"].dropna().tolist() == ["'=p99", "p4", "p9"]
    blurred = again.set_index("reason").loc["blurred"]
    assert blurred["value"] < blurred["usual"] / 3


def test_dark_skin_is_not_called_dark() -> None:
    """Photos of type VI among many of type I: darker than all of them, and usual for their skin type."""
    pixels = [blotches(seed) for seed in range(124)]
    pixels[100:] = [(one * 0.45).astype(np.uint8) for one in pixels[100:]]
    store, visits = store_of(pixels), visits_of(124)
    visits["fitzpatrick"] = pd.Series(["I"] * 100 + ["VI"] * 24, dtype="string")
    assert not judged(store.index, visits)["is_dark"].any()
    visits["fitzpatrick"] = "I"
    assert judged(store.index, visits)["is_dark"].sum() == 24, "they are dark otherwise: the skin type decides"
