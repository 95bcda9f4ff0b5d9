"""Photos of random skin, outside any cohort: what the demo encoders are pretrained on."""

from dataclasses import dataclass

import numpy as np

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.camera import DEVICES
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.photo import OBJECT, PhotoPlan, draw_photo
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK, random_person
from grasp_psonet.cohort.synthetic.protocol import REGIONS, VIEW_OF, VIEWS

LOOKS = ("none", "colour_cast", "under_exposure", "blur", "background", "marker", OBJECT)


@dataclass(frozen=True)
class SkinParameters:
    """What a random photo shows; sub-scores 0-4, area a fraction, the others indices into the named tuples."""

    erythema: float
    induration: float
    desquamation: float
    area_fraction: float
    region: int  # of REGIONS
    skin_type: int  # of FITZPATRICK
    look: int  # of LOOKS


def random_photo(seed: int, index: int, edge_px: int) -> tuple[np.ndarray, SkinParameters]:
    """Photo ``index`` of an endless album, uint8 [H, W, C], and what it shows. Its chance is no cohort's."""
    rng = chance.generator("random skin", seed, index)
    look = LOOKS[int(rng.choice(len(LOOKS), p=(0.58, 0.09, 0.08, 0.08, 0.08, 0.06, 0.03)))]
    fitzpatrick = FITZPATRICK[int(rng.integers(len(FITZPATRICK)))]
    view = VIEWS[int(rng.integers(len(VIEWS)))]
    lesion = Lesion()
    if look != OBJECT and rng.random() > 0.12:
        overall = rng.uniform(0.3, 4.2)
        grades = np.clip(np.round(rng.normal(overall, 0.8, 3)), 0, 4)
        grades[0] = max(grades[0], 1)  # a plaque without any redness would be no plaque
        area = float(np.clip(rng.lognormal(-2.9 + 0.5 * overall, 0.7), 0.005, 0.95))
        lesion = Lesion(float(grades[0]), float(grades[1]), float(grades[2]), area)
    plan = PhotoPlan(
        person=random_person(rng, fitzpatrick),
        drawn_view=OBJECT if look == OBJECT else view.code,
        lesion=lesion,
        edge_px=edge_px,
        device=DEVICES[int(rng.integers(len(DEVICES)))],
        body_key=("random skin", seed, index, "body"),
        photo_key=("random skin", seed, index, "photo"),
        fault=look if look != OBJECT else "wrong_part",
    )
    region = REGIONS.index(VIEW_OF[view.code].body_region)
    parameters = SkinParameters(
        lesion.erythema,
        lesion.induration,
        lesion.desquamation,
        lesion.area_fraction,
        region,
        FITZPATRICK.index(fitzpatrick),
        LOOKS.index(look),
    )
    return draw_photo(plan), parameters
