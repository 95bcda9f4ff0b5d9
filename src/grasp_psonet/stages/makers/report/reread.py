"""Readers and revisions as the report shows them, from the tables that evaluation left."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from grasp_psonet.cohort.settings import ADJUDICATED
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.readers import ALL_READERS, CLASS_ALPHA, CLASS_BIAS, ICC, SCORE_ALPHA, SCORE_BIAS
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.proof import proven
from grasp_psonet.report.data import Estimate, ReaderFigures
from grasp_psonet.report.reread import (
    AgainstAdjudicated,
    AllReaders,
    ReaderBias,
    ReaderPair,
    Reading,
    RevisionRun,
    RevisionShown,
)
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.arms import READERS, estimate_of, improvement_of
from grasp_psonet.stages.makers.revise import read_revision
from grasp_psonet.stages.names import BASELINE, revised_name
from grasp_psonet.tables import columns as c
from grasp_psonet.tables.schemas.evaluation import READER_AGREEMENT
from grasp_psonet.tables.schemas.revisions import REVISION_DIFFERENCES, REVISION_FIGURES


def reading_of(job: Job, readers: Sequence[str], figures: pd.DataFrame) -> Reading:
    """Agreement of all readers of the study, what each revision that was trained on changed, and the runs against adjudicated
    labels; ``figures``: those of the evaluation."""
    told = figures_of(job.outcome)
    found = READER_AGREEMENT.read(job.study.readers / "agreement.parquet")
    shown = tuple(_revision(job, name, readers, told) for name in job.revisions)
    found = found[found[c.SPLIT] == "all"]
    is_own = found[c.READER].ne(ALL_READERS) & (found[c.READER] == found[c.OTHER_READER])
    repeats = tuple(_pair(found, told, str(name), str(name)) for name in found.loc[is_own, c.READER].unique())
    return Reading(_agreement(found[~is_own], told), shown, repeats, _against_adjudicated(figures, told))


def _against_adjudicated(figures: pd.DataFrame, told: Figures) -> tuple[AgainstAdjudicated, ...]:
    rows = figures[(figures[c.READER] == ADJUDICATED) & (figures[c.GROUP] == "all")]
    return tuple(
        AgainstAdjudicated(
            str(run),
            int(of_run[c.NUM_VISITS].max()),
            {metric: _estimate(of_run, {c.METRIC: metric}) for metric in told.shown},
        )
        for run, of_run in rows.groupby(c.RUN, sort=False)
    )


def _agreement(found: pd.DataFrame, told: Figures) -> AllReaders | None:
    """None where no visit was read by two readers."""
    pairs = found.loc[found[c.OTHER_READER] != ALL_READERS, [c.READER, c.OTHER_READER]].drop_duplicates()
    if pairs.empty:
        return None
    is_scored = (found[c.METRIC] == SCORE_BIAS).any()
    biases = found[found[c.METRIC] == (SCORE_BIAS if is_scored else CLASS_BIAS)]
    return AllReaders(
        readers=len(biases),
        pairs=tuple(_pair(found, told, *pair) for pair in pairs.itertuples(index=False, name=None)),
        biases=tuple(
            ReaderBias(str(row[c.READER]), int(row[c.NUM_VISITS]), _estimate(biases, {c.READER: row[c.READER]}))
            for row in biases.to_dict("records")
        ),
        alpha=_together(found, CLASS_ALPHA),
        alpha_score=_together(found, SCORE_ALPHA),
        icc=_together(found, ICC),
        is_scored=bool(is_scored),
    )


def _pair(found: pd.DataFrame, told: Figures, reader: str, other: str) -> ReaderPair:
    of_pair = found[(found[c.READER] == reader) & (found[c.OTHER_READER] == other)]
    figures = {name: _estimate(of_pair, {c.METRIC: name}) for name in told.between_pairs}
    visits = of_pair.loc[of_pair[c.METRIC] == next(iter(told.between_pairs)), c.NUM_VISITS]
    has_scores = (of_pair[c.METRIC] == ICC).any()
    return ReaderPair(
        reader, other, int(visits.iloc[0]), figures, _estimate(of_pair, {c.METRIC: ICC}) if has_scores else None
    )


def _together(found: pd.DataFrame, metric: str) -> Estimate | None:
    rows = found[(found[c.METRIC] == metric) & (found[c.READER] == ALL_READERS)]
    return _estimate(rows, {}) if len(rows) else None


def _estimate(table: pd.DataFrame, where: dict[str, Any]) -> Estimate:
    return estimate_of(table, c.VALUE, **(where or {c.SPLIT: "all"}))


def _revision(job: Job, name: str, readers: Sequence[str], told: Figures) -> RevisionShown:
    folder = proven(job.study.revised(name))
    figures = REVISION_FIGURES.read(folder / "figures.parquet")
    differences = REVISION_DIFFERENCES.read(folder / "differences.parquet")
    revision = read_revision(proven(job.study.revision(name)))
    used = revision.readings[revision.readings[c.IS_USED]]
    own = revised_name(name)
    return RevisionShown(
        name=name,
        read=len(revision.labels),
        changed=int(revision.labels[c.IS_CHANGED].sum()),
        excluded=len(revision.excluded),
        rounds=", ".join(sorted(set(map(str, used[c.ROUND])))),
        readers=", ".join(sorted(set(map(str, used[c.READER_ID])))),
        runs=tuple(
            RevisionRun(
                str(run),
                "reread" if run == own else "kept" if run == BASELINE else "removed",
                tuple(_against(figures, differences, str(run), reader, told) for reader in readers),
            )
            for run in figures[c.RUN].drop_duplicates()
        ),
    )


def _against(figures: pd.DataFrame, differences: pd.DataFrame, run: str, reader: str, told: Figures) -> ReaderFigures:
    """The run's figures against a reader, and by how much the revised run is better than it (none at the revised run)."""
    where = {c.READER: READERS[reader], c.GROUP: "all"}
    found = {metric: estimate_of(figures, c.VALUE, **{c.METRIC: metric, c.RUN: run}, **where) for metric in told.shown}
    others = set(differences[c.BASELINE_RUN])
    changes = {
        metric: improvement_of(differences, told.metrics[metric], **{c.METRIC: metric, c.BASELINE_RUN: run}, **where)
        for metric in (told.shown if run in others else ())
    }
    return ReaderFigures(found, changes)
