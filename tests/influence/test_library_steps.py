"""Any network replayed: unrolled and adam-step against real torch training, and every way in which a replay may differ."""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import grasp_psonet
from grasp_psonet.errors import ReplayMismatch, SettingsError, TraceError
from tests.foreign_run import QUERIES, STEPS, TRAINING, Bag, Pooling, WithParts, loss_of, train
from tests.long_forms import by_day, nightly
from tests.reference.foreign_scores import PHOTOS, Law, minus_derivative

pytestmark = pytest.mark.long

# moments short and eps large enough that no term of the derivative vanishes
SMOOTH = {"betas": (0.8, 0.9), "eps": 2e-2, "weight_decay": 0.1}
CLIP_NORM = 0.6  # about half of the steps are clipped
CASES = [(0, 1), (2, 0), (3, 2), (4, 0)]


def seeded(kind: type[nn.Module] = WithParts) -> nn.Module:
    torch.manual_seed(0)
    return kind()


def scores(network: nn.Module, trajectory: grasp_psonet.Trajectory, **asked: object) -> np.ndarray:
    usual = {"counting": "steps", "replay_tolerance": 1e-12, "unit": "visit", "formula": "sgd"}
    table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **{**usual, **asked})  # type: ignore[arg-type]
    return table["score"].to_numpy().reshape(len(QUERIES), -1)


EVERY = [
    (formula, kind, clip_norm)
    for formula in ("unrolled", "adam-step")
    for kind in (torch.optim.Adam, torch.optim.AdamW)
    for clip_norm in (None, CLIP_NORM)
]
SHORT = [
    ("unrolled", torch.optim.AdamW, CLIP_NORM),
    ("unrolled", torch.optim.Adam, CLIP_NORM),
    ("adam-step", torch.optim.Adam, CLIP_NORM),
    ("adam-step", torch.optim.AdamW, None),
]


@pytest.mark.parametrize(("formula", "kind", "clip_norm"), by_day(SHORT, EVERY))
def test_scores_are_minus_the_derivative_of_the_recorded_training(
    tmp_path: Path, formula: str, kind: type[torch.optim.Adam], clip_norm: float | None
) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path, kind, clip_norm=clip_norm, **SMOOTH)
    norms = trajectory.steps.groupby("step")["clipped_norm"].first()
    if clip_norm is not None:
        assert 2 <= (norms > 0.999 * clip_norm).sum() <= len(STEPS) - 1
        assert norms.max() <= clip_norm
    law = Law(kind, clip_norm, SMOOTH)
    # a unit knows no law: each meets both kinds, both ways of clipping and both formulas, not all of their products
    is_even = (kind is torch.optim.Adam) == (clip_norm is None)
    for unit in ("visit", "share") if is_even else ("edit", "single"):
        cases = CASES[1:3] if formula == "adam-step" else CASES
        found = scores(network, trajectory, formula=formula, unit=unit)[1, [PHOTOS.index(case) for case in cases]]
        truth = [minus_derivative(seeded(), law, unit, b, n, QUERIES[1], formula == "adam-step") for b, n in cases]
        assert np.abs(truth).max() > 1e-3
        assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()


def test_parameters_that_training_does_not_move_stand_still(tmp_path: Path) -> None:
    network = seeded(Pooling)
    trajectory, _ = train(network, tmp_path, trained=[*network.inner.parameters(), network.unused], **SMOOTH)
    found = scores(network, trajectory, formula="unrolled")[1, [PHOTOS.index(case) for case in CASES]]
    start = seeded(Pooling)
    for name, weight in start.named_parameters():
        weight.requires_grad_(name.startswith("inner"))
    law = Law(settings=SMOOTH)
    truth = [minus_derivative(start, law, "visit", b, n, QUERIES[1], False) for b, n in CASES]
    assert np.abs(truth).max() > 1e-3
    assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()


def test_curvature_is_chosen_and_matters(tmp_path: Path) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path, **SMOOTH)
    by_kind = {
        kind: scores(network, trajectory, formula="unrolled", curvature=kind) for kind in ("exact", "fisher", "none")
    }
    largest = np.abs(by_kind["exact"]).max()
    assert np.abs(by_kind["fisher"] - by_kind["exact"]).max() > 1e-3 * largest
    assert np.abs(by_kind["none"] - by_kind["exact"]).max() > 1e-3 * largest
    assert np.corrcoef(by_kind["none"].ravel(), by_kind["exact"].ravel())[0, 1] > 0.9
    with pytest.raises(SettingsError, match=r"^curvature 'none' means something for formula unrolled only"):
        scores(network, trajectory, curvature="none")
    with pytest.raises(SettingsError, match=r"^formula unrolled with parameters 'head'"):
        scores(network, trajectory, formula="unrolled", parameters="head")


def test_an_earlier_kept_step_and_a_part_of_the_network(tmp_path: Path) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path)
    earlier = grasp_psonet.read_recording(tmp_path, kept_step=4)
    assert (scores(network, earlier)[:, PHOTOS.index((4, 0))] == 0).all()  # drawn in steps 5 and 6
    parts = [scores(network, trajectory, parameters=names) for names in ("head", ["inner.*"])]
    np.testing.assert_allclose(parts[0] + parts[1], scores(network, trajectory), rtol=1e-9, atol=1e-15)
    assert min(np.abs(part).max() for part in parts) > 1e-4


def test_bags_padded_otherwise_and_split_over_forwards_replay(tmp_path: Path) -> None:
    def bag_by_bag(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
        copy.deepcopy(network)(bags[0][0][None], torch.ones(1, len(bags[0][0]), dtype=torch.bool))
        with torch.no_grad():
            loss_of(network, QUERIES)  # neither a copy nor a validation is taken for a draw
        return torch.stack([loss_of(network, [bag]) for bag in bags]).mean()

    found = []
    for name, loss in (("together", loss_of), ("apart", bag_by_bag)):
        network = seeded()
        trajectory, _ = train(network, tmp_path / name, loss=loss)
        found.append(scores(network, trajectory, formula="adam"))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-15)
    assert np.abs(found[0]).max() > 1e-4


def test_one_logit_a_bag_means_two_classes_in_replay_too(tmp_path: Path) -> None:
    class Binary(Pooling):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            logits = super().forward(photos, mask)
            return logits[:, 1] - logits[:, 0]

    class Pair(Pooling):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            return super().forward(photos, mask)[:, :2]

    two_classes = [(photos, label % 2) for photos, label in TRAINING]

    def loss(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
        logits = torch.cat([network(photos[None], torch.ones(1, len(photos), dtype=torch.bool)) for photos, _ in bags])
        labels = torch.tensor([label % 2 for _, label in bags], dtype=torch.float64)
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)

    network = seeded(Binary)
    trajectory, _ = train(network, tmp_path, loss=loss)
    assert [name for name in trajectory.steps if name.startswith("logit")] == ["logit"]
    tables = []
    for kind in (Binary, Pair):
        same = kind()
        same.load_state_dict(network.state_dict())
        asked = {"formula": "adam-step", "counting": "steps", "unit": "visit", "replay_tolerance": 1e-12}
        tables.append(grasp_psonet.trace(same, trajectory, two_classes, two_classes[:2], **asked))
    np.testing.assert_allclose(tables[0]["score"], tables[1]["score"], rtol=1e-9, atol=1e-16)
    assert tables[0]["score"].abs().max() > 1e-4


def _noisy(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    return loss_of(network, [(photos + 0.1, label) for photos, label in bags])


def _relabelled(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    return loss_of(network, [(photos, (label + 1) % 3) for photos, label in bags])


def _doubled(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    return 2 * loss_of(network, bags)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss": _noisy}, r"step 1 replays to loss \d\S+; the trajectory says \d"),
        ({"loss": _relabelled}, r"step 1 replays to a gradient of norm \d\S+; the trajectory says \d"),
        ({"loss": _doubled}, r"step 1 replays to a gradient of norm \d\S+; the trajectory says \d"),
        (
            {"clip_norm": 0.3, "told_clip_norm": 1e9},
            r"step 1 replays to a gradient of norm \d\S+; the trajectory says 0\.29999",
        ),
    ],
)
def test_training_that_did_something_else_is_refused(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path, **changes)  # type: ignore[arg-type]
    with pytest.raises(ReplayMismatch, match=told) as refused:
        scores(network, trajectory, replay_tolerance=1e-4)
    assert "next: replay takes the bags and labels as given" in str(refused.value)
    assert np.isfinite(scores(network, trajectory, counting="checkpoints")).all()


def _weighted(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    return torch.stack([loss_of(network, [bag]) * (10.0, 1.0, 0.1)[bag[1]] for bag in bags]).mean()


def _smoothed(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    labels = torch.tensor([label for _, label in bags])
    logits = torch.cat([network(photos[None], torch.ones(1, len(photos), dtype=torch.bool)) for photos, _ in bags])
    return nn.functional.cross_entropy(logits, labels, label_smoothing=0.3)


@pytest.mark.parametrize(
    ("loss", "lr", "formula"),
    [
        (_weighted, 1e-3, "sgd"),
        (_smoothed, 1e-3, "unrolled"),
        (_weighted, 1e-6, "unrolled"),
        nightly(_weighted, 1e-3, "unrolled"),
        nightly(_smoothed, 1e-3, "sgd"),
        nightly(_weighted, 1e-6, "sgd"),
    ],
)
def test_another_loss_is_refused_where_every_step_clips(
    tmp_path: Path, loss: Callable[[nn.Module, Sequence[Bag]], Tensor], lr: float, formula: str
) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path, loss=loss, clip_norm=1e-3, lr=lr)
    assert trajectory.steps["clipped_norm"].min() > 0.999e-3
    with pytest.raises(ReplayMismatch, match=r"step [26] replays to first moments that differ at \S+, by up to \d"):
        scores(network, trajectory, replay_tolerance=1e-4, formula=formula)


def test_dropout_is_refused(tmp_path: Path) -> None:
    class Dropping(Pooling):
        def __init__(self) -> None:
            super().__init__()
            self.inner.append(nn.Dropout(0.3))

    network = seeded(Dropping)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(ReplayMismatch, match="step 1 replays to loss"):
        scores(network, trajectory, replay_tolerance=1e-4)


def test_what_the_recording_does_not_hold_is_refused_by_name(tmp_path: Path) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path / "whole")
    with pytest.raises(
        TraceError, match=r"every bag that was drawn; 1 of 5 are not among the training bags \(first: 4\)"
    ):
        grasp_psonet.trace(network, trajectory, TRAINING[:4], QUERIES, counting="steps")
    (tmp_path / "whole" / "recording.json").write_text(
        json.dumps({"kind": "adam", "lr": 0.02, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01})
    )
    earlier = grasp_psonet.read_recording(tmp_path / "whole")  # as recorded before clipping was told
    assert earlier.optimizer == trajectory.optimizer
    shutil.rmtree(tmp_path / "whole" / "start")
    with pytest.raises(TraceError, match="replay begins at the weights before step 1"):
        scores(network, earlier)

    def by_its_parts(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
        return torch.stack(
            [nn.functional.cross_entropy(_logits(network, bag), torch.tensor([bag[1]])) for bag in bags]
        ).mean()

    def _logits(network: nn.Module, bag: Bag) -> Tensor:
        return network.forward(bag[0][None], torch.ones(1, len(bag[0]), dtype=torch.bool))

    trajectory, _ = train(network, tmp_path / "unseen", loss=by_its_parts)
    with pytest.raises(TraceError, match="step 1 holds no logits of its draws"):
        scores(network, trajectory)
    assert np.isfinite(scores(network, trajectory, counting="checkpoints")).all()


def _dropping() -> nn.Module:
    network = seeded(Pooling)
    network.inner.append(nn.Dropout(0.3))  # type: ignore[union-attr]
    return network


def _flipped(network: nn.Module, bags: Sequence[Bag]) -> Tensor:
    return loss_of(network, [(photos.flip(-1), label) for photos, label in bags])


OTHER_LOSS, OTHER_PHOTOS = "training followed another loss", "training saw other photos than these"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss": _weighted}, OTHER_LOSS),
        nightly({"loss": _smoothed}, OTHER_LOSS),
        nightly({"loss": _doubled}, OTHER_LOSS),
        ({"loss": _relabelled}, OTHER_LOSS),
        ({"clip_norm": 0.3, "told_clip_norm": 1e9}, OTHER_LOSS),
        ({"loss": _weighted, "clip_norm": 1e-3}, OTHER_LOSS),  # every loss has this norm; the moments tell
        ({"loss": _flipped}, OTHER_PHOTOS),
        nightly({"start": _dropping}, OTHER_PHOTOS),
        ({}, None),
    ],
)
def test_counting_at_anchors_says_what_its_first_step_shows(
    tmp_path: Path, changes: dict[str, object], told: str | None
) -> None:
    start: Callable[[], nn.Module] = changes.pop("start", seeded)  # type: ignore[assignment]
    network = start()
    trajectory, _ = train(network, tmp_path, **changes)  # type: ignore[arg-type]
    tables = [
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, counting=way) for way in ("checkpoints", "even")
    ]
    if start is seeded:
        tables.append(grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES))
    for table in tables:
        assert len(table.attrs["caveats"]) == (told is not None)
        assert told is None or told in table.attrs["caveats"][0]
        assert told is None or table.attrs["caveats"][0].startswith("step 1 replays to ")


def test_counting_at_anchors_says_when_nothing_can_be_replayed(tmp_path: Path) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path)
    some = {str(b): bag for b, bag in enumerate(TRAINING) if b != STEPS[0][1]}
    (caveat,) = grasp_psonet.trace(network, trajectory, some, QUERIES).attrs["caveats"]
    assert "step 1 could not be replayed" in caveat
    assert "1 of 2 are not among the training bags" in caveat
    later = {str(b): bag for b, bag in enumerate(TRAINING) if b in STEPS[0]}  # what step 1 drew is enough
    assert grasp_psonet.trace(network, trajectory, later, QUERIES).attrs["caveats"] == []
