"""Quality measures move the way their names say, on photos with planted faults."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from grasp_psonet.photos.quality import measure_quality, near_duplicates


def scene_of(seed: int) -> np.ndarray:
    """A blotchy 64 x 64 photo of skin colour."""
    blotches = np.random.default_rng(seed).integers(0, 90, (10, 10, 1)) + np.array([110, 80, 60])
    return np.asarray(Image.fromarray(blotches.astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC))


def test_golden_numbers_of_a_flat_and_a_striped_photo() -> None:
    flat = measure_quality(np.full((16, 16, 3), (200, 100, 50), dtype=np.uint8))
    assert flat.brightness == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert (flat.contrast, flat.sharpness) == pytest.approx((0, 0), abs=1e-9)
    assert (flat.cast_red_green, flat.cast_yellow_blue) == (100, 100)
    stripes = np.zeros((16, 16, 3), dtype=np.uint8)
    stripes[:, ::2] = 10
    striped = measure_quality(stripes)
    assert (striped.brightness, striped.contrast) == pytest.approx((5, 5))
    assert striped.sharpness == pytest.approx(400)  # the Laplacian is -20 on stripes and +20 between them


def test_planted_faults_move_their_measure() -> None:
    for seed in range(5):
        scene = scene_of(seed)
        plain = measure_quality(scene)
        assert measure_quality((scene * 0.4).astype(np.uint8)).brightness < 0.5 * plain.brightness
        blurred = np.asarray(Image.fromarray(scene).filter(ImageFilter.GaussianBlur(3)))
        assert measure_quality(blurred).sharpness < 0.5 * plain.sharpness
        assert measure_quality((scene * (0.8, 1, 1)).astype(np.uint8)).cast_red_green < plain.cast_red_green - 10
        assert (
            measure_quality((scene * (1, 1, 1.3)).clip(0, 255).astype(np.uint8)).cast_yellow_blue
            < plain.cast_yellow_blue - 10
        )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_copy_with_other_exposure_is_a_duplicate_and_another_scene_is_not(seed: int) -> None:
    scene, other = scene_of(seed), scene_of(seed + 1)
    darker = (scene * 0.8 + 5).astype(np.uint8)
    shots = pd.DataFrame(
        {
            "photo_id": ["a", "b", "c", "d"],
            "visit_id": ["v", "v", "v", "w"],
            "hash": [measure_quality(pixels).hash for pixels in (scene, other, darker, scene)],
        },
        index=[7, 3, 5, 9],
    )
    assert near_duplicates(shots).fillna("").to_dict() == {7: "", 3: "", 5: "a", 9: ""}
