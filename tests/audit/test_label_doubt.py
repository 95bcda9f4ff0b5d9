"""Label doubt against cleanlab's own figures, neighbours by hand, and what controls are."""

import numpy as np
import pandas as pd
import pytest
from cleanlab.rank import get_label_quality_scores

from grasp_psonet.audit.label_doubt import crowdlab_ranking, doubt_rankings
from grasp_psonet.audit.neighbours import neighbour_ratio
from grasp_psonet.audit.simple_rivals import mean_rank, reading_rankings, within_class
from grasp_psonet.cohort.outcome import Outcome

OUTCOME = Outcome()


def told(num: int = 90, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Predictions of a good model, every sixth label wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=num)
    is_wrong = np.arange(num) % 6 == 0
    logit = 2.5 * np.eye(3)[truth] + rng.normal(0, 0.7, (num, 3))
    p = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    table = pd.DataFrame(p, columns=OUTCOME.probability_columns)
    table.insert(0, "visit_id", [f"v{v:03d}" for v in range(num)])
    table.insert(1, "label", np.where(is_wrong, (truth + 1) % 3, truth))
    return table, is_wrong


def test_doubt_is_what_cleanlab_calls_low_quality() -> None:
    table, is_wrong = told()
    found = doubt_rankings(table, OUTCOME)
    p, label = table[OUTCOME.probability_columns].to_numpy(), table["label"].to_numpy()
    for ours, theirs in (("self_confidence", "self_confidence"), ("normalized_margin", "normalized_margin")):
        assert np.allclose(found[ours], 1 - get_label_quality_scores(label, p, method=theirs))
    assert np.allclose(found["entropy"], -(p * np.log(p)).sum(axis=1))
    assert found["confident_learning"].between(0, 2).all()
    for name in ("self_confidence", "normalized_margin", "confident_learning"):
        assert is_wrong[np.argsort(-found[name].to_numpy())[:20]].sum() >= 12, name


def test_confident_learning_leaves_out_classes_that_nobody_gave() -> None:
    table, _ = told()
    two = table[table["label"] != 1].reset_index(drop=True)
    assert doubt_rankings(two, OUTCOME)["confident_learning"].nunique() > 10
    one = table[table["label"] == 2].reset_index(drop=True)
    assert (doubt_rankings(one, OUTCOME)["confident_learning"] == 0).all()


def test_crowdlab_doubts_the_reader_whom_the_model_contradicts() -> None:
    table, is_wrong = told()
    truth = np.where(is_wrong, (table["label"] + 2) % 3, table["label"])
    visits = pd.DataFrame({"visit_id": table["visit_id"], "severity_reader1": table["label"].astype("Int64")})
    visits["severity_reader2"] = pd.Series(truth, dtype="Int64").mask(np.arange(90) % 5 == 4)
    found = crowdlab_ranking(visits, table.sample(frac=1, random_state=0), OUTCOME)
    assert len(found) == 72
    suspicious = found.sort_values("crowdlab", ascending=False)["visit_id"].head(12)
    assert is_wrong[[int(name[1:]) for name in suspicious]].all()
    nobody = visits.assign(severity_reader2=pd.array([pd.NA] * 90, dtype="Int64"))
    assert crowdlab_ranking(nobody, table, OUTCOME).empty


def test_neighbours_by_hand() -> None:
    feature = np.random.default_rng(4).normal(size=(10, 3)) * [1, 20, 0.1] + 5
    label = (feature[:, 0] > np.median(feature[:, 0])).astype(np.int64)
    patients = [f"p{v}" for v in range(10)]
    z = (feature - feature.mean(axis=0)) / feature.std(axis=0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    distance = 1 - z @ z.T
    np.fill_diagonal(distance, np.inf)
    found = neighbour_ratio(feature, label, patients)
    for v in range(10):
        same = distance[v][(label == label[v])].min()
        other = distance[v][(label != label[v])].min()
        assert found[v] == pytest.approx(same**2 / (same**2 + other**2))
    assert found.min() < 0.3
    assert found.max() > 0.7
    twins = neighbour_ratio(np.vstack([feature, feature]), np.tile(label, 2), patients * 2)
    assert np.allclose(twins[:10], found), "a patient's own visits are no neighbours"
    assert neighbour_ratio(feature, label * 0, patients).tolist() == [0.5] * 10


def test_controls_and_combinations() -> None:
    visits = pd.DataFrame(
        {
            "visit_id": list("abcde"),
            "severity_reader1": pd.Series([0, 0, 1, 1, 2], dtype="Int64"),
            "severity_reader2": pd.Series([0, 1, 1, None, None], dtype="Int64"),
            "pasi_reader1": [1.0, 4.5, 9.0, 6.0, 30.0],
        }
    )
    found = reading_rankings(visits, OUTCOME).set_index("visit_id")
    assert found["class_only"].tolist() == pytest.approx([0.5, 0.5, 0, 0, 1 / 3])
    assert found["cutoff_nearness"].tolist() == [-4, -0.5, -1, -1, -20]
    never = visits.assign(severity_reader2=pd.array([pd.NA] * 5, dtype="Int64"))
    assert reading_rankings(never, OUTCOME)["class_only"].tolist() == [0, 0, 1, 1, 2]
    first, second = pd.Series([1.0, 2.0, 3.0, 4.0]), pd.Series([7.0, 7.0, 9.0, np.nan])
    mixed = mean_rank([first, second])
    assert mixed[:3].tolist() == pytest.approx([(0.125 + 1 / 3) / 2, (0.375 + 1 / 3) / 2, (0.625 + 2.5 / 3) / 2])
    assert np.isnan(mixed[3])
    assert within_class(pd.Series([1.0, 5.0, 9.0, 8.0]), pd.Series([0, 0, 1, 1])).tolist() == [0.25, 0.75, 0.75, 0.25]
