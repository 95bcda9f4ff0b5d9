"""``grasp prune``: one keep list per k, and the controls of equal size."""

import json
import logging
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import StageError
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.files import read_json, write_json
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.pruning.controls import loss_control, random_control
from grasp_psonet.pruning.fairness import removal_by_group
from grasp_psonet.pruning.overlap import overlap_table, removal_rates
from grasp_psonet.pruning.ranking import units_of
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import K, PruneSettings, Remove, count_of, num_rankings, refuse_same_counts
from grasp_psonet.stages.declared.needs import PruneNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import OVERLAP
from grasp_psonet.stages.names import KeepList
from grasp_psonet.tables.columns import QUERY_ID, SPLIT, VISIT_ID, WARNING
from grasp_psonet.tables.traces import KEEP_LIST, PHOTO_LOSSES, SCORES

log = logging.getLogger("grasp_psonet")

KEEP = "keep.parquet"


def read_keep(job: Job, name: str) -> pd.DataFrame:
    """A keep list, with the columns that ``pruning.selection.select`` names. Raises StageError where it is not whole."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    return KEEP_LIST.read(proven(folder) / KEEP)


def make_pruning(folder: Path, own: PruneNeeds, k: K, trace: Path, cohort: Cohort) -> None:
    """The keep list that takes k by the scores of this trace; a fraction is of the training photos (visits, patients)."""
    scores = SCORES.read(trace / "scores.parquet")
    photos, visits = _training_tables(cohort)
    num_units = units_of(photos, visits, own.remove)[1]
    count = count_of(k, num_units)
    if count > num_units:
        told = "  k = %d is more than the %d training %ss: all that are eligible are taken"
        log.warning(told, count, num_units, own.remove)
    keep = select(scores, photos, visits, count, own.rules)
    overlap = overlap_table({count: keep}, num_rankings(own.rules.rule, scores[QUERY_ID].nunique()))
    _write(folder, keep, overlap.assign(fraction=_fraction(k)), cohort, own.outcome)
    by_group = removal_by_group(keep, photos, visits, own.outcome, EvaluateSettings(), own.seed)
    for warning in by_group.loc[by_group[WARNING] != "", WARNING]:
        log.warning("  %s", warning)


def refuse_same_lists(prune: PruneSettings, cohort: Cohort) -> None:
    """Raises SettingsError where two values of k take equally many of the training photos (visits, patients)."""
    refuse_same_counts(prune.k, num_units_of(cohort, prune.remove), prune.remove)


def num_units_of(cohort: Cohort, remove: Remove) -> int:
    """How many training photos (visits, patients) k is taken of."""
    return units_of(*_training_tables(cohort), remove)[1]


def make_control(folder: Path, own: PruneNeeds, one: KeepList, pruning: Path, trace: Path, cohort: Cohort) -> None:
    """The control of a keep list, of the same size: at random, or by the photos' own losses."""
    pruned = KEEP_LIST.read(pruning / KEEP)
    count = int(read_json(pruning / OVERLAP)["overlap"]["k"])
    if one.control == "random":
        keep = random_control(pruned, own.seed, count)
    else:
        _, visits = _training_tables(cohort)
        keep = loss_control(pruned, PHOTO_LOSSES.read(trace / "photo_losses.parquet"), visits, own.rules)
    _write(folder, keep, overlap_table({count: keep}, None).assign(fraction=_fraction(one.k)), cohort, own.outcome)


def _fraction(k: K) -> float | None:
    """The fraction that was set; None of a count."""
    return None if isinstance(k, int) else k


def _training_tables(cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    visits = cohort.visits[cohort.visits[SPLIT] == "train"]
    return cohort.photos[cohort.photos[VISIT_ID].isin(visits[VISIT_ID])], visits


def _write(folder: Path, keep: pd.DataFrame, table: pd.DataFrame, cohort: Cohort, outcome: Outcome) -> None:
    """The list, its row of the overlap table, and what it takes from whom."""
    KEEP_LIST.write(keep, folder / KEEP)
    overlap = json.loads(table.to_json(orient="records"))[0]
    rates = removal_rates(keep, *_training_tables(cohort), outcome)
    write_json(folder / OVERLAP, {"overlap": overlap, "rates": json.loads(rates.to_json(orient="records"))})
    log.info("  %d of %d training photos leave (%.1f %%)", overlap["num_removed"], len(keep), overlap["percent"])
