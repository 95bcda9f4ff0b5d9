"""Unit ``single``: a photo's gradient is that of the loss of the bag that holds this photo alone, with its visit's label.

The paper's vector of one. Under the paper's mask too the photo is read alone.
"""

# Axes: B bags (visits), P present photos, Q directions, M preconditioners.

from torch import nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.gradients.coverage import cover as cover_examples
from grasp_psonet.influence.gradients.exact_products import exact_products
from grasp_psonet.influence.units.network_parts import bags_of, photos_alone, visit_losses
from grasp_psonet.influence.units.probe import probe_visits, refuse_coupled_visits
from grasp_psonet.influence.units.unit import ByName, Unit, UnitCoverage, UnitProducts, covered


def cover(network: nn.Module, batch: BagBatch, names: frozenset[str]) -> UnitCoverage:
    """Everything by photo, proven on three bags of one."""
    ones = probe_visits(batch, 3, 1)
    refuse_coupled_visits(network, ones)
    return covered("single", network, names, cover_examples(network, lambda module: visit_losses(module, ones), names))


def products(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, preconditioners: ByName
) -> UnitProducts:
    """One pass over all present photos, each a bag of its own."""
    alone = photos_alone(batch)
    found = exact_products(network, bags_of(alone), coverage.by_photo, directions, preconditioners)
    return UnitProducts(found.dot_BQ, found.squared_BM if preconditioners else None)


SINGLE = Unit("single", cover, products, reads_photos_alone=True)
