"""Which parameters a trace looks at, and the rules proven for them in a unit, before anything is traced."""

# Axes: B bags (visits), N photos per bag (padded), M photos that are read, P present photos, D feature length.

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics, refuse_coupling
from grasp_psonet.influence.gradients.coverage import Coverage, cover
from grasp_psonet.influence.units.bag_edits import tangent_bags
from grasp_psonet.influence.units.network_parts import (
    features_of,
    fitted,
    part,
    pooled,
    refuse_without_parts,
    visit_losses,
)
from grasp_psonet.network.network import visit_loss

NOTHING = Coverage(frozenset(), (), frozenset(), {})
VISIBLE = 1e-3  # of the largest gradient norm of a parameter: smaller ones are rounding when a derivative is proven


@dataclass(frozen=True)
class UnitCoverage:
    """The parameters traced in a unit and the proven rule of each; made by ``cover_unit``.

    ``by_photo`` holds where one photo is one example (single: everything; share: all but the head; visit: everything, for
    visits of one photo), ``by_visit`` where one visit is (share: the head; visit: everything). Unit edit needs no rules:
    there forward mode stands for every parameter. It serves every copy of the network and every anchor loaded into it.
    """

    unit: UnitName
    names: frozenset[str]
    by_photo: Coverage
    by_visit: Coverage
    numel: Mapping[str, int]

    @property
    def numel_by_rule(self) -> dict[str, int]:
        """Numbers of scalar parameters of the whole network by rule; ``not traced`` are those left out by choice."""
        counts: Counter[str] = Counter()
        if self.unit == "edit":
            counts["forward mode"] = sum(self.numel[name] for name in self.names)
        for coverage in [self.by_photo] * (self.unit in ("single", "share")) + [self.by_visit]:
            counts.update(coverage.numel_by_rule)
        counts["not traced"] = sum(count for name, count in self.numel.items() if name not in self.names)
        return {rule: count for rule, count in counts.items() if count}

    def __str__(self) -> str:
        traced, total = sum(self.numel[name] for name in self.names), sum(self.numel.values())
        rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(self.numel_by_rule.items()))
        return f"{traced:,} of {total:,} parameters in unit {self.unit} ({rules})"


def cover_unit(
    unit: UnitName, network: nn.Module, batch: BagBatch, traced: str | Collection[str] = "all"
) -> UnitCoverage:
    """Finds and proves what the unit needs, on a few present photos of ``batch``.

    ``traced`` is ``all``, ``head`` (attention and head only), patterns of parameter names separated by commas
    (``encoder.stages.3.*,head.*``), or the names themselves. Raises TraceError where a pattern names nothing, the network
    lacks the unit's parts, lets the photos of a batch couple, or a parameter has no exact way.
    """
    refuse_batch_statistics(network)
    batch = fitted(network, batch)
    names = chosen_parameters(network, traced)
    numel = {name: weight.numel() for name, weight in network.named_parameters()}
    ones, pairs = _probe(batch, 3, 1), _probe(batch, 2, 2)
    if unit in ("share", "edit"):
        refuse_without_parts(network, unit, pairs)
        refuse_coupling(network, _pulls, ones.photos_BNCHW[ones.is_photo_BN])
    _refuse_coupled_visits(network, ones if unit == "single" else pairs)
    match unit:
        case "single":
            return UnitCoverage(unit, names, cover(network, lambda net: visit_losses(net, ones), names), NOTHING, numel)
        case "visit":
            by_photo = cover(network, lambda net: visit_losses(net, ones), names)
            return UnitCoverage(
                unit, names, by_photo, cover(network, lambda net: visit_losses(net, pairs), names), numel
            )
        case "share":
            of_head = frozenset(name for name in names if name.startswith("head."))
            return UnitCoverage(
                unit, names, _cover_photos(network, ones, names - of_head), _cover_head(network, ones, of_head), numel
            )
        case "edit":
            _prove_forward_mode(network, pairs, names)
            return UnitCoverage(unit, names, NOTHING, NOTHING, numel)


def chosen_parameters(network: nn.Module, traced: str | Collection[str]) -> frozenset[str]:
    """The parameters that a setting names. Raises TraceError for a pattern or name that fits none."""
    every = [name for name, _ in network.named_parameters()]
    if traced == "all":
        return frozenset(every)
    patterns = ["attention.*", "head.*"] if traced == "head" else traced
    patterns = [word.strip() for word in patterns.split(",")] if isinstance(patterns, str) else list(patterns)
    found = {pattern: [name for name in every if fnmatchcase(name, pattern)] for pattern in patterns}
    if empty := sorted(pattern for pattern, names in found.items() if not names):
        raise TraceError(
            f"the traced parameters {empty} fit no parameter of {type(network).__name__}\n"
            f"  next: all, head, or patterns such as {every[0].rsplit('.', 1)[0]}.*"
        )
    return frozenset(name for names in found.values() for name in names)


def _probe(batch: BagBatch, num_visits: int, num_photos: int) -> BagBatch:
    """Visits of equally many photos made from the first present photos; where those run out, dimmed copies stand in."""
    photos_P, wanted = batch.photos_BNCHW[batch.is_photo_BN], num_visits * num_photos
    copies = [photos_P * 0.8**k for k in range(-(-wanted // len(photos_P)))]
    photos_BN = torch.cat(copies)[:wanted].reshape(num_visits, num_photos, *photos_P.shape[1:])
    is_there_BN = torch.ones(num_visits, num_photos, dtype=torch.bool, device=photos_P.device)
    label_B = batch.label_B[torch.arange(num_visits, device=photos_P.device) % len(batch.label_B)]
    return BagBatch(photos_BN, is_there_BN, is_there_BN, label_B)


def _cover_photos(network: nn.Module, probe: BagBatch, names: Collection[str]) -> Coverage:
    """Rules up to the pool, proven photo by photo: a share is the gradient of (feature, logit) times a fixed vector."""
    if not names:
        return NOTHING
    photos_M = probe.photos_BNCHW[probe.is_photo_BN]
    return cover(network, lambda module: _pulls(module, photos_M), names)


def _pulls(network: nn.Module, photos_M: Tensor) -> Tensor:
    """The feature and attention logit of each photo times a random but fixed vector [M]."""
    feature_MD = features_of(network, photos_M)
    logit_M: Tensor = part(network, "attention")(feature_MD)
    rng = torch.Generator().manual_seed(0)
    pull_MD, pull_M = (torch.randn(like.shape, generator=rng).to(photos_M) for like in (feature_MD, logit_M))
    return (feature_MD * pull_MD).sum(dim=1) + logit_M * pull_M


def _refuse_coupled_visits(network: nn.Module, probe: BagBatch) -> None:
    """Raises TraceError naming what lets a visit's loss depend on the other visits of its batch."""

    def losses(module: nn.Module, photos_BN: Tensor) -> Tensor:
        return visit_losses(module, BagBatch(photos_BN, probe.is_photo_BN, probe.is_stored_BN, probe.label_B))

    refuse_coupling(network, losses, probe.photos_BNCHW)


def _cover_head(network: nn.Module, probe: BagBatch, names: Collection[str]) -> Coverage:
    if not names:
        return NOTHING
    with torch.no_grad():
        bag_BD = pooled(network, probe)
    return cover(network, lambda module: visit_loss(part(module, "head")(bag_BD), probe.label_B), names)


def _prove_forward_mode(network: nn.Module, probe: BagBatch, names: Collection[str]) -> None:
    """Compares with reverse mode along a direction to which every parameter with a visible gradient contributes 1."""
    weights = {name: weight for name, weight in network.named_parameters() if name in names}
    with torch.enable_grad():
        found = torch.autograd.grad(
            visit_losses(network, probe)[0], list(weights.values()), allow_unused=True, materialize_grads=True
        )
    norm_by_name = {name: float(gradient.norm()) for name, gradient in zip(weights, found, strict=True)}
    largest = max(norm_by_name.values())
    visible = {name for name, norm in norm_by_name.items() if norm > VISIBLE * largest}
    direction = {
        name: (gradient / norm_by_name[name] ** 2 if name in visible else torch.zeros_like(gradient))[None]
        for name, gradient in zip(weights, found, strict=True)
    }
    sum_of_ones = float(tangent_bags(network, probe, direction).visits()[0, 0])
    if not abs(sum_of_ones - len(visible)) < 0.5:
        raise TraceError(
            f"unit edit: forward mode finds {sum_of_ones:.3f} where reverse mode finds {len(visible)}; a layer of "
            f"{type(network).__name__} hides parameters from one of them\n  next: unit share, visit or single"
        )
