"""What stands out within its group, and what looks like it: against slow plain versions, and on patterns planted in noise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grasp_psonet.pruning.controls import class_control
from grasp_psonet.pruning.pattern import Photos, carries_pattern, otsu_threshold, pattern_evidence
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.pruning.stand_out import stands_out, worst_of_most_harmful


def slow_stand_outs(score: list[float], rate: float) -> set[int]:
    """Of one group, photo by photo: the largest set of the most harmful whose estimated false-discovery rate is allowed."""
    middle = float(np.median(score))
    best: set[int] = set()
    for edge in score:
        distance = middle - edge
        if distance <= 0:
            continue
        harmful = {p for p, one in enumerate(score) if middle - one >= distance}
        helpful = {p for p, one in enumerate(score) if one - middle >= distance}
        if (1 + len(helpful)) / len(harmful) <= rate and len(harmful) > len(best):
            best = harmful
    return best


@given(st.lists(st.integers(-40, 25), min_size=1, max_size=60), st.sampled_from([0.1, 0.3, 0.6]))
def test_the_threshold_is_the_smallest_that_is_allowed(score: list[int], rate: float) -> None:
    found = stands_out(np.asarray(score, dtype=float), np.zeros(len(score), dtype=np.int64), rate)
    assert set(np.flatnonzero(found)) == slow_stand_outs([float(one) for one in score], rate)


def test_each_group_is_its_own_and_noise_stands_out_rarely() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 300)
    false_alarms = 0
    for _ in range(100):
        score = rng.normal(0, 1, 600) + 40.0 * group
        score[:30] -= 6
        found = stands_out(score, group, 0.1)
        assert found[:30].mean() > 0.9
        assert found[30:300].sum() <= 12
        false_alarms += found[300:].any()
    assert false_alarms <= 12


def test_the_worst_of_the_most_harmful_group_are_examples() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 100)
    score = rng.normal(0, 1, 300) - 3.0 * (group == 1)
    found = worst_of_most_harmful(score, group, 0.05)
    assert set(np.flatnonzero(found)) == set(100 + np.argsort(score[100:200])[:5])
    assert not worst_of_most_harmful(score + 100, group, 0.05).any(), "none that is helpful"
    rare = np.append(group, 3)
    assert not worst_of_most_harmful(np.append(score, -99.0), rare, 0.05)[-1], "a group of one photo is no class"
    assert not worst_of_most_harmful(np.zeros(0), np.zeros(0, dtype=np.int64), 0.05).any()


def planted(seed: int = 0) -> tuple[Photos, np.ndarray, np.ndarray]:
    """Two classes that differ in their features; in class 0 forty photos carry a pattern, ten of which are examples."""
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=(400, 30))
    group = np.repeat([0, 1], 200)
    feature[group == 1, :5] += 3
    carries = np.zeros(400, dtype=bool)
    carries[rng.permutation(200)[:40]] = True
    feature[carries, 10:14] += 2.5
    example = np.zeros(400, dtype=bool)
    example[np.flatnonzero(carries)[:10]] = True
    return Photos(feature, group, np.arange(400) // 4), carries, example


def test_the_rest_of_a_pattern_is_found_from_its_examples() -> None:
    photos, carries, example = planted()
    evidence = pattern_evidence(photos, example)
    found = carries_pattern(evidence, photos.group_P, example)
    assert found[carries].mean() > 0.9
    assert carries[found].mean() > 0.6
    assert not found[photos.group_P == 1].any(), "no photo of a class without examples"
    none = np.zeros(400, dtype=bool)
    assert np.isnan(pattern_evidence(photos, none)).all()
    of_one_patient = none.copy()
    of_one_patient[:4] = True
    assert np.isnan(pattern_evidence(photos, of_one_patient)).all(), "a patient is no pattern"
    assert not carries_pattern(pattern_evidence(photos, none), photos.group_P, none).any()


def test_no_photo_is_judged_by_a_model_that_saw_its_patient() -> None:
    photos, _, example = planted()
    evidence = pattern_evidence(photos, example)
    changed = photos.feature_PF.copy()
    mine = photos.patient_P == photos.patient_P[np.flatnonzero(example)[0]]
    without = example & ~mine
    # being an example tells a photo's own evidence nothing: only others' examples do
    np.testing.assert_allclose(pattern_evidence(photos, without | (example & mine))[mine], evidence[mine])
    other = pattern_evidence(Photos(changed, photos.group_P, photos.patient_P), without)
    np.testing.assert_allclose(other[mine], evidence[mine], atol=1e-6)


def test_otsu_parts_two_heaps() -> None:
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.normal(0, 1, 200), rng.normal(9, 1, 50)])
    cut = otsu_threshold(value)
    spread = [
        (value <= edge).sum() * value[value <= edge].var() + (value > edge).sum() * value[value > edge].var()
        for edge in np.sort(value)[:-1]
    ]
    best = np.sort(value)[int(np.argmin(spread))]
    assert ((value <= cut) == (value <= best)).all(), "least spread within the heaps"
    assert otsu_threshold(np.ones(5)) == 1
    assert np.isnan(otsu_threshold(np.zeros(0)))


@pytest.mark.parametrize("seed", range(3))
def test_the_control_by_class_has_the_class_mix_of_the_pruning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    visits = pd.DataFrame({"visit_id": [f"v{v}" for v in range(12)], "patient_id": [f"p{v}" for v in range(12)]})
    keep = pd.DataFrame([(f"v{v}-{i}", f"v{v}") for v in range(12) for i in range(4)], columns=["photo_id", "visit_id"])
    keep = keep.assign(kept=True, reason="", num_queries=0, score=0.0, min_score=0.0)
    photos = keep[["photo_id"]].assign(group=[f"class {v % 3}" for v in range(12) for _ in range(4)])
    gone = rng.permutation(np.flatnonzero(photos["group"] == "class 2"))[:9]
    keep.loc[gone, "kept"] = False
    control = class_control(keep, photos, visits, PruneSettings(), seed)
    left = control.merge(photos, on="photo_id").query("not kept")
    assert left["group"].value_counts().to_dict() == {"class 2": 9}
    assert set(left["photo_id"]) != set(keep.loc[~keep["kept"], "photo_id"])
    assert control.groupby("visit_id")["kept"].sum().min() >= 1
    assert (left["reason"] == "random control by class").all()
