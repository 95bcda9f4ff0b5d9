"""Tracing any network from Python: bags as plain (photos, label) pairs, a recorded trajectory, a table of scores."""

# Axes: Q queries, Z training photos, P present photos of one batch, B bags, N photos per bag (padded).

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import fold, is_divided_by_batch, metric
from grasp_psonet.influence.products import query_blocks
from grasp_psonet.influence.settings import Formula, Unit
from grasp_psonet.influence.unit_scope import UnitScope, traced_names, unit_scope
from grasp_psonet.influence.units import QueryKind, query_gradients, summed, unit_products
from grasp_psonet.trajectory.anchors import Anchor, load_weights
from grasp_psonet.trajectory.records import visit_weights
from grasp_psonet.trajectory.trajectory import Trajectory

log = logging.getLogger("grasp_psonet")

PhotosAndLabel = tuple[Tensor, int]
Bags = Sequence[PhotosAndLabel] | Mapping[str, PhotosAndLabel]
CHECKPOINT_FORMULAS: tuple[Formula, ...] = ("paper", "sgd", "adam", "cosine")


def trace(
    network: nn.Module,
    trajectory: Trajectory,
    training_bags: Bags,
    queries: Bags,
    *,
    formula: Formula = "cosine",
    unit: Unit = "single",
    query: QueryKind = "visit",
    traced: str | Sequence[str] = "all",
    sum_queries: bool = False,
    photos_per_batch: int = 48,
    memory_mib: int = 4096,
) -> pd.DataFrame:
    """Scores of every training photo on every query: query_id, visit_id, photo (its place in the bag), score.

    **Positive = training on the photo lowered the query's loss (helpful); negative = harmful.** ``network(photos, mask)``
    takes photos [B, N, ...] and presence [B, N] and returns logits [B, classes], or [B] for two classes; no padding ever
    reaches it. A bag is (photos [N, ...], label); its id is its key, or its place in the list, as told to
    ``Recorder.draw``. Bags never drawn score exactly 0. Photos count at each anchor (method ``checkpoints``), in evaluation
    mode; the network itself is left as it is. ``unit`` share and edit ask the network for its parts (``influence.visits``).
    ``query`` photo takes queries of one photo. ``traced``: all trained parameters, ``head``, or name patterns. With
    ``sum_queries`` all queries are one, named "all". The table's ``attrs["coverage"]`` says which parameters were covered.

    Raises TraceError for combinations without meaning, and for parameters that no rule covers exactly.
    """
    if formula not in CHECKPOINT_FORMULAS:
        raise TraceError(f"formula {formula} is not defined at anchors; choose from {', '.join(CHECKPOINT_FORMULAS)}")
    training, asked = _by_id(training_bags), _by_id(queries)
    windows = trajectory.windows()
    drawn = set(trajectory.steps["visit_id"].astype(str))
    if not windows or not training or not asked or not drawn & training.keys():
        raise TraceError(
            f"nothing to trace: {len(windows)} anchors up to step {trajectory.kept_step}, {len(training)} training bags, of "
            f"which {len(drawn & training.keys())} were drawn, {len(asked)} queries\n"
            "  next: name bags in draw() as here: by their keys, or by their places in the list"
        )
    network = copy.deepcopy(network).eval()
    scope = _scope(network, trajectory, training, unit, traced)
    log.info("tracing %d queries over %s", len(asked), scope)
    asking = _Asking(network, trajectory, scope, formula, tuple(asked.values()), query, sum_queries, memory_mib * 2**20)
    columns = _columns(training)
    score_QZ = np.zeros((1 if sum_queries else len(asked), sum(map(len, columns.values()))))
    for before, step in windows:
        anchor = trajectory.read(step, next(network.parameters()).device)
        load_weights(network, anchor)
        weights = visit_weights(trajectory.steps, before, step, is_divided_by_batch(formula))
        counted = {bag_id: bag for bag_id, bag in training.items() if bag_id in weights}
        for rows, direction_QP in asking.directions(anchor):
            for ids in _batches(counted, photos_per_batch):
                dot_QP = asking.dots(anchor, _collate([training[bag_id] for bag_id in ids]), direction_QP)
                weight_P = np.concatenate([np.full(len(columns[bag_id]), weights[bag_id]) for bag_id in ids])
                score_QZ[rows, np.concatenate([columns[bag_id] for bag_id in ids])] += dot_QP * weight_P
    return _table(score_QZ, ["all"] if sum_queries else list(asked), columns, str(scope))


@dataclass(frozen=True)
class _Asking:
    """What stays the same from anchor to anchor."""

    network: nn.Module
    trajectory: Trajectory
    scope: UnitScope
    formula: Formula
    queries: tuple[PhotosAndLabel, ...]
    kind: QueryKind
    sum_queries: bool
    budget_bytes: int

    def directions(self, anchor: Anchor) -> Iterator[tuple[slice, dict[str, Tensor]]]:
        """Folded directions of blocks of queries, as many at once as the budget allows."""
        weights = [weight for name, weight in self.network.named_parameters() if name in self.scope.names]
        num_bytes = 2 * sum(weight.numel() * weight.element_size() for weight in weights)
        total: dict[str, Tensor] = {}
        for rows in query_blocks(len(self.queries), num_bytes, self.budget_bytes):
            batches = [_collate([bag]) for bag in self.queries[rows]]
            gradient_QP = query_gradients(self.network, batches, self.kind, self.scope.names)
            if self.sum_queries:
                one = summed(gradient_QP)
                total = {name: total[name] + value for name, value in one.items()} if total else one
            else:
                yield rows, fold(self.formula, gradient_QP, anchor.state, self.trajectory.optimizer)
        if self.sum_queries:
            yield slice(0, 1), fold(self.formula, total, anchor.state, self.trajectory.optimizer)

    def dots(self, anchor: Anchor, batch: BagBatch, direction_QP: Mapping[str, Tensor]) -> np.ndarray:
        """What each photo's gradient gives along each direction [Q, P]; for cosine, over the photo's own norm."""
        metrics = None
        if self.formula == "cosine":
            diagonal = self.scope.of(metric("adam", anchor.state, self.trajectory.optimizer))
            metrics = {name: value[None] for name, value in diagonal.items()}
        found = unit_products(self.scope.unit, self.network, batch, self.scope, direction_QP, metrics)
        dot_QP: np.ndarray = found.dot_PQ.T.double().cpu().numpy()
        if found.squared_PM is None:
            return dot_QP
        norm_P = found.squared_PM[:, 0].double().clamp(min=0).sqrt().cpu().numpy()
        cosine_QP: np.ndarray = np.divide(dot_QP, norm_P, out=np.zeros_like(dot_QP), where=norm_P > 0)
        return cosine_QP


def _by_id(bags: Bags) -> dict[str, PhotosAndLabel]:
    items = bags.items() if isinstance(bags, Mapping) else enumerate(bags)
    found = {str(bag_id): (photos, int(label)) for bag_id, (photos, label) in items}
    if empty := [bag_id for bag_id, (photos, _) in found.items() if not len(photos)]:
        raise TraceError(f"bags {', '.join(empty)} hold no photo")
    return found


def _scope(
    network: nn.Module,
    trajectory: Trajectory,
    training: Mapping[str, PhotosAndLabel],
    unit: Unit,
    traced: str | Sequence[str],
) -> UnitScope:
    """The traced parameters among those that training moved, proven at the first anchor's weights."""
    anchor = trajectory.read(trajectory.windows()[0][1], next(network.parameters()).device)
    load_weights(network, anchor)
    names = traced_names(network, traced) & anchor.state.exp_avg_sq.keys()
    if not names:
        raise TraceError(f"training moved none of the traced parameters {traced!r}\n  next: trace all, or train them")
    for name, weight in network.named_parameters():
        weight.requires_grad_(name in names)
    return unit_scope(unit, network, _collate(list(training.values())[:4]), sorted(names))


def _collate(bags: Sequence[PhotosAndLabel]) -> BagBatch:
    longest = max(len(photos) for photos, _ in bags)
    is_photo_BN = torch.arange(longest) < torch.tensor([len(photos) for photos, _ in bags])[:, None]
    photos_BN = bags[0][0].new_zeros(len(bags), longest, *bags[0][0].shape[1:])
    for b, (photos, _) in enumerate(bags):
        photos_BN[b, : len(photos)] = photos
    return BagBatch(photos_BN, is_photo_BN, is_photo_BN, torch.tensor([label for _, label in bags]))


def _batches(bags: Mapping[str, PhotosAndLabel], num_photos: int) -> Iterator[list[str]]:
    """Ids of bags with at most so many photos together, or of one bag."""
    ids: list[str] = []
    held = 0
    for bag_id, (photos, _) in bags.items():
        if ids and held + len(photos) > num_photos:
            yield ids
            ids, held = [], 0
        ids.append(bag_id)
        held += len(photos)
    if ids:
        yield ids


def _columns(bags: Mapping[str, PhotosAndLabel]) -> dict[str, np.ndarray]:
    """The columns of each bag's photos in the score table."""
    ends = np.cumsum([len(photos) for photos, _ in bags.values()])
    return {bag_id: np.arange(end - len(bags[bag_id][0]), end) for bag_id, end in zip(bags, ends, strict=True)}


def _table(
    score_QZ: np.ndarray, query_ids: list[str], columns: Mapping[str, np.ndarray], coverage: str
) -> pd.DataFrame:
    visit_id = [bag_id for bag_id, places in columns.items() for _ in places]
    photo = [n for places in columns.values() for n in range(len(places))]
    table = pd.DataFrame(
        {
            "query_id": np.repeat(np.array(query_ids, dtype=object), len(visit_id)),
            "visit_id": visit_id * len(query_ids),
            "photo": photo * len(query_ids),
            "score": score_QZ.reshape(-1),
        }
    )
    table.attrs["coverage"] = coverage
    return table
