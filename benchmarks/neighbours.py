"""The same TracIn scores of one checkpoint from other tools: every way scores [train photos, queries] from scratch.

captum and dattri are not dependencies of the project; ``make bench-trace`` installs them (group ``bench``).
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.trace_cases import Workload, make_case
from grasp_psonet.influence.gradients.coverage import Coverage
from grasp_psonet.influence.gradients.products import products


@dataclass(frozen=True)
class Task:
    """One checkpoint, photos to be scored, and queries."""

    network: nn.Module
    photos: Tensor
    labels: Tensor
    query_photos: Tensor
    query_labels: Tensor
    coverage: Coverage
    batch_size: int

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Photos and labels in batches."""
        return zip(torch.split(self.photos, self.batch_size), torch.split(self.labels, self.batch_size), strict=True)


def make_task(work: Workload, num_queries: int, device: str, *, is_short: bool = False) -> Task:
    """160 photos in batches of 32 (short: 8 in batches of 4), and queries beside them."""
    num_photos, batch_size = (8, 4) if is_short else (160, 32)
    case = make_case(work, device, num_photos + num_queries)
    train, query = slice(num_photos), slice(num_photos, None)
    return Task(
        case.network,
        case.photos[train],
        case.labels[train],
        case.photos[query],
        case.labels[query],
        case.coverage,
        batch_size,
    )


def ours(task: Task) -> Tensor:
    """Query gradients one by one, then one pass over each batch of photos."""
    parameters = dict(task.network.named_parameters())
    rows = [
        torch.autograd.grad(functional.cross_entropy(task.network(x[None]), y[None]), list(parameters.values()))
        for x, y in zip(task.query_photos, task.query_labels, strict=True)
    ]
    directions = {name: torch.stack(column) for name, column in zip(parameters, zip(*rows, strict=True), strict=True)}

    def losses(photos: Tensor, labels: Tensor, network: nn.Module) -> Tensor:
        return functional.cross_entropy(network(photos), labels, reduction="none")

    return torch.cat(
        [
            products(task.network, partial(losses, photos, labels), task.coverage, directions).dot_BQ
            for photos, labels in task.batches()
        ]
    )


def vmap(task: Task) -> Tensor:
    """``vmap(grad)`` of the whole network, all gradients of a batch in memory at once."""
    parameters = {name: parameter.detach() for name, parameter in task.network.named_parameters()}

    def loss(parameters: dict[str, Tensor], photo: Tensor, label: Tensor) -> Tensor:
        return functional.cross_entropy(torch.func.functional_call(task.network, parameters, photo[None]), label[None])

    each = torch.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    query = each(parameters, task.query_photos, task.query_labels)

    def scores(train: dict[str, Tensor]) -> Tensor:
        return torch.stack([train[name].flatten(1) @ query[name].flatten(1).T for name in parameters]).sum(0)

    return torch.cat([scores(each(parameters, photos, labels)) for photos, labels in task.batches()])


def captum(task: Task) -> Tensor:
    """``TracInCP`` (exact; its fast variants cover linear layers only).

    Version 0.9 stops with "view size is not compatible" where a gradient is not contiguous, as here; its product is
    therefore replaced by the same one with ``reshape``.
    """
    common: Any = importlib.import_module("captum.influence._utils.common")
    common._tensor_batch_dot = lambda one, two: one.flatten(1) @ two.flatten(1).T
    tracin: Any = importlib.import_module("captum.influence").TracInCP(
        task.network,
        TensorDataset(task.photos, task.labels),
        ["only"],
        checkpoints_load_func=lambda *_: 1.0,
        loss_fn=nn.CrossEntropyLoss(reduction="none"),
        batch_size=task.batch_size,
    )
    scores: Tensor = tracin.influence((task.query_photos, task.query_labels))
    return scores.T


def dattri(task: Task) -> Tensor:
    """``TracInAttributor`` with its projection switched off."""

    def loss(parameters: dict[str, Tensor], photo_and_label: tuple[Tensor, Tensor]) -> Tensor:
        photo, label = photo_and_label
        return functional.cross_entropy(torch.func.functional_call(task.network, parameters, photo[None]), label[None])

    attribution: Any = importlib.import_module("dattri.task").AttributionTask(
        loss_func=loss, model=task.network, checkpoints=task.network.state_dict()
    )
    attributor: Any = importlib.import_module("dattri.algorithm.tracin").TracInAttributor(
        task=attribution, weight_list=torch.ones(1), normalized_grad=False
    )
    attributor.projector_kwargs = None
    train, query = (
        DataLoader(TensorDataset(photos, labels), batch_size=task.batch_size)
        for photos, labels in ((task.photos, task.labels), (task.query_photos, task.query_labels))
    )
    scores: Tensor = attributor.attribute(train, query)
    return scores


def _plain_attention(score: Callable[[Task], Tensor]) -> Callable[[Task], Tensor]:
    """Without the fused attention kernels, which ``torch.vmap`` would run one photo at a time."""

    def run(task: Task) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return score(task)

    return run


WAYS: dict[str, Callable[[Task], Tensor]] = {
    "ours": ours,
    "vmap": _plain_attention(vmap),
    "captum": captum,
    "dattri": _plain_attention(dattri),
}
NEIGHBOURS = tuple(way for way in WAYS if way != "ours")


def installed() -> list[str]:
    """The neighbours that can run here."""
    return [name for name in NEIGHBOURS if name == "vmap" or importlib.util.find_spec(name) is not None]
