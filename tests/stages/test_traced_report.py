"""Error by error on the finished tiny study: what the report names is what the trace's tables hold."""

import json
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.process


def test_every_error_names_the_photos_of_its_lowest_and_highest_scores(tiny_demo: Path) -> None:
    trace = tiny_demo / "traces/cosine"
    pairs, queries = pd.read_parquet(trace / "pairs.parquet"), pd.read_parquet(trace / "queries.parquet")
    shown = json.loads((tiny_demo / "report/results.json").read_text(encoding="utf-8"))
    traced, chosen = shown["traced"], shown["chosen"]
    removed = set()
    if chosen != "baseline":
        keep = pd.read_parquet(tiny_demo / f"prunings/{chosen}/keep.parquet")
        removed = set(keep.loc[~keep["kept"], "photo_id"])
    assert {error["visit_id"] for error in traced["errors"]} == set(queries["query_id"])
    assert traced["num_errors"] == queries["query_id"].nunique() == len(traced["errors"]) > 1
    assert traced["num_scored"] == pairs["photo_id"].nunique()
    attention = pd.read_parquet(tiny_demo / "runs/baseline/attention.parquet")
    named = 0
    for error in traced["errors"]:
        of_error = [row for row in pairs.itertuples() if row.query_id == error["visit_id"]]
        lowest = sorted((row.score, row.photo_id) for row in of_error if row.score < 0)[:10]
        highest = sorted((-row.score, row.photo_id) for row in of_error if row.score > 0)[:10]
        assert [(one["score"], one["photo_id"]) for one in error["harmful"]] == lowest
        assert sorted((-one["score"], one["photo_id"]) for one in error["helpful"]) == highest
        assert all(one["is_removed"] == (one["photo_id"] in removed) for one in error["harmful"])
        strip = attention[attention["visit_id"] == error["visit_id"]]
        weights = [one["attention"] for one in error["strip"]]
        assert sorted(weights, reverse=True) == weights
        assert set(strip["photo_id"]) == {one["photo_id"] for one in error["strip"]}
        assert sum(weights) == pytest.approx(1.0, abs=1e-5)
        wrong = queries[queries["query_id"] == error["visit_id"]]
        assert error["num_anchors"] == len(wrong)
        assert (error["predicted"], error["loss"]) in set(zip(wrong["predicted"], wrong["loss"], strict=True))
        named += len(lowest)
    assert named == sum(photo["num_errors"] for photo in traced["photos"]) > 0
    listed = pd.read_csv(tiny_demo / "report/traced_errors.csv", encoding="utf-8-sig")
    assert len(listed) == sum(len(error["harmful"]) + len(error["helpful"]) for error in traced["errors"])
    assert listed["score"].tolist() == pytest.approx(
        [one["score"] for error in traced["errors"] for one in (*error["harmful"], *error["helpful"])]
    )


def test_the_lists_are_those_of_audit_and_pruning(tiny_demo: Path) -> None:
    review = pd.read_parquet(tiny_demo / "audit/review.parquet")
    listed = pd.read_csv(tiny_demo / "report/review_list.csv", encoding="utf-8-sig")
    assert listed["visit_id"].tolist() == review["visit_id"].tolist()
    assert listed["read_again"].eq("yes").tolist() == review["to_inspect"].tolist()
    folds = pd.read_parquet(tiny_demo / "out_of_fold/predictions.parquet")
    classes = ["mild", "moderate", "severe"]
    mean = folds.groupby("visit_id")[[f"p_{name}" for name in classes]].mean()
    disagree = 0
    for row in listed.to_dict("records"):
        said = mean.loc[row["visit_id"]].to_numpy()
        assert row["out_of_fold"] == classes[said.argmax()]
        assert row["out_of_fold_probability"] == pytest.approx(said.max(), abs=6e-4)
        is_other = row["out_of_fold"] != row["label_reader1"]
        assert ("models that did not see the patient" in row["reason"]) == is_other
        disagree += is_other
    assert 0 < disagree < len(listed)
    sheet = pd.read_excel(tiny_demo / "report/review_list.xlsx", engine="openpyxl")
    assert sheet["visit_id"].tolist() == listed["visit_id"].tolist()
    chosen = json.loads((tiny_demo / "report/results.json").read_text(encoding="utf-8"))["chosen"]
    gone = pd.read_csv(tiny_demo / "report/removal_list.csv", encoding="utf-8-sig")
    if chosen == "baseline":
        assert set(gone["status"]) == {"proposed, not chosen"}
    else:
        keep = pd.read_parquet(tiny_demo / f"prunings/{chosen}/keep.parquet")
        assert set(gone["photo_id"]) == set(keep.loc[~keep["kept"], "photo_id"])
        assert set(gone["status"]) == {"removed"}
    assert gone["influence_score"].is_monotonic_increasing
    assert gone["reason"].str.len().min() > 10
