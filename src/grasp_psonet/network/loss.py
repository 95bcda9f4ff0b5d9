"""What the network's outputs mean, by the kind of outcome: the loss that trains, the answer that is read off them, what a
map of a photo explains, and what an exported network says.

Another kind of outcome is one more entry in each table.
"""

# Axes: B bags, C outputs of the network for a bag (of classes: logits; of a number: one, in units).

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.synthetic.pasi import SUB_SCORES
from grasp_psonet.network.network import BagNetwork, visit_loss
from grasp_psonet.network.regions import losses_of_parts, split_outputs
from grasp_psonet.tables.columns import PREDICTED

Loss = Callable[[Tensor, Tensor], Tensor]  # (output_BC, label_B) -> loss_B
Answer = Callable[[Outcome, Tensor], dict[str, float]]  # outputs of one bag [C] -> columns of predictions
Evidence = Callable[[Tensor, Tensor], Tensor]  # (output_BC, label_B) -> what of the outputs speaks for the labels, [B]
TOTAL = "total"  # what a map explains of a number, where no sign is named

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
    outcome = _outcome(network)
    return _OWN[network] if network in _OWN else LOSSES[outcome.kind](outcome)


def answer_of(network: BagNetwork, output_C: Tensor) -> dict[str, float]:
    """What the network says of one visit, as columns of predictions: predicted, then all that the outcome names."""
    return ANSWERS[network.outcome.kind](network.outcome, output_C)


def evidence_of(network: nn.Module, sign: str = TOTAL) -> Evidence:
    """What a map explains: the part of the outputs that speaks for a label; of classes, its logit.

    ``sign``: of a network by region one of ``SUB_SCORES`` in place of the total. It is the sum of the levels of that sign over
    the regions that were seen; a photo moves only that of the region it shows.
    """
    outcome = _outcome(network)
    if sign == TOTAL:
        return EVIDENCE[outcome.kind]
    assert outcome.has_regions, "signs are graded by region alone"
    return partial(_raises_the_sign, part=SUB_SCORES.index(sign))


def whole_labels(label_B: Tensor) -> Tensor:
    """The labels [B] of a batch without their parts."""
    return label_B if label_B.ndim == 1 else label_B[:, 0]


def _outcome(network: nn.Module) -> Outcome:
    return network.outcome if isinstance(network, BagNetwork) else Outcome()


def _most_probable_class(outcome: Outcome, logit_C: Tensor) -> dict[str, float]:
    probability_C = logit_C.double().softmax(dim=0).tolist()
    return {
        PREDICTED: int(logit_C.numpy().argmax()),
        **dict(zip(outcome.probability_columns, probability_C, strict=True)),
        **dict(zip(outcome.output_columns, logit_C.tolist(), strict=True)),
    }


def _logit_of_class(logit_BC: Tensor, label_B: Tensor) -> Tensor:
    return logit_BC.gather(1, label_B[:, None])[:, 0]


def _points(outcome: Outcome, unit_C: Tensor) -> dict[str, float]:
    """The number in points, held within the score's range; the output itself is not."""
    assert isinstance(outcome, PasiTotal)
    unit = float(unit_C[0])
    return {PREDICTED: float(outcome.points_of(unit)), outcome.output_columns[0]: unit}


def _loss_of_number(outcome: Outcome) -> Loss:
    law = {"huber": huber, "squared": half_squared}[outcome.scale.loss]
    if outcome.takes_classes:
        assert isinstance(outcome, PasiTotal)
        return partial(_of_scores_and_classes, law=law, outcome=outcome)
    return partial(_of_units, law=law, points_per_unit=outcome.scale.points_per_unit)


def _of_units(output_BC: Tensor, label_B: Tensor, law: Callable[[Tensor], Tensor], points_per_unit: float) -> Tensor:
    return law(output_BC[:, 0] - label_B.to(output_BC.dtype) / points_per_unit)


def _of_scores_and_classes(
    output_BC: Tensor, label_B: Tensor, law: Callable[[Tensor], Tensor], outcome: PasiTotal
) -> Tensor:
    """As ``_of_units``; where the label is a class alone, of the way to the nearer edge of its scores, and 0 within them."""
    unit_B, label_B = output_BC[:, 0], label_B.to(output_BC.dtype)
    low_B, high_B = label_B, label_B
    for number in range(len(outcome.classes)):
        low, high = outcome.bounds_of_class(number)
        is_class_B = label_B == outcome.label_of_class(number)
        low_B, high_B = low_B.masked_fill(is_class_B, low), high_B.masked_fill(is_class_B, high)
    least_B, most_B = low_B / outcome.scale.points_per_unit, high_B / outcome.scale.points_per_unit
    above_B = torch.where(unit_B >= most_B, unit_B - most_B, unit_B * 0)
    return law(torch.where(unit_B <= least_B, unit_B - least_B, above_B))


def half_squared(error: Tensor) -> Tensor:
    """Half the squared error, of every element."""
    return error**2 / 2


def huber(error: Tensor) -> Tensor:
    """Huber (1964) with its bend at 1: half the squared error up to there, the absolute error less a half beyond."""
    size = error.abs()
    return torch.where(size <= 1, error**2 / 2, size - 0.5)


def _loss_of_regions(outcome: Outcome) -> Loss:
    return partial(_of_total_and_parts, of_total=_loss_of_number(outcome), weight=outcome.scale.parts_weight)


def _of_total_and_parts(output_BC: Tensor, label_B: Tensor, of_total: Loss, weight: float) -> Tensor:
    """The loss of the total that the formula makes, and so many times that of the parts that are known."""
    loss_B = of_total(output_BC, whole_labels(label_B))
    if label_B.ndim == 1:
        return loss_B
    _, level_BRS, is_seen_BR = split_outputs(output_BC)
    return loss_B + weight * losses_of_parts(level_BRS, is_seen_BR, label_B[:, 1:].reshape(level_BRS.shape))


def _points_by_region(outcome: Outcome, output_C: Tensor) -> dict[str, float]:
    """The total in points, and every output: the level of each part, and whether each region was seen (1 or 0)."""
    return _points(outcome, output_C) | dict(zip(outcome.output_columns, output_C.tolist(), strict=True))


def _raises_the_number(output_BC: Tensor, label_B: Tensor) -> Tensor:
    del label_B
    return output_BC[:, 0]


def _raises_the_sign(output_BC: Tensor, label_B: Tensor, part: int) -> Tensor:
    del label_B
    _, level_BRS, _ = split_outputs(output_BC)
    return level_BRS[..., part].sum(dim=1)


@dataclass(frozen=True)
class Exported:
    """What an exported network gives beside attention: its ``outputs`` by their name, and by another name what they ``say``."""

    outputs: str
    said: str
    say: Callable[[Outcome, Tensor], Tensor]  # (outcome, output_BC) -> the same as people read it


def exported_of(network: BagNetwork) -> Exported:
    """What the network gives when it is exported."""
    return EXPORTED[network.outcome.kind]


def _points_of_batch(outcome: Outcome, unit_BC: Tensor) -> Tensor:
    least, most = outcome.scale.score_range
    return (unit_BC * outcome.scale.points_per_unit).clamp(least, most)


LOSSES: dict[str, Callable[[Outcome], Loss]] = {
    "classes": lambda _: visit_loss,
    "pasi": _loss_of_number,
    "pasi regional": _loss_of_regions,
}
ANSWERS: dict[str, Answer] = {"classes": _most_probable_class, "pasi": _points, "pasi regional": _points_by_region}
EVIDENCE: dict[str, Evidence] = {
    "classes": _logit_of_class,
    "pasi": _raises_the_number,
    "pasi regional": _raises_the_number,
}
EXPORTED: dict[str, Exported] = {
    "classes": Exported("logits", "probabilities", lambda _, logit_BC: logit_BC.softmax(dim=-1)),
    "pasi": Exported("outputs", "points", _points_of_batch),
    "pasi regional": Exported(
        "outputs", "points", lambda outcome, output_BC: _points_of_batch(outcome, output_BC[:, :1])
    ),
}
