"""The loss of a score by hand, what is read off an output, and what an exported network says."""

from dataclasses import replace

import pytest
import torch

from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import NumberLoss, SeveritySettings
from grasp_psonet.network.exportable import ExportableNetwork
from grasp_psonet.network.loss import answer_of, evidence_of, exported_of, loss_of
from tests.reference.plain_loss import plain_losses
from tests.tiny_study import tiny_network


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        # a score of 10 in units of 5 points is 2: outputs are off by 0, 0.5, -1, 2 and -3 units
        ("huber", [0.0, 0.125, 0.5, 1.5, 2.5]),
        ("squared", [0.0, 0.125, 0.5, 2.0, 4.5]),
    ],
)
def test_losses_by_hand(loss: NumberLoss, wanted: list[float]) -> None:
    network = tiny_network(outcome=PasiTotal(SeveritySettings(outcome="pasi", loss=loss)))
    output_BC = torch.tensor([[2.0], [2.5], [1.0], [4.0], [-1.0]], dtype=torch.float64)
    label_B = torch.full((5,), 10.0)
    torch.testing.assert_close(loss_of(network)(output_BC, label_B), torch.tensor(wanted, dtype=torch.float64))
    torch.testing.assert_close(plain_losses(network, output_BC, label_B), torch.tensor(wanted, dtype=torch.float64))
    assert evidence_of(network)(output_BC, label_B).tolist() == output_BC[:, 0].tolist(), "more is more of the score"


def test_gradients_are_held_beyond_one_unit_and_double() -> None:
    network = tiny_network(outcome=PasiTotal(SeveritySettings(outcome="pasi")))
    output_BC = torch.tensor([[2.5], [9.0], [-9.0]], dtype=torch.float64, requires_grad=True)
    whole = loss_of(network)(output_BC, torch.full((3,), 10.0)).sum()
    (gradient_BC,) = torch.autograd.grad(whole, output_BC, create_graph=True)
    assert gradient_BC[:, 0].tolist() == [0.5, 1.0, -1.0]
    (second_BC,) = torch.autograd.grad(gradient_BC.sum(), output_BC)
    assert second_BC[:, 0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(("loss", "far"), [("huber", 1.5), ("squared", 2.0)])
def test_a_class_alone_is_the_interval_of_its_scores(loss: NumberLoss, far: float) -> None:
    """Of the moderate, 5 to 10 points and 1 to 2 units: 0 within, else the loss of the way to the nearer edge."""
    outcome = PasiTotal(SeveritySettings(outcome="pasi", loss=loss, only_class="interval"))
    network = tiny_network(outcome=outcome)
    output_B = torch.tensor([1.5, 0.5, 2.5, 4.0, -1.0, 0.5, 1.5, 3.0, 3.0], dtype=torch.float64)
    label_B = torch.tensor([-2.0] * 5 + [-1.0, -1.0, -3.0, 10.0])
    wanted_B = torch.tensor([0, 0.125, 0.125, far, far, 0, 0.125, 0, 0.5], dtype=torch.float64)
    output_BC = output_B[:, None].requires_grad_()
    found_B = loss_of(network)(output_BC, label_B)
    torch.testing.assert_close(found_B, wanted_B)
    torch.testing.assert_close(plain_losses(network, output_BC.detach(), label_B), wanted_B)
    assert torch.autograd.gradcheck(lambda one_BC: loss_of(network)(one_BC, label_B), output_BC)
    (gradient_BC,) = torch.autograd.grad(found_B.sum(), output_BC, create_graph=True)
    (second_BC,) = torch.autograd.grad(gradient_BC.sum(), output_BC)
    beyond = 1.0 if loss == "squared" else 0.0
    assert second_BC[:, 0].tolist()[:8] == [0, 1, 1, beyond, beyond, 0, 1, 0], "inside nothing pulls, of any order"


def test_the_loss_of_scores_is_the_same_beside_classes_alone() -> None:
    output_BC, label_B = torch.randn(50, 1) * 3, torch.rand(50) * 20
    scale = SeveritySettings(outcome="pasi")
    found = [
        loss_of(tiny_network(outcome=PasiTotal(one)))(output_BC, label_B)
        for one in (scale, replace(scale, only_class="interval"))
    ]
    assert torch.equal(*found)


def test_answers_and_exports_are_points_within_the_range() -> None:
    network = tiny_network(outcome=PasiTotal(SeveritySettings(outcome="pasi")))
    assert answer_of(network, torch.tensor([2.5])) == {"predicted": 12.5, "output_score": 2.5}
    assert answer_of(network, torch.tensor([-2.5])) == {"predicted": 0.0, "output_score": -2.5}
    photos, there = torch.rand(2, 3, 3, 8, 8, dtype=torch.float64), torch.ones(2, 3, dtype=torch.bool)
    outputs_BC, attention_BN, points_BC = ExportableNetwork(network)(photos, there)
    torch.testing.assert_close(points_BC, (5 * outputs_BC).clamp(0, 72))
    assert attention_BN.shape == (2, 3)
    exported = exported_of(network)
    assert (exported.outputs, exported.said) == ("outputs", "points")
    said = exported.say(network.outcome, torch.tensor([[-1.0], [3.0], [99.0]]))
    assert said.flatten().tolist() == [0.0, 15.0, 72.0]
