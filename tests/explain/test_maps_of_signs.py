"""Maps of one sign of PASI by region: of the photo's own region, by the whole network, against plain gradients."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from grasp_psonet.bags.bag import BagBatch, collate
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.cohort.synthetic.pasi import SUB_SCORES
from grasp_psonet.errors import SettingsError
from grasp_psonet.explain.gradcam import grad_cam
from grasp_psonet.explain.in_bag import PhotoInBag
from grasp_psonet.explain.settings import Sign
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.report.texts import of_maps, texts_of
from grasp_psonet.settings import parse
from tests.tiny_study import tiny_bags, tiny_network

OUTCOME = outcome_of(SeveritySettings(outcome="pasi", form="regional"))
SIGNS = [sign for sign in get_args(Sign) if sign != "total"]
HEAD, TRUNK = 0, 2


def ground() -> tuple[BagNetwork, BagBatch]:
    """A bag of two photos of the trunk and one of the head."""
    bags, pixels = tiny_bags(12, seed=3)
    bag = next(bag for bag in bags.values() if len(bag) == 3)
    batch = collate([replace(bag, regions=(TRUNK, HEAD, TRUNK))], pixels)
    return tiny_network(5, outcome=OUTCOME).eval(), replace(batch, photos_BNCHW=batch.photos_BNCHW.double())


def levels(network: BagNetwork, batch: BagBatch, photos_BNCHW: Tensor) -> Tensor:
    """The levels [regions, signs] as the outputs of the whole network name them: 16 numbers after the total."""
    output = network(photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN)
    return output.logits_BC[0, 1:17].reshape(4, 4)


def test_there_is_a_map_of_every_part() -> None:
    assert tuple(SIGNS) == SUB_SCORES


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("place", "region"), [(0, TRUNK), (1, HEAD), (2, TRUNK)])
def test_a_photo_speaks_for_the_sign_of_its_own_region(sign: Sign, place: int, region: int) -> None:
    network, batch = ground()
    photo = PhotoInBag(network, batch, place, torch.tensor([1.0]), sign)
    version_1CHW = photo.pixels[None].clone().requires_grad_(True)
    fast_CHW = torch.autograd.grad(photo.evidence(version_1CHW).sum(), version_1CHW)[0][0]
    photos_BNCHW = batch.photos_BNCHW.clone().requires_grad_(True)
    level_RS = levels(network, batch, photos_BNCHW)
    slow_CHW = torch.autograd.grad(level_RS[region, SIGNS.index(sign)], photos_BNCHW)[0][0, place]
    torch.testing.assert_close(fast_CHW, slow_CHW)
    assert slow_CHW.abs().max() > 1e-6, "the photo moves nothing: nothing was compared"


def test_gradcam_of_a_sign_is_that_of_its_level() -> None:
    network, batch = ground()
    layer = network.encoder[0]
    found = {}
    for sign in (*SIGNS, "total"):
        told = grad_cam(
            network, batch.photos_BNCHW, batch.is_photo_BN, torch.tensor([1.0]), layer, batch.region_BN, sign
        )
        found[sign] = told.cam_BNhw * told.largest_BN[..., None, None]
    for number, sign in enumerate(SIGNS):
        seen: list[Tensor] = []
        handle = layer.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output))
        level_RS = levels(network, batch, batch.photos_BNCHW)
        handle.remove()
        for region in (HEAD, TRUNK):
            gradient = torch.autograd.grad(level_RS[region, number], seen[0], retain_graph=True)[0]
            heat_Nhw = (gradient.mean(dim=(2, 3))[..., None, None] * seen[0]).sum(dim=1).relu().detach()
            is_of_N = batch.region_BN[0] == region
            torch.testing.assert_close(found[sign][0, is_of_N], heat_Nhw[is_of_N])
            assert heat_Nhw[~is_of_N].abs().max() == 0, "a photo of another region moves the level"
    assert max(one.max() for one in found.values()) > 0, "no map has heat"
    assert not torch.equal(found["erythema"], found["area"])


def test_a_sign_is_refused_where_none_is_graded() -> None:
    for severity in ({}, {"outcome": "pasi"}):
        with pytest.raises(
            SettingsError, match=r"explain\.sign is 'erythema'; wanted: total, or severity\.form regional"
        ):
            parse({"severity": severity, "explain": {"sign": "erythema"}}, "test")
    severity = {"outcome": "pasi", "form": "regional"}
    assert parse({"severity": severity, "explain": {"sign": "erythema"}}, "test").explain.sign == "erythema"


def test_the_page_names_the_sign_that_maps_explain() -> None:
    texts = texts_of(replace(OUTCOME, noise=2.0))
    assert of_maps(texts, "total") == texts
    told = of_maps(texts, "area")
    assert told.evidence == "raises the area of the region that it shows"
    assert replace(told, evidence=texts.evidence, no_evidence=texts.no_evidence) == texts
