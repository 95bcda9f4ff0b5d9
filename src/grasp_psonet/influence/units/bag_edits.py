"""Unit ``edit``: what would a visit's gradient be without this photo, with it alone, or under another label?

For a direction q, ``q . grad L`` is the derivative of L along q. One forward-mode pass over the encoder gives how every
photo's feature moves along q; from there each edited bag is a derivative through attention, pool and head only. The
derivatives are exact, and further edits cost no further run of the encoder.
"""

# Axes: B bags (visits), N photos per bag (padded), M photos that are read, P present photos, E edits of one visit,
# R photos read of one visit, Q directions, C classes, D feature length.

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.gradients.backward_pass import LossModule
from grasp_psonet.influence.gradients.forward_mode import along
from grasp_psonet.influence.gradients.local_vjp import called_with
from grasp_psonet.influence.units.network_parts import features_of, fitted, part, read_mask, reads_removed
from grasp_psonet.network.attention import attend, attend_as_paper
from grasp_psonet.network.loss import loss_of, whole_labels
from grasp_psonet.network.regions import pool_regions

TOP = ("attention.", "head.")


class _Visit(NamedTuple):
    """What does not change with an edit of a visit: which of its read photos are stored, and the region of each."""

    is_stored_R: Tensor
    region_R: Tensor | None


class _Top(nn.Module):
    """A float64 copy of a network's attention and head, under the names their parameters have there."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.attention = copy.deepcopy(part(network, "attention"))
        self.head = copy.deepcopy(part(network, "head"))
        self.loss = loss_of(network)
        self.double()

    def forward(
        self, feature_RD: Tensor, is_photo_ER: Tensor, visit: _Visit, label_E: Tensor, as_paper: bool
    ) -> Tensor:
        """Loss [E] of one visit under each edit."""
        logit_ER = self.attention(feature_RD).expand(is_photo_ER.shape)
        is_stored_ER = visit.is_stored_R.expand(is_photo_ER.shape)
        if visit.region_R is not None:
            region_ER = visit.region_R.expand(is_photo_ER.shape)
            bag_EGD = pool_regions(feature_RD, logit_ER, is_photo_ER, is_stored_ER, region_ER, as_paper)[0]
            return self.loss(self.head(bag_EGD), label_E)
        masks = (is_photo_ER, is_stored_ER)
        attention_ER = attend_as_paper(logit_ER, *masks) if as_paper else attend(logit_ER, is_photo_ER)
        return self.loss(self.head(attention_ER @ feature_RD), label_E)


@dataclass(frozen=True)
class TangentBags:
    """A batch of visits as attention and head see it, and how it moves along each direction; made by ``tangent_bags``.

    Everything is float64: an edit's answer is the small difference of two near numbers. A value of its own: loading other
    weights into the network afterwards changes nothing here. All answers are ``q . (gradient of the visit's loss as it is -
    gradient of its loss edited)``; where q is a formula's direction they have the sign of every score: positive = what the
    edit takes away was helpful, negative = harmful.
    """

    batch: BagBatch
    is_read_BN: Tensor
    feature_MD: Tensor
    tangent_QMD: Tensor
    top: nn.Module
    directions: Mapping[str, Tensor]
    as_paper: bool

    def visits(self) -> Tensor:
        """``q . gradient`` of each visit as it is [B, Q]."""
        return self._ask(lambda b, is_photo_R: (is_photo_R[None], self.batch.label_B[b : b + 1]))

    def drop_photo(self) -> Tensor:
        """Each present photo taken out of its visit [P, Q]; the last photo of a visit is compared with no loss at all.

        Under the paper's mask the photo loses its presence but is still stored, and shapes the softmax.
        """

        def drops(b: int, is_photo_R: Tensor) -> tuple[Tensor, Tensor]:
            without_PR = is_photo_R & ~_one_by_one(is_photo_R)
            without_PR = without_PR[without_PR.any(dim=1)]
            return without_PR, self.batch.label_B[b : b + 1].repeat_interleave(len(without_PR), dim=0)

        whole_PQ = self.visits()[self.batch.is_photo_BN.nonzero()[:, 0]]
        has_others_P = (self.batch.is_photo_BN.sum(dim=1) > 1)[self.batch.is_photo_BN.nonzero()[:, 0]]
        without_PQ = torch.zeros_like(whole_PQ)
        without_PQ[has_others_P] = self._ask(drops)
        return whole_PQ - without_PQ

    def keep_only(self) -> Tensor:
        """Each visit reduced to this one of its present photos [P, Q]."""

        def alone(b: int, is_photo_R: Tensor) -> tuple[Tensor, Tensor]:
            one_PR = _one_by_one(is_photo_R)
            return one_PR, self.batch.label_B[b : b + 1].repeat_interleave(len(one_PR), dim=0)

        return self.visits()[self.batch.is_photo_BN.nonzero()[:, 0]] - self._ask(alone)

    def relabel(self) -> Tensor:
        """Each visit under each class [B, C, Q]; exactly 0 at its own label."""
        with torch.no_grad():
            num_classes = part(self.top, "head")(self.feature_MD[:1]).shape[1]
        classes_C = torch.arange(num_classes, device=self.batch.label_B.device)

        def others(_: int, is_photo_R: Tensor) -> tuple[Tensor, Tensor]:
            return is_photo_R.expand(num_classes, -1), classes_C

        under_BCQ = self._ask(others).reshape(len(self.batch.label_B), num_classes, -1)
        own_B1Q: Tensor = under_BCQ.take_along_dim(whole_labels(self.batch.label_B)[:, None, None], dim=1)
        return own_B1Q - under_BCQ

    def _ask(self, edits_of: Callable[[int, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """``q . gradient`` [all edits, Q]; ``edits_of(visit, presence of its read photos)`` gives presence and labels."""
        counts = self.is_read_BN.sum(dim=1).tolist()
        weights = {name: weight.detach() for name, weight in self.top.named_parameters()}
        found: list[Tensor] = []
        ends = torch.tensor(counts).cumsum(0).tolist()
        for b, (count, end) in enumerate(zip(counts, ends, strict=True)):
            is_read_N = self.is_read_BN[b]
            is_photo_ER, label_E = edits_of(b, self.batch.is_photo_BN[b][is_read_N])
            if not len(is_photo_ER):
                continue
            rows = slice(end - count, end)
            region_BN = self.batch.region_BN
            visit = _Visit(
                self.batch.is_stored_BN[b][is_read_N], None if region_BN is None else region_BN[b][is_read_N]
            )

            def losses(
                values: dict[str, Tensor],
                feature_RD: Tensor,
                is_photo_ER: Tensor = is_photo_ER,
                visit: _Visit = visit,
                label_E: Tensor = label_E,
            ) -> Tensor:
                inputs = (feature_RD, is_photo_ER, visit, label_E, self.as_paper)
                loss_E: Tensor = torch.func.functional_call(self.top, {**weights, **values}, inputs)
                return loss_E

            at = ({name: weights[name] for name in self.directions}, self.feature_MD[rows])
            found.append(along(losses, at, (dict(self.directions), self.tangent_QMD[:, rows])).T)
        return torch.cat(found) if found else self.feature_MD.new_zeros(0, len(self.tangent_QMD))


@dataclass(frozen=True)
class LossChanges:
    """Predicted changes of the queries' losses, float64: positive = the loss would have risen more, negative = less.

    ``removed_QP`` and ``alone_QP``: each photo left out of its visit, or its visit reduced to it. ``relabelled_QBC``: each
    visit under each class, 0 at its own.
    """

    removed_QP: np.ndarray
    alone_QP: np.ndarray
    relabelled_QBC: np.ndarray


def loss_changes(network: nn.Module, batch: BagBatch, directions: Mapping[str, Tensor]) -> LossChanges:
    """``q . (gradient of each visit as it is - gradient of it edited)`` for every direction q, present photo and class."""
    bags = tangent_bags(network, batch, directions)
    removed_QP, alone_QP = bags.drop_photo().T, bags.keep_only().T
    relabelled_QBC = bags.relabel().permute(2, 0, 1)
    return LossChanges(removed_QP.cpu().numpy(), alone_QP.cpu().numpy(), relabelled_QBC.cpu().numpy())


def tangent_bags(network: nn.Module, batch: BagBatch, directions: Mapping[str, Tensor]) -> TangentBags:
    """The batch with its tangents, from one forward-mode pass of the encoder over all ``directions`` [Q, *shape].

    Parameters without a direction stand still. The network must offer its parts. Raises TraceError where a layer has no
    forward-mode derivative, naming torch's reason.
    """
    batch = fitted(network, batch)
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    below = {name: direction for name, direction in directions.items() if not name.startswith(TOP)}
    above = {name: direction for name, direction in directions.items() if name.startswith(TOP)}
    is_read_BN = read_mask(network, batch)
    photos_M = batch.photos_BNCHW[is_read_BN]
    whole = LossModule(network, lambda module: features_of(module, photos_M))

    def features(values: dict[str, Tensor]) -> Tensor:
        moved = {f"network.{name}": value for name, value in {**weights, **values}.items()}
        feature_MD: Tensor = called_with(whole, moved, ())
        return feature_MD

    with torch.no_grad():
        feature_MD = features({})
    num_directions = next((len(direction) for direction in directions.values()), 0)
    if below:
        tangent_QMD = along(features, ({name: weights[name] for name in below},), (below,))
    else:
        tangent_QMD = feature_MD.new_zeros(num_directions, *feature_MD.shape)
    top = _Top(network)
    return TangentBags(
        batch,
        is_read_BN,
        feature_MD.double(),
        tangent_QMD.double(),
        top,
        {name: direction.double() for name, direction in above.items()},
        reads_removed(network),
    )


def _one_by_one(is_photo_R: Tensor) -> Tensor:
    """Presence [P, R] of each present photo alone."""
    return torch.eye(len(is_photo_R), dtype=torch.bool, device=is_photo_R.device)[is_photo_R]
