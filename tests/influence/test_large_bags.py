"""Bags of thousands of vectors: what tracing holds beyond a batch does not grow with the bag."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.features.store import FeatureStore
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import self_influence as own
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.tracing.trace import trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import trained_weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.long_forms import nightly

LENGTH = 64


class _Peak(TorchDispatchMode):
    """The most bytes that tensors made inside held at once."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[int, int] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in self._held:
                    self._held[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, self._held.pop, storage._cdata, None)
        self.most = max(self.most, sum(self._held.values()))
        return found


def _network() -> BagNetwork:
    torch.manual_seed(0)
    card = EncoderCard("vectors", LENGTH, (0.0,) * 3, (1.0,) * 3, "none")
    return BagNetwork(None, card, NetworkSettings(feature_length=32, attention_hidden=8, head_hidden=8), Outcome())


def _trained(folder: Path, count: int) -> tuple[TrainedNetwork, list[Bag], FeatureStore]:
    """One step over three bags of so many vectors."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3 * count, 1, LENGTH)).astype(np.float32)
    store = FeatureStore(vectors, pd.DataFrame())
    bags = [
        Bag(
            f"v{v}",
            v,
            tuple(f"v{v}-{n}" for n in range(count)),
            tuple(range(v * count, (v + 1) * count)),
            (True,) * count,
        )
        for v in range(3)
    ]
    network, law = _network(), AdamLaw.of(OptimizerSettings(lr=1e-2))
    plan = batch_plan({bag.visit_id: bag.label for bag in bags[:2]}, 1, 2, "shuffled", 0)
    source = BatchSource({bag.visit_id: bag for bag in bags[:2]}, store)
    (step,) = recorded_steps(network, plan, source, law, AdamState.at_start(trained_weights_of(network)))
    write_anchor(folder, step.anchor(network))
    return TrainedNetwork(network, Trajectory(folder, step.rows(), 1, law)), bags, store


@pytest.mark.parametrize("formula", ["cosine", nightly("adam")])
def test_tracing_a_bag_of_1500_vectors_takes_the_memory_of_a_bag_of_300(formula: Any, tmp_path: Path) -> None:
    peaks = []
    for count in (300, 1500):
        (tmp_path / str(count)).mkdir()
        trained, bags, store = _trained(tmp_path / str(count), count)
        settings = TraceSettings(formula=formula, errors="kept", photos_per_batch=64)
        few = collate([bag.only(bag.photo_ids[0]) for bag in bags], store)
        coverage = cover_unit("single", trained.network, few)
        query = bags[2].only(bags[2].photo_ids[0])
        request = Request(tuple(bags[:2]), [query], store, (FORMULAS[formula],), settings, coverage)
        with _Peak() as peak:
            score_QZ = trace(trained, request).by_formula[formula]
        peaks.append(peak.most)
        assert score_QZ.shape == (1, 2 * count)
        assert (np.abs(score_QZ) > 0).mean() > 0.99
    assert peaks[0] > 64 * LENGTH * 4, "less than a batch: nothing was measured"
    assert peaks[1] < 1.1 * peaks[0]


def test_self_influence_of_large_visits_is_the_diagonal_and_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, bags, store = _trained(tmp_path, 300)
    visits = {bag.visit_id: bag.each_alone()[:200] for bag in bags[:2]}
    whole = own.self_influence(trained, visits, store, FORMULAS["adam"])
    monkeypatch.setattr(own, "MOST_PAIRED", 100)
    diagonal = own.self_influence(trained, visits, store, FORMULAS["adam"])
    for visit_id, matrix_NN in whole.items():
        assert matrix_NN.shape == (200, 200)
        np.testing.assert_allclose(diagonal[visit_id], matrix_NN.diagonal(), rtol=1e-4)
        assert matrix_NN.diagonal().min() > 0
    large = {bag.visit_id: bag.each_alone() for bag in bags[:2]}
    few = {visit_id: photos[:128] for visit_id, photos in large.items()}
    peaks = []
    for some in (few, large):
        with _Peak() as peak:
            own.self_influence(trained, some, store, FORMULAS["adam"])
        peaks.append(peak.most)
    assert peaks[1] < 1.1 * peaks[0]
