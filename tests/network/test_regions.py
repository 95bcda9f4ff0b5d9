"""PASI by region: pools, grades, total and loss against the plain loop, and what a region without photos changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.bag import Bag, BagBatch, collate
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.cohort.synthetic.pasi import pasi_of
from grasp_psonet.network.loss import answer_of, loss_of
from grasp_psonet.network.regions import expected_grades, formula, pool_regions
from tests.reference.plain_loss import plain_losses
from tests.reference.regional import plain_points, plain_pool
from tests.tiny_study import tiny_bags, tiny_network

OUTCOME = outcome_of(SeveritySettings(outcome="pasi", form="regional"))
NAN = float("nan")


def regional_bags() -> tuple[list[Bag], np.ndarray]:
    bags, pixels = tiny_bags(6)
    rng = np.random.default_rng(4)
    found = []
    for v, bag in enumerate(bags.values()):
        parts = rng.integers(0, 5, 16).astype(float) / (1 + v % 2)
        parts[rng.random(16) < (0.0, 0.4, 1.0)[v % 3]] = NAN
        regions = tuple(int(region) for region in rng.integers(0, 4, len(bag)))
        found.append(replace(bag, label=6.0 * v, regions=regions, parts=tuple(parts.tolist())))
    return found, pixels


def batch_of(bags: list[Bag], pixels: np.ndarray) -> BagBatch:
    batch = collate(bags, pixels)
    return replace(batch, photos_BNCHW=batch.photos_BNCHW.double())


@pytest.mark.parametrize("mask", ["before", "paper"])
def test_pools_outputs_and_losses_equal_the_loop(mask: str) -> None:
    network, (bags, pixels) = tiny_network(mask=mask, outcome=OUTCOME), regional_bags()
    bags = [replace(bag, is_present=(len(bag) == 1, *bag.is_present[1:])) for bag in bags]
    batch = batch_of(bags, pixels)
    output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN)
    for b, bag in enumerate(bags):
        read = list(range(len(bag))) if mask == "paper" else [n for n in range(len(bag)) if bag.is_present[n]]
        features = network.features(batch.photos_BNCHW[b, read])
        regions = [bag.regions[n] for n in read]
        there = [bag.is_present[n] for n in read]
        bag_1RD = plain_pool(list(features), list(network.attention(features)), there, regions)
        torch.testing.assert_close(network.head(bag_1RD)[0], output.logits_BC[b])
        torch.testing.assert_close(plain_points(output.logits_BC[b]) / 5, output.logits_BC[b, 0])
    losses_B = loss_of(network)(output.logits_BC, batch.label_B)
    torch.testing.assert_close(losses_B, plain_losses(network, output.logits_BC, batch.label_B))
    alone_B = loss_of(network)(output.logits_BC, batch.label_B[:, 0])
    assert (losses_B - alone_B)[[0, 1, 3, 4]].min() > 1e-3, "the parts add nothing"
    assert losses_B[2] == alone_B[2], "a visit of which only the total is known trains by it alone"
    if mask == "before":
        torch.testing.assert_close(output.attention_BN.sum(dim=1), torch.ones(6, dtype=torch.float64))


def test_a_region_without_photos_is_not_graded_and_the_total_is_that_of_the_others() -> None:
    network, pixels = tiny_network(outcome=OUTCOME), tiny_bags(1)[1]
    photos = torch.from_numpy(pixels[:1].repeat(3, 0)).permute(0, 3, 1, 2)[None].double() / 255
    there = torch.ones(1, 3, dtype=torch.bool)
    output_C = network(photos, there, there, torch.tensor([[2, 2, 3]])).logits_BC[0].detach()
    told = pd.DataFrame([answer_of(network, output_C)])
    assert isinstance(OUTCOME, PasiRegional)
    grade_VRS, is_seen_VR = OUTCOME.grades_of(told)
    assert is_seen_VR.tolist() == [[False, False, True, True]]
    assert np.isnan(grade_VRS[0, :2]).all()
    trunk, legs = grade_VRS[0, 2], grade_VRS[0, 3]
    by_hand = (0.3 * trunk[:3].sum() * trunk[3] + 0.4 * legs[:3].sum() * legs[3]) / 0.7
    assert told["predicted"].item() == pytest.approx(by_hand, rel=1e-6)
    words = OUTCOME.in_words(told).iloc[0]
    assert words["not_assessable"] == "head, upper limbs"
    assert words["completed_from"].startswith("trunk, lower limbs (70% of the weight)")
    assert np.isnan(words["head_area"])
    assert words["trunk_area"] == pytest.approx(trunk[3])


def test_the_formula_is_that_of_the_drawn_cohort_and_grades_reach_their_ends() -> None:
    grade_BRS = torch.randint(0, 5, (20, 4, 4), generator=torch.Generator().manual_seed(0)).double()
    total_B = formula(grade_BRS, torch.ones(20, 4, dtype=torch.float64))
    np.testing.assert_allclose(np.round(total_B.numpy(), 1), pasi_of(grade_BRS.numpy().astype(np.int64)), atol=0.051)
    ends = expected_grades(torch.tensor([-20.0, 20.0]).double()[:, None, None].expand(2, 4, 4))
    assert ends[0].abs().max() < 1e-6
    assert ends[1, 0].tolist() == pytest.approx([4, 4, 4, 6])


def test_a_photo_changes_nothing_but_its_own_region() -> None:
    generator = torch.Generator().manual_seed(1)
    feature, logit = torch.randn(2, 4, 3, generator=generator).double(), torch.randn(2, 4, generator=generator).double()
    there, region = torch.ones(2, 4, dtype=torch.bool), torch.tensor([[0, 0, 1, 3], [2, 1, 2, 2]])
    whole, _ = pool_regions(feature, logit, there, there, region, False)
    without = there.clone()
    without[0, 1] = False
    less, _ = pool_regions(feature, logit, without, there, region, False)
    changed = (whole - less).abs().amax(dim=2) > 1e-9
    assert changed.tolist() == [[True, False, False, False], [False] * 4]
