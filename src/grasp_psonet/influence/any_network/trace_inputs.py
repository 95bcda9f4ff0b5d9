"""The inputs of a trace from Python: bags, recording and parameters, checked before anything is traced."""

import copy
import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from grasp_psonet.bags.bag import BagBatch, collate
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.any_network.padding import padding_caveats
from grasp_psonet.influence.any_network.plain_bags import Bags, PlainBags, plain_bags, refuse_labels_beyond
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.units.table import chosen_parameters, cover_unit
from grasp_psonet.influence.units.unit import UnitCoverage
from grasp_psonet.network.loss import Loss, has_own_loss, loss_of, with_loss
from grasp_psonet.tables.columns import STEP, VISIT_ID
from grasp_psonet.trajectory.anchors import Anchor, load_weights, weights_of
from grasp_psonet.trajectory.logits import logits_of
from grasp_psonet.trajectory.trajectory import Trajectory

log = logging.getLogger("grasp_psonet")


@dataclass(frozen=True)
class TraceInputs:
    """A copy of the network that may be changed, the bags, the parameters with their proven rules, and what must be said."""

    network: nn.Module
    bags: PlainBags
    coverage: UnitCoverage
    caveats: tuple[str, ...] = ()

    @property
    def source(self) -> BatchSource:
        """What makes the batches of a replay: the training bags as given."""
        return BatchSource(self.bags.training, self.bags.photos)


def trace_inputs(
    network: nn.Module,
    trajectory: Trajectory,
    training_bags: Bags,
    queries: Bags,
    settings: TraceSettings,
    loss: Loss | None = None,
) -> TraceInputs:
    """Checks that there is something to trace, and proves at the first anchor how each parameter that moved is covered.

    Raises TraceError naming the bags, labels, parameters or modules with which it cannot be.
    """
    bags = plain_bags(training_bags, queries, next(network.parameters()).dtype, has_own_loss=loss is not None)
    _refuse_nothing(trajectory, bags)
    if settings.query == "photo":
        _refuse_crowded(bags)
    caveats = _caveats(network, trajectory)
    network = _copy(network).eval()
    if loss is not None:
        with_loss(network, loss)
    anchor = trajectory.read(trajectory.windows()[0][1], next(network.parameters()).device)
    _refuse_other_weights(network, anchor)
    load_weights(network, anchor)
    moved = anchor.state.exp_avg.keys()
    names = chosen_parameters(network, settings.parameters) & moved
    if not names:
        raise TraceError(
            f"training moved none of the chosen parameters {settings.parameters!r}\n  next: trace all, or train them"
        )
    for name, weight in network.named_parameters():
        weight.requires_grad_(name in moved)
    few = collate(list(bags.training.values())[:4], bags.photos)
    refuse_batch_statistics(network)
    _refuse_outputs(network, few.to(next(network.parameters()).device), bags)
    coverage = cover_unit(settings.unit, network, few, sorted(names))
    log.info("tracing %d queries over %s", len(bags.queries), coverage)
    caveats += padding_caveats(network, trajectory, BatchSource(bags.training, bags.photos), settings.unit)
    return TraceInputs(network, bags, coverage, caveats)


def _caveats(network: nn.Module, trajectory: Trajectory) -> tuple[str, ...]:
    """What network and recording say of themselves. Raises TraceError for an average of weights in place of the network."""
    if isinstance(network, AveragedModel):
        raise TraceError(
            "the network is an average of weights (AveragedModel), and scores are of the weights that the optimizer moved\n"
            "  next: give the module that was recorded; queries are then asked at the recorded weights"
        )
    found = []
    if trajectory.autocast is not None:
        found.append(
            f"training ran under autocast to {trajectory.autocast}: its steps are replayed so, while the gradients of photos "
            "and queries are taken in the precision of the weights"
        )
    is_last = trajectory.kept_step == int(trajectory.steps[STEP].max())
    if is_last and _holds_other_weights(network, trajectory):
        found.append(
            f"the network given holds other weights than the recording does after step {trajectory.kept_step} (an average of "
            "weights, a new network, later training): queries are asked at the recorded ones"
        )
    return tuple(found)


def _holds_other_weights(network: nn.Module, trajectory: Trajectory) -> bool:
    recorded = trajectory.read(trajectory.kept_step, next(network.parameters()).device).weights
    own = weights_of(network)
    alike = [name for name, weight in recorded.items() if name in own and own[name].dtype == weight.dtype]
    return any(not torch.equal(own[name], recorded[name]) for name in alike)


@torch.no_grad()
def _refuse_outputs(network: nn.Module, few: BagBatch, bags: PlainBags) -> None:
    """Raises TraceError where labels are no class that the network tells, or a loss of its own gives no number a bag."""
    outputs_B = logits_of(network, few)
    if not has_own_loss(network):
        refuse_labels_beyond(bags, outputs_B.shape[1])
        return
    losses_B = loss_of(network)(outputs_B, few.label_B)
    if not isinstance(losses_B, Tensor) or losses_B.shape != few.label_B.shape:
        seen = tuple(losses_B.shape) if isinstance(losses_B, Tensor) else type(losses_B).__name__
        raise TraceError(
            f"the loss returned {seen} for {len(few.label_B)} bags; wanted: one number a bag, [bags]\n"
            "  next: leave the mean over the bags to the trace (reduction='none')"
        )
    one_B = torch.cat([loss_of(network)(outputs_B[b : b + 1], few.label_B[b : b + 1]) for b in range(len(outputs_B))])
    if not torch.allclose(one_B, losses_B, rtol=1e-4, atol=1e-6):
        raise TraceError(
            "the loss of a bag depends on the bags beside it (a weighted mean, a ranking, a contrast): a photo has no "
            "gradient of its own\n  next: a loss that is a mean over bags, each bag's own in a call with reduction='none'"
        )


def _copy(network: nn.Module) -> nn.Module:
    """A copy that may be changed. Raises TraceError where a module cannot be copied, naming it."""
    try:
        return copy.deepcopy(network)
    except RuntimeError as fault:
        odd = [
            name or "(the network)"
            for name, module in network.named_modules()
            if any(isinstance(value, Tensor) and not value.is_leaf for value in vars(module).values())
        ]
        raise TraceError(
            f"{type(network).__name__} cannot be copied, for {', '.join(odd) or 'a module'} keeps a tensor that was computed "
            f"from others, as torch.nn.utils.weight_norm does: {str(fault).splitlines()[0]}\n"
            "  next: torch.nn.utils.parametrizations.weight_norm in its place"
        ) from fault


def _refuse_nothing(trajectory: Trajectory, bags: PlainBags) -> None:
    """Raises TraceError where there is no training bag, query or anchor, or no bag of these was drawn."""
    if not bags.training:
        raise TraceError("nothing to trace: there are no training bags\n  next: give the bags that training drew")
    if not bags.queries:
        raise TraceError("nothing to trace: there are no queries\n  next: give bags whose loss is to be explained")
    if not trajectory.windows():
        raise TraceError(
            f"nothing to trace: {trajectory.anchors} holds no anchor up to step {trajectory.kept_step}\n"
            "  next: a later kept_step, or record the training again (grasp_psonet.record)"
        )
    drawn = set(trajectory.steps[VISIT_ID][trajectory.steps[STEP] <= trajectory.kept_step].astype(str))
    if not drawn & bags.training.keys():
        raise TraceError(
            f"nothing to trace: {len(bags.training)} training bags (first: {next(iter(bags.training))!r}), of which 0 were "
            f"drawn up to step {trajectory.kept_step}; training drew {len(drawn)} others (first: {min(drawn)!r})\n"
            "  next: name bags in draw() as here: by their keys, or by their places in the list"
        )


def _refuse_crowded(bags: PlainBags) -> None:
    if crowded := [f"{bag.visit_id} has {len(bag)}" for bag in bags.queries if len(bag) != 1]:
        raise TraceError(
            f"query='photo' takes queries of one photo; query {', '.join(crowded[:5])}\n"
            "  next: give a query of one photo, or query='visit'"
        )


def _refuse_other_weights(network: nn.Module, anchor: Anchor) -> None:
    """Raises TraceError where a parameter has another precision or shape than in the recording."""
    for name, weight in network.named_parameters():
        recorded = anchor.weights.get(name)
        if recorded is not None and (recorded.dtype, recorded.shape) != (weight.dtype, weight.shape):
            raise TraceError(
                f"parameter {name} is {weight.dtype} {tuple(weight.shape)} here, and {recorded.dtype} "
                f"{tuple(recorded.shape)} in the recording\n  next: trace the network as it was recorded"
            )
