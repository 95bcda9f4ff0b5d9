"""Tracing any network from Python: recordings of ordinary loops, scores against a plain loop, examples that run."""

import copy
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import grasp_psonet
from grasp_psonet.errors import SettingsError, StageError, TraceError
from tests.foreign_run import QUERIES, STEPS, TRAINING, Pooling, WithParts, loss_of, train
from tests.long_forms import by_day, nightly
from tests.reference.foreign_scores import Law, counted

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).parents[2] / "examples"
UNITS = ("single", "share", "edit", "visit")
COUNTINGS = ("checkpoints", "even", "steps")
FORMULAS = ("paper", "sgd", "adam", "cosine")


def seeded(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind()


@pytest.fixture
def told(tmp_path: Path) -> tuple[nn.Module, grasp_psonet.Trajectory]:
    network = seeded(Pooling)
    return network, train(network, tmp_path / "recording")[0]


def test_a_replay_in_pieces_scores_as_a_whole_one(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    asked = {"formula": "unrolled", "unit": "visit", "counting": "steps", "replay_tolerance": 1e-12}
    whole, split = (grasp_psonet.trace(*told, TRAINING, QUERIES, **asked, micro_batch=n)["score"] for n in (None, 1))
    assert np.abs(whole).max() > 0
    assert 0 < np.abs(whole - split).max() < 1e-9 * np.abs(whole).max()
    with pytest.raises(SettingsError, match="micro_batch is 0; wanted: at least 1 photo"):
        grasp_psonet.trace(*told, TRAINING, QUERIES, micro_batch=0)


EVERY = [
    *((WithParts, unit, way) for unit in UNITS for way in COUNTINGS),
    *((Pooling, unit, way) for unit, way in (("single", "checkpoints"), ("visit", "even"), ("single", "steps"))),
]
SHORT = [
    (WithParts, "single", "steps"),
    (WithParts, "share", "checkpoints"),
    (WithParts, "edit", "even"),
    (WithParts, "visit", "checkpoints"),
    (Pooling, "visit", "even"),
]


@pytest.mark.parametrize(("kind", "unit", "counting"), by_day(SHORT, EVERY))
def test_scores_equal_the_loop(tmp_path: Path, kind: type[nn.Module], unit: str, counting: str) -> None:
    network = seeded(kind)
    trajectory, _ = train(network, tmp_path)
    wanted = counted(seeded(kind), Law(), unit, FORMULAS, counting)
    # two of the four formulas in turn: each meets every unit and every counting
    turn = UNITS.index(unit) * len(COUNTINGS) + COUNTINGS.index(counting)
    for formula in (FORMULAS[(turn + n) % len(FORMULAS)] for n in range(2)):
        asked = {"formula": formula, "unit": unit, "counting": counting}
        table = grasp_psonet.trace(
            network, trajectory, TRAINING, QUERIES, **asked, photos_per_batch=5, replay_tolerance=1e-12
        )
        found = table["score"].to_numpy().reshape(len(QUERIES), -1)
        assert np.abs(wanted[formula]).max() > 1e-4
        assert np.abs(found - wanted[formula]).max() < 1e-9 * np.abs(wanted[formula]).max()
        never = (table["visit_id"] == "5").to_numpy()
        assert never.sum() == 3 * len(QUERIES)
        assert (table["score"][never] == 0).all() or counting == "even"
        assert table["photo"].to_list()[:6] == [0, 1, 0, 1, 2, 0]
        assert table.attrs["coverage"].startswith(f"59 of 59 trained parameters in unit {unit}")


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_recording_reads_moments_by_name_and_changes_nothing(tmp_path: Path, kind: type[torch.optim.Adam]) -> None:
    torch.manual_seed(0)
    network = Pooling()
    alone = copy.deepcopy(network)
    trajectory, weights = train(network, tmp_path, kind)
    optimizer = kind(list(alone.parameters()), lr=0.02, weight_decay=0.01)
    for step, drawn in enumerate(STEPS, start=1):
        optimizer.zero_grad()
        loss_of(alone, [TRAINING[b] for b in drawn]).backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.8
        assert all(torch.equal(w, alone.state_dict()[name]) for name, w in weights[step - 1].items())
        if step % 2 == 0:
            anchor = trajectory.read(step, torch.device("cpu"))
            assert anchor.state.exp_avg.keys() == {n for n, _ in alone.named_parameters()} - {"unused"}
            for name, weight in alone.named_parameters():
                assert torch.equal(anchor.weights[name], weight)
                if name != "unused":
                    assert torch.equal(anchor.state.exp_avg[name], optimizer.state[weight]["exp_avg"])
                    assert torch.equal(anchor.state.exp_avg_sq[name], optimizer.state[weight]["exp_avg_sq"])
    assert trajectory.optimizer.kind == ("adamw" if kind is torch.optim.AdamW else "adam")
    assert trajectory.optimizer.settings.weight_decay == 0.01
    wanted = [(t, str(b), 0.02 * 0.8 ** (t - 1)) for t, drawn in enumerate(STEPS, start=1) for b in drawn]
    told = list(trajectory.steps[["step", "visit_id", "lr"]].itertuples(index=False, name=None))
    assert [row[:2] for row in told] == [row[:2] for row in wanted]
    np.testing.assert_allclose([row[2] for row in told], [row[2] for row in wanted])
    assert trajectory.steps["draw"].tolist() == list(range(len(wanted)))
    again = grasp_psonet.read_recording(tmp_path, kept_step=4)
    assert again.windows() == [(0, 2), (2, 4)]
    pd.testing.assert_frame_equal(again.steps, trajectory.steps)
    assert again.optimizer == trajectory.optimizer


def test_the_users_network_is_left_as_it_is(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    network.train()
    before = copy.deepcopy(network.state_dict())
    grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, formula="adam")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.requires_grad for weight in network.parameters())


def test_units_of_parts_need_the_parts(tmp_path: Path, told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    for unit in ("share", "edit"):
        with pytest.raises(TraceError, match=f"unit {unit} needs .*Pooling has no features, attention, head"):
            grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit=unit)
    torch.manual_seed(0)
    parted = WithParts()
    trajectory, _ = train(parted, tmp_path / "parted")
    asked = {"formula": "sgd", "parameters": ["inner.*", "attention.*"]}
    tables = {
        unit: grasp_psonet.trace(parted, trajectory, TRAINING, QUERIES, unit=unit, **asked)
        for unit in ("share", "edit", "visit")
    }
    shares = tables["share"].groupby(["query_id", "visit_id"])["score"].sum()
    whole = tables["visit"].groupby(["query_id", "visit_id"])["score"].first()
    assert whole.abs().max() > 1e-4
    np.testing.assert_allclose(shares, whole, rtol=1e-9, atol=1e-15)
    last = tables["edit"]["visit_id"] == "2"  # a bag of one photo
    np.testing.assert_allclose(tables["edit"]["score"][last], tables["visit"]["score"][last], rtol=1e-9)

    class Other(WithParts):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            return super().forward(photos, mask) * 2

    other = Other()
    other.load_state_dict(parted.state_dict())
    with pytest.raises(TraceError, match="forward to be its parts"):
        grasp_psonet.trace(other, trajectory, TRAINING, QUERIES, unit="share")


def test_summed_queries_and_memory_blocks_change_nothing(
    told: tuple[nn.Module, grasp_psonet.Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, trajectory = told
    each = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, formula="adam")
    with monkeypatch.context() as patch:
        patch.setattr(
            "grasp_psonet.influence.tracing.request.query_blocks", lambda count, *_: [slice(0, 1), slice(1, 3)]
        )
        blocks = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, formula="adam")
    np.testing.assert_allclose(blocks["score"], each["score"], rtol=1e-10, atol=1e-16)
    one = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, formula="adam", sum_queries=True)
    assert set(one["query_id"]) == {"all"}
    summed = each["score"].to_numpy().reshape(3, -1).sum(0)
    np.testing.assert_allclose(one["score"], summed, rtol=1e-9, atol=1e-16)
    by_name = grasp_psonet.trace(
        network, trajectory, {str(b): bag for b, bag in enumerate(TRAINING)}, {"a": QUERIES[0]}, formula="adam"
    )
    assert set(by_name["query_id"]) == {"a"}
    np.testing.assert_allclose(by_name["score"], each["score"][: len(by_name)], rtol=1e-10, atol=1e-16)


def test_one_logit_a_bag_means_two_classes(tmp_path: Path) -> None:
    class Binary(Pooling):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            logits = super().forward(photos, mask)
            return logits[:, 1] - logits[:, 0]

    class Pair(Pooling):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            return super().forward(photos, mask)[:, :2]

    torch.manual_seed(0)
    network = Pooling()
    trajectory, _ = train(network, tmp_path)
    tables = []
    for kind in (Binary, Pair):
        same = kind()
        same.load_state_dict(network.state_dict())
        bags = [(photos, label % 2) for photos, label in TRAINING]
        tables.append(grasp_psonet.trace(same, trajectory, bags, bags[:2], formula="adam", unit="visit"))
    np.testing.assert_allclose(tables[0]["score"], tables[1]["score"], rtol=1e-9, atol=1e-16)
    assert tables[0]["score"].abs().max() > 1e-4


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    network = Pooling()
    groups = [{"params": network.inner.parameters()}, {"params": network.out.parameters(), "betas": (0.8, 0.9)}]
    stranger = torch.nn.Parameter(torch.zeros(1))
    refused = {
        "optimizer is RMSprop": torch.optim.RMSprop(network.parameters(), lr=0.1),
        "maximize is on": torch.optim.Adam(network.parameters(), maximize=True),
        "betas differs between its groups\n  next: give all groups the same": torch.optim.Adam(groups),
        "1 parameters of the optimizer are not in the network": torch.optim.Adam([*network.parameters(), stranger]),
    }
    for message, optimizer in refused.items():
        with pytest.raises(TraceError, match=message):
            grasp_psonet.record(network, optimizer, tmp_path)
    optimizer = torch.optim.Adam(network.parameters())
    recorder = grasp_psonet.record(network, optimizer, tmp_path / "undrawn")
    loss_of(network, TRAINING[:2]).backward()
    with recorder:
        optimizer.step()
    with pytest.raises(TraceError, match="recording stopped: step 1 was taken without its draws"):
        recorder.trajectory()
    with pytest.raises(TraceError, match="has taken steps before"):
        grasp_psonet.record(network, optimizer, tmp_path / "late")


def test_weights_loaded_before_the_end_are_not_taken_for_the_last_steps(tmp_path: Path) -> None:
    network = Pooling()
    optimizer = torch.optim.Adam(network.parameters())
    start = copy.deepcopy(network.state_dict())
    recorder = grasp_psonet.record(network, optimizer, tmp_path, anchor_every=5)

    def train_and_go_back() -> None:
        with recorder:
            recorder.draw([0])
            loss_of(network, TRAINING[:1]).backward()
            optimizer.step()
            network.load_state_dict(start)

    train_and_go_back()
    with pytest.raises(TraceError, match="the weights changed after the last step"):
        recorder.trajectory()


def test_what_cannot_be_traced_is_refused(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    with pytest.raises(SettingsError, match=r"^formula unrolled with counting checkpoints is undefined[^.]*$"):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, formula="unrolled")
    with pytest.raises(TraceError, match="of which 0 were drawn"):
        grasp_psonet.trace(network, trajectory, {"a": TRAINING[0]}, QUERIES)
    with pytest.raises(TraceError, match="moved none of the chosen parameters"):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, parameters="unused")
    with pytest.raises(TraceError, match="photos have shapes"):
        grasp_psonet.trace(network, trajectory, TRAINING, [(QUERIES[0][0][:, :5], 0)])
    with pytest.raises(TraceError, match="2 bags have 1 different ids"):
        grasp_psonet.trace(network, trajectory, {1: TRAINING[1], "1": TRAINING[1]}, QUERIES)  # type: ignore[dict-item]
    with pytest.raises(StageError, match="already holds a recording"):
        grasp_psonet.record(network, torch.optim.Adam(network.parameters()), trajectory.anchors.parent)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"counting": "step"}, r"^argument counting is 'step'; wanted: one of even, checkpoints, steps"),
        ({"formula": "Adam"}, r"^argument formula is 'Adam'; wanted: one of paper, sgd, adam, "),
        ({"unit": "photo"}, r"^argument unit is 'photo'; wanted: one of single, share, edit, visit"),
        ({"query": "photos"}, r"^argument query is 'photos'; wanted: one of photo, visit"),
        (
            {"formula": "unrolled", "counting": "steps", "curvature": "hessian"},
            r"^argument curvature is 'hessian'; wanted: one of exact, fisher, none",
        ),
    ],
)
def test_mistyped_choices_are_refused(told: str, asked: dict[str, str], tmp_path: Path) -> None:
    network = seeded(Pooling)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(SettingsError, match=told):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked)  # type: ignore[arg-type]


def test_a_kept_step_without_an_anchor_is_refused(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    folder = told[1].anchors.parent
    assert grasp_psonet.read_recording(folder, kept_step=4).kept_step == 4
    with pytest.raises(
        TraceError, match=r"kept_step is 5, and the recording has no anchor .* it has 3, at steps 2, 4, 6"
    ):
        grasp_psonet.read_recording(folder, kept_step=5)


def test_every_bad_bag_is_named(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    photos = TRAINING[0][0]
    bad = {
        "0": (photos, 1.7),
        "1": (photos, torch.tensor([0, 1, 0])),
        "2": photos,
        "3": (photos.numpy(), 0),
        "4": (torch.tensor(1.0), 0),
        "5": (photos[:0], 0),
        "6": (photos, -100),
        "7": TRAINING[1],
    }
    with pytest.raises(TraceError, match="8 bags cannot be traced") as refused:
        grasp_psonet.trace(network, trajectory, bad, {"q": (photos, None)})  # type: ignore[arg-type, dict-item]
    for line in (
        "training bag 0: label is 1.7; wanted: an integer, 0 or more",
        "training bag 1: label is a tensor of shape (3,)",
        "training bag 2: is Tensor; wanted: a pair (photos, label)",
        "training bag 3: photos are ndarray; wanted: a tensor",
        "training bag 4: photos are a tensor without dimensions",
        "training bag 5: holds no photo",
        "training bag 6: label is -100",
        "query q: label is None",
    ):
        assert f"\n  {line}" in str(refused.value)
    assert "bag 7" not in str(refused.value)
    as_tensors = [(own, torch.tensor(label)) for own, label in TRAINING]
    asked = {"formula": "adam", "unit": "visit"}
    pd.testing.assert_frame_equal(
        grasp_psonet.trace(network, trajectory, as_tensors, QUERIES, **asked),  # type: ignore[arg-type]
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked),  # type: ignore[arg-type]
    )
    beyond = [*TRAINING[:-1], (photos, 7)]
    with pytest.raises(
        TraceError, match=r"2 bags (.|\n)*bag 5: label is 7; wanted: 0 to 2\n(.|\n)*query 0: label is 3;"
    ):
        grasp_psonet.trace(network, trajectory, beyond, [(photos, 3)])


def test_nothing_to_trace_has_its_cause_told(told: tuple[nn.Module, grasp_psonet.Trajectory]) -> None:
    network, trajectory = told
    with pytest.raises(TraceError, match="there are no training bags"):
        grasp_psonet.trace(network, trajectory, [], QUERIES)
    with pytest.raises(TraceError, match="there are no queries"):
        grasp_psonet.trace(network, trajectory, TRAINING, [])
    with pytest.raises(TraceError, match="holds no anchor up to step 1\n"):
        grasp_psonet.trace(network, replace(trajectory, kept_step=1), TRAINING, QUERIES)
    with pytest.raises(
        TraceError, match=r"query 0 has 2, 2 has 3\n  next: give a query of one photo, or query='visit'"
    ):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, query="photo")
    with pytest.raises(TraceError, match=r"is torch\.float32 .* here, and torch\.float64 .* in the recording"):
        grasp_psonet.trace(copy.deepcopy(network).float(), trajectory, TRAINING, QUERIES)


class MixingFeatures(WithParts):
    """Its parts give what its forward does, and its features are centred on those of all other photos."""

    def features(self, photos: Tensor) -> Tensor:
        features = super().features(photos)
        return features - features.flatten(0, -2).mean(0)


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class MixingHead(WithParts):
    """Visits meet in the head alone."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(self.head, Centred())


@pytest.mark.parametrize("unit", ["single", nightly("share"), "edit", nightly("visit")])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (MixingFeatures, "mixes the photos of a batch before its module attention"),
        (MixingHead, r"module head\.1 mixes"),
    ],
)
def test_networks_that_mix_photos_are_refused(tmp_path: Path, kind: type[nn.Module], told: str, unit: str) -> None:
    network = seeded(kind)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(TraceError, match=told):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit=unit)  # type: ignore[arg-type]
    if unit == "edit":
        with pytest.raises(TraceError, match=told):
            grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES)


@pytest.mark.whole
def test_the_attention_example_finds_the_mislabelled_bags() -> None:
    example = runpy.run_path(str(EXAMPLES / "someone_elses_network.py"))
    for by_bag in example["main"]():
        assert len(set(by_bag.index[:6]) & {str(b) for b in example["MISLABELLED"]}) >= 5


def test_the_classifier_example_finds_the_mislabelled_images() -> None:
    example = runpy.run_path(str(EXAMPLES / "bare_classifier.py"))
    by_image, best_label = example["main"]()
    assert set(by_image.index[:4]) == {str(n) for n in example["MISLABELLED"]}
    assert best_label.to_dict() == {str(n): n % 3 for n in example["MISLABELLED"]}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, grasp_psonet; assert not {'torch', 'pandas', 'numpy'} & sys.modules.keys()\ngrasp_psonet.nothing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AttributeError: module 'grasp_psonet' has no attribute 'nothing'" in done.stderr
