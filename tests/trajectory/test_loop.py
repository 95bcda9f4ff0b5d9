"""The recorded loop: what it says of a step is what the step saw, and going on from a state is as never having stopped."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.errors import StageError
from grasp_psonet.tables.schemas.runs import STEPS
from grasp_psonet.trajectory.adam import AdamState, learning_rate
from grasp_psonet.trajectory.anchors import read_anchor, start_anchor, weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.records import STEPS_FILE
from grasp_psonet.trajectory.settings import OptimizerSettings
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

OPTIMIZER = AdamLaw.of(OptimizerSettings(lr=1e-2, schedule="cosine", warmup_steps=2, clip_norm=1.0))
SOURCE = tiny_source(*tiny_bags())
PLAN = batch_plan(SOURCE.labels, 3, 4, "class_weighted", 3)  # six visits: steps of four and of two draws


def test_a_step_tells_what_it_saw() -> None:
    network = tiny_network()
    state = AdamState.at_start(weights_of(network))
    before = start_anchor(network).weights
    for step in recorded_steps(network, PLAN, SOURCE, OPTIMIZER, state):
        draws = PLAN[PLAN["step"] == step.step]
        plain = tiny_network()
        plain.load_state_dict(plain.state_dict() | before)
        batch = SOURCE.batch(draws, torch.device("cpu"))
        logits_BC = plain(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN).logits_BC
        loss_B = torch.nn.functional.cross_entropy(logits_BC, batch.label_B, reduction="none")
        gradients = torch.autograd.grad(loss_B.mean(), list(plain.parameters()))
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        rows = step.rows()
        pd.testing.assert_frame_equal(rows[["step", "epoch", "draw", "visit_id"]], draws)
        assert rows["label"].tolist() == [SOURCE.labels[visit_id] for visit_id in draws["visit_id"]]
        torch.testing.assert_close(torch.tensor(rows["loss"].to_numpy()), loss_B.detach())
        torch.testing.assert_close(torch.tensor(rows.filter(like="logit_").to_numpy()), logits_BC.detach())
        assert rows["grad_norm"].unique() == pytest.approx([float(norm)])
        assert rows["lr"].unique() == [learning_rate(OPTIMIZER.settings, step.step, 6)]
        assert step.ends_epoch == (step.step % 2 == 0)
        after = start_anchor(network).weights
        assert all(not torch.equal(after[name], weight) for name, weight in before.items()), "a weight did not move"
        before = after
    assert step.step == 6


def test_going_on_from_an_anchor_is_as_never_having_stopped(tmp_path: Path) -> None:
    whole, stopped = tiny_network(), tiny_network()
    rows = [step.rows() for step in recorded_steps(whole, PLAN, SOURCE, OPTIMIZER, _fresh(whole))]
    for step in recorded_steps(stopped, PLAN, SOURCE, OPTIMIZER, _fresh(stopped)):
        if step.step == 3:
            write_anchor(tmp_path, step.anchor(stopped))
            break
    (path,) = tmp_path.iterdir()
    state = read_anchor(path).state
    later = [step.rows() for step in recorded_steps(stopped, PLAN, SOURCE, OPTIMIZER, state)]
    pd.testing.assert_frame_equal(pd.concat(later), pd.concat(rows[3:]))
    assert all(torch.equal(weight, weights_of(stopped)[name]) for name, weight in weights_of(whole).items())


def test_damaged_step_records_are_told(tmp_path: Path) -> None:
    path = tmp_path / STEPS_FILE
    rows = pd.DataFrame({"step": [1], "epoch": [1], "draw": [0], "visit_id": ["v0"], "lr": [0.1]})
    rows.to_parquet(path)
    pd.testing.assert_frame_equal(STEPS.read(path), rows)
    rows.drop(columns="lr").to_parquet(path)
    with pytest.raises(StageError, match=r"lr"):
        STEPS.read(path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StageError, match="cannot be read as"):
        STEPS.read(path)


def _fresh(network: torch.nn.Module) -> AdamState:
    return AdamState.at_start(weights_of(network))
