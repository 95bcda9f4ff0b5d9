"""The table of units, and what all of them share: which parameters are traced, how a unit is proven, and its products.

========  ==========================================================================================================
unit      a photo's gradient
========  ==========================================================================================================
single    of the loss of the bag that holds this photo alone, with the visit's label (the paper's vector of one)
share     the part of the visit's gradient that flows through this photo's encoder, projection and attention scorer
edit      of the visit's loss, less that of the visit without the photo (nothing to subtract for its last photo)
visit     of the whole visit, the same for each of its photos
========  ==========================================================================================================

The loss of a visit is its cross-entropy, not divided by the number of draws: that is in the weight of a score.
"""

# Axes: P present photos, Q directions, M preconditioners.

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from torch import nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics, refuse_kept_tensors
from grasp_psonet.influence.units.edit import EDIT
from grasp_psonet.influence.units.network_parts import fitted
from grasp_psonet.influence.units.share import SHARE
from grasp_psonet.influence.units.single import SINGLE
from grasp_psonet.influence.units.unit import ByName, Unit, UnitCoverage, UnitProducts
from grasp_psonet.influence.units.visit import VISIT
from grasp_psonet.trajectory.step import trained_parameters

UNITS: Mapping[UnitName, Unit] = {unit.name: unit for unit in (SINGLE, SHARE, EDIT, VISIT)}


def cover_unit(
    unit: UnitName, network: nn.Module, batch: BagBatch, parameters: str | Collection[str] = "all"
) -> UnitCoverage:
    """Finds and proves what the unit needs, on a few present photos of ``batch``.

    ``parameters`` is ``all``, ``head`` (attention and head only), patterns of parameter names separated by commas
    (``encoder.stages.3.*,head.*``), or the names themselves. Raises TraceError where a pattern names nothing, the network
    lacks the unit's parts, lets the photos of a batch couple, or a parameter has no exact way. Parameters that training does
    not move (they require no gradient) are never among the traced; TraceError where no other is chosen.
    """
    refuse_batch_statistics(network)
    names = chosen_parameters(network, parameters) & trained_parameters(network).keys()
    if not names:
        raise TraceError(
            f"training moves none of the chosen parameters {parameters!r}\n  next: trace all, or train more (network.train)"
        )
    refuse_kept_tensors(network, names)
    return UNITS[unit].cover(network, fitted(network, batch), names)


def unit_products(
    network: nn.Module,
    batch: BagBatch,
    coverage: UnitCoverage,
    directions: ByName,
    preconditioners: ByName | None = None,
) -> UnitProducts:
    """Products of the photos of these visits with ``directions`` [Q, *shape], squares under ``preconditioners`` [M, *shape].

    A photo's gradient is that of the unit that was covered. Both map exactly the covered parameters (``coverage.names``); an
    empty mapping of directions means none. Absent photos have no row. Raises TraceError where a parameter is missing.
    """
    for what, values in (("direction", directions), ("preconditioner", preconditioners)):
        if values and values.keys() != coverage.names:
            odd = sorted(coverage.names ^ values.keys())
            raise TraceError(f"{what}s and coverage differ by {odd}; wanted: one for each covered parameter")
    refuse_batch_statistics(network)
    batch = fitted(network, batch)
    return UNITS[coverage.unit].products(network, batch, coverage, directions, preconditioners or {})


def chosen_parameters(network: nn.Module, parameters: str | Collection[str]) -> frozenset[str]:
    """The parameters that a choice names. Raises TraceError for a pattern or name that fits none."""
    every = [name for name, _ in network.named_parameters()]
    if parameters == "all":
        return frozenset(every)
    patterns = ["attention.*", "head.*"] if parameters == "head" else parameters
    patterns = [word.strip() for word in patterns.split(",")] if isinstance(patterns, str) else list(patterns)
    found = {pattern: [name for name in every if fnmatchcase(name, pattern)] for pattern in patterns}
    if empty := sorted(pattern for pattern, names in found.items() if not names):
        raise TraceError(
            f"the chosen parameters {empty} fit no parameter of {type(network).__name__}\n"
            f"  next: all, head, or patterns such as {every[0].rsplit('.', 1)[0]}.*"
        )
    return frozenset(name for names in found.values() for name in names)
