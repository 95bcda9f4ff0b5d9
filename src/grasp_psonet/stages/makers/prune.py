"""``grasp prune``: one keep list per k, and the controls of equal size."""

import json
import logging
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import StageError
from grasp_psonet.files import write_json
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.pruning.controls import loss_control, random_control
from grasp_psonet.pruning.overlap import overlap_table, removal_rates
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import num_rankings
from grasp_psonet.stages.declared import PruneNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import OVERLAP
from grasp_psonet.stages.names import KeepList
from grasp_psonet.tables.columns import QUERY_ID, SPLIT, VISIT_ID
from grasp_psonet.tables.traces import KEEP_LIST, PHOTO_LOSSES, SCORES

log = logging.getLogger("grasp_psonet")

KEEP = "keep.parquet"


def read_keep(job: Job, name: str) -> pd.DataFrame:
    """A keep list, with the columns that ``pruning.selection.select`` names. Raises StageError where it is not whole."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    return KEEP_LIST.read(proven(folder) / KEEP)


def make_pruning(folder: Path, own: PruneNeeds, k: int, trace: Path, cohort: Cohort) -> None:
    """The keep list that takes k by the scores of this trace."""
    scores = SCORES.read(trace / "scores.parquet")
    photos, visits = _training_tables(cohort)
    if k > len(photos):
        log.warning("  k = %d is more than the %d training photos: all that are eligible are taken", k, len(photos))
    keep = select(scores, photos, visits, k, own.rules)
    overlap = overlap_table({k: keep}, num_rankings(own.rules.rule, scores[QUERY_ID].nunique()))
    _write(folder, keep, overlap, cohort, own.outcome)


def make_control(folder: Path, own: PruneNeeds, one: KeepList, pruning: Path, trace: Path, cohort: Cohort) -> None:
    """The control of a keep list, of the same size: at random, or by the photos' own losses."""
    pruned = KEEP_LIST.read(pruning / KEEP)
    if one.control == "random":
        keep = random_control(pruned, own.seed, one.k)
    else:
        _, visits = _training_tables(cohort)
        keep = loss_control(pruned, PHOTO_LOSSES.read(trace / "photo_losses.parquet"), visits, own.rules)
    _write(folder, keep, overlap_table({one.k: keep}, None), cohort, own.outcome)


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
