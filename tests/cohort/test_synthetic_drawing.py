"""What is drawn is what is in the plan: covered area, redness by skin type, every fault, the 46 views."""

import numpy as np
import pytest

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.photo import PhotoPlan, draw_photo, plaques_seen, posed
from grasp_psonet.cohort.synthetic.drawing.random_skin import random_photo
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK, Person
from grasp_psonet.cohort.synthetic.protocol import REGIONS, VIEWS, chosen_views


def plan(
    view: str = "forearm_left", lesion: Lesion | None = None, skin: str = "II", edge_px: int = 96, **changes
) -> PhotoPlan:
    lesion = Lesion(3, 2, 1, 0.3) if lesion is None else lesion
    return PhotoPlan(
        Person(skin), view, lesion, edge_px, "phone-a", ("test body", view), ("test photo", view), **changes
    )


def cover_of(drawn: PhotoPlan) -> tuple[np.ndarray, np.ndarray]:
    """Where plaques are and where skin is in a photo of the body, both 0..1 [H, W]."""
    body, seen = posed(chance.generator(*drawn.photo_key), drawn)
    plaques, skin_HW = plaques_seen(seen, drawn, body)
    return plaques.cover_HW, skin_HW


def test_the_protocol_has_46_views_and_every_region_from_four_on():
    assert len({view.code for view in VIEWS}) == 46
    for num_views in range(4, 47):
        chosen = chosen_views(num_views)
        assert len({view.code for view in chosen}) == num_views
        assert {view.body_region for view in chosen} == set(REGIONS)
    assert [sum(view.body_region == region for view in chosen_views(12)) for region in REGIONS] == [2, 4, 2, 4]


@pytest.mark.parametrize("view", [view.code for view in VIEWS])
def test_plaques_cover_the_planned_fraction_of_the_skin(view):
    for fraction in (0.0, 0.05, 0.4, 0.9):
        cover_HW, skin_HW = cover_of(plan(view, Lesion(2, 2, 2, fraction)))
        on_skin = skin_HW > 0.5
        assert on_skin.mean() > 0.15, "too little skin to show anything"
        assert abs((cover_HW[on_skin] > 0.5 * skin_HW[on_skin]).mean() - fraction) < 0.03


@pytest.mark.parametrize("skin", FITZPATRICK)
def test_more_erythema_shows_on_every_skin_type(skin):
    base = draw_photo(plan(lesion=Lesion(0, 0, 0, 0.4), skin=skin)).astype(float)
    cover_HW, _ = cover_of(plan(lesion=Lesion(0, 0, 0, 0.4), skin=skin))
    changes = [
        np.abs(draw_photo(plan(lesion=Lesion(grade, 0, 0, 0.4), skin=skin)) - base)[cover_HW > 0.9].mean()
        for grade in (1, 2, 4)
    ]
    assert 3 < changes[0] < changes[1] < changes[2]


def test_erythema_is_red_on_light_skin_and_violaceous_on_dark_skin():
    def change_of(skin: str) -> np.ndarray:
        red, clear = (draw_photo(plan(lesion=Lesion(grade, 0, 0, 0.4), skin=skin)).astype(float) for grade in (4, 0))
        cover_HW, _ = cover_of(plan(lesion=Lesion(4, 0, 0, 0.4), skin=skin))
        return red[cover_HW > 0.9].mean(axis=0) / clear[cover_HW > 0.9].mean(axis=0)

    light_C, dark_C = change_of("I"), change_of("VI")
    assert light_C[0] > 0.75, "light skin keeps its red"
    assert light_C[2] < 0.6, "and loses blue"
    assert dark_C[0] < 0.65, "dark skin darkens in red too"
    assert dark_C[2] > dark_C[0], "and turns towards violet"


def test_scale_is_brighter_than_the_plaque_below_it():
    bare, scaly = (draw_photo(plan(lesion=Lesion(3, 2, grade, 0.5))).astype(float) for grade in (0, 4))
    cover_HW, _ = cover_of(plan(lesion=Lesion(3, 2, 4, 0.5)))
    assert scaly[cover_HW > 0.9].mean() > bare[cover_HW > 0.9].mean() + 15


def test_each_fault_looks_like_what_it_is():
    photo = {
        fault: draw_photo(plan(fault=fault)).astype(float)
        for fault in ("none", "colour_cast", "under_exposure", "blur", "background", "marker")
    }
    mean_C = {fault: pixels.mean(axis=(0, 1)) for fault, pixels in photo.items()}
    edges = {fault: np.abs(np.diff(pixels.mean(axis=2), axis=1)).mean() for fault, pixels in photo.items()}
    assert mean_C["colour_cast"][0] < 0.75 * mean_C["none"][0]
    assert mean_C["colour_cast"][1] > mean_C["none"][1]
    assert mean_C["under_exposure"].max() < 0.45 * mean_C["none"].min()
    assert edges["blur"] < 0.6 * edges["none"]
    corner = (
        photo["background"][:16, :16].reshape(-1, 3).std(axis=0).max(),
        photo["none"][:16, :16].reshape(-1, 3).std(axis=0).max(),
    )
    assert corner[0] > 2 * corner[1]
    changed = np.abs(photo["marker"] - photo["none"]).max(axis=2) > 60
    assert 0.002 < changed.mean() < 0.25, "a marker covers a small part of an otherwise equal photo"


def test_a_duplicate_is_nearly_its_source():
    source = plan("knee_left")
    copy = draw_photo(plan("shin_left", fault="duplicate", copy_of=source)).astype(float)
    likeness = np.corrcoef(copy.ravel(), draw_photo(source).ravel())[0, 1]
    unlike = np.corrcoef(draw_photo(plan("shin_left")).ravel(), draw_photo(source).ravel())[0, 1]
    assert unlike < 0.8 < likeness < 1
    assert not np.array_equal(copy, draw_photo(source))


def test_sides_mirror_and_keys_decide():
    assert np.array_equal(draw_photo(plan()), draw_photo(plan()))
    one, other = (PhotoPlan(Person("II"), "shin_left", Lesion(), 64, "phone-a", ("b",), (key,)) for key in ("x", "y"))
    assert not np.array_equal(draw_photo(one), draw_photo(other))


def test_random_photos_are_drawn_with_what_they_show():
    shown = [random_photo(0, index, 64)[1] for index in range(60)]
    assert len({parameters.skin_type for parameters in shown}) == 6
    assert len({parameters.region for parameters in shown}) == 4
    assert any(parameters.area_fraction == 0 for parameters in shown)
    assert max(parameters.area_fraction for parameters in shown) > 0.4
