"""What the network's outputs mean, by the kind of outcome: the loss that trains, the answer that is read off them, and what
a map of a photo explains.

Another kind of outcome is one more entry in each table.
"""

# Axes: B bags, C outputs of the network for a bag (of classes: logits).

from collections.abc import Callable
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.network.network import BagNetwork, visit_loss
from grasp_psonet.tables.columns import PREDICTED

Loss = Callable[[Tensor, Tensor], Tensor]  # (output_BC, label_B) -> loss_B
Answer = Callable[[Outcome, Tensor], dict[str, float]]  # outputs of one bag [C] -> columns of predictions
Evidence = Callable[[Tensor, Tensor], Tensor]  # (output_BC, label_B) -> what of the outputs speaks for the labels, [B]


_OWN: WeakKeyDictionary[nn.Module, Loss] = WeakKeyDictionary()


def with_loss(network: nn.Module, loss: Loss) -> nn.Module:
    """The same network, not one of ours, whose outputs are from now on what this loss takes, as they are."""
    assert not isinstance(network, BagNetwork), "the loss of our networks is that of their outcome"
    _OWN[network] = loss
    return network


def has_own_loss(network: nn.Module) -> bool:
    """Whether the network's outputs are what a loss of its own takes, instead of logits of classes."""
    return network in _OWN


def loss_of(network: nn.Module) -> Loss:
    """The loss that the network is trained by: of its outcome, or its own; other networks give logits of classes."""
    return _OWN[network] if network in _OWN else LOSSES[_kind(network)]


def answer_of(network: BagNetwork, output_C: Tensor) -> dict[str, float]:
    """What the network says of one visit, as columns of predictions: predicted, then all that the outcome names."""
    return ANSWERS[network.outcome.kind](network.outcome, output_C)


def evidence_of(network: nn.Module) -> Evidence:
    """What a map explains: the part of the outputs that speaks for a label; of classes, its logit."""
    return EVIDENCE[_kind(network)]


def _kind(network: nn.Module) -> str:
    return network.outcome.kind if isinstance(network, BagNetwork) else Outcome.kind


def _most_probable_class(outcome: Outcome, logit_C: Tensor) -> dict[str, float]:
    probability_C = logit_C.double().softmax(dim=0).tolist()
    return {
        PREDICTED: int(logit_C.numpy().argmax()),
        **dict(zip(outcome.probability_columns, probability_C, strict=True)),
        **dict(zip(outcome.output_columns, logit_C.tolist(), strict=True)),
    }


def _logit_of_class(logit_BC: Tensor, label_B: Tensor) -> Tensor:
    return logit_BC.gather(1, label_B[:, None])[:, 0]


LOSSES: dict[str, Loss] = {"classes": visit_loss}
ANSWERS: dict[str, Answer] = {"classes": _most_probable_class}
EVIDENCE: dict[str, Evidence] = {"classes": _logit_of_class}
