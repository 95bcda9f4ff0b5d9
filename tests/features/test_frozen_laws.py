"""A network that reads features is the network whose encoder stands still: the same training, the same scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from grasp_psonet.bags.augmentation import augment
from grasp_psonet.bags.bag import AugmentationKey, collate
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.features.store import FeatureStore
from grasp_psonet.influence.choices import Counting, UnitName
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.network.network import BagNetwork, normalised
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.trajectory.anchors import read_anchor
from grasp_psonet.trajectory.law import AdamLaw, Phase
from tests.long_forms import by_day
from tests.tiny_run import ANCHORS, OPTIMIZER, TinyRun
from tests.tiny_study import tiny_bags, tiny_network

NUM_VARIANTS = 3
CHANGES = AugmentationSettings(flip=True, brightness=0.2, variants=NUM_VARIANTS)
HEAD = ("projection.", "attention.", "head.")
EVERY = list(product(["single", "share", "edit", "visit"], ["even", "checkpoints", "steps"]))
UNITS_AND_COUNTINGS = by_day(
    [("single", "steps"), ("share", "checkpoints"), ("edit", "even"), ("visit", "checkpoints")], EVERY
)


@dataclass(frozen=True)
class ShownVariants:
    """Photos in the variants that a feature store keeps, drawn as from one; [3, H, W] float64."""

    photos_PVCHW: np.ndarray
    num_variants: int = NUM_VARIANTS

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(self.photos_PVCHW[row, 0])

    def gather(self, rows: Sequence[int], variants: Sequence[int] | None = None) -> np.ndarray:
        return self.photos_PVCHW[list(rows), 0 if variants is None else list(variants)]


def _shown() -> ShownVariants:
    _, pixels = tiny_bags(8)
    rows = []
    for row, photo in enumerate(torch.from_numpy(pixels).double() / 255):
        seen = [photo] + [augment(photo, CHANGES, ("variant", row, v)) for v in range(1, 1 + NUM_VARIANTS)]
        rows.append(torch.stack(seen).permute(0, 3, 1, 2).numpy())
    return ShownVariants(np.stack(rows))


def _frozen() -> BagNetwork:
    network = tiny_network()
    assert network.encoder is not None
    network.encoder.requires_grad_(False)
    return network


def _on_features() -> BagNetwork:
    """The tiny network without its encoder."""
    whole = tiny_network()
    settings = NetworkSettings(feature_length=5, attention_hidden=4, head_hidden=4)
    network = BagNetwork(None, whole.card, settings, whole.outcome).double()
    own = network.state_dict()
    network.load_state_dict({name: weight for name, weight in whole.state_dict().items() if name in own})
    return network


@torch.no_grad()
def _store(shown: ShownVariants) -> FeatureStore:
    network = tiny_network()
    assert network.encoder is not None
    photos_MCHW = torch.from_numpy(shown.photos_PVCHW).flatten(0, 1)
    vectors = network.encoder(normalised(photos_MCHW, network.mean_3, network.std_3))
    index = pd.DataFrame({"row": range(len(shown.photos_PVCHW))})
    return FeatureStore(vectors.unflatten(0, shown.photos_PVCHW.shape[:2]).numpy(), index)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyRun, TinyRun]:
    """The same training of photos by the whole network, its encoder frozen, and of features by the network without one."""
    bags, shown = tiny_bags(8)[0], _shown()
    return (
        TinyRun.train(
            tmp_path_factory.mktemp("photos"), make_network=_frozen, source=BatchSource(bags, shown, CHANGES, 7)
        ),
        TinyRun.train(
            tmp_path_factory.mktemp("features"),
            make_network=_on_features,
            source=BatchSource(bags, _store(shown), CHANGES, 7),
        ),
    )


def test_training_is_the_same_and_only_the_head_moves(runs: tuple[TinyRun, TinyRun]) -> None:
    photos, features = runs
    np.testing.assert_allclose(features.trajectory.steps["loss"], photos.trajectory.steps["loss"], rtol=1e-6)
    for step in ANCHORS:
        whole, head = (run.trajectory.read(step, torch.device("cpu")) for run in runs)
        assert all(name.startswith(HEAD) for name in head.weights)
        assert head.state.exp_avg.keys() == whole.state.exp_avg.keys() == head.weights.keys()
        for name, weight in head.weights.items():
            torch.testing.assert_close(weight, whole.weights[name], rtol=1e-10, atol=1e-12)
            assert not torch.equal(weight, photos.start.weights[name]), f"{name} stood still: nothing is proved"
        for name, weight in whole.weights.items():
            assert name.startswith(HEAD) or torch.equal(weight, photos.start.weights[name])


@pytest.mark.parametrize(("unit", "counting"), UNITS_AND_COUNTINGS)
def test_scores_on_features_are_those_of_the_whole_network(
    runs: tuple[TinyRun, TinyRun], unit: UnitName, counting: Counting
) -> None:
    formulas = [
        name for name, one in FORMULAS.items() if counting == "steps" or not (one.needs_steps or one.is_unrolled)
    ]
    settings = TraceSettings(formula="adam", unit=unit, counting=counting, errors="kept")
    whole, head = (run.trace(settings, formulas) for run in runs)
    assert len(formulas) == (6 if counting == "steps" else 4)
    for formula in formulas:
        expected, found = whole.by_formula[formula], head.by_formula[formula]
        assert np.abs(found - expected).max() < 1e-10 * max(1.0, float(np.abs(expected).max())), formula
        assert np.abs(expected).max() > 1e-6, f"{formula}: all scores vanish: the comparison would prove nothing"


def test_coverage_counts_what_is_trained(runs: tuple[TinyRun, TinyRun]) -> None:
    counts = []
    for run in runs:
        coverage = run.request(TraceSettings()).coverage
        assert all(name.startswith(HEAD) for name in coverage.names)
        assert "not traced" not in coverage.numel_by_rule
        counts.append(str(coverage))
    assert counts[0] == counts[1]
    total = sum(weight.numel() for weight in _on_features().parameters())
    assert counts[0].startswith(f"{total} of {total} trained parameters in unit single")


def test_a_replay_of_features_is_bitwise(runs: tuple[TinyRun, TinyRun]) -> None:
    for run in runs:
        for step in run.trained().replay(0, ANCHORS[0]):
            last = step
        anchor = read_anchor(run.trajectory.anchors / f"step-{ANCHORS[0]:07d}.safetensors")
        assert all(torch.equal(last.weights_after[name], weight) for name, weight in anchor.weights.items())


def test_a_draw_picks_its_variant_by_its_key() -> None:
    bags, store = tiny_bags(8)[0], _store(_shown())
    bag = max(bags.values(), key=len)
    seen = set()
    for draw in range(20):
        key = AugmentationKey(CHANGES, 7, 1, draw)
        first, again = (collate([bag], store, [key]).photos_BNCHW[0] for _ in range(2))
        assert torch.equal(first, again)
        variants = [
            next(v for v in range(1 + NUM_VARIANTS) if np.array_equal(feature, store.vectors[row, v]))
            for feature, row in zip(first.numpy(), bag.rows, strict=True)
        ]
        seen |= {(n, variant) for n, variant in enumerate(variants)}
    assert seen == {(n, v) for n in range(len(bag)) for v in range(1, 1 + NUM_VARIANTS)}
    one = bag.only(bag.photo_ids[1])
    assert torch.equal(collate([one], store, [key]).photos_BNCHW[0, 0], first[1]), "a photo's variant is its own"
    as_they_are = collate([bag], store).photos_BNCHW[0]
    assert np.array_equal(as_they_are.numpy(), store.vectors[list(bag.rows), 0])


def test_features_pad_and_mask_as_photos_do() -> None:
    bags, store = tiny_bags(8)[0], _store(_shown())
    network, together = _on_features(), list(bags.values())
    together[0] = replace(together[0], is_present=(False,) * (len(together[0]) - 1) + (True,))
    whole = network(*_batch(collate(together, store)))
    for b, bag in enumerate(together):
        alone = network(*_batch(collate([bag.without_removed()], store)))
        torch.testing.assert_close(alone.logits_BC[0], whole.logits_BC[b], rtol=1e-12, atol=1e-12)


def _batch(batch: object) -> tuple[Tensor, Tensor]:
    return batch.photos_BNCHW, batch.is_photo_BN  # type: ignore[attr-defined]


def test_a_whole_network_reads_features_too() -> None:
    shown = _shown()
    bags, store = tiny_bags(8)[0], _store(shown)
    network, bag = tiny_network(), bags["v3"]
    torch.testing.assert_close(
        network(*_batch(collate([bag], store))).logits_BC, network(*_batch(collate([bag], shown))).logits_BC
    )


ENCODER = frozenset(name for name, _ in tiny_network().named_parameters() if name.startswith("encoder"))
PROBE_THEN_ALL = AdamLaw(
    (
        Phase(replace(OPTIMIZER, lr=5e-2, schedule="constant", warmup_steps=0), standing=ENCODER, name="probe"),
        Phase(OPTIMIZER, after=ANCHORS[0], name="fine-tune"),
    )
)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyRun, TinyRun]:
    """A probe of one epoch, then all weights: the probe on photos, and on the features of those photos."""
    bags, shown = tiny_bags(8)[0], _shown()
    photos = BatchSource(bags, shown, CHANGES, 7)
    features = replace(photos, probe_vectors=_store(shown), probe_epochs=1)
    return (
        TinyRun.train(tmp_path_factory.mktemp("probe-on-photos"), PROBE_THEN_ALL, source=photos),
        TinyRun.train(tmp_path_factory.mktemp("probe-on-features"), PROBE_THEN_ALL, source=features),
    )


def test_a_probe_on_features_is_the_probe_on_photos(probed: tuple[TinyRun, TinyRun]) -> None:
    photos, features = probed
    np.testing.assert_allclose(features.trajectory.steps["loss"], photos.trajectory.steps["loss"], rtol=1e-6)
    for step in ANCHORS:
        theirs, ours = (run.trajectory.read(step, torch.device("cpu")) for run in probed)
        for name, weight in theirs.weights.items():
            torch.testing.assert_close(ours.weights[name], weight, rtol=1e-8, atol=1e-10)
            assert (name in ENCODER and step == ANCHORS[0]) or not torch.equal(weight, photos.start.weights[name])
    *_, last = features.trained().replay(0, ANCHORS[-1])
    assert last.step == ANCHORS[-1], "replayed to the bit across the boundary"
    dimensions = [step.batch.photos_BNCHW.ndim for step in features.trained().replay(0, ANCHORS[-1])]
    assert dimensions == [3] * 3 + [5] * 6, "vectors in the probe, photos afterwards"


@pytest.mark.parametrize(("unit", "counting"), UNITS_AND_COUNTINGS)
def test_scores_across_a_probe_on_features(probed: tuple[TinyRun, TinyRun], unit: UnitName, counting: Counting) -> None:
    formulas = [
        name for name, one in FORMULAS.items() if counting == "steps" or not (one.needs_steps or one.is_unrolled)
    ]
    settings = TraceSettings(formula="adam", unit=unit, counting=counting, errors="kept")
    whole, ours = (run.trace(settings, formulas) for run in probed)
    for formula in formulas:
        expected, found = whole.by_formula[formula], ours.by_formula[formula]
        assert np.abs(found - expected).max() < 1e-8 * np.abs(expected).max(), formula
        assert np.abs(expected).max() > 1e-6, formula
