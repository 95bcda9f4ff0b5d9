"""Attention over the photos of a visit (Ilse, Tomczak and Welling 2018, equations 7 to 9)."""

# Axes: B bags, N photos per bag (padded), M photos of the whole batch, D feature length.

import torch
from torch import Tensor, nn

from grasp_psonet.network.regions import pool_regions, refuse_empty


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


class MeanScorer(nn.Module):
    """The same attention logit, 0, for every photo: the bag's feature is the mean of its photos' features."""

    def forward(self, feature_D: Tensor) -> Tensor:
        """Logits [...] of features [..., D]; connected to the features, with a gradient of 0."""
        return feature_D.sum(dim=-1) * 0.0


def attention_scorer(kind: str, feature_length: int, hidden: int) -> nn.Module:
    """The scorer that ``network.attention`` names: mean, plain or gated."""
    if kind == "mean":
        return MeanScorer()
    return AttentionScorer(feature_length, hidden, kind == "gated")


def attend(logit_BN: Tensor, is_photo_BN: Tensor) -> Tensor:
    """Attention [B, N]: exactly 0 on absent photos, sums to 1 over a bag's photos.

    Raises EmptyBag naming the rows without a photo.
    """
    refuse_empty(is_photo_BN)
    return logit_BN.masked_fill(~is_photo_BN, -torch.inf).softmax(dim=1)


def attend_as_paper(logit_BN: Tensor, is_photo_BN: Tensor, is_stored_BN: Tensor) -> Tensor:
    """The paper's order (section 2.3): softmax over all stored photos, then times the presence mask.

    Attention [B, N] is 0 on removed photos but not renormalised: it sums to at most 1, and removed photos still shape the
    denominator. Padding is never read.
    """
    refuse_empty(is_photo_BN)
    return logit_BN.masked_fill(~is_stored_BN, -torch.inf).softmax(dim=1) * is_photo_BN


def pool_bag(feature_BND: Tensor, logit_BN: Tensor, is_photo_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Bag feature [B, D] and attention [B, N] (see ``attend``)."""
    attention_BN = attend(logit_BN, is_photo_BN)
    return torch.einsum("bn,bnd->bd", attention_BN, feature_BND), attention_BN


def pool_bag_as_paper(
    feature_BND: Tensor, logit_BN: Tensor, is_photo_BN: Tensor, is_stored_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """Bag feature [B, D] and attention [B, N] (see ``attend_as_paper``)."""
    attention_BN = attend_as_paper(logit_BN, is_photo_BN, is_stored_BN)
    return torch.einsum("bn,bnd->bd", attention_BN, feature_BND), attention_BN


def pool_read(
    feature_MD: Tensor,
    logit_M: Tensor,
    is_photo_BN: Tensor,
    is_stored_BN: Tensor,
    as_paper: bool,
    region_BN: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Bag feature [B, D], attention [B, N] and attention logit [B, N] (-inf where nothing was read).

    Features [M, D] and logits [M] are those of the photos that are read, bag by bag: the stored ones under the paper's
    mask, else the present ones. With ``region_BN``, the region of each photo, bag features are by region [B, R, D + 1]
    (``pool_regions``).
    """
    is_read_BN = is_stored_BN if as_paper else is_photo_BN
    # index_put moves whole rows; masked_scatter would go number by number
    feature_BND = feature_MD.new_zeros(*is_read_BN.shape, feature_MD.shape[-1]).index_put((is_read_BN,), feature_MD)
    logit_BN = feature_MD.new_full(is_read_BN.shape, -torch.inf).index_put((is_read_BN,), logit_M)
    if region_BN is not None:
        bag_BD, attention_BN = pool_regions(feature_BND, logit_BN, is_photo_BN, is_stored_BN, region_BN, as_paper)
    elif as_paper:
        bag_BD, attention_BN = pool_bag_as_paper(feature_BND, logit_BN, is_photo_BN, is_stored_BN)
    else:
        bag_BD, attention_BN = pool_bag(feature_BND, logit_BN, is_photo_BN)
    return bag_BD, attention_BN, logit_BN
