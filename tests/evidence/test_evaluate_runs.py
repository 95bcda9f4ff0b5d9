"""Evaluation of runs: laws of the tables, what is not estimable, and a cohort in which one run is planted better."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.preprocessing import label_binarize

from grasp_psonet.cohort.label_rules import adjudicated_labels, all_readings
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.agreement import reader_agreement
from grasp_psonet.evidence.choose import Candidate, choose, gain_standard_error
from grasp_psonet.evidence.evaluate import evaluate_runs, figure_of_split
from grasp_psonet.evidence.settings import EvaluateSettings

OUTCOME = Outcome()
PROBABILITIES = OUTCOME.probability_columns
SETTINGS = EvaluateSettings(replicates=200, subgroups=("site", "age"))


def cohort(seed: int = 0, num_patients: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patient_V = np.repeat(np.arange(num_patients), 3)
    num_visits = len(patient_V)
    reader1_V = np.where(rng.random(num_visits) < 0.3, rng.integers(3, size=num_visits), (patient_V // 2) % 3)
    reader2_V = np.where(rng.random(num_visits) < 0.16, rng.integers(3, size=num_visits), reader1_V)
    reader2 = pd.Series(reader2_V, dtype="Int64").mask(rng.random(num_visits) < 0.1)
    return pd.DataFrame(
        {
            "visit_id": [f"v{i:03d}" for i in range(num_visits)],
            "patient_id": [f"p{p:03d}" for p in patient_V],
            "split": np.array(["train", "test", "test", "val"])[patient_V % 4],
            "severity_reader1": pd.Series(reader1_V, dtype="Int64"),
            "severity_reader2": reader2,
            "fitzpatrick": pd.Series(np.array(["I", "II", "III", "IV", "V", None])[patient_V % 6], dtype="string"),
            "site": pd.Series(np.array(["north", "south"])[patient_V % 2], dtype="string"),
            "age": pd.Series(20 + patient_V % 47, dtype="Int64"),
        }
    )


def predicted(visits: pd.DataFrame, sharpness: float, seed: int) -> pd.DataFrame:
    label_V = visits["severity_reader1"].to_numpy(np.int64)
    logit_VC = np.random.default_rng(seed).normal(size=(len(visits), 3)) + sharpness * np.eye(3)[label_V]
    p_VC = np.exp(logit_VC) / np.exp(logit_VC).sum(axis=1, keepdims=True)
    return pd.DataFrame(p_VC, columns=PROBABILITIES).assign(
        visit_id=visits["visit_id"], split=visits["split"], label=label_V, predicted=p_VC.argmax(axis=1)
    )


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    chosen = table.loc[np.logical_and.reduce([table[column] == value for column, value in where.items()])]
    assert len(chosen) == 1, f"{len(chosen)} rows where {where}"
    return chosen.iloc[0]


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    return cohort()


@pytest.fixture(scope="module")
def runs(visits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"baseline": predicted(visits, 1.0, 1), "adam-k300": predicted(visits, 3.0, 2)}


@pytest.fixture(scope="module")
def evaluation(visits: pd.DataFrame, runs: dict[str, pd.DataFrame]):
    return evaluate_runs(runs, visits, OUTCOME, SETTINGS, seed=0)


@pytest.mark.parametrize("reader", ["reader1", "reader2"])
def test_figures_equal_sklearn_on_the_test_visits_the_reader_read(evaluation, visits, runs, reader: str) -> None:
    kept = visits.loc[(visits["split"] == "test") & visits[f"severity_{reader}"].notna()]
    table = runs["baseline"].set_index("visit_id").loc[kept["visit_id"]]
    label_V = kept[f"severity_{reader}"].to_numpy(np.int64)
    place = {"run": "baseline", "reader": reader, "group": "all"}
    auc = row(evaluation.figures, metric="auc", **place)
    kappa = row(evaluation.figures, metric="kappa", **place)
    assert auc["value"] == pytest.approx(
        roc_auc_score(label_binarize(label_V, classes=[0, 1, 2]), table[PROBABILITIES].to_numpy(), average="micro")
    )
    assert kappa["value"] == pytest.approx(cohen_kappa_score(label_V, table["predicted"], weights="linear"))
    assert auc["low"] < auc["value"] < auc["high"]
    assert auc["num_visits"] == len(kept)
    assert auc["num_left_out"] == (visits["split"] == "test").sum() - len(kept)
    assert (auc["num_left_out"] > 0) == (reader == "reader2")


def test_a_better_run_is_found_better_and_the_paired_interval_excludes_zero(evaluation) -> None:
    for metric in ("auc", "kappa", "accuracy"):
        found = row(evaluation.differences, run="adam-k300", reader="reader1", group="all", metric=metric)
        alone = [
            row(evaluation.figures, run=run, reader="reader1", group="all", metric=metric)["value"]
            for run in ("adam-k300", "baseline")
        ]
        assert found["difference"] == pytest.approx(alone[0] - alone[1])
        assert 0 < found["low"] < found["difference"] < found["high"]


def test_the_same_predictions_differ_by_exactly_nothing(visits, runs) -> None:
    twin = evaluate_runs({"baseline": runs["baseline"], "twin": runs["baseline"]}, visits, OUTCOME, SETTINGS, seed=0)
    there = twin.differences.dropna(subset="low")
    assert len(there) > 10
    assert (there[["difference", "low", "high"]] == 0).all(axis=None)


def test_order_of_rows_and_other_runs_change_nothing(evaluation, visits, runs) -> None:
    shuffled = runs["baseline"].sample(frac=1, random_state=0)
    alone = evaluate_runs({"baseline": shuffled}, visits, OUTCOME, SETTINGS, seed=0).figures
    among = evaluation.figures.loc[evaluation.figures["run"] == "baseline"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among)


def test_groups_cover_skin_types_and_any_column(evaluation) -> None:
    groups = evaluation.figures[["group_column", "group"]].drop_duplicates()
    by_column = groups.groupby("group_column")["group"].apply(list)
    assert by_column["fitzpatrick"] == ["I-III", "IV-VI", "I", "II", "III", "IV", "V", "VI", "not recorded"]
    assert by_column["site"] == ["north", "south"]
    assert len(by_column["age"]) == 4
    counts = evaluation.figures.query("run == 'baseline' and reader == 'reader1' and metric == 'auc'")
    for column in ("site", "age"):
        assert counts.loc[counts["group_column"] == column, "num_visits"].sum() == counts.iloc[0]["num_visits"]


def test_what_does_not_exist_says_why_and_is_never_zero(visits, runs) -> None:
    without = visits.assign(severity_reader2=pd.array([pd.NA] * len(visits), dtype="Int64"))
    without.loc[without["fitzpatrick"] == "V", "severity_reader1"] = 0
    figures = evaluate_runs(runs, without, OUTCOME, SETTINGS, seed=0).figures
    nobody = row(figures, run="baseline", reader="reader1", group="VI", metric="auc")
    assert np.isnan(nobody["value"])
    assert nobody["why_not"].startswith("no visits of this group")
    one_class = row(figures, run="baseline", reader="reader1", group="V", metric="auc")
    assert np.isnan(one_class["value"])
    assert one_class["why_not"] == "no moderate and no severe visit among the labels of Reader 1"
    unread = figures.loc[figures["reader"] == "reader2"]
    assert unread["value"].isna().all()
    assert (unread["why_not"] != "").all()


def test_confusions_count_every_visit_once(evaluation) -> None:
    whole = evaluation.confusions.query("run == 'baseline' and reader == 'reader1' and group == 'all'")
    accuracy = row(evaluation.figures, run="baseline", reader="reader1", group="all", metric="accuracy")
    right = whole.loc[whole["label"] == whole["predicted"], "num_visits"].sum()
    assert len(whole) == 9
    assert right / whole["num_visits"].sum() == pytest.approx(accuracy["value"])
    assert whole["num_visits"].sum() == accuracy["num_visits"]


def test_missing_predictions_and_unknown_columns_are_told(visits, runs) -> None:
    with pytest.raises(EvidenceError, match="run baseline has 3 of 90 visits without a prediction"):
        evaluate_runs(
            {"baseline": runs["baseline"].query("visit_id not in ['v003','v004','v005']")}, visits, OUTCOME, SETTINGS, 0
        )
    with pytest.raises(EvidenceError, match="did you mean 'site'"):
        evaluate_runs(runs, visits, OUTCOME, EvaluateSettings(subgroups=("sites",)), 0)


def test_the_adjudicated_label_is_one_more_truth_and_changes_no_other(visits, runs, evaluation) -> None:
    """On a third of the visits that the readers see differently an adjudicator sides with the run."""
    readings = all_readings(visits, None, OUTCOME)
    apart = visits.loc[OUTCOME.readers_disagree(visits).fillna(False), "visit_id"]
    settled = apart.iloc[::3]
    said = runs["adam-k300"].set_index("visit_id")["predicted"].loc[settled]
    decided = pd.DataFrame(
        {"visit_id": settled.to_numpy(), "reader_id": "ada", "role": "adjudicator", "label": said.to_numpy(float)}
    )
    readings = pd.concat([readings, decided], ignore_index=True)
    labels = adjudicated_labels(visits, readings, OUTCOME)
    both = visits.set_index("visit_id")[["severity_reader1", "severity_reader2"]]
    slow = {
        visit: float(said[visit] if visit in said.index else first)
        for visit, first, second in both.dropna().itertuples()
        if first == second or visit in said.index
    }
    assert labels.astype(float).to_dict() == slow
    found = evaluate_runs(runs, visits, OUTCOME, SETTINGS, 0, "baseline", labels)
    own = row(found.figures, run="adam-k300", reader="adjudicated", group="all", metric="accuracy")
    tested = visits.loc[visits["split"] == "test", "visit_id"]
    known = [visit for visit in tested if visit in slow]
    predicted_of = runs["adam-k300"].set_index("visit_id")["predicted"]
    assert own["num_visits"] == len(known) < len(tested)
    assert own["num_left_out"] == len(tested) - len(known)
    assert own["value"] == pytest.approx(np.mean([predicted_of[visit] == slow[visit] for visit in known]))
    for told, before in ((found.figures, evaluation.figures), (found.differences, evaluation.differences)):
        rest = told[told["reader"] != "adjudicated"].reset_index(drop=True)
        pd.testing.assert_frame_equal(rest, before)


def test_reader_agreement_is_the_ceiling(visits) -> None:
    table = reader_agreement(visits, OUTCOME, SETTINGS, seed=0)
    twice = visits.loc[visits["severity_reader2"].notna()]
    kappa = row(table, split="all", group="all", metric="kappa")
    agreement = row(table, split="all", group="all", metric="agreement")
    reader1_V, reader2_V = (twice[f"severity_{r}"].to_numpy(np.int64) for r in ("reader1", "reader2"))
    assert kappa["value"] == pytest.approx(cohen_kappa_score(reader1_V, reader2_V, weights="linear"))
    assert kappa["num_disagreements"] == (reader1_V != reader2_V).sum()
    assert agreement["value"] == pytest.approx(1 - kappa["num_disagreements"] / len(twice))
    assert kappa["num_visits"] + kappa["num_left_out"] == len(visits)


def test_validation_auc_is_of_validation_alone(runs) -> None:
    table = runs["baseline"]
    val = table.loc[table["split"] == "val"]
    assert figure_of_split(table, OUTCOME) == pytest.approx(
        roc_auc_score(label_binarize(val["label"], classes=[0, 1, 2]), val[PROBABILITIES].to_numpy(), average="micro")
    )
    assert figure_of_split(table.loc[table["label"] != 2], OUTCOME) is None
    assert figure_of_split(table.iloc[:0], OUTCOME) is None


def choose_k(
    val_by_k: dict[int, float | None], se_by_k: dict[int, float | None] | None = None, min_se: float = 0, sign: int = 1
) -> int:
    """The k that ``choose`` follows among runs named by their k."""
    ses = se_by_k or {}
    candidates = {str(k): Candidate(k, val_by_k[k], ses.get(k)) for k in sorted(val_by_k)}
    return int(choose(candidates, min_se, sign))


def test_k_is_the_best_on_validation_and_ties_go_to_the_smaller() -> None:
    paper = {0: 0.85, 100: 0.814, 200: 0.826, 300: 0.892, 400: 0.787, 500: 0.766}  # paper, section 4 (k = 0 assumed)
    assert choose_k(paper) == 300
    assert choose_k({0: 0.9, 100: 0.9, 200: 0.9}) == 0
    assert choose_k({200: 0.95, 0: 0.9, 100: 0.95}) == 100
    assert choose_k({0: 0.5, 100: None, 200: float("nan")}) == 0
    assert choose_k({0: None, 100: None}) == 0
    lists = {
        "baseline": Candidate(0, 0.5),
        "pattern": Candidate(7, 0.9),
        "seven": Candidate(7, 0.9),
        "six": Candidate(6, 0.8),
    }
    assert choose(lists) == "pattern", "two lists may take equally many"
    with pytest.raises(EvidenceError, match="baseline"):
        choose_k({100: 0.9})


def test_a_gain_within_the_noise_of_validation_chooses_no_pruning() -> None:
    aucs = {0: 0.80, 100: 0.83, 200: 0.82}
    assert choose_k(aucs, {100: 0.02, 200: 0.001}, 1.0) == 100
    assert choose_k(aucs, {100: 0.04, 200: 0.001}, 1.0) == 0
    assert choose_k(aucs, {100: 0.04, 200: 0.001}, 0.0) == 100
    assert choose_k(aucs, {100: None}, 1.0) == 0
    assert choose_k({0: None, 5: 0.6}, {5: 0.1}, 1.0) == 0


def test_of_an_error_the_least_is_chosen() -> None:
    assert choose_k({0: 3.0, 5: 2.0, 9: 2.0}, sign=-1) == 5
    assert choose_k({0: 3.0, 5: 4.0}, sign=-1) == 0
    assert choose_k({0: 3.0, 5: 2.0}, {5: 0.9}, 1.0, sign=-1) == 5
    assert choose_k({0: 3.0, 5: 2.0}, {5: 1.1}, 1.0, sign=-1) == 0


def test_the_standard_error_of_a_gain_is_that_of_the_patients_drawn_again() -> None:
    visits = cohort().assign(split="val")
    base, run = predicted(visits, 0.5, 0), predicted(visits, 1.5, 1)
    assert gain_standard_error(base, base, visits, OUTCOME, 50, 0) == 0.0
    found = gain_standard_error(run, base, visits, OUTCOME, 400, 0)
    rng, gains = np.random.default_rng(1), []
    patients = visits["patient_id"].unique()
    for _ in range(100):
        rows = np.concatenate(
            [np.flatnonzero(visits["patient_id"] == one) for one in rng.choice(patients, len(patients))]
        )
        aucs = [figure_of_split(table.iloc[rows].assign(split="val"), OUTCOME) for table in (run, base)]
        gains.append(aucs[0] - aucs[1])  # type: ignore[operator]
    assert found == pytest.approx(np.std(gains), rel=0.15)
    assert gain_standard_error(run, base, visits.assign(split="test"), OUTCOME, 50, 0) is None


@pytest.mark.parametrize(
    ("patients", "has_error"),
    [([0, 0, 0, 0, 0, 0], False), ([0, 0, 1, 1, 2, 2], False), ([0, 1, 2, 3, 4, 5], True)],
)
def test_a_gain_has_no_standard_error_where_it_would_have_no_interval(patients: list[int], has_error: bool) -> None:
    few = cohort(num_patients=2).assign(
        split="val",
        patient_id=[f"p{one}" for one in patients],
        severity_reader1=pd.Series([0, 0, 1, 1, 2, 2], dtype="Int64"),
    )
    base, run = predicted(few, 0.5, 0), predicted(few, 1.5, 1)
    assert (gain_standard_error(run, base, few, OUTCOME, 400, 0) is not None) == has_error


@pytest.mark.parametrize("num_patients", [1, 6])
def test_a_gain_has_no_standard_error_where_classes_are_mostly_missing(num_patients: int) -> None:
    """Two classes of one patient each are both drawn in 40 % of the replicates."""
    labels = [1] * num_patients + [2] * num_patients + [0] * (60 - 2 * num_patients)
    visits = cohort(num_patients=20).assign(
        split="val",
        patient_id=[f"p{one:02d}" for one in range(60)],
        severity_reader1=pd.Series(labels, dtype="Int64"),
    )
    base, run = predicted(visits, 0.5, 0), predicted(visits, 1.5, 1)
    assert (gain_standard_error(run, base, visits, OUTCOME, 400, 0) is None) == (num_patients == 1)


def test_visits_that_a_run_had_in_another_split_are_refused() -> None:
    visits = cohort()
    run = predicted(visits, 1.0, 0)
    moved = run.assign(
        split=run["split"].mask(run["visit_id"] == run["visit_id"][visits["split"] == "test"].iloc[0], "train")
    )
    with pytest.raises(EvidenceError, match="1 of these visits in its train split"):
        evaluate_runs({"baseline": moved}, visits, OUTCOME, SETTINGS, 0)


def test_ages_read_as_text_are_cut_at_quartiles() -> None:
    visits = cohort()
    as_text = visits.assign(age=visits["age"].astype("string"))
    groups = [
        evaluate_runs({"baseline": predicted(v, 1.0, 0)}, v, OUTCOME, SETTINGS, 0).figures for v in (visits, as_text)
    ]
    of_age = [set(figures.loc[figures["group_column"] == "age", "group"]) for figures in groups]
    assert of_age[0] == of_age[1]
    assert 1 < len(of_age[1]) <= 4
