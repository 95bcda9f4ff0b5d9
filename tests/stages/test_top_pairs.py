"""``trace.pairs``: the sum over the errors for every photo, and single errors for all photos, those at the ends, or none."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import grasp_psonet
from grasp_psonet.cli import main
from grasp_psonet.errors import SettingsError, StageError
from grasp_psonet.settings import parse
from grasp_psonet.stages.makers.tracing.pairs import photos_at_the_ends

PAIRS = ("top", "all", "none")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, tiny_demo: Path) -> dict[str, Path]:
    """The tiny study, traced in each of the three ways."""
    found = {"top": tiny_demo}
    for pairs in ("all", "none"):
        found[pairs] = tmp_path_factory.mktemp(pairs) / "study"
        shutil.copytree(tiny_demo, found[pairs])
        shutil.rmtree(found[pairs] / "traces")
        assert main(["trace", str(found[pairs]), "--trace.pairs", pairs]) == 0
    return found


def sums(study: Path) -> "pd.Series[float]":
    scores = pd.read_parquet(study / "traces/cosine/scores.parquet")
    return scores.groupby("photo_id")["score"].sum()


def test_each_way_gives_the_same_sums(studies: dict[str, Path]) -> None:
    every = pd.read_parquet(studies["all"] / "traces/cosine/scores.parquet")
    assert len(set(every["query_id"])) > 1
    wanted = sums(studies["all"])
    for pairs in ("top", "none"):
        scores = pd.read_parquet(studies[pairs] / "traces/cosine/scores.parquet")
        assert set(scores["query_id"]) == {"all"}
        assert scores["photo_id"].is_unique
        gap = (sums(studies[pairs]) - wanted).abs().max()
        assert gap < 3e-5 * every["score"].abs().max()


def test_the_pairs_at_the_ends_are_those_of_a_whole_trace(studies: dict[str, Path]) -> None:
    few, every = (grasp_psonet.open_study(studies[name], {"trace.pairs": name}).pairs() for name in ("top", "all"))
    assert 0 < few["photo_id"].nunique() < every["photo_id"].nunique()
    assert set(few["query_id"]) == set(every["query_id"])
    both = few.merge(every, on=["query_id", "photo_id", "visit_id"], validate="1:1")
    assert len(both) == len(few) == few["query_id"].nunique() * few["photo_id"].nunique()
    gap = (both["score_x"] - both["score_y"]).abs().max()
    assert gap < 3e-5 * every["score"].abs().max()
    assert "pairs.parquet" in {Path(place).name for place in grasp_psonet.open_study(studies["top"]).tables()["place"]}


def test_without_pairs_there_are_none_to_read(studies: dict[str, Path]) -> None:
    study = grasp_psonet.open_study(studies["none"], {"trace.pairs": "none"})
    assert not (studies["none"] / "traces/cosine/pairs.parquet").exists()
    with pytest.raises(StageError, match=r"sum over the errors alone[\s\S]*next: set trace\.pairs top or all"):
        study.pairs()


def test_a_ranking_of_each_error_needs_all_pairs() -> None:
    tree = {"prune": {"rule": "each", "k": [5]}}
    with pytest.raises(SettingsError, match=r"prune\.rule each with trace\.pairs top[\s\S]*next: set trace\.pairs all"):
        parse(tree, "the test")
    assert parse(tree | {"trace": {"pairs": "all"}}, "the test").trace.pairs == "all"
    assert parse(tree | {"trace": {"sum_queries": True}}, "the test").trace.pairs == "top"


def test_the_ends_are_those_within_the_groups() -> None:
    rng = np.random.default_rng(5)
    score_Z = rng.normal(size=400)
    groups = ["a", "b"] * 200
    score_Z[1::2] += 100  # a class that is helpful as a whole
    photos = [f"p{z:03d}" for z in range(400)]
    found = photos_at_the_ends(score_Z, photos, groups, num_queries=2)
    centred = score_Z.copy()
    for start in (0, 1):
        centred[start::2] -= np.median(score_Z[start::2])
    order = np.argsort(centred)
    assert found == {photos[z] for z in (*order[:20], *order[-20:])}
    assert len(photos_at_the_ends(score_Z, photos, groups, num_queries=9)) == 80, "at most a tenth at each end"
    assert len(photos_at_the_ends(score_Z[:30], photos[:30], groups[:30], 9)) == 20, "but ten, where a tenth is fewer"
    assert photos_at_the_ends(score_Z[:4], photos[:4], groups[:4], 9) == set(photos[:4])
