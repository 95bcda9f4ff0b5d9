"""Steps taken in pieces, and with activations computed again: the same training, its replay, its curvature, in less memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch, collate
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import NetworkError, SettingsError
from grasp_psonet.influence.choices import Curvature
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.curvature import curvature_products
from grasp_psonet.influence.tracing.trace import trace
from grasp_psonet.network.checkpointing import checkpointed, refuse_without_checkpointing
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.settings import parse
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.step import batch_gradient, trained_parameters
from tests.tiny_run import OPTIMIZER, TinyRun
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

PHASE = AdamLaw.of(replace(OPTIMIZER, clip_norm=0.01)).at(1)


@pytest.fixture(scope="module")
def batch() -> BagBatch:
    bags, pixels = tiny_bags(6)
    found = collate(list(bags.values()), pixels)
    assert found.is_stored_BN.sum(1).max() > 2, "no bag is larger than a piece"
    return replace(found, photos_BNCHW=found.photos_BNCHW.double())


def small_vit() -> BagNetwork:
    settings = NetworkSettings("demo_vit", "random", feature_length=8, attention_hidden=4, head_hidden=4)
    return build_network(settings, 64, 0, Outcome()).double().eval()


def vit_batch(num_bags: int = 4) -> BagBatch:
    photos = torch.rand(num_bags, 2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    here = torch.ones(num_bags, 2, dtype=torch.bool)
    here[1, 1] = False
    return BagBatch(photos, here, here, torch.arange(num_bags) % 3)


def same(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    size = max(float(value.abs().max()) for value in wanted.values())
    assert size > 0
    for name, value in wanted.items():
        assert float((found[name] - value).abs().max()) <= tolerance * size, name


@pytest.mark.parametrize("most", [1, 2, 5, 1000])
def test_pieces_hold_whole_bags_in_their_order(batch: BagBatch, most: int) -> None:
    pieces = replace(batch, most_at_once=most).pieces()
    assert torch.equal(torch.cat([piece.photos_BNCHW for piece in pieces]), batch.photos_BNCHW)
    assert torch.equal(torch.cat([piece.label_B for piece in pieces]), batch.label_B)
    sizes = [int(piece.is_stored_BN.sum()) for piece in pieces]
    assert all(size <= most or len(piece.label_B) == 1 for size, piece in zip(sizes, pieces, strict=True))
    firsts = [int(piece.is_stored_BN[0].sum()) for piece in pieces]
    assert all(size + first > most for size, first in zip(sizes, firsts[1:], strict=False)), "a piece could hold more"


@pytest.mark.parametrize("most", [1, 4])
def test_the_gradient_of_a_step_in_pieces_is_that_of_the_whole(batch: BagBatch, most: int) -> None:
    network = tiny_network()
    whole, split = (batch_gradient(network, replace(batch, most_at_once=n), PHASE) for n in (None, most))
    assert whole.clip < 1, "nothing was clipped: pieces might be clipped one by one unseen"
    same(split.clipped, whole.clipped, 1e-12)
    assert torch.allclose(split.result.loss_B, whole.result.loss_B, rtol=1e-12, atol=0)
    assert split.result.logits_BC.shape == whole.result.logits_BC.shape
    assert split.result.grad_norm == pytest.approx(whole.result.grad_norm, rel=1e-12)


@pytest.mark.parametrize("kind", ["exact", "fisher"])
def test_the_curvature_in_pieces_is_that_of_the_whole(batch: BagBatch, kind: Curvature) -> None:
    network = tiny_network()
    vectors = {
        name: torch.randn(2, *weight.shape, dtype=weight.dtype) for name, weight in trained_parameters(network).items()
    }
    whole, split = (curvature_products(kind, network, replace(batch, most_at_once=n), vectors) for n in (None, 3))
    same(split, whole, 1e-10)


def test_a_training_in_pieces_replays_bitwise_and_scores_as_the_whole(tmp_path: Path) -> None:
    """The plan is the same; losses differ by rounding alone, replay in the same pieces by no bit."""
    source = tiny_source(*tiny_bags(8))
    runs = {}
    for most in (None, 2):
        (tmp_path / str(most)).mkdir()
        runs[most] = TinyRun.train(tmp_path / str(most), source=replace(source, most_at_once=most))
    whole, split = runs[None].trajectory.steps, runs[2].trajectory.steps
    assert whole["visit_id"].tolist() == split["visit_id"].tolist()
    np.testing.assert_allclose(split["loss"], whole["loss"], rtol=1e-9)
    assert (split["loss"].to_numpy() != whole["loss"].to_numpy()).any() or (
        split["grad_norm"].to_numpy() != whole["grad_norm"].to_numpy()
    ).any(), "no step was taken in pieces"
    settings = TraceSettings(formula="unrolled", counting="steps", errors="kept", query="visit", unit="visit")
    scores = [trace(run.trained(), run.request(settings)).by_formula["unrolled"] for run in runs.values()]
    np.testing.assert_allclose(scores[1], scores[0], rtol=0, atol=1e-7 * np.abs(scores[0]).max())


def calls_of_first_block(network: BagNetwork) -> list[nn.Module]:
    """One entry for each time that the first block runs from now on."""
    calls: list[nn.Module] = []
    network.get_submodule("encoder.blocks.0").register_forward_pre_hook(lambda module, *_: calls.append(module))
    return calls


def test_activations_computed_again_change_no_bit() -> None:
    network, batch = small_vit(), vit_batch()
    calls = calls_of_first_block(network)
    plain = batch_gradient(network, batch, PHASE)
    assert len(calls) == 1
    again = batch_gradient(network, replace(batch, recomputes=True), PHASE)
    assert len(calls) == 3, "the first block did not run twice: nothing was computed again"
    for name, value in plain.clipped.items():
        assert torch.equal(value, again.clipped[name]), name
    assert not any(vars(module).get("grad_checkpointing") for module in network.modules()), "it stayed on"


def test_second_derivatives_pass_recomputed_activations() -> None:
    network, batch = small_vit(), vit_batch(2)
    vectors = {
        name: torch.randn(1, *weight.shape, dtype=weight.dtype) for name, weight in trained_parameters(network).items()
    }
    plain, again = (
        curvature_products("exact", network, replace(batch, recomputes=on), vectors) for on in (False, True)
    )
    same(again, plain, 1e-10)


def test_encoders_that_cannot_are_refused_by_name() -> None:
    refuse_without_checkpointing(
        timm.create_model("convnext_atto", num_classes=0, depths=(1, 1, 1, 1)), "convnext_atto"
    )
    with pytest.raises(NetworkError, match="dla46_c cannot compute its activations again"):
        refuse_without_checkpointing(timm.create_model("dla46_c", num_classes=0), "dla46_c")
    with pytest.raises(NetworkError, match="plain cannot"):
        refuse_without_checkpointing(nn.Linear(2, 2), "plain")
    with checkpointed(nn.Linear(2, 2)):
        pass  # no encoder: nothing to do


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        ({"machine": {"micro_batch": 0}}, "wanted: at least 1 photo"),
        ({"machine": {"gradient_checkpointing": True}, "network": {"train": "head"}}, "the encoder is not trained"),
    ],
)
def test_settings_without_sense(tree: dict[str, Any], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        parse(tree, "here")
