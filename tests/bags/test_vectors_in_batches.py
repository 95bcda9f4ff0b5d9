"""Vectors of several bags are read at once: each stands where it stood when its bag was read alone."""

from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.bag import AugmentationKey, Bag, collate
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.features.store import FeatureStore
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import build_network_on_features
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.training import predict
from grasp_psonet.training.predict import predict_bags, predict_visits

SIZES = (3, 1, 5, 2, 2, 7)


def _bags() -> list[Bag]:
    bags, row = [], 0
    for v, size in enumerate(SIZES):
        ids = tuple(f"v{v}-{n}" for n in range(size))
        present = tuple(n != 1 or size < 3 for n in range(size))
        bags.append(Bag(f"v{v}", v % 3, ids, tuple(range(row, row + size)), present))
        row += size
    return bags


@pytest.fixture
def store() -> FeatureStore:
    vectors = np.random.default_rng(0).normal(size=(sum(SIZES), 4, 6)).astype(np.float32)
    return FeatureStore(vectors, pd.DataFrame())


@pytest.mark.parametrize("is_augmented", [False, True])
def test_a_batch_holds_each_bag_as_it_is_read_alone(store: FeatureStore, is_augmented: bool) -> None:
    bags = _bags()
    keys = [AugmentationKey(AugmentationSettings(variants=3), 1, 2, draw) for draw in range(len(bags))]
    batch = collate(bags, store, keys if is_augmented else None)
    for b, bag in enumerate(bags):
        alone = collate([bag], store, keys[b : b + 1] if is_augmented else None)
        size = len(bag)
        assert torch.equal(batch.photos_BNCHW[b, :size], alone.photos_BNCHW[0])
        assert not batch.photos_BNCHW[b, size:].any()
        assert torch.equal(batch.is_photo_BN[b, :size], alone.is_photo_BN[0])
        assert batch.is_stored_BN[b].sum() == size


@pytest.mark.parametrize("most", [1, 8, 2048])
@pytest.mark.parametrize("attention", ["mean", "gated"])
def test_visits_together_are_predicted_as_each_alone(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, most: int, attention: Literal["mean", "gated"]
) -> None:
    monkeypatch.setattr(predict, "_MOST_VECTORS", most)
    settings = NetworkSettings(feature_length=5, attention_hidden=4, head_hidden=0, attention=attention)
    card = EncoderCard("none", 6, (0.0,) * 3, (1.0,) * 3, "none")
    network = build_network_on_features(card, settings, 3, Outcome())
    together, alone = predict_visits(network, _bags(), store), predict_bags(network, _bags(), store)[0]
    assert together.columns.tolist() == alone.columns.drop("attended_photo_id").tolist()
    for column in together:
        if together[column].dtype == float:
            np.testing.assert_allclose(together[column], alone[column], rtol=1e-5)
        else:
            assert together[column].tolist() == alone[column].tolist()
