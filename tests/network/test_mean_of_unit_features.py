"""A network without projection and attention: a linear model of the mean of features that are scaled to length 1."""

from pathlib import Path

import numpy as np
import pytest
import torch

from grasp_psonet.features.store import unit_length
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.network.network import BagNetwork, UnitLength
from grasp_psonet.network.settings import NetworkSettings
from tests.reference import step_scores
from tests.tiny_run import TinyRun
from tests.tiny_study import tiny_network

PLAIN = NetworkSettings(feature_norm="unit_length", projection="none", attention="mean", head_hidden=0)
NAMES: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")


def _plain() -> BagNetwork:
    """The tiny network's encoder under a linear model of the mean feature."""
    whole = tiny_network()
    torch.manual_seed(5)
    return BagNetwork(whole.encoder, whole.card, PLAIN, whole.outcome).double()


def test_features_of_length_one_are_the_same_for_network_and_probe() -> None:
    feature_MF = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 30 + 7
    feature_MF[2] = 4.0
    found_MF = UnitLength()(feature_MF)
    np.testing.assert_allclose(found_MF.numpy(), unit_length(feature_MF.numpy()), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found_MF.mean(1), np.zeros(6), atol=1e-12)
    assert found_MF.norm(dim=1).tolist() == pytest.approx([1, 1, 0, 1, 1, 1])


def test_it_is_a_linear_model_of_the_mean() -> None:
    network = _plain()
    trained = {name for name, weight in network.named_parameters() if not name.startswith("encoder")}
    assert trained == {"head.weight", "head.bias"}
    feature_BNF = torch.randn(2, 3, network.card.feature_length, dtype=torch.float64)
    is_photo_BN = torch.tensor([[True, True, True], [True, False, True]])
    output = network(feature_BNF, is_photo_BN)
    for b in range(2):
        mean_F = torch.from_numpy(unit_length(feature_BNF[b][is_photo_BN[b]].numpy()).mean(0))
        torch.testing.assert_close(output.logits_BC[b], network.head.weight @ mean_F + network.head.bias)
    torch.testing.assert_close(output.attention_BN, is_photo_BN / is_photo_BN.sum(1, keepdim=True).double())


@pytest.mark.parametrize("unit", ["single", "share", "edit", "visit"])
def test_its_scores_are_those_of_the_loop(unit: UnitName, tmp_path: Path) -> None:
    run = TinyRun.train(tmp_path, make_network=_plain)
    settings = TraceSettings(counting="steps", errors="kept", query="visit", unit=unit)
    found, wanted = run.trace(settings, NAMES).by_formula, step_scores.scores_of(run, unit, "visit", NAMES)
    for formula in NAMES:
        assert np.abs(wanted[formula]).max() > 1e-6
        assert np.abs(found[formula] - wanted[formula]).max() < 1e-10 * np.abs(wanted[formula]).max(), formula
