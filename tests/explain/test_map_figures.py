"""What maps say together: means over photos, paired changes, intervals over patients; and where their heat lies."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.synthetic.drawing.masks import PhotoMasks
from grasp_psonet.evidence.settings import IntervalRule
from grasp_psonet.explain.figures import NO_HEAT, NO_MASK, Resampling, map_figures
from grasp_psonet.explain.heat import PhotoMap
from grasp_psonet.explain.mass import area_shares, mass_shares
from grasp_psonet.tables.schemas.explain import FAITHFULNESS, MAP_FIGURES, MAPS

HOW = Resampling(400, IntervalRule(0.95, "percentile"), 3)
RUNS = ("baseline", "cosine-k3")


def tables(num_patients: int = 8, has_masks: bool = True) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Two photos of each of two visits per patient, each mapped for both runs; one map of the second run has no heat."""
    rng = np.random.default_rng(0)
    maps, areas = [], []
    patient_of = {}
    for number in range(4 * num_patients):
        visit_id = f"v{number // 2}"
        patient_of[visit_id] = f"p{number // 4}"
        place = (f"photo{number}", visit_id, "flagged" if number % 3 else "error")
        of_patient = 0.1 * (number // 4) / num_patients
        for run in RUNS:
            is_empty = run == RUNS[1] and number == 5
            share = (
                None if is_empty or not has_masks else 0.2 + of_patient + 0.1 * rng.random() + 0.2 * (run != RUNS[0])
            )
            beside = None if share is None else 0.3
            area = (0.25, 0.4) if has_masks else (None, None)
            maps.append((*place, run, "gradcam", 1, 0.0 if is_empty else 0.5, "map.png", share, beside, *area))
            areas.append((*place, run, "gradcam", *((None,) * 4 if is_empty else (1.0, 1.5 + rng.random(), 2.0, 2.0))))
    frames = [pd.DataFrame(rows, columns=table.names) for table, rows in ((MAPS, maps), (FAITHFULNESS, areas))]
    floats = [*MAPS.names[8:], *FAITHFULNESS.names[5:]]
    index, faithfulness = (frame.astype({name: float for name in floats if name in frame}) for frame in frames)
    return index, faithfulness, patient_of


def one(figures: pd.DataFrame, metric: str, run: str, against: str = "", reason: str = "all") -> pd.Series:
    rows = figures[
        (figures["metric"] == metric)
        & (figures["run"] == run)
        & (figures["against"] == against)
        & (figures["reason"] == reason)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def test_figures_are_means_and_changes_are_paired_and_drawn_by_patient() -> None:
    index, faithfulness, patient_of = tables()
    figures = map_figures(index, faithfulness, patient_of, HOW)
    assert MAP_FIGURES.faults(figures) == []
    wide = index.pivot_table(index="photo_id", columns="run", values="plaque_share")
    assert one(figures, "plaque_share", "baseline")["value"] == pytest.approx(wide["baseline"].mean())
    pruned = one(figures, "plaque_share", RUNS[1])
    assert pruned["value"] == pytest.approx(wide[RUNS[1]].mean())
    assert (pruned["num_photos"], pruned["num_left_out"], pruned["num_patients"]) == (31, 1, 8)
    change = one(figures, "plaque_share", RUNS[1], "baseline")
    assert change["value"] == pytest.approx((wide[RUNS[1]] - wide["baseline"]).mean())
    assert change["low"] < change["value"] < change["high"]
    # by hand: patients with replacement, all of their photos together; percentiles as far out as 8 patients need
    gain = (wide[RUNS[1]] - wide["baseline"]).dropna()
    patient = pd.Series({photo: f"p{int(photo.removeprefix('photo')) // 4}" for photo in gain.index})
    by_patient = [gain[patient == name].to_numpy() for name in sorted(set(patient))]
    rng = np.random.default_rng(1)
    slow = [np.concatenate([by_patient[i] for i in rng.integers(8, size=8)]).mean() for _ in range(4000)]
    np.testing.assert_allclose([change["low"], change["high"]], np.quantile(slow, [0.0057, 0.9943]), atol=0.02)
    assert one(figures, "background_share", RUNS[1], "baseline")["value"] == pytest.approx(0, abs=1e-12)
    assert one(figures, "plaque_area", "baseline")["value"] == pytest.approx(0.25)


def test_gains_are_positive_where_maps_beat_random_order() -> None:
    index, faithfulness, patient_of = tables()
    figures = map_figures(index, faithfulness, patient_of, HOW)
    own = faithfulness[faithfulness["run"] == "baseline"]
    deletion = one(figures, "deletion_gain", "baseline")
    assert deletion["value"] == pytest.approx((own["deletion_random"] - own["deletion"]).mean())
    assert deletion["low"] > 0
    assert one(figures, "insertion_gain", "baseline")["value"] == 0


def test_the_groups_of_photos_are_apart() -> None:
    index, faithfulness, patient_of = tables()
    figures = map_figures(index, faithfulness, patient_of, HOW)
    for reason in ("flagged", "error"):
        of_reason = index[(index["reason"] == reason) & (index["run"] == "baseline")]
        found = one(figures, "plaque_share", "baseline", reason=reason)
        assert found["value"] == pytest.approx(of_reason["plaque_share"].mean())
        assert found["num_photos"] == len(of_reason)


def test_without_masks_it_says_so() -> None:
    figures = map_figures(*tables(has_masks=False), HOW)
    rows = figures[figures["metric"].isin(["plaque_share", "background_share", "plaque_area", "background_area"])]
    assert rows["value"].isna().all()
    assert set(rows["why_not"]) == {NO_MASK}
    assert (rows["num_photos"] == 0).all()
    assert one(figures, "deletion_gain", "baseline")["value"] > 0


def test_masks_without_heat_are_told_apart_from_no_masks() -> None:
    index, faithfulness, patient_of = tables()
    empty = index.assign(plaque_share=np.nan, background_share=np.nan, cam_largest=0.0)
    found = one(map_figures(empty, faithfulness, patient_of, HOW), "plaque_share", "baseline")
    assert (pd.isna(found["value"]), found["why_not"], found["num_left_out"]) == (True, NO_HEAT, len(index) // 2)


def test_few_patients_give_no_interval() -> None:
    found = one(map_figures(*tables(num_patients=3), HOW), "plaque_share", RUNS[1], "baseline")
    assert found["value"] > 0
    assert pd.isna(found["low"])
    assert "3 patients, 5 needed" in found["why_not"]


def test_no_map_gives_an_empty_table() -> None:
    index, faithfulness, patient_of = tables()
    figures = map_figures(index.iloc[:0], faithfulness.iloc[:0], patient_of, HOW)
    assert MAP_FIGURES.faults(figures) == []
    assert figures.empty


def test_heat_lies_where_it_is() -> None:
    plaque_HW, skin_HW = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    skin_HW[:, :6], plaque_HW[:, :2] = 1, 1
    masks = PhotoMasks(plaque_HW, skin_HW)
    assert area_shares(masks).plaque == 0.25
    assert area_shares(masks).background == 0.25
    flat = mass_shares(PhotoMap(np.ones((2, 2)), 1.0), masks)
    assert (flat.plaque, flat.background) == (0.25, 0.25), (
        "a map that is equally warm everywhere has the parts of the photo"
    )
    left_HW = np.zeros((8, 8))
    left_HW[3, 1], left_HW[4, 7], left_HW[0, 4] = 1.0, 0.5, 0.5
    found = mass_shares(PhotoMap(left_HW, 2.0), masks)
    assert (found.plaque, found.background) == (0.5, 0.25)
    assert mass_shares(PhotoMap(np.zeros((2, 2)), 0.0), masks) is None
