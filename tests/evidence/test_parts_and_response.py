"""Agreement on parts, response over visits, and conformal intervals, each against a loop or by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.evidence.conformal import conformal_width
from grasp_psonet.evidence.parts import QUADRATIC_KAPPA, agreement
from grasp_psonet.evidence.response import responses
from grasp_psonet.evidence.settings import EvaluateSettings

OUTCOME = PasiTotal(SeveritySettings(outcome="pasi"), 3.0)
QUICK = EvaluateSettings(replicates=50)


def test_quadratic_kappa_is_cohens() -> None:
    rng = np.random.default_rng(0)
    said, read = rng.uniform(-0.4, 4.4, 60), rng.integers(0, 5, 60).astype(float)
    table = np.zeros((5, 5))
    for one, two in zip(np.rint(said).astype(int), read.astype(int), strict=True):
        table[one, two] += 1 / 60
    weight = (np.arange(5)[:, None] - np.arange(5)) ** 2
    by_hand = 1 - (weight * table).sum() / (weight * np.outer(table.sum(1), table.sum(0))).sum()
    found = agreement(QUADRATIC_KAPPA, said, read)(np.ones((1, 60)))
    assert found.item() == pytest.approx(by_hand)


def visits_of(days: list[list[int]], read: list[list[float]]) -> pd.DataFrame:
    rows = [
        {"visit_id": f"p{p}-{n}", "patient_id": f"p{p}", "study_day": day, "split": "test", "pasi_reader1": score}
        for p, (own, scores) in enumerate(zip(days, read, strict=True))
        for n, (day, score) in enumerate(zip(own, scores, strict=True))
    ]
    visits = pd.DataFrame(rows).astype({"study_day": "Int64"})
    return visits.assign(pasi_reader2=visits["pasi_reader1"] * 0.9)


def test_response_is_that_of_a_loop_over_patients() -> None:
    days = [[0, 30, 60], [90, 0], [0, 10], [5], [0, 8], [0, 7], [0, 9]]
    read = [[20.0, 10.0, 5.0], [2.0, 12.0], [0.0, 4.0], [9.0], [10.0, 2.5], [8.0, 8.0], [30.0, 1.0]]
    visits = visits_of(days, read)
    said = visits["pasi_reader1"].to_numpy() * np.tile([1.0, 0.5, 1.3], 5)[: len(visits)]
    told = visits[["visit_id", "split"]].assign(predicted=said + 0.1)
    found = responses({"baseline": [told]}, visits, OUTCOME, QUICK, 0)
    own = found[(found["run"] == "baseline") & (found["reader"] == "reader1")].set_index("metric")
    changes, agree, rate = [], [], []
    for _, patient in visits.assign(said=told["predicted"]).groupby("patient_id"):
        ordered = patient.sort_values("study_day")
        first = ordered.iloc[0]
        for _, later in ordered.iloc[1:].iterrows():
            if first["pasi_reader1"] > 0:
                changes.append(abs((later["said"] - first["said"]) - (later["pasi_reader1"] - first["pasi_reader1"])))
                falls = [(first[who] - later[who]) / first[who] >= 0.75 for who in ("said", "pasi_reader1")]
                agree.append(falls[0] == falls[1])
                rate.append(falls)
    assert own.loc["change_mae", "value"] == pytest.approx(np.mean(changes))
    assert own.loc["response_75_agreement", "value"] == pytest.approx(np.mean(agree))
    assert own.loc["response_75_rate", "value"] == pytest.approx(np.mean([one for one, _ in rate]))
    assert own.loc["response_75_rate_reader", "value"] == pytest.approx(np.mean([two for _, two in rate]))
    assert 0 < np.mean([two for _, two in rate]) < 1
    assert own.loc["change_mae", "num_visits"] == len(changes) == 6
    of_readers = found[found["run"] == "reader2"].set_index("metric")
    assert of_readers.loc["response_50_agreement", "value"] == 1
    assert of_readers.loc["change_mae", "value"] > 0


def test_one_visit_per_patient_has_no_response() -> None:
    visits = visits_of([[0], [3]], [[4.0], [7.0]])
    told = visits[["visit_id", "split"]].assign(predicted=[1.0, 2.0])
    found = responses({"baseline": [told]}, visits, OUTCOME, QUICK, 0)
    assert found["value"].isna().all()
    assert set(found["why_not"]) == {"every patient has one visit, so no response exists"}


def test_conformal_intervals_hold_labels_of_new_patients() -> None:
    assert conformal_width(np.arange(1.0, 10.0), [f"p{n}" for n in range(9)], 0.9) == 9
    assert math.isinf(conformal_width(np.arange(8.0), [f"p{n}" for n in range(8)], 0.9))
    # a patient of many visits counts as one: its small errors do not narrow the interval
    errors, patients = np.array([*[0.1] * 90, *range(1, 20)], float), ["many"] * 90 + [f"p{n}" for n in range(19)]
    assert conformal_width(errors, patients, 0.9) == 18
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        shift, sizes = rng.normal(size=25), rng.integers(1, 9, 25)
        known = np.concatenate([shift[p] + 0.5 * rng.normal(size=sizes[p]) for p in range(24)])
        names = np.repeat([f"p{p}" for p in range(24)], sizes[:24]).tolist()
        held.append(abs(shift[24] + 0.5 * rng.normal()) <= conformal_width(known, names, 0.9))
    assert np.mean(held) > 0.88
