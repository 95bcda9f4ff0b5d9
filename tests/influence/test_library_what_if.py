"""What if, for any network: predicted changes against their definition, their sign, and real training with the edit."""

from pathlib import Path

import numpy as np
import pytest
import torch

import grasp_psonet
from grasp_psonet.errors import TraceError
from tests.foreign_run import DECAY, LR, QUERIES, STEPS, TRAINING, Pooling, WithParts, loss_of, train
from tests.reference.foreign_scores import gradient, without

Bag = tuple[torch.Tensor, int]


@pytest.fixture
def told(tmp_path: Path) -> tuple[WithParts, grasp_psonet.Trajectory]:
    torch.manual_seed(0)
    network = WithParts()
    return network, train(network, tmp_path)[0]


def edited(bag: Bag, edit: str, photo: int | None, label: int | None) -> Bag | None:
    """The bag under this edit; None where nothing is left."""
    photos, own = bag
    if edit == "relabelled":
        assert label is not None
        return photos, label
    assert photo is not None
    if edit == "alone":
        return photos[photo : photo + 1], own
    return without(bag, photo) if len(photos) > 1 else None


@pytest.mark.parametrize("formula", ["adam", "sgd", "paper"])
def test_changes_are_as_defined(told: tuple[WithParts, grasp_psonet.Trajectory], formula: str) -> None:
    network, trajectory = told
    table = grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES, formula=formula, photos_per_batch=5)
    num_photos = sum(len(photos) for photos, _ in TRAINING)
    assert len(table) == len(QUERIES) * (2 * num_photos + 2 * len(TRAINING))
    wanted = np.zeros(len(table))
    for step in (2, 4, 6):
        anchor = trajectory.read(step, torch.device("cpu"))
        network.load_state_dict(anchor.weights)
        theirs = [gradient(network, loss_of(network, [query])) for query in QUERIES]
        whole = [gradient(network, loss_of(network, [bag])) for bag in TRAINING]
        for at, row in enumerate(table.itertuples()):
            b = int(row.visit_id)
            other = edited(TRAINING[b], row.edit, row.photo, row.label)
            fall = gradient(network, loss_of(network, [other])) if other is not None else {}
            weight = sum(LR * DECAY ** (t - 1) * STEPS[t - 1].count(b) / len(STEPS[t - 1]) for t in (step - 1, step))
            for name, query in theirs[int(row.query_id)].items():
                m, v = anchor.state.exp_avg[name], anchor.state.exp_avg_sq[name]
                scale = {
                    "adam": 1 / ((v / (1 - 0.999**step)).sqrt() + 1e-8),
                    "sgd": torch.ones_like(v),
                    "paper": m / (v.sqrt() + 1e-8),
                }[formula]
                # a step moves the weights by -lr / b * scale * gradient
                moved = -weight * scale * (fall.get(name, torch.zeros_like(v)) - whole[b][name])
                wanted[at] += float((query * moved).sum())
    assert np.abs(wanted).max() > 1e-3
    assert np.abs(table["change"].to_numpy() - wanted).max() < 1e-9 * np.abs(wanted).max()
    assert (table["change"][table["visit_id"] == "5"] == 0).all()
    by_edit = table.groupby("edit")
    assert by_edit["photo"].count().to_dict() == {"alone": 3 * num_photos, "relabelled": 0, "removed": 3 * num_photos}
    assert by_edit["label"].count().to_dict() == {"alone": 0, "relabelled": 3 * 2 * len(TRAINING), "removed": 0}
    assert table.attrs["coverage"].startswith("59 of 59 trained parameters in unit edit")


def test_removed_is_the_score_of_unit_edit(told: tuple[WithParts, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    asked = {"formula": "adam", "sum_queries": True, "parameters": ["inner.*"]}
    changes = grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES, **asked)
    scores = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit="edit", **asked)
    removed = changes[changes["edit"] == "removed"]
    assert removed["visit_id"].to_list() == scores["visit_id"].to_list()
    np.testing.assert_allclose(removed["change"], scores["score"], rtol=1e-9, atol=1e-16)
    assert set(changes["query_id"]) == {"all"}


def test_positive_is_a_loss_that_rises(told: tuple[WithParts, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    own = grasp_psonet.what_if(network, trajectory, TRAINING, {"itself": TRAINING[2]})
    own = own[own["visit_id"] == "2"].set_index("edit")["change"]
    assert own["removed"] > 1e-3, "without its own training a bag is worse off"
    assert (own["relabelled"] > 1e-3).all(), "and so it is under wrong labels"
    assert abs(own["alone"]) < 1e-12, "a bag of one photo is that photo alone"


def test_changes_agree_with_training_on_relabelled_bags(tmp_path: Path) -> None:
    def train_with(labels: dict[int, int], name: str) -> tuple[WithParts, grasp_psonet.Trajectory]:
        torch.manual_seed(0)
        network = WithParts()
        bags = {id(photos): label for (photos, _), label in ((TRAINING[b], label) for b, label in labels.items())}

        def loss(network: torch.nn.Module, drawn: list[Bag]) -> torch.Tensor:
            return loss_of(network, [(photos, bags.get(id(photos), label)) for photos, label in drawn])

        return network, train(network, tmp_path / name, loss=loss, lr=2e-3)[0]  # type: ignore[arg-type]

    network, trajectory = train_with({}, "as it is")
    before = [float(loss_of(network, [query]).detach()) for query in QUERIES]
    table = grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES)
    table = table[(table["edit"] == "relabelled") & (table["visit_id"] != "5")]
    predicted, real = [], []
    for (bag_id, label), rows in table.groupby(["visit_id", "label"]):
        other, _ = train_with({int(bag_id): int(label)}, f"{bag_id} as {label}")
        predicted += rows.sort_values("query_id")["change"].to_list()
        real += [float(loss_of(other, [query]).detach()) - loss for query, loss in zip(QUERIES, before, strict=True)]
    assert np.abs(real).max() > 1e-3
    assert np.corrcoef(predicted, real)[0, 1] > 0.8


def test_what_has_no_answer_is_refused(tmp_path: Path, told: tuple[WithParts, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    for formula in ("cosine", "adam-step", "unrolled"):
        with pytest.raises(TraceError, match=f"formula {formula} at anchors is no change of a loss"):
            grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES, formula=formula)  # type: ignore[arg-type]
    whole = Pooling()
    trajectory, _ = train(whole, tmp_path / "whole")
    with pytest.raises(TraceError, match="Pooling has no features, attention, head"):
        grasp_psonet.what_if(whole, trajectory, TRAINING, QUERIES)

    class OneLogit(WithParts):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(5, 1).double()

        def forward(self, photos: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return super().forward(photos, mask)[:, 0]

    def loss(network: torch.nn.Module, drawn: list[Bag]) -> torch.Tensor:
        return torch.stack(
            [network(photos[None], torch.ones(1, len(photos), dtype=torch.bool)) for photos, _ in drawn]
        ).mean()

    one = OneLogit()
    trajectory, _ = train(one, tmp_path / "one", loss=loss)  # type: ignore[arg-type]
    with pytest.raises(
        TraceError, match=r"a head that returns logits \[bags, classes\]; that of OneLogit returns \(2, 1\)"
    ):
        grasp_psonet.what_if(one, trajectory, [(photos, label % 2) for photos, label in TRAINING], QUERIES[:2])
