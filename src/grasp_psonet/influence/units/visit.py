"""Unit ``visit``: a photo's gradient is that of its whole visit, the same for each of its photos.

Under the paper's mask removed photos shape the softmax as they did in training.
"""

# Axes: B bags (visits), N photos per bag (padded), P present photos in row order of is_photo_BN.nonzero(), Q directions,
# M preconditioners.

from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.gradients.coverage import cover as cover_examples
from grasp_psonet.influence.gradients.exact_products import exact_products
from grasp_psonet.influence.gradients.products import Products
from grasp_psonet.influence.units.network_parts import bags_of, only_visits, read_mask, visit_losses, visit_of_photos
from grasp_psonet.influence.units.probe import probe_visits, refuse_coupled_visits
from grasp_psonet.influence.units.unit import ByName, Unit, UnitCoverage, UnitProducts, covered

PAIR = 2  # photos in each of the visits that the way of a visit is proven on


def cover(network: nn.Module, batch: BagBatch, names: frozenset[str]) -> UnitCoverage:
    """Everything twice: by photo for visits of one photo, by visit for visits of several."""
    ones, pairs = probe_visits(batch, 3, 1), probe_visits(batch, 2, PAIR)
    refuse_coupled_visits(network, pairs)
    by_photo = cover_examples(network, lambda module: visit_losses(module, ones), names)
    by_visit = cover_examples(network, lambda module: visit_losses(module, pairs), names)
    return covered("visit", network, names, by_photo, by_visit)


def products(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, preconditioners: ByName
) -> UnitProducts:
    """Visits that read equally many photos go together: an example is then the neighbouring rows of one visit."""
    is_read_BN = read_mask(network, batch)
    count_B = is_read_BN.sum(dim=1)
    parts: list[Products] = []
    order: list[Tensor] = []
    for count in sorted(set(count_B.tolist())):
        rows = (count_B == count).nonzero().flatten()
        examples = bags_of(only_visits(batch, rows, is_read_BN))
        proven = coverage.by_photo if count == 1 else replace(coverage.by_visit, growth=Fraction(count, PAIR))
        parts.append(exact_products(network, examples, proven, directions, preconditioners))
        order.append(rows)
    place_P = torch.cat(order).argsort()[visit_of_photos(batch)]
    dot_PQ = torch.cat([found.dot_BQ for found in parts])[place_P]
    squared_PM = torch.cat([found.squared_BM for found in parts])[place_P] if preconditioners else None
    return UnitProducts(dot_PQ, squared_PM)


VISIT = Unit("visit", cover, products)
