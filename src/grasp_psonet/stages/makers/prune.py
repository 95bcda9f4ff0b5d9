"""``grasp prune``: one keep list per k, and the controls of equal size."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import StageError
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.features.store import open_features
from grasp_psonet.files import read_json, write_json
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.pruning.controls import class_control, loss_control, random_control
from grasp_psonet.pruning.fairness import removal_by_group
from grasp_psonet.pruning.overlap import overlap_table, removal_rates
from grasp_psonet.pruning.pattern import Photos, carries_pattern, pattern_evidence
from grasp_psonet.pruning.ranking import Ranked, rank, units_of
from grasp_psonet.pruning.selection import cap_groups, select, select_named
from grasp_psonet.pruning.settings import (
    MOST_OF_TRAINING,
    PATTERN,
    PATTERN_OF_WORST,
    STAND_OUT,
    FromData,
    K,
    PruneSettings,
    Remove,
    count_of,
    num_rankings,
    refuse_same_counts,
)
from grasp_psonet.pruning.stand_out import stands_out, worst_of_most_harmful
from grasp_psonet.stages.declared.needs import PruneNeeds, RankingNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import OVERLAP
from grasp_psonet.stages.names import KeepList
from grasp_psonet.tables.columns import (
    GROUP,
    KEPT,
    NUM_QUERIES,
    PATIENT_ID,
    PHOTO_ID,
    QUERY_ID,
    ROW,
    SPLIT,
    VIEW,
    VISIT_ID,
    WARNING,
)
from grasp_psonet.tables.schemas.traces import KEEP_LIST, NAMED_PHOTOS, PHOTO_LOSSES, SCORES

log = logging.getLogger("grasp_psonet")

KEEP = "keep.parquet"
REASONS: dict[FromData, str] = {
    STAND_OUT: "stands out as harmful within its group",
    PATTERN: "looks like the photos that stand out",
    PATTERN_OF_WORST: "looks like the worst of the most harmful group",
}
WORST = 0.05  # of the photos of the most harmful class, which are taken as examples of what is wrong with it


def read_keep(job: Job, name: str) -> pd.DataFrame:
    """A keep list, with the columns that ``pruning.selection.select`` names. Raises StageError where it is not whole."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    return KEEP_LIST.read(proven(folder) / KEEP)


@dataclass(frozen=True)
class PruneInputs:
    """What a keep list is made from: a trace, the cohort and the folder of the features (read where they are asked for)."""

    trace: Path
    cohort: Cohort
    features: Path


def make_pruning(folder: Path, own: PruneNeeds, k: K, inputs: PruneInputs) -> None:
    """The keep list that takes k by the scores of the trace; a fraction is of the training photos (visits, patients)."""
    scores, cohort = SCORES.read(inputs.trace / "scores.parquet"), inputs.cohort
    photos, visits = compared_photos(cohort, own), _training_visits(cohort)
    if isinstance(k, str):
        keep, named = _named_by_scores(rank(scores, photos, visits, own.rules), visits, own, k, inputs.features)
        NAMED_PHOTOS.write(named, folder / "named.parquet")
        count = int((keep[NUM_QUERIES] > 0).sum())
    else:
        num_units = units_of(photos, visits, own.remove)[1]
        count = count_of(k, num_units)
        if count > num_units:
            told = "  k = %d is more than the %d training %ss: all that are eligible are taken"
            log.warning(told, count, num_units, own.remove)
        keep = select(scores, photos, visits, count, own.rules)
    overlap = overlap_table({count: keep}, num_rankings(own.rules.rule, scores[QUERY_ID].nunique()))
    _write(folder, keep, overlap.assign(fraction=_fraction(k)), cohort, own.outcome)
    by_group = removal_by_group(keep, *_training_tables(cohort), own.outcome, EvaluateSettings(), own.seed)
    for warning in by_group.loc[by_group[WARNING] != "", WARNING]:
        log.warning("  %s", warning)


def _named_by_scores(
    ranked: Ranked, visits: pd.DataFrame, own: PruneNeeds, k: FromData, features: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The keep list of the photos that stand out, or of those that look like such examples too; and what named each photo."""
    score_P = ranked.score_RU.sum(axis=0)
    if k == PATTERN_OF_WORST:
        example_P = worst_of_most_harmful(ranked.score_QP.sum(axis=0), ranked.group_P, WORST)
    else:
        example_P = stands_out(score_P, ranked.group_P, own.false_discovery)
    evidence_P, named_P, strength_P = np.full(len(score_P), np.nan), example_P, -score_P
    if k != STAND_OUT:
        evidence_P = strength_P = pattern_evidence(_with_features(ranked, visits, features), example_P)
        named_P = carries_pattern(evidence_P, ranked.group_P, example_P)
        if example_P.any() and not named_P.any():
            log.warning(
                "  no pattern can be learned from %d examples of too few patients: none leaves", example_P.sum()
            )
    keep = select_named(ranked, np.where(named_P, strength_P, -np.inf), visits, own.rules, REASONS[k])
    _warn_of_size(int(named_P.sum()), len(named_P), k)
    named = ranked.photos[[PHOTO_ID, VISIT_ID]].assign(
        group=ranked.photos.get(GROUP, "all"),
        score=score_P,
        is_example=example_P,
        evidence=evidence_P,
        is_named=named_P,
    )
    what = "of the most harmful class are examples" if k == PATTERN_OF_WORST else "stand out"
    log.info("  %d photos %s%s", example_P.sum(), what, "" if k == STAND_OUT else f"; {named_P.sum()} look like them")
    return keep, named


def _warn_of_size(num_named: int, num_photos: int, k: FromData) -> None:
    if num_named > MOST_OF_TRAINING * num_photos:
        told = "  prune.k %s names %d of %d training photos, more than %.0f %%: what is trained then is another study"
        log.warning(told, k, num_named, num_photos, 100 * MOST_OF_TRAINING)


def _with_features(ranked: Ranked, visits: pd.DataFrame, features: Path) -> Photos:
    """The photos with the features that the start encoder gives them, as they are."""
    store = open_features(features)
    rows = store.index.set_index(PHOTO_ID)[ROW].loc[ranked.photos[PHOTO_ID]]
    patients = ranked.photos[VISIT_ID].map(visits.set_index(VISIT_ID)[PATIENT_ID])
    patient_P = pd.factorize(patients, sort=True)[0].astype(np.int64)
    return Photos(store.gather(rows.tolist()).astype(np.float64), ranked.group_P, patient_P)


def compared_photos(cohort: Cohort, own: RankingNeeds) -> pd.DataFrame:
    """The training photos with the ``group`` within which their scores are compared (``prune.within``): their class by Reader
    1, and their view. Without one where all are compared with all.
    """
    photos, visits = _training_tables(cohort)
    if own.within == "none":
        return photos
    label = photos[VISIT_ID].map(visits.set_index(VISIT_ID)[own.outcome.label_column])
    group = label.map(lambda one: own.outcome.strata[own.outcome.stratum_of(one)])
    if own.within == "class_and_view":
        group = group + ", " + photos[VIEW].fillna("no view")
    return photos.assign(group=group)


def refuse_same_lists(prune: PruneSettings, cohort: Cohort) -> None:
    """Raises SettingsError where two values of k take equally many of the training photos (visits, patients)."""
    refuse_same_counts(prune.k, num_units_of(cohort, prune.remove), prune.remove)


def num_units_of(cohort: Cohort, remove: Remove) -> int:
    """How many training photos (visits, patients) k is taken of."""
    return units_of(*_training_tables(cohort), remove)[1]


def most_that_leave(cohort: Cohort, prune: PruneSettings) -> int:
    """The most training photos (visits, patients) that a list of one ranking can take, by the cap and ``keep_at_least``."""
    photos, visits = _training_tables(cohort)
    num_units = units_of(photos, visits, prune.remove)[1]
    if prune.rule == "each" or prune.remove != "photo":
        return num_units
    by_visit = photos[VISIT_ID].value_counts()
    most = int((by_visit - prune.keep_at_least).clip(lower=0).sum())
    if prune.cap_per_group is None:
        return most
    in_group = np.bincount(cap_groups(photos, visits, prune))
    return min(most, int(np.floor(prune.cap_per_group * in_group + 1e-9).sum()))


def make_control(folder: Path, own: PruneNeeds, one: KeepList, pruning: Path, trace: Path, cohort: Cohort) -> None:
    """The control of a keep list, of the same size: at random by visit or by class, or by the photos' own losses."""
    pruned = KEEP_LIST.read(pruning / KEEP)
    count = int(read_json(pruning / OVERLAP)["overlap"]["k"])
    if one.control == "random":
        keep = random_control(pruned, own.seed, count)
    elif one.control == "class":
        photos = compared_photos(cohort, replace(own, within="class"))
        keep = class_control(pruned, photos, _training_visits(cohort), own.rules, own.seed)
    else:
        visits = _training_visits(cohort)
        keep = loss_control(pruned, PHOTO_LOSSES.read(trace / "photo_losses.parquet"), visits, own.rules)
    _write(folder, keep, overlap_table({count: keep}, None).assign(fraction=_fraction(one.k)), cohort, own.outcome)
    num_short = int((~pruned[KEPT]).sum()) - int((~keep[KEPT]).sum())
    if num_short:
        told = "  %s takes %d photos fewer than %s: prune.cap_per_group and prune.keep_at_least allow no more"
        log.warning(told, one.name, num_short, one.pruning)


def _fraction(k: K) -> float | None:
    """The fraction that was set; None of a count, and of what the scores name."""
    return k if isinstance(k, float) else None


def _training_visits(cohort: Cohort) -> pd.DataFrame:
    return cohort.visits[cohort.visits[SPLIT] == "train"]


def _training_tables(cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    visits = _training_visits(cohort)
    return cohort.photos[cohort.photos[VISIT_ID].isin(visits[VISIT_ID])], visits


def _write(folder: Path, keep: pd.DataFrame, table: pd.DataFrame, cohort: Cohort, outcome: Outcome) -> None:
    """The list, its row of the overlap table, and what it takes from whom."""
    KEEP_LIST.write(keep, folder / KEEP)
    overlap = json.loads(table.to_json(orient="records"))[0]
    rates = removal_rates(keep, *_training_tables(cohort), outcome)
    write_json(folder / OVERLAP, {"overlap": overlap, "rates": json.loads(rates.to_json(orient="records"))})
    log.info("  %d of %d training photos leave (%.1f %%)", overlap["num_removed"], len(keep), overlap["percent"])
