"""A unit: what one photo is in its bag. One frozen value for each, in the table ``UNITS``."""

# Axes: B bags (visits), N photos per bag (padded), P present photos in row order of is_photo_BN.nonzero(), Q directions,
# M preconditioners; W the shape of a parameter.

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.gradients.coverage import Coverage
from grasp_psonet.influence.gradients.projection import Projection

ByName = Mapping[str, Tensor]

NOTHING = Coverage(frozenset(), (), frozenset(), {})


@dataclass(frozen=True)
class UnitCoverage:
    """The parameters traced in a unit, and the proven way to the gradient of each.

    ``by_photo`` holds where one photo is one example, ``by_visit`` where one visit is; which of them a unit uses for what
    stands in its file. ``rules`` counts the scalars of the traced parameters by rule. It serves every copy of the network
    and every anchor loaded into it.
    """

    unit: UnitName
    names: frozenset[str]
    by_photo: Coverage
    by_visit: Coverage
    rules: Mapping[str, int]
    numel: Mapping[str, int]  # of all trained parameters of the network

    @property
    def numel_by_rule(self) -> dict[str, int]:
        """Numbers of scalar parameters that training moves by rule; ``not traced`` are those left out by choice."""
        left_out = sum(count for name, count in self.numel.items() if name not in self.names)
        return {rule: count for rule, count in {**self.rules, "not traced": left_out}.items() if count}

    @property
    def projection(self) -> Projection | None:
        """How gradients are projected before they are multiplied; None where they are not."""
        return self.by_photo.projection

    def projected(self, projection: Projection | None) -> "UnitCoverage":
        """The same parameters by the same ways, with gradients projected (None: as they are)."""
        by_photo, by_visit = (replace(one, projection=projection) for one in (self.by_photo, self.by_visit))
        return replace(self, by_photo=by_photo, by_visit=by_visit)

    def __str__(self) -> str:
        traced, total = sum(self.numel[name] for name in self.names), sum(self.numel.values())
        rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(self.numel_by_rule.items()))
        singly = sum(one.tally.one_by_one for one in (self.by_photo, self.by_visit))
        note = f"; {singly:,} gradients one by one, by autograd" if singly else ""
        return f"{traced:,} of {total:,} trained parameters in unit {self.unit} ({rules}){note}"


@dataclass(frozen=True)
class UnitProducts:
    """What one batch of visits gives.

    ``dot_PQ``: each present photo's gradient times each direction. ``squared_PM``: sum over parameters of preconditioner *
    gradient ** 2, where preconditioners were given. ``rest_BQ`` (unit share): the part of each visit's gradient that is no
    present photo's, times each direction: the head's, and under the paper's mask the removed photos'. The shares of a
    visit's photos and its rest add up to the visit's gradient exactly.
    """

    dot_PQ: Tensor
    squared_PM: Tensor | None
    rest_BQ: Tensor | None = None


@dataclass(frozen=True)
class Unit:
    """What a photo's gradient is.

    ``cover(network, batch, names)`` finds and proves on a few photos of the batch what the named parameters need, and raises
    TraceError where there is no exact way. ``products(network, batch, coverage, directions, preconditioners)`` multiplies
    the gradients of the batch's present photos with directions [Q, ...] and, where there are any, squares them under
    preconditioners [M, ...]; both map exactly the covered parameters, and the batch is on the network's device.
    """

    name: UnitName
    cover: Callable[[nn.Module, BagBatch, frozenset[str]], UnitCoverage]
    products: Callable[[nn.Module, BagBatch, UnitCoverage, ByName, ByName], UnitProducts]
    reads_photos_alone: bool = False  # no photo of the visit but this one: photos of any visits fill a batch
    takes_pass_per_direction: bool = False  # else one pass of a photo serves all directions


def covered(
    unit: UnitName,
    network: nn.Module,
    names: frozenset[str],
    by_photo: Coverage = NOTHING,
    by_visit: Coverage = NOTHING,
) -> UnitCoverage:
    """The coverage of a unit; a parameter that both cover counts under its rule by visit."""
    rules = Counter(by_visit.numel_by_rule)
    if not by_photo.names <= by_visit.names:
        rules.update(by_photo.numel_by_rule)
    return UnitCoverage(unit, names, by_photo, by_visit, dict(rules), numel_of(network))


def numel_of(network: nn.Module) -> dict[str, int]:
    """Number of scalars of every parameter that training moves."""
    return {name: weight.numel() for name, weight in network.named_parameters() if weight.requires_grad}
