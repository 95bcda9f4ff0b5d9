"""PASI by regions as a plain loop: pools, grades, total and loss, one number after the other."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

WEIGHTS = (0.1, 0.2, 0.3, 0.4)
MOST = (4, 4, 4, 6)
SLOPE = 2.0


def plain_total(grade_RS: Sequence[Sequence[Tensor]], is_seen_R: Sequence[bool]) -> Tensor:
    """The formula over the regions that were seen, divided by the sum of their weights."""
    total, weight = torch.zeros((), dtype=torch.float64), 0.0
    for r in range(4):
        if is_seen_R[r]:
            erythema, induration, desquamation, area = grade_RS[r]
            total = total + WEIGHTS[r] * (erythema + induration + desquamation) * area
            weight += WEIGHTS[r]
    return total / weight


def plain_grade(level: Tensor, most: int) -> Tensor:
    """The expected grade: probabilities of grades 0, 1, ... that the steps between them leave, times the grades."""
    above = [1 / (1 + torch.exp(-SLOPE * (level - k - 0.5))) for k in range(most)]
    ends = [torch.ones_like(level), *above, torch.zeros_like(level)]
    return torch.stack([grade * (ends[grade] - ends[grade + 1]) for grade in range(most + 1)]).sum()


def plain_part_loss(level: Tensor, most: int, grade: float) -> Tensor:
    """Binary cross-entropies of lying above each step, added up."""
    loss = torch.zeros((), dtype=torch.float64)
    for k in range(most):
        above = 1 / (1 + torch.exp(-SLOPE * (level - k - 0.5)))
        wanted = min(max(grade - k, 0.0), 1.0)
        loss = loss - wanted * torch.log(above) - (1 - wanted) * torch.log(1 - above)
    return loss


def plain_outputs(output_C: Tensor) -> tuple[list[list[Tensor]], list[bool]]:
    """Levels [R][S], and which regions were seen."""
    levels = [[output_C[1 + 4 * r + s] for s in range(4)] for r in range(4)]
    return levels, [float(output_C[17 + r].detach()) > 0 for r in range(4)]


def plain_points(output_C: Tensor) -> Tensor:
    """The total in points, worked out of the levels."""
    levels, is_seen_R = plain_outputs(output_C)
    grades = [[plain_grade(levels[r][s], MOST[s]) for s in range(4)] for r in range(4)]
    return plain_total(grades, is_seen_R)


def plain_parts_loss(output_C: Tensor, parts: Sequence[float]) -> Tensor:
    """The mean over the known parts of regions that were seen."""
    levels, is_seen_R = plain_outputs(output_C)
    losses = [
        plain_part_loss(levels[r][s], MOST[s], parts[4 * r + s])
        for r in range(4)
        for s in range(4)
        if is_seen_R[r] and not math.isnan(parts[4 * r + s])
    ]
    return torch.stack(losses).mean() if losses else torch.zeros((), dtype=torch.float64)


def plain_pool(
    features: Sequence[Tensor], logits: Sequence[Tensor], is_photo: Sequence[bool], regions: Sequence[int]
) -> Tensor:
    """[1, R, D + 1]: by region the softmax over its photos that are read, times presence; then whether one is present."""
    rows = []
    for r in range(4):
        inside = [n for n in range(len(features)) if regions[n] == r]
        whole = sum((logits[n].exp() for n in inside), torch.zeros((), dtype=features[0].dtype))
        bag_D = torch.zeros_like(features[0])
        for n in inside:
            if is_photo[n]:
                bag_D = bag_D + logits[n].exp() / whole * features[n]
        seen = float(any(is_photo[n] for n in inside))
        rows.append(torch.cat([bag_D, bag_D.new_tensor([seen])]))
    return torch.stack(rows)[None]
