"""Masks of drawn photos: plaques where redness is drawn, skin where the body is, copies and sizes included."""

import numpy as np
import pytest

from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.masks import masks_of
from grasp_psonet.cohort.synthetic.drawing.photo import OBJECT, draw_photo
from tests.cohort.test_synthetic_drawing import plan


@pytest.mark.parametrize("view", ["forearm_left", "abdomen", "shin_left"])
@pytest.mark.parametrize("fault", ["none", "background", "colour_cast", "blur"])
def test_redness_is_drawn_on_the_mask_and_nowhere_else(view: str, fault: str) -> None:
    made = masks_of(plan(view, Lesion(4, 0, 0, 0.4), fault=fault))
    red, clear = (draw_photo(plan(view, Lesion(grade, 0, 0, 0.4), fault=fault)).astype(float) for grade in (4, 0))
    change_HW = np.abs(red - clear).mean(axis=2)
    assert change_HW[made.plaque_HW > 0.9].mean() > 8
    if fault != "blur":  # which carries redness over the edge
        assert change_HW[made.plaque_HW == 0].max() <= 1
    assert 0.2 < made.plaque_HW.sum() / made.skin_HW.sum() < 0.6
    assert (made.plaque_HW <= made.skin_HW).all()


@pytest.mark.parametrize("fault", ["none", "background"])
def test_another_skin_changes_the_photo_where_skin_is(fault: str) -> None:
    made = masks_of(plan(fault=fault))
    light, dark = (draw_photo(plan(skin=skin, fault=fault)).astype(float) for skin in ("I", "VI"))
    change_HW = np.abs(light - dark).mean(axis=2)
    assert 0.05 < made.background.mean() < 0.9
    assert change_HW[made.background == 1].max() == 0
    assert change_HW[made.background == 0].min() > 20


def test_a_copy_is_cropped_as_its_photo() -> None:
    source = plan("forearm_left", Lesion(4, 0, 0, 0.4))
    copy = plan("forearm_left", Lesion(4, 0, 0, 0.4), fault="duplicate", copy_of=source)
    clear = plan("forearm_left", Lesion(0, 0, 0, 0.4))
    clear_copy = plan("forearm_left", Lesion(0, 0, 0, 0.4), fault="duplicate", copy_of=clear)
    change_HW = np.abs(draw_photo(copy).astype(float) - draw_photo(clear_copy)).mean(axis=2)
    own, of_source = masks_of(copy), masks_of(source)
    assert np.corrcoef(change_HW.ravel(), own.plaque_HW.ravel())[0, 1] > 0.9
    assert np.abs(own.plaque_HW - of_source.plaque_HW).max() > 0.5, "the crop moved nothing"


def test_a_photo_without_a_body_is_background() -> None:
    made = masks_of(plan(fault="wrong_part"))
    assert made.skin_HW.any()
    no_body = masks_of(plan(OBJECT))
    assert no_body.background.min() == 1
    assert not no_body.plaque_HW.any()


@pytest.mark.parametrize("edge_px", [96, 48, 33, 200])
def test_another_size_keeps_the_parts(edge_px: int) -> None:
    made = masks_of(plan())
    small = made.resized(edge_px)
    assert small.plaque_HW.shape == (edge_px, edge_px)
    assert small.plaque_HW.mean() == pytest.approx(made.plaque_HW.mean(), abs=2e-3)
    assert small.background.mean() == pytest.approx(made.background.mean(), abs=2e-3)
