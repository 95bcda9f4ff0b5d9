"""What other methods say on the same trajectory and at the same anchors.

They are made for independent examples: here a visit is the example, and a photo is a visit of one (``alone``), or bears its
visit's score (``its visit``). Signs are turned so that positive = helpful. Methods with a free constant stand with several.
"""

# Axes: Q queries, Z examples (photos or visits), N photos per visit (padded), H head features, W parameters.

import importlib
import importlib.util
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.truth.micro.baselines import at_random, attention_of, margin_of, minus_loss, nearest
from benchmarks.truth.micro.ground import LAST, Examples, Ground, ground_of, loss_of_one
from benchmarks.truth.micro.scores import Scores
from benchmarks.truth.micro.training import ByName, MicroRun
from grasp_psonet.bags.bag import Bag


def neighbour_scores(run: MicroRun, queries: Sequence[Bag]) -> Iterator[Scores]:
    """Every neighbour that is installed, for photos both alone and by their visit, and for visits."""
    visit_of_P = np.repeat(np.arange(len(run.study.training)), [len(bag) for bag in run.study.training])
    alone = tuple(bag.only(photo_id) for bag in run.study.training for photo_id in bag.photo_ids)
    grounds = {what: ground_of(run, bags, queries) for what, bags in (("photo", alone), ("visit", run.study.training))}
    for name, method in METHODS.items():
        if importlib.util.find_spec(name.split()[0]) is None and name.split()[0] in ("captum", "dattri"):
            continue
        start = time.perf_counter()
        with redirect_stderr(io.StringIO()):  # their progress bars
            found = {what: method(ground).double().numpy() for what, ground in grounds.items()}
        elapsed_s = time.perf_counter() - start
        source = "baseline" if name.startswith("without gradients") else "neighbour"
        yield Scores(source, f"{name}, photo alone", found["photo"], found["visit"], elapsed_s)
        yield Scores(source, f"{name}, its visit", found["visit"][:, visit_of_P], None, elapsed_s)
    start = time.perf_counter()
    score_QP = attention_of(run, grounds["visit"], visit_of_P)
    yield Scores("baseline", "without gradients: attention", score_QP, None, time.perf_counter() - start)


def missing() -> list[str]:
    """Tools that are not installed here and so are left out."""
    return [name for name in ("captum", "dattri") if importlib.util.find_spec(name) is None]


def captum_tracin(ground: Ground, fast: bool) -> Tensor:
    """``TracInCP`` or ``TracInCPFast`` (last layer); see ``benchmarks.neighbours`` for the product that is replaced."""
    common: Any = importlib.import_module("captum.influence._utils.common")
    common._tensor_batch_dot = lambda one, two: one.flatten(1) @ two.flatten(1).T

    def load(model: nn.Module, at: int) -> float:
        model.load_state_dict(ground.checkpoints[at])
        return ground.lr

    library: Any = importlib.import_module("captum.influence")
    given: tuple[Any, ...] = (TensorDataset(*ground.examples), list(range(len(ground.checkpoints))))
    reduction = nn.CrossEntropyLoss(reduction="sum" if fast else "none")
    options: dict[str, Any] = {
        "checkpoints_load_func": load,
        "loss_fn": reduction,
        "batch_size": len(ground.examples[0]),
    }
    if fast:
        tracin = library.TracInCPFast(ground.network, ground.network.get_submodule(LAST), *given, **options)
    else:
        tracin = library.TracInCP(ground.network, *given, **options)
    scores: Tensor = tracin.influence(ground.queries)
    return scores.detach()


def dattri_tracin(ground: Ground) -> Tensor:
    """``TracInAttributor``, projection switched off."""
    attributor: Any = importlib.import_module("dattri.algorithm.tracin").TracInAttributor(
        task=_dattri_task(ground, partial(loss_of_one, ground.network), ground.checkpoints),
        weight_list=torch.full((len(ground.checkpoints),), ground.lr),
        normalized_grad=False,
    )
    attributor.projector_kwargs = None
    scores: Tensor = attributor.attribute(_loader(ground.examples), _loader(ground.queries))
    return scores.T


def dattri_trak(ground: Ground, size: int, regularization: float) -> Tensor:
    """``TRAKAttributor`` on the last checkpoint, projected to ``size`` numbers."""

    def margin(parameters: ByName, one: Examples) -> Tensor:
        loss = loss_of_one(ground.network, parameters, one)
        return -loss - torch.log(1 - torch.exp(-loss))

    def correct(parameters: ByName, one: Examples) -> Tensor:
        return torch.exp(-loss_of_one(ground.network, parameters, one))

    attributor: Any = importlib.import_module("dattri.algorithm.trak").TRAKAttributor(
        task=_dattri_task(ground, margin, ground.checkpoints[-1:]),
        correct_probability_func=correct,
        projector_kwargs={"proj_dim": size, "proj_max_batch_size": 32, "proj_seed": 0, "device": "cpu"},
        regularization=regularization,
    )
    scores: Tensor = attributor.attribute(
        train_dataloader=_loader(ground.examples), test_dataloader=_loader(ground.queries)
    )
    return scores.detach().T


def influence_functions(ground: Ground, damping: float, parameters: str) -> Tensor:
    """Koh and Liang 2017 at the last weights: ``g_q^T (H + damping)^-1 g_z``, H the mean Hessian of the training visits.

    Their effect of upweighting has a minus in front; removal, and our sign, turn it round. ``parameters``: those whose
    name starts so; the others stand still.
    """
    weights = ground.checkpoints[-1]
    chosen = {name: weight for name, weight in weights.items() if name.startswith(parameters)}
    shapes = [weight.shape for weight in chosen.values()]
    flat_W = torch.cat([weight.flatten() for weight in chosen.values()])

    def loss(flat_W: Tensor, photos: Tensor, is_photo: Tensor, label: Tensor) -> Tensor:
        parts = torch.split(flat_W, [shape.numel() for shape in shapes])
        new = {name: part.view(shape) for name, part, shape in zip(chosen, parts, shapes, strict=True)}
        return loss_of_one(ground.network, {**weights, **new}, (photos, is_photo, label))

    gradients = torch.vmap(torch.func.grad(loss), in_dims=(None, 0, 0, 0))

    def mean_gradient(flat_W: Tensor) -> Tensor:
        mean_W: Tensor = gradients(flat_W, *ground.training).mean(dim=0)
        return mean_W

    hessian_WW = torch.func.jacrev(mean_gradient, chunk_size=64)(flat_W)
    hessian_WW = (hessian_WW + hessian_WW.T) / 2 + damping * torch.eye(len(flat_W), dtype=torch.float64)
    scores: Tensor = gradients(flat_W, *ground.queries) @ torch.linalg.solve(
        hessian_WW, gradients(flat_W, *ground.examples).T
    )
    return scores.detach()


def representer_points(ground: Ground) -> Tensor:
    """Yeh et al. 2018 on the last layer: ``(y_z - p_z)`` of the query's class times the product of the features."""
    (logits_ZC, feature_ZH), (_, feature_QH) = ground.logits(ground.examples), ground.logits(ground.queries)
    alpha_ZC = functional.one_hot(ground.examples[2], logits_ZC.shape[1]) - logits_ZC.softmax(dim=1)
    return alpha_ZC[:, ground.queries[2]].T * (feature_QH @ feature_ZH.T)


def _dattri_task(ground: Ground, target: Callable[..., Tensor], checkpoints: Sequence[ByName]) -> Any:
    return importlib.import_module("dattri.task").AttributionTask(
        loss_func=target, model=ground.network, checkpoints=list(checkpoints)
    )


def _loader(examples: Examples) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(*examples), batch_size=len(examples[0]))


METHODS: dict[str, Callable[[Ground], Tensor]] = {
    "captum TracInCP": partial(captum_tracin, fast=False),
    "captum TracInCPFast": partial(captum_tracin, fast=True),
    "dattri TracIn": dattri_tracin,
    "dattri TRAK 16": partial(dattri_trak, size=16, regularization=0.0),
    "dattri TRAK 512 damped 1e-3": partial(dattri_trak, size=512, regularization=1e-3),
    "dattri TRAK 512 damped 1e-1": partial(dattri_trak, size=512, regularization=1e-1),
    "influence functions, last layer, damped 1e-3": partial(influence_functions, damping=1e-3, parameters=LAST),
    "influence functions, last layer, damped 1e-1": partial(influence_functions, damping=1e-1, parameters=LAST),
    "influence functions, all, damped 1e-1": partial(influence_functions, damping=1e-1, parameters=""),
    "influence functions, all, damped 1": partial(influence_functions, damping=1.0, parameters=""),
    "representer points": representer_points,
    "without gradients: minus loss": minus_loss,
    "without gradients: margin": margin_of,
    "without gradients: nearest": nearest,
    "without gradients: random": at_random,
}
