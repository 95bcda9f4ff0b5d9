"""What is called unusual about a photo beside a study's own."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.photos.measures import Quality, measure_quality
from grasp_psonet.photos.unusual import usual_quality

USUAL = {"brightness": 120.0, "contrast": 40.0, "sharpness": 300.0, "cast_red_green": 10.0, "cast_yellow_blue": 12.0}


def _index() -> pd.DataFrame:
    """400 photos spread evenly by 20 % around what is usual."""
    spread = np.linspace(0.8, 1.2, 400)
    return pd.DataFrame({name: value * spread for name, value in USUAL.items()})


def _photo(**other: float) -> Quality:
    return Quality(**(USUAL | other), hash="0" * 16)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("brightness", 60, "dark (brightness 60; usual 96.2 to 144)"),
        ("brightness", 230, "bright"),
        ("contrast", 3, "of little contrast"),
        ("sharpness", 20, "blurred"),
        ("cast_red_green", -30, "greenish"),
        ("cast_red_green", 60, "reddish"),
        ("cast_yellow_blue", -30, "bluish"),
        ("cast_yellow_blue", 60, "yellowish"),
    ],
)
def test_each_end_has_its_word(name: str, value: float, word: str) -> None:
    (told,) = usual_quality(_index()).warnings(_photo(**{name: value}))
    assert told.startswith(word)


def test_an_ordinary_photo_is_no_matter_and_neither_is_much_contrast_or_sharpness() -> None:
    usual = usual_quality(_index())
    assert usual.num_photos == 400
    assert usual.warnings(_photo()) == []
    assert usual.warnings(_photo(contrast=90, sharpness=9000)) == []


def test_one_photo_in_a_hundred_of_the_studys_own_is_beyond_a_range() -> None:
    index = _index()
    usual = usual_quality(index)
    beyond = [bool(usual.warnings(_photo(brightness=value))) for value in index["brightness"]]
    assert 0.005 <= np.mean(beyond) <= 0.015


def test_a_black_photo_is_dark_flat_and_blurred() -> None:
    told = usual_quality(_index()).warnings(measure_quality(np.zeros((32, 32, 3), np.uint8)))
    assert {words.partition(" (")[0] for words in told} >= {"dark", "of little contrast", "blurred"}
