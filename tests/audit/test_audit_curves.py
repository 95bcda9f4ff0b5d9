"""Curves by hand, against scikit-learn on repeated visits, and their laws."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from grasp_psonet.audit.curves import PAPER_POINT, audit_curves, auroc, average_precision, found_at, inspect
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.evidence.settings import EvaluateSettings

AUDIT, EVALUATE = AuditSettings(ranking="largest"), EvaluateSettings(replicates=200)


def once(num_visits: int) -> np.ndarray:
    return np.ones((1, num_visits))


def test_curve_by_hand() -> None:
    """Ten visits, disagreements at places 1, 2 and 7 of the ranking."""
    suspicion_V = np.arange(10.0)[::-1]
    disagree_V = np.isin(np.arange(10), [0, 1, 6])
    seen = inspect(suspicion_V, disagree_V, once(10))
    fractions = np.array([0, 0.1, 0.2, 0.3, 0.65, 0.7, 1])
    assert found_at(seen, fractions)[0] == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 2.5 / 3, 1, 1])
    assert auroc(seen)[0] == pytest.approx((7 + 7 + 3) / 21)
    assert average_precision(seen)[0] == pytest.approx((1 + 1 + 3 / 7) / 3)


def test_equal_visits_count_as_the_mean_over_their_orders() -> None:
    suspicion_V, disagree_V = np.array([2.0, 1, 1, 1, 1, np.nan]), np.array([False, True, False, False, True, False])
    seen = inspect(suspicion_V, disagree_V, once(6))
    fractions = np.arange(7) / 6
    orders = []
    for order in range(200):
        shuffled = np.random.default_rng(order).permutation(6)
        places = shuffled[np.argsort(-np.nan_to_num(suspicion_V[shuffled], nan=-9), kind="stable")]
        orders.append(np.append(0, disagree_V[places].cumsum()) / 2)
    assert found_at(seen, fractions)[0] == pytest.approx(np.mean(orders, axis=0), abs=0.08)
    assert found_at(seen, fractions)[0] == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize("seed", range(4))
def test_areas_equal_sklearn_on_repeated_visits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    disagree_V = np.arange(40) % 4 == 0
    suspicion_V = np.round(rng.normal(size=40) + disagree_V, 1)
    weight_RV = rng.integers(0, 3, size=(5, 40)).astype(float)
    seen = inspect(suspicion_V, disagree_V, weight_RV)
    for r, weight_V in enumerate(weight_RV.astype(int)):
        truth, score = disagree_V.repeat(weight_V), suspicion_V.repeat(weight_V)
        assert auroc(seen)[r] == pytest.approx(roc_auc_score(truth, score))
        assert average_precision(seen)[r] == pytest.approx(average_precision_score(truth, score))


def audited(seed: int = 0, num_visits: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    disagree_V = rng.random(num_visits) < 0.2
    return pd.DataFrame(
        {
            "visit_id": [f"v{v:03d}" for v in range(num_visits)],
            "patient_id": [f"p{v // 3:03d}" for v in range(num_visits)],
            "is_audited": True,
            "readers_disagree": pd.Series(disagree_V, dtype="boolean"),
            "label_reader1": pd.Series(np.arange(num_visits) % 3, dtype="int64"),
            "largest": rng.normal(size=num_visits) + 3 * disagree_V,
            "visit_loss": rng.normal(size=num_visits) + 0.5 * disagree_V,
            "random": rng.random(num_visits),
            "oracle": disagree_V.astype(float),
        }
    )


def test_planted_ranking_beats_chance_and_the_oracle_is_perfect() -> None:
    found = audit_curves(audited(), AUDIT, EVALUATE, seed=0)
    value = found.summary.set_index(["ranking", "metric"])["value"]
    assert (
        value["oracle", "auroc"] == value["oracle", "average_precision"] == value["oracle", "found_at_inspected"] == 1
    )
    assert value["largest", "auroc"] > 0.95
    assert abs(value["random", "auroc"] - 0.5) < 0.2
    assert found.why_not == ""
    better = found.differences.set_index(["against", "metric"]).loc[("random", "auroc")]
    assert better["low"] > 0.2
    assert better["difference"] == pytest.approx(value["largest", "auroc"] - value["random", "auroc"])
    assert (found.differences["ranking"] == "largest").all()
    summary = found.summary.set_index(["ranking", "metric"])
    assert (summary["low"] <= summary["value"]).all()
    assert (summary["value"] <= summary["high"]).all()
    assert summary["num_visits"].unique().tolist() == [120]
    assert summary["num_patients"].unique().tolist() == [40]


def test_curves_rise_from_nothing_to_everything_within_their_band() -> None:
    found = audit_curves(audited(), AUDIT, EVALUATE, seed=0)
    at = found.summary.query("metric == 'found_at_inspected'").set_index("ranking")["value"]
    for ranking, curve in found.curve.groupby("ranking"):
        assert len(curve) == 121
        assert curve["fraction_found"].iloc[[0, -1]].tolist() == [0, 1]
        assert (curve["fraction_found"].diff().dropna() >= 0).all()
        assert (curve["low"] <= curve["high"]).all()
        assert curve.loc[curve["num_inspected"] == 36, "fraction_found"].item() == pytest.approx(at[ranking])


def test_only_visits_read_twice_and_trained_on_are_judged() -> None:
    table = audited()
    table.loc[:29, "readers_disagree"] = pd.NA
    table.loc[30:59, "is_audited"] = False
    found = audit_curves(table, AUDIT, EVALUATE, seed=0)
    same = audit_curves(table.iloc[60:], AUDIT, EVALUATE, seed=0)
    pd.testing.assert_frame_equal(found.summary, same.summary)
    assert found.summary["num_visits"].unique().tolist() == [60]


def test_without_a_second_reader_there_is_only_the_list() -> None:
    table = audited()
    unread = audit_curves(table.assign(readers_disagree=pd.array([pd.NA] * 120, dtype="boolean")), AUDIT, EVALUATE, 0)
    assert unread.why_not.startswith("no audited visit was read by a second reader")
    agreed = audit_curves(table.assign(readers_disagree=pd.array([False] * 120, dtype="boolean")), AUDIT, EVALUATE, 0)
    assert agreed.why_not == "the readers agree on all 120 audited visits read twice"
    for found in (unread, agreed):
        assert found.curve.empty
        assert found.summary.empty
        assert found.differences.empty


def test_disagreement_everywhere_leaves_no_auroc() -> None:
    table = audited().assign(readers_disagree=pd.array([True] * 120, dtype="boolean"), oracle=1.0)
    summary = audit_curves(table, AUDIT, EVALUATE, 0).summary.set_index(["ranking", "metric"])
    assert summary.loc[("largest", "found_at_inspected"), "value"] == pytest.approx(0.3)
    assert np.isnan(summary.loc[("largest", "auroc"), "value"])
    assert summary.loc[("largest", "auroc"), "why_not"] == "the readers agree on no visit"


def test_point_of_the_paper() -> None:
    """Abstract and Fig. 3: the top 30 % hold 90.3 % of the disagreements."""
    assert PAPER_POINT == (0.30, 0.903)


def test_what_the_class_alone_explains_is_gone_within_class() -> None:
    rng = np.random.default_rng(0)
    table = audited(num_visits=300)
    rate_V = np.array([0.1, 0.5, 0.2])[table["label_reader1"]]
    disagree_V = rng.random(300) < rate_V
    table["readers_disagree"] = pd.Series(disagree_V, dtype="boolean")
    table["class_only"] = rate_V
    table["self_confidence"] = rate_V + 0.4 * disagree_V + 0.2 * rng.normal(size=300)
    table["crowdlab"] = disagree_V.astype(float)
    table["expected_disagreement"] = rate_V
    found = audit_curves(table, AUDIT, EVALUATE, 0)
    assert "crowdlab" not in set(found.summary["ranking"]), "it was told what it would have to find"
    auroc = found.summary[found.summary["metric"] == "auroc"].set_index("ranking")
    assert auroc.loc["class_only", "value"] > 0.65
    assert auroc.loc["class_only", "within_class"] == pytest.approx(0.5)
    assert 0.75 < auroc.loc["self_confidence", "within_class"] < auroc.loc["self_confidence", "value"]
    assert (auroc["within_class_low"] <= auroc["within_class"]).all()
    at = found.summary[found.summary["metric"] == "found_at_inspected"].set_index("ranking")
    assert at.loc["class_only", "within_class"] == pytest.approx(AUDIT.inspected)
    error = found.summary[found.summary["metric"] == "calibration_error"]
    assert error["ranking"].tolist() == ["expected_disagreement"]
    assert error["value"].iloc[0] < 0.12
