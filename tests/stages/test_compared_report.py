"""What the report of the finished tiny study says of its runs, recomputed from the study's tables."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.process
READERS = {"Reader 1": "reader1", "Reader 2": "reader2"}


@pytest.fixture(scope="module")
def told(tiny_demo: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tiny_demo / "report/results.json").read_text(encoding="utf-8"))
    return read


def estimate(table: pd.DataFrame, column: str, **where: str) -> list[float | None]:
    for name, value in where.items():
        table = table[table[name] == value]
    (found,) = table[[column, "low", "high"]].to_numpy().tolist()
    return [None if pd.isna(end) else end for end in found]


def ends(one: dict[str, Any]) -> list[float | None]:
    return [one["value"], one["low"], one["high"]]


def test_figures_of_every_run_are_those_of_the_evaluation(tiny_demo: Path, told: dict[str, Any]) -> None:
    figures, differences = (
        pd.read_parquet(tiny_demo / f"evaluation/{name}.parquet") for name in ("figures", "differences")
    )
    numbers = 0
    for arm in told["arms"]:
        for reader, shown in zip(told["readers"], arm["figures"], strict=True):
            for metric in ("kappa", "auc"):
                where = {"run": arm["name"], "reader": READERS[reader], "metric": metric, "group": "all"}
                assert ends(shown[metric]) == estimate(figures, "value", **where)
                if arm["name"] != "baseline":
                    assert ends(shown[f"{metric}_difference"]) == estimate(differences, "difference", **where)
                numbers += shown[metric]["value"] is not None
    assert numbers >= 10


def test_pairs_of_runs_are_those_of_the_tables(tiny_demo: Path, told: dict[str, Any]) -> None:
    compared, pairs = told["compared"], pd.read_parquet(tiny_demo / "evaluation/pairs.parquet")
    names = [arm["name"] for arm in told["arms"]]
    assert [run["name"] for run in compared["runs"]] == names
    assert [(pair["against"], pair["run"]) for pair in compared["pairs"]] == list(combinations(names, 2))
    visits = pd.read_csv(tiny_demo / "visits.csv").set_index("visit_id")
    said, without = {}, {}
    for name in names:
        table = pd.read_parquet(tiny_demo / f"runs/{name}/predictions.parquet")
        said[name] = table[table["split"] == "test"].set_index("visit_id")["predicted"]
        keep = None if name == "baseline" else pd.read_parquet(tiny_demo / f"prunings/{name}/keep.parquet")
        without[name] = set() if keep is None else set(keep.loc[~keep["kept"], "photo_id"])
    for run in compared["runs"]:
        assert dict(zip(compared["visit_ids"], run["predicted"], strict=True)) == said[run["name"]].to_dict()
        assert {compared["photo_ids"][place] for place in run["removed"]} == without[run["name"]]
    assert set(visits.loc[compared["visit_ids"], "split"]) == {"test"} if "split" in visits else True
    assert len(compared["visit_ids"]) == told["splits"][-1]["visits"]
    turned = 0
    for pair in compared["pairs"]:
        a, b = pair["against"], pair["run"]
        assert pair["changed"] == int((said[a] != said[b]).sum())
        sizes = len(without[b] - without[a]), len(without[a] - without[b]), len(without[a] & without[b])
        assert (pair["only_run"], pair["only_against"], pair["both"]) == sizes
        for reader, of_reader in zip(told["readers"], pair["differences"], strict=True):
            for metric, one in of_reader.items():
                place = {"reader": READERS[reader], "metric": metric}
                is_turned = not ((pairs["run"] == b) & (pairs["baseline"] == a)).any()
                run, before = (a, b) if is_turned else (b, a)
                value, low, high = estimate(pairs, "difference", run=run, baseline=before, **place)
                sides = [value, high, low] if is_turned else [value, low, high]
                assert ends(one) == [x if x is None or not is_turned else -x for x in sides]
                turned += is_turned
    assert max(pair["changed"] for pair in compared["pairs"]) > 0
    assert turned, "no pair is listed the other way round: the turning was not looked at"


def test_curves_hold_the_epochs_and_their_anchors(tiny_demo: Path, told: dict[str, Any]) -> None:
    for curve in told["curves"]:
        folder = tiny_demo / "runs" / curve["run"]
        epochs = pd.read_parquet(folder / "epochs.parquet")
        steps = {int(file.stem.removeprefix("step-")) for file in (folder / "anchors").iterdir()}
        assert curve["epochs"] == epochs["epoch"].tolist()
        assert curve["val_loss"] == epochs["val_loss"].tolist()
        assert curve["train_loss"] == epochs["train_loss"].tolist()
        assert [curve["kept"]] == epochs.loc[epochs["kept"], "epoch"].tolist()
        assert curve["anchors"] == epochs.loc[epochs["step"].isin(steps), "epoch"].tolist() != []


def test_durations_are_those_of_the_clocks(tiny_demo: Path, told: dict[str, Any]) -> None:
    seconds = {one["step"]: one["seconds"] for one in told["clock"]["steps"]}
    for step, folders in {
        "train": ["runs/baseline"],
        "trace": ["traces/cosine"],
        "retrain": [f"runs/{arm['name']}" for arm in told["arms"][1:]],
    }.items():
        known = [json.loads((tiny_demo / folder / "clock.json").read_text())["elapsed_s"] for folder in folders]
        assert seconds[step] == pytest.approx(sum(known))
        assert seconds[step] > 0
    assert told["clock"]["seconds"] == pytest.approx(sum(seconds.values()))
    machine = json.loads((tiny_demo / "runs/baseline/metrics.json").read_text())["machine"]
    assert dict(told["clock"]["machine"]) == {name: str(value) for name, value in machine.items()}
