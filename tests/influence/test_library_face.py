"""Every loop of the table in docs/your-network.md: traced as it is differentiated, or refused by name."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import grasp_psonet
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import FormulaName
from tests.foreign_run import QUERIES, STEPS, TRAINING, Pooling, WithParts, loss_of, train, two_groups
from tests.influence.library_face import END, PAGE, REFUSED, START, TRACED, Hook, Refused, Traced, table
from tests.long_forms import by_day
from tests.reference import foreign_scores
from tests.reference.foreign_scores import PHOTOS, Law, minus_derivative

pytestmark = pytest.mark.long

CASES = [(2, 0), (3, 2)]  # drawn twice in one step and again in the last, and in two others


@dataclass
class HookedLaw(Law):
    """A loop that does something before each step."""

    before_step: Hook | None = None

    def take(self, network: nn.Module, optimizer: torch.optim.Adam, t: int, extra: Callable[[int], Tensor]) -> None:
        if self.before_step is not None:
            self.before_step(network, optimizer, t)
        super().take(network, optimizer, t, extra)


def seeded() -> nn.Module:
    torch.manual_seed(0)
    return WithParts()


# each rule meets unrolled; adam-step, which takes one step's derivative of the same law, is asked of the clipped ones
ASKED = [(case, "unrolled") for case in TRACED] + [(case, "adam-step") for case in TRACED if case.clip_norm is not None]
BY_DAY = [one for one in ASKED if one[1] == "unrolled" or one[0].kind in (torch.optim.NAdam, torch.optim.SGD)]


@pytest.mark.parametrize(
    ("case", "formula"), by_day(BY_DAY, ASKED), ids=[f"{case.words}-{asked}" for case, asked in ASKED]
)
def test_scores_are_minus_the_derivative_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Traced, formula: FormulaName
) -> None:
    monkeypatch.setattr(foreign_scores, "STEP", 1e-5)  # the largest second moment (amsgrad) bends where it is reached
    kind: Any = case.kind
    law = HookedLaw(kind, case.clip_norm, dict(case.settings), before_step=case.before_step)
    if case.has_groups:
        law.groups = two_groups
    network = seeded()
    optimizer = law.start(network)
    with grasp_psonet.record(network, optimizer, tmp_path, anchor_every=2, clip_norm=case.clip_norm) as recorder:
        for t, drawn in enumerate(STEPS, start=1):
            recorder.draw(drawn)
            if case.before_step is not None:
                case.before_step(network, optimizer, t)
            optimizer.zero_grad()
            loss_of(network, [TRAINING[b] for b in drawn]).backward()
            if case.clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), case.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = group["part"] * foreign_scores.LR * foreign_scores.DECAY ** (t - 1)
            optimizer.step()
    asked: dict[str, Any] = {"counting": "steps", "unit": "visit", "replay_tolerance": 1e-9}
    scores = grasp_psonet.trace(network, recorder.trajectory(), TRAINING, QUERIES[1:2], formula=formula, **asked)
    assert not scores.attrs["caveats"]
    found = scores["score"].to_numpy()[[PHOTOS.index(photo) for photo in CASES]]
    truth = [minus_derivative(seeded(), law, "visit", b, n, QUERIES[1], formula == "adam-step") for b, n in CASES]
    assert np.abs(truth).max() > 1e-3
    assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()
    if formula == "adam-step":
        return
    at_anchors = grasp_psonet.trace(
        network, recorder.trajectory(), TRAINING, QUERIES[1:2], formula="cosine", unit="visit"
    )
    assert not at_anchors.attrs["caveats"], "step 1 did not replay"
    assert np.isfinite(at_anchors["score"]).all()
    assert at_anchors["score"].abs().max() > 1e-3


@pytest.mark.parametrize("case", REFUSED, ids=[case.words for case in REFUSED])
def test_what_cannot_be_traced_is_refused_by_name(tmp_path: Path, case: Refused) -> None:
    network = seeded()
    optimizer = case.kind(network.parameters(), lr=0.01, **case.settings)

    def traced() -> None:
        with grasp_psonet.record(network, optimizer, tmp_path, anchor_every=2) as recorder:
            for t, drawn in enumerate(STEPS, start=1):
                recorder.draw(drawn)
                if case.before_step is not None:
                    case.before_step(network, optimizer, t)
                optimizer.zero_grad()
                loss_of(network, [TRAINING[b] for b in drawn]).backward()
                optimizer.step()
        grasp_psonet.trace(case.given(network), recorder.trajectory(), TRAINING, QUERIES, unit="visit", **case.asked)

    with pytest.raises(TraceError, match=case.told) as refused:
        traced()
    assert "\n  next: " in str(refused.value)


def test_the_page_shows_these_cases() -> None:
    told = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0].strip()
    assert told == table(), "the table differs\n  next: python -m tests.influence.library_face"


def test_a_loop_under_autocast_is_replayed_as_it_ran(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Pooling().float()
    training = [(photos.float(), label) for photos, label in TRAINING]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    with grasp_psonet.record(network, optimizer, tmp_path, anchor_every=2) as recorder:
        for drawn in STEPS:
            recorder.draw(drawn)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(network, [training[b] for b in drawn])
            loss.backward()
            optimizer.step()
    trajectory = recorder.trajectory()
    assert trajectory.autocast == "bfloat16"
    both: tuple[dict[str, Any], ...] = ({"counting": "steps", "replay_tolerance": 3e-2}, {"counting": "checkpoints"})
    for asked in both:
        scores = grasp_psonet.trace(network, trajectory, training, training[:2], unit="visit", **asked)
        (said,) = scores.attrs["caveats"]
        assert said.startswith("training ran under autocast to bfloat16: its steps are replayed so")
        assert scores["score"].abs().max() > 1e-4


def test_weights_that_the_recording_does_not_hold_are_said(tmp_path: Path) -> None:
    network = seeded()
    trajectory, _ = train(network, tmp_path)
    averaged = copy.deepcopy(network)
    with torch.no_grad():
        for weight in averaged.parameters():
            weight.mul_(0.9)
    tables = [
        grasp_psonet.trace(given, trajectory, TRAINING, QUERIES, unit="visit", formula="adam")
        for given in (network, averaged)
    ]
    assert not tables[0].attrs["caveats"]
    (said,) = tables[1].attrs["caveats"]
    assert said.startswith("the network given holds other weights than the recording does after step 6 (an average")
    np.testing.assert_array_equal(tables[0]["score"], tables[1]["score"])
