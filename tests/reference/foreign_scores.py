"""Scores of the run in ``tests.foreign_run`` as they are defined: loops over steps, queries and photos, whole gradients."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.foreign_run import DECAY, LR, QUERIES, STEPS, TRAINING, Bag, loss_of

ByName = dict[str, Tensor]
PHOTOS = [(b, n) for b, (photos, _) in enumerate(TRAINING) for n in range(len(photos))]
_MOMENTS = ("exp_avg", "exp_avg_sq")
STEP = 1e-3  # of the weight of an extra loss, in finite differences


def without(bag: Bag, n: int) -> Bag:
    photos, label = bag
    return torch.cat([photos[:n], photos[n + 1 :]]), label


def photo_loss(network: nn.Module, bag: Bag, n: int, unit: str) -> Tensor:
    """The loss whose gradient the unit takes for photo n."""
    photos, label = bag
    match unit:
        case "single":
            return loss_of(network, [(photos[n : n + 1], label)])
        case "visit":
            return loss_of(network, [bag])
        case "edit":
            whole = loss_of(network, [bag])
            return whole if len(photos) == 1 else whole - loss_of(network, [without(bag, n)])
    features: Any = network.features(photos)  # type: ignore[operator]
    logits: Any = network.attention(features)  # type: ignore[operator]
    own = torch.arange(len(photos)) == n
    features = torch.where(own[:, None], features, features.detach())
    weight = torch.where(own, logits, logits.detach()).softmax(0)
    head: Any = network.head
    logits = (weight @ features) @ head.weight.detach().T + head.bias.detach()
    return -logits.log_softmax(0)[label]


def gradient(network: nn.Module, loss: Tensor) -> ByName:
    weights = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(weights, found, strict=True))


@dataclass
class Law:
    """The optimizer of a run."""

    kind: type[torch.optim.Adam] = torch.optim.Adam
    clip_norm: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    groups: Callable[[nn.Module], list[dict[str, Any]]] = lambda network: [{"params": list(network.parameters())}]

    def start(self, network: nn.Module) -> torch.optim.Adam:
        optimizer = self.kind(self.groups(network), **{"lr": LR, "weight_decay": 0.01, **self.settings})
        for group in optimizer.param_groups:
            group["part"] = group["lr"] / LR
        return optimizer

    def take(self, network: nn.Module, optimizer: torch.optim.Adam, t: int, extra: Callable[[int], Tensor]) -> None:
        """Step t (from 1), every draw of bag b with ``extra(b)`` added to its loss."""
        drawn = STEPS[t - 1]
        terms = [loss_of(network, [TRAINING[b]]) + extra(b) for b in drawn]
        optimizer.zero_grad()
        (torch.stack(terms).sum() / len(drawn)).backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = group["part"] * LR * DECAY ** (t - 1)
        optimizer.step()


def counted(start: nn.Module, law: Law, unit: str, formulas: Sequence[str], counting: str) -> dict[str, np.ndarray]:
    """Scores [Q, Z] by formula. ``steps``: draws at the weights before each step; ``checkpoints``: at steps 2, 4 and 6;
    ``even``: there, what was drawn shared out evenly among all bags.
    """
    network = copy.deepcopy(start)
    optimizer = law.start(network)
    total = {formula: np.zeros((len(QUERIES), len(PHOTOS))) for formula in formulas}
    for t in range(1, len(STEPS) + 1):
        before = copy.deepcopy(network)
        law.take(network, optimizer, t, lambda b: torch.zeros(()))
        if counting != "steps" and t % 2:
            continue
        at, window = (before, (t,)) if counting == "steps" else (network, (t - 1, t))
        parts = {w: group["part"] for group in optimizer.param_groups for w in group["params"]}
        moments = {
            name: {**optimizer.state[w], "part": parts[w]}
            for name, w in network.named_parameters()
            if optimizer.state.get(w)
        }
        theirs_QD = torch.stack([_flat(gradient(at, loss_of(at, [query])), moments) for query in QUERIES])
        between = _between(moments, t, optimizer.param_groups[0])
        for z, (b, n) in enumerate(PHOTOS):
            times = [(LR * DECAY ** (s - 1) * STEPS[s - 1].count(b), len(STEPS[s - 1])) for s in window]
            if counting == "even":
                times = [(LR * DECAY ** (s - 1) * len(STEPS[s - 1]) / len(TRAINING), len(STEPS[s - 1])) for s in window]
            ours_D = _flat(gradient(at, photo_loss(at, TRAINING[b], n, unit)), moments)
            for formula in formulas:
                share = sum(lr if formula == "cosine" else lr / size for lr, size in times)
                for q, theirs_D in enumerate(theirs_QD):
                    total[formula][q, z] += share * _product(formula, theirs_D, ours_D, between)
    return total


def _flat(by_name: ByName, moments: dict[str, Any]) -> Tensor:
    """The parameters that have moments, as one vector."""
    return torch.cat([by_name[name].flatten() for name in moments])


def _between(moments: dict[str, Any], t: int, group: dict[str, Any]) -> ByName:
    """What each formula multiplies the product of two gradients by, parameter by parameter."""
    m_D, v_D = (_flat({name: state[what] for name, state in moments.items()}, moments) for what in _MOMENTS)
    part_D = torch.cat([torch.full_like(state["exp_avg"], state["part"]).flatten() for state in moments.values()])
    scale_D = part_D / ((v_D / (1 - group["betas"][1] ** t)).sqrt() + group["eps"])
    scale_D = torch.where(v_D > 0, scale_D, 0.0)
    return {"sgd": part_D, "paper": part_D * m_D / (v_D.sqrt() + group["eps"]), "adam": scale_D, "cosine": scale_D}


def _product(formula: str, a_D: Tensor, b_D: Tensor, between: ByName) -> float:
    dot = float((between[formula] * a_D * b_D).sum())
    if formula != "cosine":
        return dot
    of_a, of_b = (float((between["cosine"] * one_D**2).sum()) for one_D in (a_D, b_D))
    return dot / (of_a * of_b) ** 0.5 if of_a * of_b else 0.0


def minus_derivative(start: nn.Module, law: Law, unit: str, b: int, n: int, query: Bag, one_by_one: bool) -> float:
    """Of the query's loss after training, by the weight of photo n's loss in all draws of bag b, by finite differences.

    ``one_by_one``: the sum over steps of the query's loss right after each, the weight differing in that step alone.
    """

    def extra(weight: float, network: nn.Module) -> Callable[[int], Tensor]:
        return lambda c: weight * photo_loss(network, TRAINING[b], n, unit) if c == b else torch.zeros(())

    weights = [times * STEP for times in (1, -1, 2, -2)]
    after = [0.0] * len(weights)
    if not one_by_one:
        for at, weight in enumerate(weights):
            network = copy.deepcopy(start)
            optimizer = law.start(network)
            for t in range(1, len(STEPS) + 1):
                law.take(network, optimizer, t, extra(weight, network))
            after[at] = float(loss_of(network, [query]).detach())
    else:
        network = copy.deepcopy(start)
        optimizer = law.start(network)
        for t in range(1, len(STEPS) + 1):
            for at, weight in enumerate(weights if b in STEPS[t - 1] else ()):  # other steps feel no weight
                aside, of_aside = copy.deepcopy((network, optimizer))
                law.take(aside, of_aside, t, extra(weight, aside))
                after[at] += float(loss_of(aside, [query]).detach())
            law.take(network, optimizer, t, lambda c: torch.zeros(()))
    return -(8 * (after[0] - after[1]) - (after[2] - after[3])) / (12 * STEP)
