"""Runs beside the readers: the difference is that of two plain figures on visits that both read, paired over patients."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.beside_readers import beside_readers
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.schemas.evaluation import BESIDE_READERS

SETTINGS = EvaluateSettings(replicates=400)
OUTCOME = PasiTotal(SeveritySettings(outcome="pasi"), 2.0)


def study(num_patients: int = 40, seed: int = 0, off: float = 1.0) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Two visits a patient; the run is off Reader 1 by about ``off`` more than Reader 2 is."""
    rng = np.random.default_rng(seed)
    first = np.round(rng.gamma(3.0, 5.0, 2 * num_patients), 1)
    visits = pd.DataFrame({"visit_id": [f"v{i}" for i in range(len(first))], "pasi_reader1": first, "split": "test"})
    visits["patient_id"] = [f"p{i // 2}" for i in range(len(first))]
    apart = rng.choice([-1.0, 1.0], len(first))
    visits["pasi_reader2"] = np.clip(first + apart * rng.uniform(1, 3, len(first)), 0, 72)
    visits.loc[::5, "pasi_reader2"] = np.nan
    predicted = np.clip(first + apart * (rng.uniform(1, 3, len(first)) + off), 0, 72)
    told = pd.DataFrame({"visit_id": visits["visit_id"], "predicted": predicted, "split": "test"})
    return visits, {"baseline": told}


def row_of(table: pd.DataFrame, **where: str) -> pd.Series:
    for name, value in ({"group": "all", "reader": "reader1"} | where).items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_the_excess_is_the_difference_of_two_plain_figures() -> None:
    visits, predictions = study()
    table = beside_readers(predictions, visits, OUTCOME, SETTINGS, 0)
    assert list(table) == BESIDE_READERS.names
    twice = visits["pasi_reader2"].notna()
    of_run = (predictions["baseline"]["predicted"] - visits["pasi_reader1"])[twice].abs().mean()
    of_readers = (visits["pasi_reader2"] - visits["pasi_reader1"])[twice].abs().mean()
    found = row_of(table, metric="mae")
    assert found["run_value"] == pytest.approx(of_run)
    assert found["between_readers"] == pytest.approx(of_readers)
    assert found["difference"] == pytest.approx(of_run - of_readers)
    assert found["low"] < found["difference"] < found["high"]
    assert found["low"] > 0.4, "the planted excess of one point is told from none"
    assert (found["num_visits"], found["num_patients"]) == (int(twice.sum()), 40)
    against_second = row_of(table, metric="mae", reader="reader2")
    assert against_second["between_readers"] == pytest.approx(of_readers)
    assert against_second["run_value"] != pytest.approx(of_run)


def test_a_run_that_repeats_reader_2_has_no_excess_at_all() -> None:
    visits, predictions = study()
    same = visits["pasi_reader2"].fillna(0.0)
    table = beside_readers({"baseline": predictions["baseline"].assign(predicted=same)}, visits, OUTCOME, SETTINGS, 0)
    of_all = table[(table["group"] == "all") & (table["reader"] == "reader1")]
    np.testing.assert_allclose(of_all[["difference", "low", "high"]].to_numpy(float), 0.0, atol=1e-12)
    assert of_all["run_value"].abs().min() > 0


def test_seeds_are_averaged_and_gaps_refused() -> None:
    visits, predictions = study()
    one, other = predictions["baseline"], predictions["baseline"].assign(predicted=10.0)
    alone = [row_of(beside_readers({"a": x}, visits, OUTCOME, SETTINGS, 0), metric="mae") for x in (one, other)]
    both = row_of(beside_readers({"a": [one, other]}, visits, OUTCOME, SETTINGS, 0), metric="mae")
    assert both["run_value"] == pytest.approx(np.mean([found["run_value"] for found in alone]))
    with pytest.raises(EvidenceError, match="1 of 80 visits without a prediction"):
        beside_readers({"a": one.iloc[1:]}, visits, OUTCOME, SETTINGS, 0)


def test_without_a_second_reading_nothing_is_told() -> None:
    visits, predictions = study()
    once = visits.assign(pasi_reader2=np.nan)
    table = beside_readers(predictions, once, OUTCOME, SETTINGS, 0)
    assert table[["run_value", "between_readers", "difference", "low"]].isna().all(axis=None)
    assert set(table["why_not"]) == {"no visit of this group was read twice"}


def test_classes_have_it_too() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    visits = pd.DataFrame({"visit_id": [f"v{i}" for i in range(60)], "patient_id": [f"p{i}" for i in range(60)]})
    visits = visits.assign(severity_reader1=first, severity_reader2=second, split="test")
    columns = {name: (first == c).astype(float) for c, name in enumerate(Outcome().probability_columns)}
    told = pd.DataFrame({"visit_id": visits["visit_id"], "predicted": first, **columns})
    table = beside_readers({"baseline": told}, visits, Outcome(), SETTINGS, 0)
    found = row_of(table, metric="agreement")
    assert found["run_value"] == 1.0
    assert found["difference"] == pytest.approx(1 - (first == second).mean())
