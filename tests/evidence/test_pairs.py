"""Every run beside every other: pairs add up, and those with the baseline are the differences of the evaluation."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.evaluate import evaluate_runs
from grasp_psonet.evidence.pairs import differences_of_pairs
from grasp_psonet.evidence.settings import EvaluateSettings

SETTINGS = EvaluateSettings(replicates=60)
NUMBERS = ["difference", "low", "high", "num_visits", "num_patients", "num_left_out", "num_replicates"]


@pytest.fixture(scope="module")
def drawn() -> tuple[dict[str, list[pd.DataFrame]], pd.DataFrame]:
    """Three runs of 36 test visits of 12 patients; the last run has two trainings. Reader 2 left four visits unread."""
    rng = np.random.default_rng(3)
    label = np.arange(36) % 3
    visits = pd.DataFrame({"visit_id": [f"v{n}" for n in range(36)], "patient_id": [f"p{n // 3}" for n in range(36)]})
    second = pd.array(np.where(rng.random(36) < 0.2, (label + 1) % 3, label), dtype="Int64")
    second[[1, 5, 9, 13]] = pd.NA
    visits = visits.assign(split="test", severity_reader1=pd.array(label, dtype="Int64"), severity_reader2=second)

    def training(skill: float) -> pd.DataFrame:
        logits = skill * np.eye(3)[label] + rng.normal(size=(36, 3))
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        table = pd.DataFrame(p, columns=Outcome().probability_columns)
        return table.assign(visit_id=visits["visit_id"], split="test", label=label, predicted=p.argmax(axis=1))

    return {"baseline": [training(1.0)], "pruned": [training(2.0)], "control": [training(0.6), training(0.9)]}, visits


def row(table: pd.DataFrame, run: str, before: str, reader: str, metric: str) -> Any:
    is_it = (table["run"] == run) & (table["baseline"] == before) & (table["reader"] == reader)
    (found,) = table[is_it & (table["metric"] == metric) & (table["group"] == "all")].to_dict("records")
    return found


def test_pairs_with_the_baseline_are_the_differences_of_the_evaluation(drawn: Any) -> None:
    predictions, visits = drawn
    pairs = differences_of_pairs(predictions, visits, Outcome(), SETTINGS, 7)
    whole = evaluate_runs(predictions, visits, Outcome(), SETTINGS, 7).differences
    assert len(pairs) == 3 * 2 * 2
    assert [tuple(one) for one in pairs[["baseline", "run"]].drop_duplicates().to_numpy()] == list(
        combinations(predictions, 2)
    )
    for run in ("pruned", "control"):
        for reader in ("reader1", "reader2"):
            for metric in ("auc", "kappa"):
                found, wanted = (row(table, run, "baseline", reader, metric) for table in (pairs, whole))
                assert found["low"] < found["high"]
                assert {name: found[name] for name in NUMBERS} == {name: wanted[name] for name in NUMBERS}
    assert row(pairs, "pruned", "baseline", "reader2", "auc")["num_left_out"] == 4


def test_pairs_add_up_and_are_the_plain_difference_of_two_figures(drawn: Any) -> None:
    predictions, visits = drawn
    pairs = differences_of_pairs(predictions, visits, Outcome(), SETTINGS, 7)
    way = [row(pairs, *pair, "reader1", "auc")["difference"] for pair in
           (("pruned", "baseline"), ("control", "pruned"), ("control", "baseline"))]  # fmt: skip
    assert way[0] + way[1] == pytest.approx(way[2])
    assert way[0] > 0.05, "runs that are alike would prove nothing"

    def plain(table: pd.DataFrame) -> float:
        p, is_class = (
            table[Outcome().probability_columns].to_numpy(),
            np.eye(3)[visits["severity_reader1"].to_numpy(int)],
        )
        above = p[is_class == 1][:, None] - p[is_class == 0][None]
        return float(((above > 0) + 0.5 * (above == 0)).mean())

    of_runs = {run: np.mean([plain(table) for table in of_seed]) for run, of_seed in predictions.items()}
    assert way[1] == pytest.approx(of_runs["control"] - of_runs["pruned"])
