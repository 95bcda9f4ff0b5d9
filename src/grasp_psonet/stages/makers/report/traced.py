"""Error by error: the photos that pushed each traced error and those that held against it, from the trace's tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.influence.choices import ALL_QUERIES
from grasp_psonet.report.explorer import largest_edge, sample_of
from grasp_psonet.report.sprites import Key, Sprites, sprites_of
from grasp_psonet.report.traced import Attended, Influence, Traced, TracedError, harmful_photos
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.stages.makers.report.stored import Stored, stored_photos
from grasp_psonet.stages.makers.tracing.trace import PAIRS_FILE
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    ATTENTION,
    FILE,
    KEPT,
    LABEL,
    LOSS,
    METHOD,
    NEAR_CUTOFF,
    PHOTO_ID,
    PREDICTED,
    QUERY_ID,
    READERS_DISAGREE,
    RUN,
    SCORE,
    STEP,
    USED,
    VIEW,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.explain import MAPS
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION
from grasp_psonet.tables.schemas.traces import PAIRS, QUERIES, SCORES

MOST = 10  # photos named at either end of an error
_SHARE = 0.3  # of the pictures of the page: the list of all photos wants its part
_NO_ERROR = "no validation error was traced"
_SUMS_ALONE = (
    "the trace holds the sum over the errors alone, so that no photo can be told error by error: trace again with "
    "trace.pairs top or all"
)


def traced_of(job: Job, kept_step: int, keep_name: str | None) -> Traced:
    """Every traced error with its photos.

    ``kept_step``: the step whose weights the baseline kept. ``keep_name``: the keep list of the chosen run, None where no photo
    was removed.
    """
    folder = job.study.trace(job.trace_name())
    scores = _scores_by_error(job)
    removed: frozenset[str] = frozenset()
    if keep_name is not None:
        keep = read_keep(job, keep_name)
        removed = frozenset(keep.loc[~keep[KEPT], PHOTO_ID])
    ends = {} if scores is None else _ends(job, scores, removed)
    attention = PHOTO_ATTENTION.read(job.study.run(BASELINE) / "attention.parquet")
    errors = _errors(job, QUERIES.read(folder / "queries.parquet"), kept_step, (_strips(job, attention), ends))
    why_not = _SUMS_ALONE if scores is None else "" if errors else _NO_ERROR
    return Traced(
        errors=errors,
        photos=harmful_photos(errors),
        most=MOST,
        num_scored=0 if scores is None else int(scores[PHOTO_ID].nunique()),
        why_not=why_not,
        pictures=_pictures(job, errors),
    )


def _scores_by_error(job: Job) -> pd.DataFrame | None:
    """Scores of single errors, of every photo or of those at the ends of the ranking; None where only their sum was traced."""
    folder = job.study.trace(job.trace_name())
    if (folder / PAIRS_FILE).exists():
        return PAIRS.read(folder / PAIRS_FILE)
    scores = SCORES.read(folder / "scores.parquet")
    return None if scores[QUERY_ID].eq(ALL_QUERIES).any() else scores


Ends = dict[str, tuple[tuple[Influence, ...], tuple[Influence, ...]]]


def _ends(job: Job, scores: pd.DataFrame, removed: frozenset[str]) -> Ends:
    """By error the photos of the lowest scores below 0 and those of the highest above 0, strongest first."""
    view_of = job.cohort.photos.set_index(PHOTO_ID)[VIEW]
    label_of = job.cohort.visits.set_index(VISIT_ID)[job.outcome.label_column]

    def influences(rows: pd.DataFrame) -> tuple[Influence, ...]:
        return tuple(
            Influence(
                photo_id, visit_id, float(score), label_of[visit_id], _text(view_of[photo_id]), photo_id in removed
            )
            for photo_id, visit_id, score in rows[[PHOTO_ID, VISIT_ID, SCORE]].itertuples(index=False, name=None)
        )

    found: Ends = {}
    for query_id, rows in scores.groupby(QUERY_ID, sort=False):
        ordered = rows.dropna(subset=[SCORE]).sort_values([SCORE, PHOTO_ID], kind="stable")
        harmful, helpful = ordered[ordered[SCORE] < 0].head(MOST), ordered[ordered[SCORE] > 0].tail(MOST).iloc[::-1]
        found[str(query_id)] = influences(harmful), influences(helpful)
    return found


def _strips(job: Job, attention: pd.DataFrame) -> dict[str, tuple[Attended, ...]]:
    """The photos of every validation visit, most attended first."""
    view_of = job.cohort.photos.set_index(PHOTO_ID)[VIEW]
    val = attention[attention["split"] == "val"].sort_values(
        [ATTENTION, PHOTO_ID], ascending=[False, True], kind="stable"
    )
    return {
        str(visit_id): tuple(
            Attended(photo_id, number_or_none(weight), _text(view_of.get(photo_id)))
            for photo_id, weight in zip(rows[PHOTO_ID], rows[ATTENTION], strict=True)
        )
        for visit_id, rows in val.groupby(VISIT_ID, sort=False)
    }


def _errors(
    job: Job, queries: pd.DataFrame, kept_step: int, of_visits: tuple[dict[str, tuple[Attended, ...]], Ends]
) -> tuple[TracedError, ...]:
    """One per visit, the kept network's errors first, each part by loss; ``of_visits``: strips and ends by visit."""
    strips, ends = of_visits
    errors = []
    for visit_id, rows in queries.groupby(QUERY_ID, sort=False):
        of_kept = rows[rows[STEP] == kept_step]
        row = (of_kept if len(of_kept) else rows.sort_values(STEP).tail(1)).iloc[0]
        doubts = ["the readers disagree"] if row[READERS_DISAGREE] else []
        doubts += [f"{job.outcome.score_word} close to a cut-off"] if row[NEAR_CUTOFF] else []
        harmful, helpful = ends.get(str(visit_id), ((), ()))
        errors.append(
            TracedError(
                visit_id=str(visit_id),
                label=row[LABEL],
                predicted=row[PREDICTED],
                loss=float(row[LOSS]),
                of_kept=len(of_kept) > 0,
                num_anchors=len(rows),
                used=bool(row[USED]),
                attended=row[PHOTO_ID],
                doubts=tuple(doubts),
                strip=strips.get(str(visit_id), ()),
                harmful=harmful,
                helpful=helpful,
            )
        )
    return tuple(sorted(errors, key=lambda error: (not error.of_kept, -error.loss, error.visit_id)))


def _pictures(job: Job, errors: tuple[TracedError, ...]) -> Sprites | None:
    """Thumbnails of all photos that are named, and the baseline's maps of those that have one; None where none may be shown."""
    stored = stored_photos(job)
    if stored is None:
        return None
    named = [[one.photo_id for one in part] for error in errors for part in (error.strip, error.harmful, error.helpful)]
    ids = list(dict.fromkeys(photo_id for part in named for photo_id in part))
    shown = [photo_id for photo_id in ids if stored.may_show(photo_id)]
    sample = [pixels for at in sample_of(len(shown)) if (pixels := stored.shown(shown[at])) is not None]
    room = _SHARE * job.settings.report.most_mb * 1e6
    edge = largest_edge(sample, len(shown), room, stored.edge_px)
    return None if edge is None else sprites_of(_photos_and_maps(job, stored, shown), edge)


def _photos_and_maps(job: Job, stored: Stored, ids: list[str]) -> Iterator[tuple[Key, NDArray[np.uint8]]]:
    index = MAPS.read(job.study.explanations / "index.parquet")
    first = index[(index[RUN] == BASELINE) & (index[METHOD] == job.settings.explain.methods[0]) & index[FILE].notna()]
    file_of = first.drop_duplicates(PHOTO_ID).set_index(PHOTO_ID)[FILE]
    for photo_id in ids:
        pixels = stored.shown(photo_id)
        if pixels is None:
            continue
        yield ("photo", photo_id), pixels
        if photo_id in file_of.index and stored.is_as_it_is(photo_id):
            with Image.open(job.study.explanations / file_of[photo_id]) as image:
                yield ("map", photo_id), np.asarray(image.convert("RGB"))


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)
