"""A photo inside its bag as a function of its pixels; integrated gradients and occlusion of it against slow plain loops."""

import sys

import pytest
import torch
from torch import Tensor

from grasp_psonet.bags.bag import BagBatch, collate
from grasp_psonet.errors import SettingsError
from grasp_psonet.explain.attributions import integrated_gradients, occlusion
from grasp_psonet.explain.heat import map_of_attributions, summed_in_cells
from grasp_psonet.explain.in_bag import PhotoInBag
from grasp_psonet.explain.methods import METHODS, map_of
from grasp_psonet.explain.settings import ExplainSettings, Method
from tests.tiny_study import tiny_bags, tiny_network

TARGET = 2


def bag_of_three(dtype: torch.dtype = torch.float64) -> BagBatch:
    """A bag with three photos, one of them absent though stored."""
    bags, pixels = tiny_bags(12, seed=3)
    bag = next(bag for bag in bags.values() if len(bag) == 3)
    batch = collate([bag], pixels)
    is_photo_BN = torch.tensor([[True, True, False]])
    return BagBatch(batch.photos_BNCHW.to(dtype), is_photo_BN, batch.is_stored_BN, batch.label_B)


def photo_in_bag(mask: str = "before", place: int = 1) -> PhotoInBag:
    network = tiny_network(5, mask).eval()
    with torch.no_grad():
        for part in (network.projection, network.head):
            for parameter in part.parameters():
                parameter.mul_(3.0)  # so that one photo moves the logit
    return PhotoInBag(network, bag_of_three(), place, torch.tensor([TARGET]))


def slow_evidence(photo: PhotoInBag, version_CHW: Tensor) -> Tensor:
    """The logit of the target from the whole network, every photo read anew."""
    photos_BNCHW = photo.batch.photos_BNCHW.clone()
    photos_BNCHW[0, photo.place] = version_CHW
    batch = photo.batch
    return photo.network(photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN).logits_BC[0, TARGET]


@pytest.mark.parametrize("mask", ["before", "paper"])
def test_the_evidence_of_versions_is_that_of_the_whole_network(mask: str) -> None:
    photo = photo_in_bag(mask)
    versions_KCHW = torch.rand(5, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    versions_KCHW[0] = photo.pixels
    fast_K = photo.evidence(versions_KCHW)
    slow_K = torch.stack([slow_evidence(photo, version_CHW) for version_CHW in versions_KCHW])
    torch.testing.assert_close(fast_K, slow_K)
    assert slow_K.detach().std() > 1e-3, "the versions do not differ: nothing was compared"


def test_integrated_gradients_are_complete_and_equal_a_plain_integral() -> None:
    photo = photo_in_bag()
    attribution_CHW = integrated_gradients(photo)
    with torch.no_grad():
        difference = slow_evidence(photo, photo.pixels) - slow_evidence(photo, photo.neutral)
    assert abs(float(difference)) > 1e-2, "the photo adds nothing: completeness would say nothing"
    assert abs(float(attribution_CHW.sum() - difference)) <= 0.02 * float(attribution_CHW.abs().sum())
    num_steps, total_CHW = 400, torch.zeros_like(photo.pixels)
    for step in range(num_steps):
        between_CHW = photo.neutral + (step + 0.5) / num_steps * (photo.pixels - photo.neutral)
        between_CHW = between_CHW.detach().requires_grad_(True)
        total_CHW += torch.autograd.grad(slow_evidence(photo, between_CHW), between_CHW)[0] / num_steps
    slow_CHW = (photo.pixels - photo.neutral) * total_CHW
    torch.testing.assert_close(attribution_CHW, slow_CHW, rtol=0.02, atol=1e-4 * float(slow_CHW.abs().max()) + 1e-5)


class _Steep:
    """In place of a photo in its bag: the evidence rises from 0 to 1 at one brightness, the more suddenly the steeper it is."""

    def __init__(self, steepness: float) -> None:
        self.steepness = steepness
        self.neutral = torch.zeros(1, 1, 1, dtype=torch.float64)
        self.pixels = torch.ones(1, 1, 1, dtype=torch.float64)

    def evidence(self, photo_KCHW: Tensor) -> Tensor:
        return torch.sigmoid(self.steepness * (photo_KCHW.flatten(1).sum(dim=1) - 0.3712))


@pytest.mark.parametrize(("steepness", "is_told"), [(10.0, False), (300.0, False), (1e5, True)])
def test_integrated_gradients_take_the_steps_they_need_or_say_so(
    steepness: float, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    photo = _Steep(steepness)
    found, wanted = integrated_gradients(photo).sum(), photo.evidence(torch.stack([photo.neutral, photo.pixels])).diff()
    assert (abs(float(found - wanted)) > 0.02) == is_told
    assert ("256 steps are too few" in caplog.text) == is_told


def test_occlusion_equals_windows_moved_by_hand() -> None:
    photo = photo_in_bag()
    fast_1HW = occlusion(photo)
    window, stride = 2, 1  # of 8 px: a fourth, and half of that
    sum_HW, count_HW = torch.zeros(8, 8, dtype=torch.float64), torch.zeros(8, 8, dtype=torch.float64)
    with torch.no_grad():
        whole = slow_evidence(photo, photo.pixels)
        for top in range(0, 8 - window + 1, stride):
            for left in range(0, 8 - window + 1, stride):
                covered_CHW = photo.pixels.clone()
                there = (slice(top, top + window), slice(left, left + window))
                covered_CHW[(slice(None), *there)] = photo.neutral[(slice(None), *there)]
                sum_HW[there] += whole - slow_evidence(photo, covered_CHW)
                count_HW[there] += 1
    torch.testing.assert_close(fast_1HW[0].double(), sum_HW / count_HW, rtol=1e-5, atol=1e-6)
    assert fast_1HW.abs().max() > 1e-4, "no window changes anything: the comparison would prove nothing"


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_photo_that_the_network_does_not_look_at_has_an_empty_map(method: Method) -> None:
    photo = photo_in_bag()
    assert not map_of(photo, method).is_empty
    with torch.no_grad():
        for parameter in photo.network.projection.parameters():  # every photo has the same feature
            parameter.zero_()
    made = map_of(photo, method)
    assert made.is_empty
    assert not made.heat_hw.any()


def test_maps_are_of_what_speaks_for_the_label_alone() -> None:
    attribution_CHW = torch.tensor([[[1.0, -2.0], [0.0, 3.0]], [[0.5, 1.0], [0.0, -4.0]]])
    made = map_of_attributions(attribution_CHW)
    assert made.largest == 1.5
    assert made.heat_hw.tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 64, 64), (3, 70, 33), (1, 16, 17)])
def test_sums_in_cells_are_sums(shape: tuple[int, int, int]) -> None:
    attribution_CHW = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    slow_Chw = torch.zeros(shape[0], min(16, shape[1]), min(16, shape[2]), dtype=torch.float64)
    for row in range(shape[1]):
        for column in range(shape[2]):
            at = (row * slow_Chw.shape[1] // shape[1], column * slow_Chw.shape[2] // shape[2])
            slow_Chw[(slice(None), *at)] += attribution_CHW[:, row, column]
    found_Chw = summed_in_cells(attribution_CHW)
    torch.testing.assert_close(found_Chw, slow_Chw)
    torch.testing.assert_close(found_Chw.sum(), attribution_CHW.sum())


def test_every_method_has_its_way() -> None:
    assert set(METHODS) == set(Method.__args__)


def test_without_captum_the_methods_that_need_it_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "captum" else object())
    monkeypatch.delitem(sys.modules, "captum.attr", raising=False)
    with pytest.raises(SettingsError, match=r"names integrated_gradients, occlusion; .*\n.*grasp-psonet\[explain\]"):
        map_of(photo_in_bag(), "occlusion")
    with pytest.raises(SettingsError, match="captum"):
        map_of(photo_in_bag(), "integrated_gradients")


@pytest.mark.parametrize("methods", [(), ("gradcam", "gradcam")])
def test_methods_are_some_and_different(methods: tuple[Method, ...]) -> None:
    with pytest.raises(SettingsError, match=r"explain\.methods"):
        ExplainSettings(methods=methods)
