"""Every formula in every unit for every family of encoders, against plain autograd; what must hold whatever the numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from timm.models._efficientnet_builder import decode_arch_def
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3
from torch import nn

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.settings import NumberLoss, PasiForm, SeveritySettings
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.tracing.trace import Traced, trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.influence.units.unit import UnitCoverage
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import Anchor, start_anchor, weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.long_forms import nightly
from tests.reference.every_score import UNITS, Scores, Story, every_score
from tests.reference.units import gradient_of

pytestmark = pytest.mark.long

EDGE_PX = 32
DRAWS = (("v0", "v1"), ("v1", "v0", "v0"))
# short moments and a large eps: no term of the step's derivative vanishes; clipped in both steps
OPTIMIZER = AdamLaw.of(
    OptimizerSettings(lr=1e-2, betas=(0.8, 0.9), eps=2e-2, weight_decay=0.1, schedule="cosine", clip_norm=0.3)
)
AT_ANCHORS: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
AT_STEPS: tuple[FormulaName, ...] = (*AT_ANCHORS, "adam-step", "unrolled")
LARGEST_ERROR = {torch.float64: 1e-10, torch.float32: 1e-4}

CLASSES = Outcome()
SCORES = (2.5, 30.0, 11.0, 1.5, 22.0)  # points of v0 to v4: near to what a fresh network says, and far from it
UNKNOWN = float("nan")
# v0 has two photos of one region and the legs' alone besides; the removed photo of v1 is the only one of its region
REGIONS = ((2, 3, 2), (0, 1, 0), (2,), (1, 2), (3,))
PARTS = (
    (UNKNOWN,) * 8 + (1.0, 2.0, UNKNOWN, 1.0, 4.0, 0.0, 2.5, 6.0),
    (1.0, 2.0, 3.0, 4.0) * 4,
    (UNKNOWN,) * 16,
    (UNKNOWN,) * 16,  # a query of which only the total is known
    (2.0, 1.0, 0.0, 3.0) * 4,
)
SMALL = {"depths": (1, 1, 1, 1), "dims": (6, 8, 10, 12)}
VIT = {"img_size": EDGE_PX, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 2}
MOBILE = [["ds_r1_k3_s1_e1_c8"], ["ir_r1_k3_s2_e2_c8"], ["ir_r1_k5_s2_e2_c12_nre"]]
EFFICIENT = [["ds_r1_k3_s1_e1_c8_se0.25"], ["ir_r1_k3_s2_e2_c8_se0.25"], ["ir_r1_k5_s2_e2_c12_se0.25"]]


def timm_model(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False, num_classes=0, **options)


ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "convnext": timm_model("convnext_tiny", ls_init_value=0.1, **SMALL),
    "convnextv2": timm_model("convnextv2_atto", **SMALL),
    "vit": timm_model("vit_tiny_patch16_224", init_values=0.1, reg_tokens=1, **VIT),
    "resnet": timm_model("resnet10t", channels=(6, 8, 10, 12), stem_width=8),
    "mobilenet": lambda: MobileNetV3(
        decode_arch_def(MOBILE), num_classes=0, stem_size=8, num_features=12, act_layer=nn.Hardswish
    ),
    "efficientnet": lambda: EfficientNet(
        decode_arch_def(EFFICIENT), num_classes=0, stem_size=8, num_features=12, act_layer=nn.SiLU
    ),
}


def randomise(network: nn.Module) -> None:
    """No gradient hides behind a zero, and features depend on the photo: fresh timm weights are so small that they do not.

    Norms, layer-scales, tokens, biases and frozen statistics are drawn; matrices keep the size of what they are given.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for name, parameter in network.named_parameters():
        if name.endswith(("bias", "token", "embed")):
            parameter.data.uniform_(0.1, 0.4).mul_(torch.randint(0, 2, parameter.shape) * 2 - 1)
        elif parameter.ndim <= 1 or parameter.shape[0] == 1:
            parameter.data.uniform_(0.3, 1.2)
        else:
            parameter.data.normal_(0, 1.4 * parameter[0].numel() ** -0.5)


def bag_network(
    family: str, dtype: torch.dtype, impossible_class: int | None = None, outcome: Outcome = CLASSES
) -> BagNetwork:
    torch.manual_seed(5)
    encoder = ENCODERS[family]()
    with torch.no_grad():
        length = encoder.eval()(torch.zeros(1, 3, EDGE_PX, EDGE_PX)).shape[1]
    card = EncoderCard(family, length, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "none")
    network = BagNetwork(encoder, card, NetworkSettings(feature_length=6, attention_hidden=4, head_hidden=5), outcome)
    randomise(network)
    if impossible_class is not None:
        network.head[-1].bias.data[impossible_class] = -30  # type: ignore[operator, index, union-attr]
    return network.to(dtype)


def drawn_bags(outcome: Outcome = CLASSES) -> tuple[dict[str, Bag], np.ndarray]:
    """Classes in turn, or scores.

    v0 with three photos, v1 with two and one removed; v2 is in no batch; v3 and v4 (one photo) are queries."""
    presence = {"v0": (True, True, True), "v1": (True, False, True), "v2": (True,), "v3": (True, True), "v4": (True,)}
    bags, row = {}, 0
    for v, (name, present) in enumerate(presence.items()):
        rows = tuple(range(row, row + len(present)))
        label = v % 3 if outcome.kind == "classes" else SCORES[v]
        bag = Bag(name, label, tuple(f"{name}-p{n}" for n in range(len(present))), rows, present)
        bags[name] = replace(bag, regions=REGIONS[v], parts=PARTS[v]) if outcome.has_regions else bag
        row += len(present)
    return bags, patterned_photos(row)


def patterned_photos(count: int) -> np.ndarray:
    """Photos of a few coloured squares: unlike noise, they differ in what a network sees, and so do their visits."""
    rng = np.random.default_rng(1)
    squares = rng.integers(0, 2, (count, 2, 2, 3)) * 190
    coarse = squares.repeat(EDGE_PX // 2, axis=1).repeat(EDGE_PX // 2, axis=2)
    fine: np.ndarray = (coarse + rng.integers(0, 66, (count, EDGE_PX, EDGE_PX, 3))).astype(np.uint8)
    return fine


@dataclass
class FamilyRun:
    """Two recorded steps of one family's network, an anchor after the second."""

    network: BagNetwork
    trajectory: Trajectory
    source: BatchSource
    start: Anchor

    @classmethod
    def train(
        cls,
        family: str,
        dtype: torch.dtype,
        folder: Path,
        impossible_class: int | None = None,
        outcome: Outcome = CLASSES,
    ) -> "FamilyRun":
        bags, pixels = drawn_bags(outcome)
        source = BatchSource(bags, pixels, AugmentationSettings(flip=True, brightness=0.1), 7)
        network = bag_network(family, dtype, impossible_class, outcome)
        start = start_anchor(network)
        state, rows = AdamState.at_start(weights_of(network)), []
        plan = pd.DataFrame(
            {
                "step": np.repeat([1, 2], [len(visit_ids) for visit_ids in DRAWS]),
                "epoch": 1,
                "draw": np.concatenate([np.arange(len(visit_ids)) for visit_ids in DRAWS]),
                "visit_id": np.concatenate(DRAWS),
            }
        )
        for step in recorded_steps(network, plan, source, OPTIMIZER, state):
            rows.append(step.rows())
        folder.mkdir()
        write_anchor(folder, step.anchor(network))
        steps = pd.concat(rows, ignore_index=True)
        return cls(network, Trajectory(folder, steps, len(DRAWS), OPTIMIZER), source, start)

    @property
    def visits(self) -> list[Bag]:
        return [self.source.bags[name] for name in ("v0", "v1", "v2")]

    @property
    def queries(self) -> list[Bag]:
        return [self.source.bags[name] for name in ("v3", "v4")]

    def story(self, family: str) -> Story:
        start = bag_network(family, torch.float64, outcome=self.network.outcome)
        return Story(start, self.trajectory.steps, OPTIMIZER, self.source, self.visits, self.queries)

    def scores(self, unit: UnitName, at_steps: bool, with_curvature_none: bool) -> Scores:
        """Scores [Q, Z] by (counting, formula, unit); at anchors, and at steps as well."""
        coverage = cover_unit(unit, self.network, collate(self.visits, self.source.pixels))
        found: Scores = {}
        stepwise = TraceSettings(formula="unrolled", counting="steps", errors="kept", query="visit", unit=unit)
        asked = [(TraceSettings(query="visit", unit=unit, counting="checkpoints"), AT_ANCHORS)]
        if at_steps:
            asked.append((stepwise, AT_STEPS))
        if with_curvature_none:
            asked.append((replace(stepwise, curvature="none"), ("unrolled",)))
        for settings, formulas in asked:
            traced = self.trace(settings, formulas, coverage)
            for formula, score_QZ in traced.by_formula.items():
                name = f"unrolled {settings.curvature}" if formula == "unrolled" else formula
                found[settings.counting, name, unit] = score_QZ
        return found

    def trace(
        self,
        settings: TraceSettings,
        formulas: tuple[FormulaName, ...],
        coverage: UnitCoverage,
        visits: list[Bag] | None = None,
        queries: list[Bag] | None = None,
        pixels: np.ndarray | None = None,
    ) -> Traced:
        trained = TrainedNetwork(self.network, self.trajectory, self.source, self.start)
        return trace(
            trained,
            Request(
                tuple(visits or self.visits),
                queries or self.queries,
                self.source.pixels if pixels is None else pixels,
                tuple(FORMULAS[name] for name in formulas),
                settings,
                coverage,
            ),
        )


def errors(fast: Scores, slow: Scores) -> dict[tuple[str, str, str], float]:
    """Largest absolute difference over the largest absolute score, the worst of the queries."""
    found = {}
    for key, fast_QZ in fast.items():
        largest_Q = np.abs(slow[key]).max(axis=1)
        assert largest_Q.min() > 1e-9, f"{key}: all scores vanish, the comparison would prove nothing"
        found[key] = float((np.abs(fast_QZ - slow[key]).max(axis=1) / largest_Q).max())
    return found


# by day test_families and test_products hold their layers to the loop, and the test on a number a vision transformer
NIGHTLY = ("convnextv2", "vit", "resnet", "mobilenet", "efficientnet")


@pytest.mark.parametrize("family", [nightly(name) if name in NIGHTLY else name for name in ENCODERS])
def test_every_formula_in_every_unit_equals_the_loop(family: str, tmp_path: Path) -> None:
    runs = {dtype: FamilyRun.train(family, dtype, tmp_path / str(dtype)) for dtype in LARGEST_ERROR}
    story = runs[torch.float64].story(family)
    _refuse_hidden_gradients(story)
    slow = every_score(story)
    assert len(slow) == len(UNITS) * (len(AT_ANCHORS) + len(AT_STEPS) + 1)
    # each family meets each unit at anchors. Formulas at steps take the same gradients of the units at other weights: two
    # units a family, and each unit in two families or more. Float32 and what is left out of the way back are matters of
    # a family's layers, which every unit passes: one unit a family, so that each unit has its turn
    at = list(ENCODERS).index(family)
    turn, other = (UNITS[(at + n) % len(UNITS)] for n in range(2))
    at_steps = {turn, other}
    units = {torch.float64: UNITS, torch.float32: [turn]}
    for dtype, limit in LARGEST_ERROR.items():
        fast: Scores = {}
        for unit in units[dtype]:
            without_curvature = dtype == torch.float64 and unit == turn
            fast |= runs[dtype].scores(unit, unit in at_steps, without_curvature)  # type: ignore[arg-type]
        found = errors(fast, slow)
        untold = {key for key in slow if key[0] == "steps" and key[2] not in at_steps}
        untold |= {("steps", "unrolled none", unit) for unit in UNITS if unit != turn}
        assert dtype == torch.float32 or found.keys() == slow.keys() - untold
        worst = max(found, key=lambda key: found[key])
        assert found[worst] < limit, f"{worst} is {found[worst]:.1e} off"
        for key, fast_QZ in fast.items():
            assert (fast_QZ[:, -1] == 0).all(), f"{key}: v2 was in no batch"
            assert (fast_QZ[:, :-1] != 0).all(), key


def _refuse_hidden_gradients(story: Story) -> None:
    """Every parameter is felt by the first visit, and the steps are clipped."""
    batch = collate([story.visits[0]], story.source.pixels)
    there = batch.is_photo_BN[0]
    found = gradient_of(story.network, batch.photos_BNCHW[0].double(), there, there, batch.label_B[0].item())
    largest = max(float(gradient.abs().max()) for gradient in found.values())
    hidden = {name for name, gradient in found.items() if float(gradient.abs().max()) < 1e-9 * largest}
    # a shift of every attention logit changes nothing, so the scorer's last bias has no gradient
    assert hidden <= {name for name in found if name.startswith("attention.") and name.endswith("bias")}, hidden
    assert len(hidden) <= 1, hidden
    assert (story.steps["grad_norm"] > 1.1 * OPTIMIZER.clip_norm).all()  # type: ignore[operator]


@pytest.mark.parametrize("family", ["vit", nightly("efficientnet")])
def test_order_batches_neighbours_and_removed_photos_change_nothing(family: str, tmp_path: Path) -> None:
    run = FamilyRun.train(family, torch.float64, tmp_path / "run")
    other = run.source.pixels.copy()
    removed, of_v2 = run.source.bags["v1"].rows[1], run.source.bags["v2"].rows[0]
    other[[removed, of_v2]] = 255 - other[[removed, of_v2]]
    drawn_too = pd.concat([run.trajectory.steps, run.trajectory.steps.tail(1).assign(visit_id="v2")])
    run.trajectory = replace(run.trajectory, steps=drawn_too)
    backwards = [_backwards(bag) for bag in run.visits[::-1]]
    for unit in ("share", "edit"):
        coverage = cover_unit(unit, run.network, collate(run.visits, run.source.pixels))
        settings = TraceSettings(query="visit", unit=unit)
        whole = run.trace(settings, ("adam", "cosine"), coverage)
        again = run.trace(replace(settings, photos_per_batch=1), ("adam", "cosine"), coverage, backwards)
        beside = run.trace(settings, ("adam", "cosine"), coverage, pixels=other)
        assert "v1-p1" not in whole.photo_ids
        for formula, scores in whole.by_formula.items():
            limit = 1e-10 * np.abs(scores).max()
            order = [again.photo_ids.index(photo_id) for photo_id in whole.photo_ids]
            assert np.abs(again.by_formula[formula][:, order] - scores).max() < limit
            assert np.abs(beside.by_formula[formula] - scores)[:, :-1].max() < limit
            assert np.abs(beside.by_formula[formula] - scores)[:, -1].min() > 1e3 * limit, "v2 did not change"


def _backwards(bag: Bag) -> Bag:
    return replace(bag, photo_ids=bag.photo_ids[::-1], rows=bag.rows[::-1], is_present=bag.is_present[::-1])


@pytest.mark.parametrize("family", [nightly("convnextv2"), "vit"])
def test_poison_is_the_most_harmful_and_a_copy_the_most_helpful_in_every_unit(family: str, tmp_path: Path) -> None:
    """The query's own photo under the wrong label and the right one; the third class is impossible (test_trace says why)."""
    run = FamilyRun.train(family, torch.float64, tmp_path / "run", impossible_class=2)
    query = run.source.bags["v4"]
    assert query.label == 1
    poison = replace(query, visit_id="v0", label=0, photo_ids=("poison",))
    visits = [*run.visits, poison, replace(query, visit_id="v1", photo_ids=("copy",))]
    both_drawn = pd.DataFrame({"step": [1, 1, 2, 2], "visit_id": ["v0", "v1"] * 2, "lr": 0.01})
    run.trajectory = replace(run.trajectory, steps=both_drawn)
    for unit in UNITS:
        coverage = cover_unit(unit, run.network, collate(visits, run.source.pixels))  # type: ignore[arg-type]
        settings = TraceSettings(query="visit", unit=unit)  # type: ignore[arg-type]
        traced = run.trace(settings, ("sgd", "adam", "cosine"), coverage, visits, [query])
        for formula, (scores,) in traced.by_formula.items():
            assert scores[-2] < 0 < scores[-1], (unit, formula)
        (cosine,) = traced.by_formula["cosine"]
        assert cosine.argmin() == len(cosine) - 2, unit
        assert cosine.argmax() == len(cosine) - 1, unit


@pytest.mark.parametrize(
    ("family", "loss", "form", "at_steps"),
    [
        ("vit", "huber", "regional", ("edit", "share")),  # of which each takes bags apart in a way of its own
        nightly("convnext", "huber", "regional", UNITS),
        nightly("vit", "squared", "total", UNITS),
    ],
)
def test_every_formula_in_every_unit_equals_the_loop_on_a_number(
    family: str, loss: NumberLoss, form: PasiForm, at_steps: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = outcome_of(SeveritySettings(outcome="pasi", loss=loss, form=form, points_per_unit=8))
    run = FamilyRun.train(family, torch.float64, tmp_path / "run", outcome=outcome)
    story = run.story(family)
    slow = every_score(story)
    fast: Scores = {}
    for unit in UNITS:
        fast |= run.scores(unit, unit in at_steps, unit == at_steps[0])  # type: ignore[arg-type]
    assert {
        key for key in slow if key[0] != "steps" or (key[2] in at_steps and key[1] != "unrolled none")
    } <= fast.keys()
    found = errors(fast, slow)
    worst = max(found, key=lambda key: found[key])
    assert found[worst] < LARGEST_ERROR[torch.float64], f"{worst} is {found[worst]:.1e} off"
    logged = run.trajectory.steps
    off = (logged["output_score"] - logged["label"] / outcome.scale.points_per_unit).abs()
    assert (off < 1).any(), "no draw lies where Huber's loss is squared"
    assert (off > 1).any(), "no draw lies where it is straight"
