"""Rankings by hand, and a planted cohort in which mislabelled visits must come first."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.audit.rankings import RANKINGS, prediction_rankings, self_influence_rankings, step_rankings
from grasp_psonet.audit.sample import draw_doubly_read
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.audit.table import audit_table, review_list
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EvidenceError, StageError

OUTCOME = Outcome()
LOGITS = OUTCOME.output_columns


def draws(rows: list[tuple[int, int, str, int, tuple[float, float, float]]]) -> pd.DataFrame:
    """steps.parquet from (step, epoch, visit_id, label, logits)."""
    table = pd.DataFrame([row[:4] for row in rows], columns=["step", "epoch", "visit_id", "label"])
    table[LOGITS] = [row[4] for row in rows]
    logit_DC = np.array([row[4] for row in rows])
    log_p_DC = logit_DC - np.log(np.exp(logit_DC).sum(axis=1, keepdims=True))
    return table.assign(draw=range(len(rows)), loss=-log_p_DC[np.arange(len(rows)), table["label"]])


def test_training_dynamics_by_hand() -> None:
    right, wrong, even = (2.0, 0.0, 1.0), (0.0, 3.0, 1.0), (0.0, 0.0, 0.0)
    steps = draws(
        [
            (1, 0, "often", 0, right),
            (2, 1, "often", 0, wrong),
            (3, 2, "often", 0, right),
            (4, 3, "often", 0, wrong),
            (5, 4, "often", 0, wrong),
            (1, 0, "never", 0, wrong),
            (5, 4, "never", 0, wrong),
            (4, 3, "late", 0, even),
            (5, 4, "late", 0, right),
        ]
    )
    found = step_rankings(steps.sample(frac=1, random_state=0), OUTCOME).set_index("visit_id")
    assert found["num_draws"].to_dict() == {"often": 5, "never": 2, "late": 2}
    assert found["forgetting"].to_dict() == {"often": 2, "never": 3, "late": 0}
    assert found.loc["often", "area_under_margin"] == pytest.approx((-1 + 3 - 1 + 3 + 3) / 5)
    assert found.loc["never", "mean_loss"] == pytest.approx(np.log(1 + np.exp(3) + np.exp(1)))
    assert found.loc["late", "el2n"] == pytest.approx(np.sqrt((2 / 3) ** 2 + 2 / 9)), "its first draw: none is early"
    p_C = np.exp(right) / np.exp(right).sum()
    assert found.loc["often", "el2n"] == pytest.approx(np.linalg.norm(p_C - [1, 0, 0])), "epoch 0 alone is early"
    halves = step_rankings(steps, OUTCOME, early_fraction=0.4).set_index("visit_id")
    q_C = np.exp(wrong) / np.exp(wrong).sum()
    assert halves.loc["often", "el2n"] == pytest.approx(
        (np.linalg.norm(p_C - [1, 0, 0]) + np.linalg.norm(q_C - [1, 0, 0])) / 2
    )


def test_self_influence_of_a_visit_is_the_largest_or_mean_diagonal() -> None:
    diagonals = pd.DataFrame(
        {"visit_id": list("aabb"), "photo_id": list("wxyz"), "self_influence": [1.0, 5.0, 2.0, 2.0]}
    )
    found = self_influence_rankings(diagonals).set_index("visit_id")
    assert found["largest"].to_dict() == {"a": 5, "b": 2}
    assert found["mean"].to_dict() == {"a": 3, "b": 2}
    with pytest.raises(StageError, match="1 of 4"):
        self_influence_rankings(diagonals.assign(self_influence=[np.nan, 1, 1, 1]))


def test_margin_is_positive_where_the_label_is_not_predicted() -> None:
    predictions = pd.DataFrame([("a", 0, 0.1, 3.0, 1.0, 2.0), ("b", 1, 2.0, 3.0, 1.0, 2.0)])
    predictions.columns = ["visit_id", "label", "loss", *LOGITS]
    assert prediction_rankings(predictions, OUTCOME)["margin"].tolist() == [-1.0, 2.0]


def planted(seed: int = 0, num_visits: int = 60) -> dict[str, pd.DataFrame]:
    """Every fifth visit is mislabelled by Reader 1; the model sees the truth. The last two visits were never drawn."""
    rng = np.random.default_rng(seed)
    truth_V = rng.integers(3, size=num_visits)
    is_wrong_V = np.arange(num_visits) % 5 == 0
    label_V = np.where(is_wrong_V, (truth_V + 1) % 3, truth_V)
    reader2 = pd.Series(truth_V, dtype="Int64")
    reader2[40:50] = pd.NA
    visit_id = pd.Series([f"v{v:02d}" for v in range(num_visits)])
    visits = pd.DataFrame(
        {
            "visit_id": visit_id,
            "patient_id": [f"p{v // 2}" for v in range(num_visits)],
            "split": "train",
            "severity_reader1": pd.Series(label_V, dtype="Int64"),
            "severity_reader2": reader2,
            "pasi_reader1": label_V * 5.0 + 2,
            "pasi_reader2": (reader2 * 5.0 + 4).astype("Float64").astype(float),
        }
    )

    def logits() -> np.ndarray:
        return 3 * np.eye(3)[truth_V] + rng.normal(size=(num_visits, 3))

    rows = []
    for epoch in range(5):
        for v, logit_C in enumerate(logits()[:-2]):
            rows.append((epoch * num_visits + v, epoch, visit_id[v], int(label_V[v]), tuple(logit_C)))
    kept_VC = logits()
    predictions = pd.DataFrame(kept_VC, columns=LOGITS).assign(
        visit_id=visit_id, label=label_V, predicted=kept_VC.argmax(axis=1), loss=rng.random(num_visits) + 2 * is_wrong_V
    )
    diagonals = pd.DataFrame(
        {
            "visit_id": visit_id.repeat(4),
            "photo_id": [f"photo{i}" for i in range(4 * num_visits)],
            "self_influence": rng.random(4 * num_visits) + is_wrong_V.repeat(4),
        }
    )
    return {"visits": visits, "predictions": predictions, "steps": draws(rows), "diagonals": diagonals}


def test_mislabelled_visits_come_first_in_every_informed_ranking() -> None:
    given = planted()
    table = audit_table(**given, outcome=OUTCOME, seed=0)
    is_wrong_V = np.arange(60) % 5 == 0
    for ranking in RANKINGS:
        if ranking in ("random", "oracle") or ranking not in table:
            continue
        suspicion_V = table[ranking].to_numpy()[:-2]
        wins = (suspicion_V[is_wrong_V[:-2], None] > suspicion_V[~is_wrong_V[:-2]]).mean()
        assert wins > 0.85, ranking
    assert table["random"].to_numpy()[:-2].std() > 0.1


def test_table_keeps_the_visits_and_says_who_was_read_and_drawn() -> None:
    given = planted()
    table = audit_table(**given, outcome=OUTCOME, seed=0)
    assert table["visit_id"].tolist() == given["visits"]["visit_id"].tolist()
    assert table["readers_disagree"].isna().tolist() == [40 <= v < 50 for v in range(60)]
    assert table["readers_disagree"].dropna().tolist() == [v % 5 == 0 for v in range(60) if not 40 <= v < 50]
    assert table["is_audited"].tolist() == [True] * 58 + [False] * 2
    assert table.loc[58:, [name for name in RANKINGS if name in table]].isna().all(axis=None), "0 would call it clean"
    assert (table["cutoff_distance"] <= table["cutoff_distance_reader1"]).all()
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in given.items() if name != "visits"}
    again = audit_table(given["visits"], **shuffled, outcome=OUTCOME, seed=0)
    pd.testing.assert_frame_equal(table, again)


def test_table_without_self_influence_and_with_further_rankings() -> None:
    given = planted()
    further = given["visits"][["visit_id"]].assign(crowdlab=0.5)
    table = audit_table(**(given | {"diagonals": None}), outcome=OUTCOME, seed=0, further=further)
    assert "largest" not in table
    assert (table.loc[table["is_audited"], "crowdlab"] == 0.5).all()
    with pytest.raises(EvidenceError, match="'largest', which this audit does not have"):
        review_list(table, AuditSettings(ranking="largest"))


def test_a_drawn_visit_without_self_influence_is_told() -> None:
    given = planted()
    given["diagonals"] = given["diagonals"].iloc[4:]
    with pytest.raises(StageError, match="1 visits that were trained on have no self-influence"):
        audit_table(**given, outcome=OUTCOME, seed=0)


def test_review_list_is_sorted_and_marks_what_to_inspect() -> None:
    table = audit_table(**planted(), outcome=OUTCOME, seed=0)
    table.loc[[3, 10, 25, 44], "largest"] = 99.0
    listed = review_list(table.sample(frac=1, random_state=0), AuditSettings(ranking="largest", inspected=0.3))
    assert listed["visit_id"].tolist()[:4] == ["v03", "v10", "v25", "v44"], "equal ones by visit id"
    assert listed["rank"].tolist() == list(range(1, 59))
    assert (listed["largest"].diff().dropna() <= 0).all()
    assert listed["to_inspect"].sum() == 18  # 0.3 of 58 is 17.4
    assert listed["to_inspect"].iloc[:18].all()


def test_distance_to_the_nearest_cutoff() -> None:
    found = OUTCOME.cutoff_distance(pd.Series([5.0, 7.0, 8.5, 30.0, np.nan]))
    assert found.tolist()[:4] == [0.0, 2.0, 1.5, 20.0]
    assert np.isnan(found[4])


def test_sample_of_the_paper_keeps_its_proportion() -> None:
    """Paper 3.4: 100 of 342 visits read twice, agreeing to disagreeing as 84 to 16."""
    disagree = np.arange(342) < 55  # 16 %
    visits = pd.DataFrame({"visit_id": [f"v{v}" for v in range(400)]})
    visits["severity_reader1"] = pd.Series([0] * 400, dtype="Int64")
    visits["severity_reader2"] = pd.Series([*disagree.astype(int), *[pd.NA] * 58], dtype="Int64")
    drawn = draw_doubly_read(visits, OUTCOME, 100, seed=0)
    assert len(drawn) == 100
    assert (drawn["severity_reader1"] != drawn["severity_reader2"]).sum() == 16
    assert drawn.index.is_monotonic_increasing
    again = draw_doubly_read(visits.sample(frac=1, random_state=1), OUTCOME, 100, seed=0)
    assert (
        set(again["visit_id"]) == set(drawn["visit_id"]) != set(draw_doubly_read(visits, OUTCOME, 100, 1)["visit_id"])
    )
    with pytest.raises(EvidenceError, match="the cohort has 342"):
        draw_doubly_read(visits, OUTCOME, 343, seed=0)
