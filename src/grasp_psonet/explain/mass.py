"""How much of a map's heat lies on plaque, and how much beside the body."""

from dataclasses import dataclass

from grasp_psonet.cohort.synthetic.drawing.masks import PhotoMasks
from grasp_psonet.explain.heat import PhotoMap, heat_at


@dataclass(frozen=True)
class Shares:
    """Parts of a whole, 0 to 1, on plaque and on background; the rest is skin without plaque."""

    plaque: float
    background: float


def area_shares(masks: PhotoMasks) -> Shares:
    """The parts of the photo itself: what a map has that is equally warm everywhere."""
    return Shares(float(masks.plaque_HW.mean()), float(masks.background.mean()))


def mass_shares(made: PhotoMap, masks: PhotoMasks) -> Shares | None:
    """The parts of the sum of heat over the photo's pixels (bilinear between the cells of the map, as it is shown); None of an
    empty map."""
    if made.is_empty:
        return None
    heat_HW = heat_at(made.heat_hw, *masks.plaque_HW.shape)
    total = heat_HW.sum()
    return Shares(float((heat_HW * masks.plaque_HW).sum() / total), float((heat_HW * masks.background).sum() / total))
