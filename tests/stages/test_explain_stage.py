"""``grasp explain`` on the finished tiny study: both runs on the same photos, masks of drawn photos, every setting of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from grasp_psonet.bags.bag import collate
from grasp_psonet.cohort.synthetic.cohort import plans_of
from grasp_psonet.cohort.synthetic.drawing.masks import masks_of
from grasp_psonet.cohort.synthetic.tables import draw_tables
from grasp_psonet.errors import SettingsError
from grasp_psonet.explain.gradcam import grad_cam, target_layer
from grasp_psonet.settings import load
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import ExplainNeeds
from grasp_psonet.stages.declared.tasks import explain_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.kind import refuse_maps_of_photos
from grasp_psonet.stages.makers.drawn_masks import drawn_masks, is_as_drawn
from grasp_psonet.stages.makers.explain import make_maps
from grasp_psonet.stages.makers.report.gallery import flagged_gallery
from grasp_psonet.stages.makers.report.maps import maps_of
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.schemas.explain import FAITHFULNESS, MAP_FIGURES, MAPS

CHOSEN = "cosine-k3"
METHODS = ("gradcam", "integrated_gradients", "occlusion")


def job_of(study: Path, **explain: object) -> Job:
    settings = load(study / "study.yaml")
    return Job(Study(study), replace(settings, explain=replace(settings.explain, flagged=1, errors=1, **explain)))


def explain(job: Job, folder: Path, chosen: str) -> Path:
    """The maps of this study as if this run had been chosen."""
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "choice.json").write_text(json.dumps({"run": chosen}), encoding="utf-8")
    (folder / "explain").mkdir()
    own, trace = needs_of(ExplainNeeds, job.settings), job.study.trace(job.trace_name())
    make_maps(folder / "explain", own, TrainedRun(job), trace, folder / "evaluation")
    return folder / "explain"


@pytest.fixture(scope="module")
def pruned(tiny_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explain(job_of(tiny_demo, methods=METHODS), tmp_path_factory.mktemp("pruned"), CHOSEN)


def test_both_runs_are_shown_the_same_photos_and_targets(pruned: Path) -> None:
    index = MAPS.read(pruned / "index.parquet")
    assert list(dict.fromkeys(index["run"])) == ["baseline", CHOSEN]
    assert set(index["method"]) == set(METHODS)
    keys = ["photo_id", "visit_id", "reason", "method", "target"]
    by_run = [rows[keys].reset_index(drop=True) for _, rows in index.groupby("run", sort=False)]
    pd.testing.assert_frame_equal(*by_run)
    assert len(by_run[0]) == 2 * len(METHODS)
    for name in index["file"]:
        with Image.open(pruned / name) as picture:
            assert picture.size == (64, 64)
    assert len(set(index["file"])) == len(index)
    heat = index[index["method"] == "gradcam"].pivot_table(index="photo_id", columns="run", values="cam_largest")
    assert (heat["baseline"] != heat[CHOSEN]).any(), "both runs have the same map"


def test_grad_cam_of_the_chosen_run_is_that_of_its_network_on_the_whole_bag(tiny_demo: Path, pruned: Path) -> None:
    job = job_of(tiny_demo)
    run, baseline = TrainedRun(job, CHOSEN), TrainedRun(job)
    index = MAPS.read(pruned / "index.parquet")
    rows = index[(index["run"] == CHOSEN) & (index["method"] == "gradcam")]
    bags = {bag.visit_id: bag for split in ("train", "val") for bag in baseline.inputs.bags(split)}
    network = run.photo_network()
    for row in rows.to_dict("records"):
        bag = bags[row["visit_id"]]
        batch = collate([bag], run.inputs.store.pixels)
        layer = target_layer(network.encoder, batch.photos_BNCHW[0, 0])
        maps = grad_cam(network, batch.photos_BNCHW, batch.is_photo_BN, torch.tensor([row["target"]]), layer)
        assert row["cam_largest"] == pytest.approx(
            float(maps.largest_BN[0, bag.photo_ids.index(row["photo_id"])]), rel=1e-5
        )
    assert (rows["cam_largest"] > 0).any(), "no map has heat: nothing was compared"


def test_shares_are_of_the_drawn_masks_and_figures_of_the_shares(tiny_demo: Path, pruned: Path) -> None:
    settings = load(tiny_demo / "study.yaml")
    plans = plans_of(
        draw_tables(settings.cohort, Job(Study(tiny_demo), settings).outcome, settings.cohort_seed),
        64,
        settings.cohort_seed,
    )
    index = MAPS.read(pruned / "index.parquet")
    for row in index.to_dict("records"):
        assert row["plaque_area"] == pytest.approx(float(masks_of(plans[row["photo_id"]]).plaque_HW.mean()), abs=1e-4)
        assert np.isnan(row["plaque_share"]) == (row["cam_largest"] == 0)
    assert index["plaque_share"].notna().any()
    figures = MAP_FIGURES.read(pruned / "figures.parquet")
    row = figures[
        (figures["metric"] == "plaque_share")
        & (figures["method"] == "occlusion")
        & (figures["reason"] == "all")
        & (figures["run"] == "baseline")
    ]
    own = index[(index["run"] == "baseline") & (index["method"] == "occlusion")]["plaque_share"]
    assert row["value"].item() == pytest.approx(own.mean())


def test_deletion_and_insertion_stand_for_every_map_with_heat(pruned: Path) -> None:
    index, areas = MAPS.read(pruned / "index.parquet"), FAITHFULNESS.read(pruned / "faithfulness.parquet")
    assert len(areas) == len(index)
    joined = index.merge(areas, on=["photo_id", "visit_id", "reason", "run", "method"])
    assert (joined["deletion"].isna() == (joined["cam_largest"] == 0)).all()
    assert joined["deletion"].notna().any()
    of_photo = areas.dropna().groupby(["photo_id", "reason", "run"])
    assert (of_photo["deletion_random"].agg(np.ptp) == 0).all(), "methods are held against the same random orders"


def test_where_no_pruning_was_chosen_the_baseline_stands_alone(tiny_demo: Path, tmp_path: Path) -> None:
    made = explain(job_of(tiny_demo, random_orders=0), tmp_path, "baseline")
    index, figures = MAPS.read(made / "index.parquet"), MAP_FIGURES.read(made / "figures.parquet")
    assert set(index["run"]) == {"baseline"}
    assert (figures["against"] == "").all()
    assert FAITHFULNESS.read(made / "faithfulness.parquet")["deletion"].isna().all()


def test_the_report_holds_every_map_and_what_they_say(tiny_demo: Path, pruned: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_demo, study)
    shutil.rmtree(study / "explain")
    shutil.copytree(pruned, study / "explain")
    job = job_of(study, methods=METHODS)
    photo = flagged_gallery(job, CHOSEN)[0]
    assert [(one.run, one.method) for one in photo.further] == [
        (CHOSEN, "gradcam"),
        *[(run, method) for method in METHODS[1:] for run in ("baseline", CHOSEN)],
    ]
    assert photo.cam is not None
    assert len({photo.cam, *(one.picture for one in photo.further)}) > 1
    told = maps_of(job, CHOSEN)
    assert told.methods == METHODS
    assert {(share.reason, share.method, share.on) for share in told.shares} == {
        (reason, method, on) for reason in ("flagged", "error") for method in METHODS for on in ("plaque", "background")
    }
    assert all(share.change is not None for share in told.shares)
    assert {test.run for test in told.tests} == {"baseline", CHOSEN}


def test_its_inputs_are_what_it_reads(tiny_demo: Path) -> None:
    inputs = explain_task(job_of(tiny_demo)).inputs
    assert {
        "run",
        "trace",
        "evaluation",
        "store",
        "tables",
        "drawn cohort",
        f"run {CHOSEN}",
        f"pruning {CHOSEN}",
    } <= set(inputs)
    assert not any("random" in name for name in inputs), "a control is never chosen"


def test_masks_are_of_photos_as_drawn_alone(tiny_demo: Path) -> None:
    job = job_of(tiny_demo)
    store = TrainedRun(job).inputs.store
    known = list(store.index["photo_id"][:10])
    assert set(drawn_masks(job, store, known)) == set(known)
    settings = job.settings
    plans = plans_of(draw_tables(settings.cohort, job.outcome, settings.cohort_seed), 64, settings.cohort_seed)
    row_of = store.index.set_index("photo_id")["row"]
    pixels = {photo_id: np.asarray(store.pixels[row_of[photo_id]]) for photo_id in known}
    others = [is_as_drawn(plans[one], pixels[other]) for one in known for other in known if one != other]
    assert np.mean(others) < 0.02, "photos are taken for one another"
    tinted = pixels[known[0]] * np.array([0.62, 1, 1])
    assert not is_as_drawn(plans[known[0]], tinted)


def test_a_study_that_was_not_drawn_has_no_masks(tiny_demo: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_demo, study)
    (study / "cohort.json").unlink()
    job = job_of(study)
    assert drawn_masks(job, TrainedRun(job).inputs.store, ["any"]) == {}
    assert "drawn cohort" not in explain_task(job).inputs


def test_precomputed_features_refuse_maps_of_pixels(tiny_demo: Path) -> None:
    settings = job_of(tiny_demo, methods=("gradcam", "occlusion")).settings
    with pytest.raises(
        SettingsError, match=r"explain\.methods names occlusion; a study of precomputed features has no"
    ):
        refuse_maps_of_photos(settings.explain)
    refuse_maps_of_photos(replace(settings.explain, methods=("gradcam",)))
