"""Attention over the photos of a visit (Ilse, Tomczak and Welling 2018, equations 7 to 9)."""

# Axes: B bags, N photos per bag (padded), D feature length.

import torch
from torch import Tensor, nn

from grasp_psonet.errors import EmptyBag


class AttentionScorer(nn.Module):
    """One attention logit per photo: plain ``w . tanh(V h)``, or gated ``w . (tanh(V h) * sigmoid(U h))``."""

    def __init__(self, feature_length: int, hidden: int, gated: bool) -> None:
        super().__init__()
        self.value = nn.Linear(feature_length, hidden)
        self.gate = nn.Linear(feature_length, hidden) if gated else None
        self.weight = nn.Linear(hidden, 1)

    def forward(self, feature_D: Tensor) -> Tensor:
        """Logits [...] of features [..., D]."""
        hidden = self.value(feature_D).tanh()
        if self.gate is not None:
            hidden = hidden * self.gate(feature_D).sigmoid()
        logit: Tensor = self.weight(hidden)
        return logit.squeeze(-1)


def pool_bag(feature_BND: Tensor, logit_BN: Tensor, is_photo_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Bag feature [B, D] and attention [B, N]. Attention is exactly 0 on absent photos and sums to 1 over a bag's photos.

    Raises EmptyBag naming the rows without a photo.
    """
    _refuse_empty(is_photo_BN)
    attention_BN = logit_BN.masked_fill(~is_photo_BN, -torch.inf).softmax(dim=1)
    return torch.einsum("bn,bnd->bd", attention_BN, feature_BND), attention_BN


def pool_bag_as_paper(
    feature_BND: Tensor, logit_BN: Tensor, is_photo_BN: Tensor, is_stored_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """The paper's order (section 2.3): softmax over all stored photos, then times the presence mask.

    Attention is 0 on removed photos but not renormalised: it sums to at most 1, and removed photos still shape the
    denominator. Padding is never read.
    """
    _refuse_empty(is_photo_BN)
    attention_BN = logit_BN.masked_fill(~is_stored_BN, -torch.inf).softmax(dim=1) * is_photo_BN
    return torch.einsum("bn,bnd->bd", attention_BN, feature_BND), attention_BN


def _refuse_empty(is_photo_BN: Tensor) -> None:
    empty = (~is_photo_BN.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise EmptyBag(
            f"visits in rows {empty} of this batch have no photo left; keep at least one (prune.keep_at_least)"
        )
