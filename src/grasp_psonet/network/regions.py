"""PASI by its regions: an attention pool for each region of the body, and the head that grades what the pools give.

A region without a photo is graded by nobody. The total is then that of the regions that were photographed, divided by the
sum of their weights: the others are taken to be affected as those are on average.
"""

# Axes: B bags (visits), N photos per bag (padded), R regions (head, upper limbs, trunk, lower limbs), S parts of a region
# (erythema, induration, desquamation, area), K steps between two grades, D feature length, C outputs.

import torch
from torch import Tensor, nn
from torch.nn import functional

from grasp_psonet.cohort.pasi_regional import MOST_GRADE, STEEPNESS
from grasp_psonet.cohort.synthetic.pasi import AREA_MAX, REGION_WEIGHTS, SUB_SCORES
from grasp_psonet.errors import EmptyBag

NUM_REGIONS, NUM_PARTS = len(REGION_WEIGHTS), len(SUB_SCORES)
_START = (2.0, 2.0, 2.0, 1.5)  # where an output of 0 lies: in the middle of the grades, and at a small area


def refuse_empty(is_photo_BN: Tensor) -> None:
    """Raises EmptyBag naming the rows without a photo."""
    empty = (~is_photo_BN.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise EmptyBag(
            f"visits in rows {empty} of this batch have no photo left; keep at least one (prune.keep_at_least)"
        )


def pool_regions(
    feature_BND: Tensor,
    logit_BN: Tensor,
    is_photo_BN: Tensor,
    is_stored_BN: Tensor,
    region_BN: Tensor,
    as_paper: bool,
) -> tuple[Tensor, Tensor]:
    """Features of the regions [B, R, D + 1], and attention [B, N].

    Each region's softmax goes over its own photos alone (under the paper's mask over its stored ones, times presence). The
    last number of a region's feature is 1 where it has a photo, else 0, and all others are 0 with it. Attention is that within
    the region times the region's weight in the total, so that it adds up to 1 over a bag. Features may be those of one bag
    [N, D] that all rows share. Raises EmptyBag.
    """
    refuse_empty(is_photo_BN)
    is_read_BN = is_stored_BN if as_paper else is_photo_BN
    is_of_BRN = region_BN[:, None, :] == torch.arange(NUM_REGIONS, device=region_BN.device)[:, None]
    is_read_BRN, is_photo_BRN = is_of_BRN & is_read_BN[:, None], is_of_BRN & is_photo_BN[:, None]
    # a region without a photo has no softmax: one over zeros stands in, of which nothing is left
    is_taken_BRN = is_read_BRN | ~is_read_BRN.any(dim=2, keepdim=True)
    logit_BRN = torch.where(is_read_BRN, logit_BN[:, None], torch.zeros_like(logit_BN[:, None]))
    attention_BRN = logit_BRN.masked_fill(~is_taken_BRN, -torch.inf).softmax(dim=2) * is_photo_BRN
    is_seen_BR1 = is_photo_BRN.any(dim=2, keepdim=True).to(feature_BND.dtype)
    bag_BRD = torch.cat([attention_BRN @ feature_BND, is_seen_BR1], dim=2)
    return bag_BRD, (attention_BRN * shares(is_seen_BR1[..., 0])[..., None]).sum(dim=1)


def shares(is_seen_BR: Tensor) -> Tensor:
    """What each region [B, R] counts in the total: its weight in PASI over the sum of the weights of those seen (1 or 0)."""
    weighted_BR = is_seen_BR * is_seen_BR.new_tensor(REGION_WEIGHTS)
    return weighted_BR / weighted_BR.sum(dim=1, keepdim=True)


def step_logits(level_BRS: Tensor) -> Tensor:
    """Logits [B, R, S, K] that the grade lies above k + 1/2, k from 0; K is 6, and grades up to 4 have only the first four."""
    step_K = torch.arange(AREA_MAX, dtype=level_BRS.dtype, device=level_BRS.device) + 0.5
    return STEEPNESS * (level_BRS[..., None] - step_K)


def steps_there(like: Tensor) -> Tensor:
    """1 for each step [S, K] that the grades of a part have, else 0."""
    most_S = torch.tensor(MOST_GRADE, device=like.device)
    return (torch.arange(AREA_MAX, device=like.device) < most_S[:, None]).to(like.dtype)


def expected_grades(level_BRS: Tensor) -> Tensor:
    """The expected grade [B, R, S]: the probabilities of lying above each step, added up."""
    return (step_logits(level_BRS).sigmoid() * steps_there(level_BRS)).sum(dim=3)


def formula(grade_BRS: Tensor, is_seen_BR: Tensor) -> Tensor:
    """PASI [B] of grades: sum of share x (erythema + induration + desquamation) x area, shares those of regions seen."""
    region_BR = grade_BRS[..., :3].sum(dim=2) * grade_BRS[..., 3]
    return (region_BR * shares(is_seen_BR)).sum(dim=1)


def losses_of_parts(level_BRS: Tensor, is_seen_BR: Tensor, grade_BRS: Tensor) -> Tensor:
    """Ordinal cross-entropy [B]: of each part that is known (not NaN) and whose region was seen, the sum over the steps between
    its grades of the binary cross-entropy of lying above; then the mean over the parts. 0 where there is none.

    A grade between two whole ones lies above the step between them with the probability that it is on its way.
    """
    is_known_BRS = grade_BRS.isfinite() & (is_seen_BR[..., None] > 0)
    step_K = torch.arange(AREA_MAX, dtype=level_BRS.dtype, device=level_BRS.device)
    above_BRSK = (grade_BRS.nan_to_num().to(level_BRS.dtype)[..., None] - step_K).clamp(0, 1)
    loss_BRSK = functional.softplus(step_logits(level_BRS)) - above_BRSK * step_logits(level_BRS)
    loss_BRS = (loss_BRSK * steps_there(level_BRS)).sum(dim=3) * is_known_BRS
    return loss_BRS.sum(dim=(1, 2)) / is_known_BRS.sum(dim=(1, 2)).clamp(min=1)


class RegionalHead(nn.Module):
    """Features of regions [B, R, D + 1] -> outputs [B, 1 + R x S + R]: the total in units, the level of every part, and
    whether each region was seen.

    One layer stack grades all regions, for a plaque is graded alike wherever it lies. A level is a number on the scale of
    grades; where the region was not seen it is 0 and nothing is learned from it.
    """

    def __init__(self, grader: nn.Module, points_per_unit: float) -> None:
        super().__init__()
        self.grader = grader
        self.points_per_unit = points_per_unit

    def forward(self, bag_BRE: Tensor) -> Tensor:
        """The outputs."""
        is_seen_BR = bag_BRE[..., -1]
        level_BRS = (self.grader(bag_BRE[..., :-1]) + bag_BRE.new_tensor(_START)) * is_seen_BR[..., None]
        total_B = formula(expected_grades(level_BRS), is_seen_BR) / self.points_per_unit
        return torch.cat([total_B[:, None], level_BRS.flatten(1), is_seen_BR], dim=1)


def split_outputs(output_BC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs of a ``RegionalHead`` as total in units [B], levels [B, R, S], and whether each region was seen [B, R]."""
    level_BP, is_seen_BR = output_BC[:, 1:-NUM_REGIONS], output_BC[:, -NUM_REGIONS:]
    return output_BC[:, 0], level_BP.reshape(-1, NUM_REGIONS, NUM_PARTS), is_seen_BR
