"""Deletion and insertion against plain loops, and on networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from grasp_psonet import chance
from grasp_psonet.explain import faithfulness
from grasp_psonet.explain.faithfulness import NUM_PATCHES, NUM_STEPS, areas_of, random_orders, warmest_first
from tests.explain.test_in_bag import photo_in_bag, slow_evidence


def rng() -> np.random.Generator:
    return chance.generator("test of faithfulness", 0)


def test_patches_go_by_their_heat_and_equal_ones_by_chance() -> None:
    heat_hw = np.zeros((8, 8))
    heat_hw[2, 3], heat_hw[7, 7] = 1.0, 0.5
    first = warmest_first(heat_hw, chance.generator("one"))
    assert (first[0], 2 * 8 + 3 in first[:1]) == (2 * 8 + 3, True)
    assert sorted(first) == list(range(NUM_PATCHES))
    flat = [warmest_first(np.zeros((8, 8)), chance.generator(name)) for name in ("one", "other")]
    assert not np.array_equal(*flat), "patches without heat go in the same order"


@pytest.mark.parametrize("shape", [(2, 2), (4, 4), (7, 7), (8, 8), (64, 64), (30, 30)])
def test_the_order_of_a_ramp_runs_along_it(shape: tuple[int, int]) -> None:
    heat_hw = np.broadcast_to(np.linspace(1, 0, shape[1]), shape)
    column_P = warmest_first(heat_hw, rng()) % 8
    assert (np.diff(column_P.clip(1, 6)) >= 0).all(), "but for the ends, where the cells of a coarse map go no farther"


def slow_areas(photo, order_P) -> tuple[float, float]:
    """Both curves, one version after the other through the whole network, summed by the trapezoid rule."""
    edge = photo.pixels.shape[1]
    blurred_CHW = slow_blur(photo.pixels)
    curves: dict[str, list[float]] = {"deletion": [], "insertion": []}
    for step in range(NUM_STEPS + 1):
        gone, back = photo.pixels.clone(), blurred_CHW.clone()
        for patch in order_P[: step * NUM_PATCHES // NUM_STEPS]:
            for row in range(edge):
                for column in range(edge):
                    if (row * 8 // edge, column * 8 // edge) == divmod(int(patch), 8):
                        gone[:, row, column] = photo.neutral[:, row, column]
                        back[:, row, column] = photo.pixels[:, row, column]
        with torch.no_grad():
            curves["deletion"].append(float(slow_evidence(photo, gone)))
            curves["insertion"].append(float(slow_evidence(photo, back)))
    return tuple(float(np.trapezoid(curve, dx=1 / NUM_STEPS)) for curve in curves.values())


def slow_blur(photo_CHW: torch.Tensor) -> torch.Tensor:
    """A Gaussian of an eighth of the edge, cut at three deviations, over the photo mirrored at its edges."""
    edge = photo_CHW.shape[1]
    reach = int(3 * edge / 8)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / (edge / 8)) ** 2)
    weight_2d = torch.outer(weight, weight) / weight.sum() ** 2
    mirrored = functional.pad(photo_CHW[None], (reach,) * 4, mode="reflect")
    return functional.conv2d(mirrored, weight_2d.expand(3, 1, -1, -1), groups=3)[0]


def test_areas_equal_a_plain_loop() -> None:
    photo = photo_in_bag()
    order_RP = random_orders(3, rng())
    areas = areas_of(photo, order_RP)
    slow = np.array([slow_areas(photo, order_P) for order_P in order_RP])
    np.testing.assert_allclose(areas.deletion_R, slow[:, 0], rtol=1e-6)
    np.testing.assert_allclose(areas.insertion_R, slow[:, 1], rtol=1e-6)
    assert slow.std(axis=0).min() > 1e-4, "all orders give the same area: the comparison would prove nothing"


def test_passes_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, order_RP = photo_in_bag(), random_orders(2, rng())
    whole = areas_of(photo, order_RP)
    monkeypatch.setattr(faithfulness, "_TOGETHER", 4)
    np.testing.assert_allclose(areas_of(photo, order_RP).deletion_R, whole.deletion_R, rtol=1e-9)


class _Additive:
    """In place of a photo in its bag: the evidence is a known weight of every patch, times its mean difference from grey."""

    def __init__(self, weight_P: torch.Tensor) -> None:
        self.weight_P = weight_P
        self.pixels = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)).double() * 0.5 + 0.5
        self.neutral = torch.zeros_like(self.pixels)

    def evidence(self, photo_KCHW: torch.Tensor) -> torch.Tensor:
        mean_KP = functional.avg_pool2d(photo_KCHW, 2).mean(dim=1).flatten(1)
        return mean_KP @ self.weight_P


def test_the_true_map_beats_chance_and_the_reversed_map_loses() -> None:
    weight_P = torch.rand(NUM_PATCHES, generator=torch.Generator().manual_seed(1)).double() ** 4
    photo = _Additive(weight_P)
    contribution_P = (photo.weight_P * functional.avg_pool2d(photo.pixels[None], 2)[0].mean(dim=0).flatten()).numpy()
    orders = np.stack([np.argsort(-contribution_P), np.argsort(contribution_P), *random_orders(20, rng())])
    areas = areas_of(photo, orders)
    assert areas.deletion_R[0] < areas.deletion_R[2:].min()
    assert areas.deletion_R[1] > areas.deletion_R[2:].max()
    # of a sum over patches, the area of random orders is the mean of both ends: every patch leaves halfway on average
    ends = float(photo.evidence(photo.pixels[None])), 0.0
    assert areas.deletion_R[2:].mean() == pytest.approx(np.mean(ends), rel=0.05)
