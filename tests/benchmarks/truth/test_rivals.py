"""Rivals in the grid: their arithmetic against slow references, and one small drawn cell with every arm."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.planted import ARMS, Arm
from benchmarks.truth.grid import cells as grid_cells
from benchmarks.truth.grid import making as grid_module
from benchmarks.truth.grid.cells import Cell
from benchmarks.truth.grid.evidence import choice_figures, evidence_figures, rivals_beside
from benchmarks.truth.grid.making import Grid, arms_of, make_grid
from benchmarks.truth.grid.summary import grid_figures, grid_table
from benchmarks.truth.rivals import rivals
from benchmarks.truth.rivals import rounds as rivals_rounds
from benchmarks.truth.rivals.groups import alignment, ask_validation, pseudo_groups
from benchmarks.truth.rivals.rankings import el2n, outlier_gradients, own_loss, quality, within_group
from benchmarks.truth.rivals.rivals import RIVALS, Ranked
from grasp_psonet.bags.bag import collate
from grasp_psonet.errors import StudyError
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import TrainedRun
from tests.tiny_study import tiny_bags, tiny_network


def test_alignment_weighs_groups_by_the_exponential_of_their_loss() -> None:
    score_QP = np.array([[1.0, -1.0], [3.0, 0.0], [-4.0, 2.0]])
    loss_Q = np.array([0.2, 0.4, 1.3])
    weight = np.exp([0.3, 1.3]) / np.exp([0.3, 1.3]).sum()
    found = alignment(score_QP, np.array([0, 0, 1]), loss_Q)
    np.testing.assert_allclose(found, [weight[0] * 2 - weight[1] * 4, weight[0] * -0.5 + weight[1] * 2])
    plain = alignment(score_QP, np.array([0, 0, 1]), loss_Q, beta=0.0)
    np.testing.assert_allclose(plain, [-1.0, 0.75])
    assert np.isfinite(alignment(score_QP, np.array([0, 0, 1]), loss_Q + 1e4)).all()


def test_pseudo_groups_part_each_class_along_its_first_component() -> None:
    rng = np.random.default_rng(0)
    side_Q, label_Q = np.array([1, -1] * 10), np.repeat([0, 2], 10)
    direction_LP = {0: np.eye(12)[0], 2: np.eye(12)[5]}
    score_QP = np.stack([s * 4 * direction_LP[c] for s, c in zip(side_Q, label_Q, strict=True)])
    found = pseudo_groups(score_QP + 0.1 * rng.normal(size=score_QP.shape), label_Q)
    for label in (0, 2):
        sides = found[label_Q == label] - 2 * label
        assert set(sides) == {0, 1}
        assert len(set(sides * side_Q[label_Q == label] > 0)) == 2
        assert abs(np.corrcoef(sides, side_Q[label_Q == label])[0, 1]) == pytest.approx(1)
    assert pseudo_groups(score_QP[:1], label_Q[:1]).tolist() == [0], "one visit has no component"


def test_el2n_is_the_length_of_the_error_of_each_photo_alone() -> None:
    network, (bags, pixels) = tiny_network(), tiny_bags()
    found = el2n(network, bags.values(), pixels, num_together=3)
    for bag in bags.values():
        for photo_id in bag.photo_ids:
            batch = collate([bag.only(photo_id)], pixels)
            p = network(batch.photos_BNCHW, batch.is_photo_BN).logits_BC[0].softmax(0).tolist()
            wanted = math.sqrt(sum((one - (c == bag.label)) ** 2 for c, one in enumerate(p)))
            assert found[photo_id] == pytest.approx(wanted, abs=1e-6)
    assert found.std() > 1e-3


def test_within_group_takes_median_and_spread_of_the_group() -> None:
    value = pd.Series({"a": 1.0, "b": 2.0, "c": 9.0, "d": 100.0, "e": 100.0, "f": 100.0, "g": 130.0, "h": 5.0})
    group = pd.Series(["x"] * 3 + ["y"] * 4 + ["z"], index=list("abcdefgh"))
    found = within_group(value, group.sample(frac=1, random_state=0))
    assert found["c"] == pytest.approx(7 / 1.4826)
    assert found["a"] == pytest.approx(-1 / 1.4826)
    assert found["g"] == pytest.approx(30 / np.std([0, 0, 0, 30])), "most are equal"
    assert found["h"] == 0


def test_words_name_arms_and_the_default_comes_first() -> None:
    assert arms_of(["counts", "default", "counts"]) == ("default", "counts")
    assert arms_of(["rivals"])[:2] == ("default", "counts")
    assert set(arms_of(["rivals"])) == {"default", "counts", *RIVALS}
    assert set(arms_of(["all"])) == {*ARMS, *RIVALS}


QUICK = merged(
    preset("tiny"),
    {
        "cohort": {"num_views": 3},
        "network": {"train": "head"},
        "train": {"epochs": 3},
        "prune": {"k": [0.05, 0.1]},
        "out_of_fold": {"folds": 2, "repeats": 1},
        "evaluate": {"replicates": 10, "min_gain_se": 0.0},
        "machine": {"processes": 1, "device": "cpu"},
    },
)
CELL = Cell("drawn", "demo_convnext", "colour_cast", 3)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """One small drawn cell with every rival, its study kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(grid_cells.SETTINGS, "demo_convnext", QUICK)
        patch.setattr(rivals, "FRACTIONS", (0.02, 0.2))
        patch.setitem(ARMS, "counts", Arm("counts", {"prune": {"within": "none", "k": [2, 5]}}))
        grid = Grid(tmp_path_factory.mktemp("grid"), arms=arms_of(["rivals"]), keeps_studies=True)
        assert make_grid(grid, [CELL], processes=1) == []
    return grid


@pytest.fixture
def job(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setitem(grid_cells.SETTINGS, "demo_convnext", QUICK)
    return grid.job(CELL)


@pytest.mark.long
@pytest.mark.nightly
class TestCell:
    """What a small cell holds once every rival went through it."""

    def test_every_rival_leaves_rows_like_the_default(self, grid: Grid) -> None:
        told = {name: pd.read_parquet(grid.table(CELL, name)) for name in grid.arms}
        assert grid.missing(CELL) == []
        for name, rows in told.items():
            assert len(rows), name
            assert rows["test"].between(0, 1).all()
            assert rows["removed_by_class"].notna().all()
        for one in ("own_loss", "el2n", "outlier_gradients", "neighbour_ratio", "quality"):
            assert (told[one]["removed"] == told[one]["k"]).all(), "the next in line leaves instead"
            assert told[one]["k"].is_monotonic_increasing
            assert len(told[one]) == 2
        assert {"d3m-negative"} < set(told["d3m"]["list"])
        assert len(told["rounds"]) == 1
        assert not grid_table(grid, [CELL]).empty

    def test_figures_of_the_cell_are_finite_and_flat(self, grid: Grid) -> None:
        table = grid_table(grid, [CELL])
        assert set(table["arm"]) == set(grid.arms) - {"qld"}
        assert table["qld_default"].notna().all()
        found = evidence_figures(table.assign(cost=0.1))
        assert {row["name"] for row in found["rivals"]} >= {
            "counts",
            "d3m",
            "rounds",
            "random removal",
            "class removal",
        }
        assert found["best_rival"] == found["rivals"][0]
        assert found["faults"] == 1
        assert found["qld_default"] == pytest.approx(float(table["qld_default"].iloc[0]), abs=1e-4)
        assert grid_figures(table)["cells"] == 1

    def test_own_loss_is_that_of_the_trace_within_the_class(self, job: Job) -> None:
        traced = pd.read_parquet(job.study.trace(job.trace_name()) / "photo_losses.parquet").set_index("photo_id")
        label = job.cohort.visits.set_index("visit_id")["severity_reader1"]
        photos = job.cohort.photos.set_index("photo_id").loc[traced.index]
        severity = photos["visit_id"].map(label)
        found = own_loss(job)
        for one in severity.unique():
            loss = traced.loc[severity == one, "loss"]
            order = found.loc[loss.index].sort_values().index
            assert (loss.loc[order].diff().dropna() >= -1e-12).all()
            assert found.loc[loss.index].median() == pytest.approx(0, abs=1e-9)

    def test_what_left_by_a_ranking_is_its_upper_end(self, job: Job) -> None:
        harm = quality(job)
        keep = pd.read_parquet(job.study.pruning("quality-k0.02") / "keep.parquet").set_index("photo_id")
        removed = keep.index[~keep["kept"]]
        assert set(removed) == set(harm.sort_values(ascending=False).index[: len(removed)])

    def test_an_outlying_photo_has_the_largest_gradient_of_its_class(self, job: Job) -> None:
        found, loss = outlier_gradients(job), own_loss(job)
        assert found.index.sort_values().equals(loss.index.sort_values())
        assert found.corr(loss.loc[found.index], method="spearman") > 0.3, "what is badly fitted has long gradients"

    def test_all_of_validation_is_asked_and_ranked_by_its_groups(self, job: Job) -> None:
        asked = ask_validation(job)
        val = TrainedRun(job).predictions_of("val")
        assert asked.visit_ids == sorted(val["visit_id"])
        truth = pd.read_parquet(job.study.truth_file)
        holds = set(truth.loc[truth["is_shortcut"], "visit_id"])
        group = np.array([2 * c + (v in holds) for c, v in zip(asked.label_Q, asked.visit_ids, strict=True)])
        harm = -alignment(asked.score_QP, group, asked.loss_Q)
        keep = pd.read_parquet(job.study.pruning("d3m-negative") / "keep.parquet").set_index("photo_id")
        num_kept = keep.groupby("visit_id")["kept"].sum()
        for photo_id, value in zip(asked.photo_ids, harm, strict=True):
            one = keep.loc[photo_id]
            assert one["kept"] == (value <= 0) or num_kept[one["visit_id"]] == 1, "but for the last of a visit"

    def test_a_second_round_takes_more_and_stands_only_where_it_is_accepted(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def largest(table: pd.DataFrame, arm: str, **_: float) -> pd.DataFrame:
            rows = table[(table["arm"] == arm) & (table["control"] == "")]
            return rows[rows["k"] == rows["k"].max()]

        monkeypatch.setattr(rivals_rounds, "chosen_rows", largest)
        monkeypatch.setattr(rivals_rounds, "_is_accepted", lambda *_: False)
        (told,) = rivals_rounds.rounds_rows(job)
        assert told["list"] == "round-1"
        monkeypatch.setattr(rivals_rounds, "_is_accepted", lambda *_: True)
        (second_told,) = rivals_rounds.rounds_rows(job)
        assert second_told["list"].startswith("round-2-")
        first = kept(job, "round-1")
        assert (first == kept(job, "cosine-k0.1")).all(), "what validation chose, now so"
        for k in QUICK["prune"]["k"]:
            second = kept(job, f"round-2-{k}")
            assert (second.index == first.index).all()
            assert not (second & ~first).any(), "what left stays away"
            assert second.sum() < first.sum()
        same, own = (TrainedRun(job, run).predictions for run in ("cosine-k0.1", "round-1"))
        pd.testing.assert_frame_equal(same, own)

    def test_a_round_is_accepted_by_the_noise_rule_against_the_one_before_and_the_baseline(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ruled = replace(job, settings=replace(job.settings, evaluate=replace(job.settings.evaluate, min_gain_se=1.0)))
        first, second = {"list": "baseline", "val": 0.7}, {"list": "baseline", "val": 0.8}

        def is_accepted(baseline: float, error: float | None) -> bool:
            monkeypatch.setattr(rivals_rounds, "auc", lambda *_: baseline)
            monkeypatch.setattr(rivals_rounds, "gain_standard_error", lambda *_: error)
            return rivals_rounds._is_accepted(ruled, first, second)

        assert is_accepted(0.6, 0.09)
        assert not is_accepted(0.6, 0.11), "the gain over the first round is noise"
        assert not is_accepted(0.75, 0.06), "that over the baseline is"
        assert not is_accepted(0.6, None)

    def test_query_loss_is_of_the_traced_errors(self, grid: Grid, job: Job) -> None:
        rows = pd.read_parquet(grid.table(CELL, "qld")).set_index("list")
        errors = set(pd.read_parquet(job.study.trace(job.trace_name()) / "queries.parquet")["query_id"])
        assert errors
        for run, found in (("baseline", "baseline_error_loss"), ("qld-default", "error_loss")):
            val = TrainedRun(job, run).predictions_of("val")
            wanted = val.loc[val["visit_id"].isin(errors), "loss"].mean()
            assert rows.loc["qld-default", found] == pytest.approx(wanted)
        keep = pd.read_parquet(job.study.pruning("cosine-k0.05") / "keep.parquet").sort_values("score")
        by_default = kept(job, "qld-default")
        assert by_default.index[~by_default].tolist() == keep["photo_id"][:1].tolist()
        assert (~kept(job, "qld-random")).sum() == 1

    def test_a_rival_that_fails_is_named_and_others_go_on(self, grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(grid_cells.SETTINGS, "demo_convnext", QUICK)

        def fail(_: Job) -> None:
            raise StudyError("no such thing")

        for name in ("own_loss", "quality"):
            grid.table(CELL, name).unlink()
        monkeypatch.setattr(grid_module, "RIVALS", {**RIVALS, "own_loss": fail})
        (told,) = make_grid(grid, [CELL], processes=1)
        assert told == f"{CELL.name}: own_loss: no such thing"
        assert grid.missing(CELL) == ["own_loss"]
        monkeypatch.setattr(grid_module, "RIVALS", RIVALS)
        assert make_grid(grid, [CELL], processes=1) == []

    def test_a_known_ranking_takes_the_planted_photos(self, job: Job) -> None:
        truth = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]

        def known(of: Job) -> pd.Series:
            photos = own_loss(of).index
            return truth[photos].astype(float) + 0.5

        rows = list(Ranked("known", known).rows(replace(job)))
        assert rows[0]["shortcut_precision"] == 1.0
        assert [row["k"] for row in rows] == sorted(row["k"] for row in rows)


def kept(job: Job, name: str) -> pd.Series:
    return pd.read_parquet(job.study.pruning(name) / "keep.parquet").set_index("photo_id")["kept"].sort_index()


def _rows(arm: str, gains: list[float], costs: list[float], **more: object) -> pd.DataFrame:
    table = pd.DataFrame({"gain": gains, "cost": costs}).assign(
        arm=arm,
        ground="study",
        encoder="demo_vit",
        strength=1.0,
        share=0.8,
        variant="",
        is_held_out=True,
        k=20,
        largest_class_share=0.9,
        best_gain=gains,
        seed=range(len(gains)),
        fault=["blur", "jpeg", "none"][: len(gains)],
    )
    return table.assign(**more)


def test_flat_figures_by_hand() -> None:
    own = _rows("default", [0.08, 0.05, -0.02], [0.1, 0.2, np.nan], gain_random=[0.0, 0.01, np.nan], qld_default=-0.1)
    rival = _rows("el2n", [0.02, 0.15], [0.1, 0.2])
    tuned = _rows("default", [1.0, 1.0], [0.1, 0.1], is_held_out=False, seed=[8, 9])
    found = evidence_figures(pd.concat([own, rival, tuned], ignore_index=True))
    assert (found["faults"], found["faults_won"], found["evidence_cells"]) == (2, 1, 3)
    assert found["gap_recovered_real"] == pytest.approx(0.433)
    assert found["gap_recovered_drawn"] is None
    assert (found["cost_without_shortcut"], found["cost_without_shortcut_real"]) == (None, 0.02)
    assert found["largest_class_share"] == 0.9
    assert found["qld_default"] == -0.1
    best = {"name": "el2n", "is_told_truth": False, "gap_recovered": 0.567, "default_gap_recovered": 0.433}
    assert found["best_rival"] == best | {"cells": 2, "cells_ahead_of_default": 1}
    assert [row["name"] for row in found["rivals"]] == ["el2n", "random removal"]
    assert found["chance_of_harmful_choice"] == pytest.approx(1 / 3, abs=1e-3)
    assert evidence_figures(rival) == {}


def test_a_rival_is_compared_over_the_cells_that_it_shares() -> None:
    own, rival = _rows("default", [0.08, 0.05], [0.1, 0.2]), _rows("el2n", [0.09], [0.1])
    (found,) = rivals_beside(pd.concat([own, rival], ignore_index=True))
    assert (found["cells"], found["gap_recovered"], found["default_gap_recovered"]) == (1, 0.9, 0.8)


def test_a_gain_is_missed_where_a_candidate_helps_and_none_is_chosen() -> None:
    own = _rows("default", [0.0, 0.05, 0.0], [0.1, 0.2, 0.2], best_gain=[0.06, 0.05, 0.12], k=[0, 20, 0], fault="blur")
    found = choice_figures(own)
    assert found["cells_with_helpful_candidate"] == 2, "a quarter of the gap is no help"
    assert found["chance_of_missed_gain"] == 1.0
    assert found["chance_of_harmful_choice"] == 0
