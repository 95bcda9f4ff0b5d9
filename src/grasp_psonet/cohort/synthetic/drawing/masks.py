"""Where plaques and skin are on a drawn photo: from its plan, as the photo itself. Axes: H rows, W columns."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.noise import Plane
from grasp_psonet.cohort.synthetic.drawing.photo import OBJECT, PhotoPlan, copied_box, plaques_seen, posed


@dataclass(frozen=True)
class PhotoMasks:
    """The part of every pixel, 0 to 1, that is covered by plaque, and that shows skin at all (plaques included).

    What is neither is background. A ruler, a pen or a sticker over the skin counts as what lies under it.
    """

    plaque_HW: Plane
    skin_HW: Plane

    @property
    def background(self) -> Plane:
        """The part of every pixel that shows no skin, [H, W]."""
        return np.asarray(1 - self.skin_HW)

    def resized(self, edge_px: int) -> "PhotoMasks":
        """The masks of the same photo at another size; the part of the whole photo that each covers stays, but for rounding."""
        return PhotoMasks(*(_resized(mask, edge_px) for mask in (self.plaque_HW, self.skin_HW)))


def masks_of(plan: PhotoPlan) -> PhotoMasks:
    """The masks of the photo that ``draw_photo`` draws of this plan; a photo without a body has neither skin nor plaque."""
    rng = chance.generator(*plan.photo_key)
    if plan.copy_of is not None:
        source, box = masks_of(plan.copy_of), copied_box(rng, plan.edge_px)
        return PhotoMasks(*(_cropped(mask, box) for mask in (source.plaque_HW, source.skin_HW)))
    if plan.drawn_view == OBJECT:
        nothing = np.zeros((plan.edge_px, plan.edge_px), np.float32)
        return PhotoMasks(nothing, nothing)
    body, seen = posed(rng, plan)
    plaques, skin_HW = plaques_seen(seen, plan, body)
    return PhotoMasks(np.minimum(plaques.cover_HW, skin_HW), skin_HW)


def _resized(mask_HW: Plane, edge_px: int) -> Plane:
    image = Image.fromarray(np.asarray(mask_HW, np.float32))
    return np.asarray(image.resize((edge_px, edge_px), Image.Resampling.BILINEAR))


def _cropped(mask_HW: Plane, box: tuple[float, float, float, float]) -> Plane:
    image = Image.fromarray(np.asarray(mask_HW, np.float32))
    return np.asarray(image.resize(image.size, Image.Resampling.BILINEAR, box=box))
