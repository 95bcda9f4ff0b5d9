"""Training again with torch's own optimizer while one photo or visit weighs a little more: what influence must foretell."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, BagBatch, collate
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.law import Phase
from tests.reference.plain_loss import plain_loss
from tests.reference.regional import plain_pool
from tests.tiny_run import TinyRun

STEP = 1e-3  # of the weight; the four-point rule's error is of its fourth power
Extra = Callable[[BagNetwork, BagBatch], Tensor]


def loss_of(network: BagNetwork, batch: BagBatch) -> Tensor:
    """Loss of the one visit of this batch."""
    output_BC = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN).logits_BC
    return plain_loss(network, output_BC[0], batch.label_B[0].tolist())


def of_visit(network: BagNetwork, batch: BagBatch, _: int) -> Tensor:
    """The visit's loss once more."""
    return loss_of(network, batch)


def of_edit(network: BagNetwork, batch: BagBatch, n: int) -> Tensor:
    """The visit's loss, less its loss without photo n; nothing is subtracted for its only photo."""
    keep = [m for m in range(batch.is_photo_BN.shape[1]) if m != n]
    loss = loss_of(network, batch)
    return loss - loss_of(network, _with(batch, keep)) if keep else loss


def of_single(network: BagNetwork, batch: BagBatch, n: int) -> Tensor:
    """The loss of photo n alone."""
    return loss_of(network, _with(batch, [n]))


def of_share(network: BagNetwork, batch: BagBatch, n: int) -> Tensor:
    """The visit's loss, with everything held fixed but the way through photo n's encoder, projection and attention."""
    feature_ND = network.features(batch.photos_BNCHW[0])
    logit_N = network.attention(feature_ND)
    is_other_N = torch.arange(len(feature_ND)) != n
    feature_ND = torch.where(is_other_N[:, None], feature_ND.detach(), feature_ND)
    logit_N = torch.where(is_other_N, logit_N.detach(), logit_N)
    fixed = {name: weight.detach() for name, weight in network.head.named_parameters()}
    bag_D = logit_N.softmax(0) @ feature_ND
    if batch.region_BN is not None:
        regions = batch.region_BN[0].tolist()
        bag_D = plain_pool(list(feature_ND), list(logit_N), [True] * len(regions), regions)
    output_C = torch.func.functional_call(network.head, fixed, (bag_D,)).flatten()
    return plain_loss(network, output_C, batch.label_B[0].tolist())


UNITS = {"visit": of_visit, "edit": of_edit, "single": of_single, "share": of_share}


def minus_derivative(run: TinyRun, unit: str, visit_id: str, n: int, query: Bag, one_by_one: bool = False) -> float:
    """Minus the derivative of the query's loss after training with respect to the weight of the unit of photo n.

    ``one_by_one``: of the query's loss right after each step with respect to the weight in that step alone, summed.
    """

    def extra(weight: float) -> Extra:
        return lambda network, batch: weight * UNITS[unit](network, batch, n)

    extras = [extra(times * STEP) for times in (1, -1, 2, -2)]
    if one_by_one:
        after = _losses_after_each_step(run, visit_id, extras, query)
    else:
        after = [_loss_after_training(run, visit_id, one, query) for one in extras]
    return -(8 * (after[0] - after[1]) - (after[2] - after[3])) / (12 * STEP)


def _loss_after_training(run: TinyRun, visit_id: str, extra: Extra, query: Bag) -> float:
    """Query's loss after the kept step, each draw of the visit having the extra loss."""
    for network, optimizer, draws in _steps(run):
        take_step(run, network, optimizer, draws, visit_id, extra)
    return _query_loss(run, network, query)


def _losses_after_each_step(run: TinyRun, visit_id: str, extras: Sequence[Extra], query: Bag) -> list[float]:
    """For each extra loss the query's loss right after a step that alone has it, summed over the steps that draw the visit.

    The others feel no extra loss: theirs is the same for all.
    """
    totals = [0.0] * len(extras)
    for network, optimizer, draws in _steps(run):
        for at, extra in enumerate(extras if (draws["visit_id"] == visit_id).any() else ()):
            aside, of_aside = copy.deepcopy((network, optimizer))
            take_step(run, aside, of_aside, draws, visit_id, extra)
            totals[at] += _query_loss(run, aside, query)
        take_step(run, network, optimizer, draws, "", extras[0])
    return totals


def _steps(run: TinyRun) -> Iterator[tuple[BagNetwork, torch.optim.Optimizer, pd.DataFrame]]:
    """The network, its optimizer and the draws of every step up to the kept one; who asks takes the step."""
    steps, network = run.trajectory.steps, run.network()
    optimizer = optimizer_of(run, network)
    for step, draws in steps[steps["step"] <= run.trajectory.kept_step].groupby("step"):
        if begins_phase(run, int(str(step))):
            optimizer = optimizer_of(run, network, int(str(step)))
        yield network, optimizer, draws


def optimizer_of(run: TinyRun, network: BagNetwork, step: int = 1) -> torch.optim.Optimizer:
    """A new optimizer of torch's with the settings of this step's phase, a group of its own for each parameter that moves.

    Each step sets their lr.
    """
    phase, law = run.trajectory.optimizer.at(step), run.trajectory.optimizer
    kind = torch.optim.Adam if law.kind == "adam" else torch.optim.AdamW
    scale, decay = by_parameter(phase)
    groups = [
        {
            "params": [weight],
            "lr_scale": scale.get(name, 1.0),
            "weight_decay": decay.get(name, phase.settings.weight_decay),
        }
        for name, weight in network.named_parameters()
        if name not in phase.standing
    ]
    return kind(groups, lr=1.0, betas=law.betas, eps=law.eps, foreach=False)


def by_parameter(phase: Phase) -> tuple[dict[str, float], dict[str, float]]:
    """Factor on the learning rate, and weight decay, of the parameters that are in a group or stand still."""
    scale = {name: group.lr_scale for group in phase.groups for name in group.parameters}
    decay = {name: group.weight_decay for group in phase.groups for name in group.parameters}
    return scale | dict.fromkeys(phase.standing, 0.0), decay | dict.fromkeys(phase.standing, 0.0)


def begins_phase(run: TinyRun, step: int) -> bool:
    """Whether the moments begin at 0 with this step, though it is not the first."""
    return step - 1 in {phase.after for phase in run.trajectory.optimizer.phases[1:]}


def take_step(
    run: TinyRun,
    network: BagNetwork,
    optimizer: torch.optim.Optimizer,
    draws: pd.DataFrame,
    visit_id: str,
    extra: Extra,
) -> None:
    """One step on these draws, as training took it but for the extra loss of each draw of the visit."""
    terms = []
    for at in range(len(draws)):
        batch = _drawn(run, draws.iloc[[at]])
        terms.append(loss_of(network, batch))
        if draws["visit_id"].iloc[at] == visit_id:
            terms.append(extra(network, batch))
    network.zero_grad()
    (torch.stack(terms).sum() / len(draws)).backward()
    moving = [weight for group in optimizer.param_groups for weight in group["params"]]
    for weight in moving:
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
    if run.trajectory.optimizer.clip_norm is not None:
        nn.utils.clip_grad_norm_(moving, run.trajectory.optimizer.clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = float(draws["lr"].iloc[0]) * group["lr_scale"]
    optimizer.step()


def _query_loss(run: TinyRun, network: BagNetwork, query: Bag) -> float:
    return float(loss_of(network, double(collate([query], run.pixels))).detach())


def _drawn(run: TinyRun, draw: pd.DataFrame) -> BagBatch:
    """The batch of one draw, float64; made once for all trainings of a run, which draw the same."""
    key = (id(run.source), *draw[["visit_id", "epoch", "draw"]].iloc[0])
    if key not in run.drawn:
        run.drawn[key] = (run.source, double(run.source.batch(draw, torch.device("cpu"))))
    return run.drawn[key][1]


def double(batch: BagBatch) -> BagBatch:
    """The batch with float64 photos."""
    return replace(batch, photos_BNCHW=batch.photos_BNCHW.double())


def _with(batch: BagBatch, photos: list[int]) -> BagBatch:
    by_photo = ("photos_BNCHW", "is_photo_BN", "is_stored_BN", "region_BN")
    kept = {name: value[:, photos] for name in by_photo if (value := getattr(batch, name)) is not None}
    return replace(batch, **kept)
