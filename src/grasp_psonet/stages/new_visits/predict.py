"""What a run's kept network says of new visits, with what it can be relied on for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Pixels
from grasp_psonet.errors import StageError
from grasp_psonet.features.store import FeatureStore
from grasp_psonet.files import read_json
from grasp_psonet.photos.unusual import UsualQuality
from grasp_psonet.photos.workers import PhotoForm
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.settings import load
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.new_visits.calibrated import Calibration, calibration_of
from grasp_psonet.stages.new_visits.conformal import ScoreInterval, score_interval_of
from grasp_psonet.stages.new_visits.found import NewBags, NewPhoto, decoded, in_regions, photos_in, vectors_in
from grasp_psonet.stages.new_visits.pixels import PixelFile
from grasp_psonet.stages.new_visits.reach import Reach, quality_of, reach_of
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import (
    ATTENDED_PHOTO_ID,
    ATTENTION,
    IS_FAR,
    NUM_PHOTOS,
    PATH,
    PHOTO_ID,
    QUALITY,
    RUN,
    SCORE,
    SCORE_HIGH,
    SCORE_LOW,
    VISIT_ID,
    WARNINGS,
    calibrated_columns,
)
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.machine import use_machine


@dataclass(frozen=True, eq=False)
class NewVisits:
    """The answer to new visits. ``visits`` and ``photos`` are the tables NEW_VISITS and NEW_PHOTOS; ``new`` holds pixels or
    vectors, and ``rows`` those of ``photos`` there; ``notes`` what a person should hear at once, without names of files.
    ``names``: photo_id, and the path of its file from the folder that was named; no output holds it unless it is asked for.
    """

    run: TrainedRun
    visits: pd.DataFrame
    photos: pd.DataFrame
    new: NewBags
    rows: tuple[int, ...]
    calibration: Calibration
    reach: Reach
    usual: UsualQuality | None
    notes: tuple[str, ...]
    names: pd.DataFrame

    @property
    def answers(self) -> pd.DataFrame:
        """The visits with their answer alone: visit_id, num_photos, and the outcome in words."""
        later = self.visits.columns.get_loc(ATTENDED_PHOTO_ID)
        return self.visits.iloc[:, :later]


def named_run(place: Path) -> TrainedRun:
    """The run in this folder; of a study's folder the one that its evaluation chose. Raises StageError for anything else."""
    place = place.resolve()
    if place.parent.name == "runs" and is_complete(place):
        return _run_of(Study(place.parent.parent), place.name)
    study = Study(place)
    if is_complete(study.evaluation):
        return _run_of(study, str(read_json(proven(study.evaluation) / "choice.json")[RUN]))
    if (place / "runs").is_dir():
        raise StageError(
            f"{place} has no evaluation yet, which chooses a run\n  next: name a run, such as {place / 'runs/baseline'}"
        )
    raise StageError(f"{place} is not a complete run\n  next: name a folder such as STUDY/runs/baseline")


def predict_visits_in(place: Path, photos: Path) -> NewVisits:
    """What the run in ``place`` says of the visits in ``photos``.

    ``photos`` holds one folder of photos per visit, or the photos of one visit, or is a table of photos; for a run on
    precomputed features one file of features per visit. Raises StageError when ``place`` is no complete run, PhotoError,
    TableError or FeatureError when nothing is found or a file cannot be read.
    """
    run = named_run(place)
    found: list[NewPhoto] = []
    if run.job.kind == "features":
        new = vectors_in(photos, run.inputs.features.feature_length)
    else:
        found, passed_over = photos_in(photos)
        largest = run.job.settings.photos.most_megapixels
        new = decoded(found, PhotoForm(run.settings.edge_px, run.settings.fit, largest), passed_over)
    if run.outcome.has_regions:
        new = in_regions(new, found, run.cohort.views)
    network = run.photo_network(use_machine("auto", run.settings.threads))
    pixels: Pixels = (
        new.instances if isinstance(new.instances, PixelFile) else FeatureStore(new.instances[:, None], pd.DataFrame())
    )
    told, attention = predict_bags(network, new.bags, pixels)
    calibration, reach = calibration_of(run), reach_of(run, new)
    quality, usual = quality_of(run, new)
    table = attention[[VISIT_ID, PHOTO_ID, ATTENTION]].join(reach.photos).assign(quality=quality)
    visits = _visits(run, told, new, calibration, reach)
    visits[WARNINGS] = _warnings(visits, table)
    return NewVisits(
        run,
        visits,
        table,
        new,
        tuple(row for bag in new.bags for row in bag.rows),
        calibration,
        reach,
        usual,
        (*(note.words for note in new.passed_over), *_notes(run, visits, calibration, reach)),
        _names(found, photos),
    )


def _names(found: list[NewPhoto], place: Path) -> pd.DataFrame:
    """Which photo is which file."""
    root = place if place.is_dir() else place.parent
    columns = {PHOTO_ID: [photo.photo_id for photo in found]}
    return pd.DataFrame(columns | {PATH: [photo.path.relative_to(root).as_posix() for photo in found]}, dtype="string")


def _run_of(study: Study, name: str) -> TrainedRun:
    return TrainedRun(Job(study, load(study.settings_file)), name)


def _visits(run: TrainedRun, told: pd.DataFrame, new: NewBags, calibration: Calibration, reach: Reach) -> pd.DataFrame:
    table = pd.DataFrame({VISIT_ID: told[VISIT_ID], NUM_PHOTOS: [len(bag) for bag in new.bags]})
    table = table.join(run.outcome.in_words(told))
    if SCORE in table:
        low_V, high_V = score_interval_of(run).around(table[SCORE].to_numpy(np.float64), run.outcome.scale.score_range)
        place = table.columns.tolist().index(SCORE)
        table.insert(place + 1, SCORE_LOW, low_V)
        table.insert(place + 2, SCORE_HIGH, high_V)
    table[ATTENDED_PHOTO_ID] = told[ATTENDED_PHOTO_ID]
    if run.outcome.gives_probabilities:
        p_VC = calibration.probabilities(told[run.outcome.output_columns].to_numpy(np.float64))
        for number, column in enumerate(calibrated_columns(run.outcome.classes)):
            table[column] = np.nan if p_VC is None else p_VC[:, number]
    return table.join(reach.visits)


def _warnings(visits: pd.DataFrame, photos: pd.DataFrame) -> list[str]:
    """Per visit, in words, why its answer is to be doubted."""
    told = []
    for visit in visits.itertuples():
        own = photos[photos[VISIT_ID] == visit.visit_id]
        far = int(own[IS_FAR].fillna(False).sum())
        odd = int((own[QUALITY] != "").sum())
        words = []
        if visit.is_far is not pd.NA and visit.is_far:
            words.append("far from the visits that trained")
        if far:
            words.append(f"{far} of {len(own)} photos far from those that trained")
        if odd:
            words.append(f"{odd} of {len(own)} photos of unusual quality")
        told.append("; ".join(words))
    return told


def _notes(run: TrainedRun, visits: pd.DataFrame, calibration: Calibration, reach: Reach) -> list[str]:
    notes = []
    if calibration.source == "none" and run.outcome.gives_probabilities:
        notes.append(f"probabilities are not calibrated: {calibration.why}")
    if reach.why_not:
        notes.append(f"no distance from the training photos: {reach.why_not}")
    if not run.outcome.is_ordinal and (why_not := score_interval_of(run).why_not):
        notes.append(f"scores have no interval but their whole range: {why_not}")
    doubted = visits[visits[WARNINGS] != ""]
    notes += [f"visit {visit_id}: {words}" for visit_id, words in doubted[[VISIT_ID, "warnings"]].head(20).to_numpy()]
    if len(doubted) > 20:
        notes.append(f"and {len(doubted) - 20} more visits with warnings")
    return notes


def _about_scores(interval: ScoreInterval) -> dict[str, Any]:
    return {
        "coverage": interval.coverage,
        "points": interval.points,
        "num_visits": interval.num_visits,
        "num_patients": interval.num_patients,
        "why_not": interval.why_not or None,
    }


def about(new: NewVisits) -> dict[str, Any]:
    """What the answers rest on, in plain values: the run, its calibration, distances, and what is usual of quality."""
    calibration, reach = new.calibration, new.reach
    return {
        "run": new.run.name,
        "classes": list(new.run.outcome.classes) if new.run.outcome.gives_probabilities else None,
        "calibration": {
            "source": calibration.source,
            "why": calibration.why,
            "temperature": calibration.temperature,
            "num_visits": calibration.num_visits,
            "test_error_as_said": calibration.error_as_said,
            "test_error_calibrated": calibration.error_calibrated,
        },
        "score_interval": None if new.run.outcome.is_ordinal else _about_scores(score_interval_of(new.run)),
        "distance": {"num_photos": reach.num_photos, "num_visits": reach.num_visits, "why_not": reach.why_not or None},
        "usual_quality": None if new.usual is None else {name: list(ends) for name, ends in new.usual.ranges.items()},
        "notes": list(new.notes),
    }
