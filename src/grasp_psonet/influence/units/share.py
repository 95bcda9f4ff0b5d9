"""Unit ``share``: a photo's gradient is the part of its visit's gradient that flows through this photo.

That is through its encoder, projection and attention scorer; the head's part is no photo's. Under the paper's mask removed
photos shape the softmax as they did in training, and bear a part of their own that is no present photo's.
"""

# Axes: B bags (visits), N photos per bag (padded), M photos that are read (in squared_PM the preconditioners), P present
# photos in row order of is_photo_BN.nonzero(), Q directions, D feature length.

from functools import partial

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.gradients.backward_pass import LossOf
from grasp_psonet.influence.gradients.coverage import Coverage
from grasp_psonet.influence.gradients.coverage import cover as cover_examples
from grasp_psonet.influence.gradients.exact_products import Examples, exact_products
from grasp_psonet.influence.units.network_parts import (
    features_of,
    part,
    pool_of,
    pooled,
    read_mask,
    refuse_without_parts,
)
from grasp_psonet.influence.units.probe import probe_visits, pulls, refuse_coupled_photos, refuse_coupled_visits
from grasp_psonet.influence.units.unit import NOTHING, ByName, Unit, UnitCoverage, UnitProducts, covered
from grasp_psonet.network.loss import loss_of


def cover(network: nn.Module, batch: BagBatch, names: frozenset[str]) -> UnitCoverage:
    """All but the head by photo, proven with fixed derivatives of feature and logit; the head by visit."""
    ones, pairs = probe_visits(batch, 3, 1), probe_visits(batch, 2, 2)
    refuse_without_parts(network, "share", pairs)
    refuse_coupled_photos(network, ones)
    refuse_coupled_visits(network, pairs)
    of_head = frozenset(name for name in names if name.startswith("head."))
    return covered(
        "share", network, names, _cover_photos(network, ones, names - of_head), _cover_head(network, ones, of_head)
    )


def products(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, preconditioners: ByName
) -> UnitProducts:
    """One pass over whole visits in which every photo that is read is an example, and one over the head."""
    is_read_BN = read_mask(network, batch)
    is_present_M, visit_M = batch.is_photo_BN[is_read_BN], is_read_BN.nonzero()[:, 0]
    photos_M, seen, pulling = batch.photos_BNCHW[is_read_BN], list[Tensor](), list[Tensor]()

    def losses(module: nn.Module) -> Tensor:
        bag_BD = pooled(module, batch)
        seen.append(bag_BD.detach())
        return loss_of(module)(part(module, "head")(bag_BD), batch.label_B)

    def pull_of_photo(m: int) -> LossOf:
        if not pulling:
            pulling.extend(_pull_of_visits(network, batch, is_read_BN))
        return partial(
            _pulled, photos_M=photos_M[m : m + 1], pull_MD=pulling[0][m : m + 1], pull_M=pulling[1][m : m + 1]
        )

    def losses_of_head(module: nn.Module, rows: slice = slice(None)) -> Tensor:
        return loss_of(module)(part(module, "head")(seen[0][rows]), batch.label_B[rows])

    def loss_of_head(b: int) -> LossOf:
        return partial(losses_of_head, rows=slice(b, b + 1))

    by_photo, by_visit = coverage.by_photo.names, coverage.by_visit.names
    photos = exact_products(
        network,
        Examples(len(visit_M), losses, pull_of_photo),
        coverage.by_photo,
        {name: direction for name, direction in directions.items() if name in by_photo},
        {name: diagonal for name, diagonal in preconditioners.items() if name in by_photo},
    )
    dot_MQ = _as_wide(photos.dot_BQ, directions)
    rest_BQ = dot_MQ.new_zeros(len(batch.label_B), dot_MQ.shape[1])
    of_head = {name: direction for name, direction in directions.items() if name in by_visit}
    if of_head:
        heads = Examples(len(batch.label_B), losses_of_head, loss_of_head)
        rest_BQ = exact_products(network, heads, coverage.by_visit, of_head, {}).dot_BQ
    rest_BQ = rest_BQ.index_add(0, visit_M[~is_present_M], dot_MQ[~is_present_M])
    squared_PM = _as_wide(photos.squared_BM, preconditioners)[is_present_M] if preconditioners else None
    return UnitProducts(dot_MQ[is_present_M], squared_PM, rest_BQ)


def _pull_of_visits(network: nn.Module, batch: BagBatch, is_read_BN: Tensor) -> tuple[Tensor, Tensor]:
    """How the visits' losses change with the feature [M, D] and with the attention logit [M] of each photo that is read."""
    with torch.no_grad():
        feature_MD = features_of(network, batch.photos_BNCHW[is_read_BN])
        logit_M: Tensor = part(network, "attention")(feature_MD)
    feature_MD.requires_grad_()
    logit_M.requires_grad_()
    with torch.enable_grad():
        bag_BD = pool_of(network, batch, feature_MD, logit_M)
        loss = loss_of(network)(part(network, "head")(bag_BD), batch.label_B).sum()
    pull_MD, pull_M = torch.autograd.grad(loss, [feature_MD, logit_M])
    return pull_MD, pull_M


def _pulled(module: nn.Module, photos_M: Tensor, pull_MD: Tensor, pull_M: Tensor) -> Tensor:
    """The feature and attention logit of each photo times these vectors [M]."""
    feature_MD = features_of(module, photos_M)
    logit_M: Tensor = part(module, "attention")(feature_MD)
    return (feature_MD * pull_MD).sum(dim=1) + logit_M * pull_M


def _cover_photos(network: nn.Module, probe: BagBatch, names: frozenset[str]) -> Coverage:
    """Rules up to the pool, proven photo by photo: a share is the gradient of (feature, logit) times a fixed vector."""
    if not names:
        return NOTHING
    photos_M = probe.photos_BNCHW[probe.is_photo_BN]
    return cover_examples(network, lambda module: pulls(module, photos_M), names)


def _cover_head(network: nn.Module, probe: BagBatch, names: frozenset[str]) -> Coverage:
    if not names:
        return NOTHING
    with torch.no_grad():
        bag_BD = pooled(network, probe)
    return cover_examples(network, lambda module: loss_of(module)(part(module, "head")(bag_BD), probe.label_B), names)


def _as_wide(found: Tensor, values: ByName) -> Tensor:
    """Products [rows, values], zero where none of the values' parameters took part."""
    width = next((len(value) for value in values.values()), 0)
    return found if found.shape[1] else found.new_zeros(len(found), width)


SHARE = Unit("share", cover, products)
