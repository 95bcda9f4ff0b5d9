"""The micro truth on a very small case: all trainings at once equal one by one, and unrolling foretells the derivative."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.truth.counterfactual import spearman
from benchmarks.truth.micro import training as micro_training
from benchmarks.truth.micro import truth as micro
from benchmarks.truth.micro.ground import LAST, ground_of
from benchmarks.truth.micro.neighbours import influence_functions, neighbour_scores
from benchmarks.truth.micro.scores import our_scores, queries_of, refusals
from benchmarks.truth.micro.study import draw_study, micro_network
from benchmarks.truth.micro.training import VISITS_PER_STEP, MicroRun, joined, leave_one_out, losses_after, retrain
from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.network.network import visit_loss
from grasp_psonet.trajectory.anchors import weights_of

NUM_STEPS = 9


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MicroRun:
    study = draw_study(3, num_training=9, num_validation=3)
    return micro_training.train(study, 1e-3, NUM_STEPS, 3, tmp_path_factory.mktemp("anchors"))


def _one_by_one(run: MicroRun, left_out: str, photo: int | None) -> np.ndarray:
    """Losses of the validation visits after training by torch's Adam without a visit, or without one of its photos."""
    study = run.study
    bags = {bag.visit_id: bag for bag in study.training}
    if photo is not None:
        present = tuple(n != photo for n in range(len(bags[left_out])))
        bags[left_out] = replace(bags[left_out], is_present=present).without_removed()
    network = micro_network(study.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    for _, draws in run.plan.groupby("step"):
        drawn = [bags[visit_id] for visit_id in draws["visit_id"] if photo is not None or visit_id != left_out]
        optimizer.zero_grad()
        if drawn:
            (_losses(network, study.pixels, drawn).sum() / len(draws)).backward()
        else:
            for weight in network.parameters():
                weight.grad = torch.zeros_like(weight)
        optimizer.step()
    return _losses(network, study.pixels, list(study.validation)).detach().numpy()


def _losses(network: torch.nn.Module, pixels: np.ndarray, bags: list[Bag]) -> torch.Tensor:
    batch = collate(bags, pixels)
    return visit_loss(network(batch.photos_BNCHW, batch.is_photo_BN).logits_BC, batch.label_B)


def test_the_plan_draws_visits_twice_in_a_step_and_has_short_steps(run: MicroRun) -> None:
    sizes = run.plan.groupby("step").size()
    assert set(sizes) == {VISITS_PER_STEP, 1}
    assert run.plan.duplicated(["step", "visit_id"]).any()


def test_trained_together_equals_the_projects_own_training(run: MicroRun) -> None:
    weights = retrain(run, leave_one_out(run.study, 0.0))
    start = weights_of(micro_network(run.study.seed))
    for name, weight in weights_of(run.network).items():
        assert (weights[name] - weight).abs().max() < 1e-10
        assert (weights[name][0] - start[name]).abs().max() > 1e-4, "nothing was trained"


def test_trained_together_equals_training_without_each(run: MicroRun) -> None:
    losses_KQ = losses_after(retrain(run, leave_one_out(run.study, 1.0)), run.study, run.study.validation)
    photo_ids, drawn = run.study.photo_ids, run.plan["visit_id"].iloc[0]
    k = photo_ids.index(f"{drawn}-p1")
    v = [bag.visit_id for bag in run.study.training].index(drawn)
    without_photo, without_visit = _one_by_one(run, drawn, 1), _one_by_one(run, drawn, None)
    np.testing.assert_allclose(losses_KQ[k], without_photo, rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses_KQ[len(photo_ids) + v], without_visit, rtol=0, atol=1e-10)
    assert np.abs(without_photo - without_visit).max() > 1e-5


def test_unrolling_foretells_the_derivative_and_full_removal(run: MicroRun) -> None:
    queries = run.study.validation
    truth = micro.truth_of(run, queries)
    names = {target: micro.FIGURES["unrolled"].format(unit) for target, unit in micro.UNIT_OF.items()}
    found = {scores.method: scores for scores in our_scores(run, queries, whole_grid=False)}
    photo_QP, visit_QV = found[names["photos"]].photo_QP, found[names["visits"]].visit_QV
    assert photo_QP is not None
    assert visit_QV is not None
    for target, score_QZ in (("photos", photo_QP), ("visits", visit_QV)):
        small_QZ = truth.effects["infinitesimal", target]
        assert np.abs(score_QZ - small_QZ).max() < 1e-4 * np.abs(small_QZ).max()
        assert spearman(score_QZ, small_QZ).min() >= 0.999
        assert spearman(score_QZ, truth.effects["full", target]).mean() > 0.95
        assert np.abs(small_QZ).max() > 1e-4, "no effect: the comparison would prove nothing"


def test_every_neighbour_scores_every_photo(run: MicroRun) -> None:
    queries = queries_of(run)
    for scores in neighbour_scores(run, queries):
        assert scores.photo_QP is not None
        assert scores.photo_QP.shape == (len(queries), len(run.study.photo_ids))
        assert np.isfinite(scores.photo_QP).all(), scores.method


def test_last_layer_influence_turns_to_the_gradients_product_under_strong_damping(run: MicroRun) -> None:
    ground = ground_of(run, run.study.training, run.study.validation)
    strong = influence_functions(ground, 1e9, LAST) * 1e9
    (logits_ZC, feature_ZH), (logits_QC, feature_QH) = ground.logits(ground.examples), ground.logits(ground.queries)
    pull_ZC = logits_ZC.softmax(1) - torch.nn.functional.one_hot(ground.examples[2], 3)
    pull_QC = logits_QC.softmax(1) - torch.nn.functional.one_hot(ground.queries[2], 3)
    torch.testing.assert_close(strong, (pull_QC @ pull_ZC.T) * (feature_QH @ feature_ZH.T), rtol=1e-5, atol=1e-9)


def test_what_the_project_refuses_is_not_in_the_grid() -> None:
    assert set(refusals()) == {
        "adam-step x checkpoints x all",
        "adam-step x checkpoints x head",
        "unrolled x checkpoints x all",
        "unrolled x checkpoints x head",
        "unrolled x steps x head",
    }


def test_a_finished_cell_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"source": source, "method": method, "query": "visit", "loss_of": "visit", "truth": truth, "target": target}
        | {"spearman": value, "overlap": 0.5, "seconds": 1.0, "num_together": 1, "seed": 0, "lr": 1e-3, "steps": 60}
        for truth in ("full", "infinitesimal")
        for target, unit in micro.UNIT_OF.items()
        for source, method, value in (
            *(("ours", method.format(unit), 0.9 - len(what) / 100) for what, method in micro.FIGURES.items()),
            ("neighbour", "other", 0.3),
        )
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "cell-seed0-lr0.001-steps60.parquet")
    monkeypatch.setattr(micro, "train", lambda *_: pytest.fail("a finished cell was trained again"))
    figures = micro.micro_truth(tmp_path, [0], [1e-3], [60])
    found = [figures[f"loo_spearman_{what}"] for what in ("unrolled", "default", "best_neighbour")]
    assert found == [0.82, 0.83, 0.3]
    assert (tmp_path / "methods.csv").is_file()


def test_joined_counterfactuals_stand_one_after_the_other(run: MicroRun) -> None:
    both = joined([leave_one_out(run.study, 1.0), leave_one_out(run.study, 0.0)])
    half = len(both) // 2
    assert (both.whole_KV[half:] == 1).all()
    assert (both.whole_KV[:half] == leave_one_out(run.study, 1.0).whole_KV).all()
