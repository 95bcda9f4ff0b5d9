"""The review list and the removal list for people: what was said, what is predicted, and why, in words."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from grasp_psonet.files import read_json
from grasp_psonet.report.lists import label_word
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.explain import followed_list
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    ATTENDED_PHOTO_ID,
    ATTENTION,
    CUTOFF_DISTANCE_READER1,
    KEPT,
    LABEL_READER1,
    LABEL_READER2,
    NUM_QUERIES,
    PATIENT_ID,
    PHOTO_ID,
    PREDICTED,
    RANK,
    READERS_DISAGREE,
    REASON,
    SCORE,
    TO_INSPECT,
    VIEW,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.audit import REVIEW
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION, PREDICTIONS


@dataclass(frozen=True)
class List:
    """A list of the report: its rows, and the photo that stands for each."""

    table: pd.DataFrame
    photo_ids: tuple[str, ...]


def review_list(job: Job) -> List:
    """Every audited visit, the first to be read again first."""
    review = REVIEW.read(job.study.audit / "review.parquet")
    said, apart = _baseline(job), _OutOfFold(job)
    rows = [_of_visit(job, row, apart) for row in review.to_dict("records")]
    photos = said[ATTENDED_PHOTO_ID].reindex(review[VISIT_ID])
    return List(pd.DataFrame(rows), tuple(photos.fillna("")))


def removal_list(job: Job) -> List | None:
    """The photos of the keep list that the study follows: that of the chosen run, or the longest (proposed); None without one.

    Those that would leave first stand first.
    """
    choice = read_json(job.study.evaluation / "choice.json")["run"]
    keep = followed_list(job, job.study.evaluation)
    if keep is None:
        return None
    gone = keep[~keep[KEPT]].sort_values([SCORE, PHOTO_ID])
    said, apart = _baseline(job), _OutOfFold(job)
    attention = PHOTO_ATTENTION.read(job.study.run(BASELINE) / "attention.parquet").set_index(PHOTO_ID)[ATTENTION]
    view, visits = job.cohort.photos.set_index(PHOTO_ID)[VIEW], job.cohort.visits.set_index(VISIT_ID)
    rows = []
    for row in gone.to_dict("records"):
        visit_id, label = row[VISIT_ID], visits[job.outcome.label_column][row[VISIT_ID]]
        rows.append(
            {
                PHOTO_ID: row[PHOTO_ID],
                VISIT_ID: visit_id,
                PATIENT_ID: visits[PATIENT_ID][visit_id],
                "status": "proposed, not chosen" if choice == BASELINE else "removed",
                VIEW: view[row[PHOTO_ID]],
                "label": label_word(label, job.outcome),
                PREDICTED: label_word(said[PREDICTED][visit_id], job.outcome),
                **apart.columns(visit_id, label),
                "influence_score": row[SCORE],
                **({} if job.has_one_ranking else {"errors_that_took_it": row[NUM_QUERIES]}),
                ATTENTION: attention.get(row[PHOTO_ID]),
                REASON: row[REASON],
            }
        )
    return List(pd.DataFrame(rows), tuple(gone[PHOTO_ID]))


class _OutOfFold:
    """What models that did not see a visit's patient say of it: means over the dealings to folds."""

    def __init__(self, job: Job) -> None:
        table = OUT_OF_FOLD.read(job.study.out_of_fold / "predictions.parquet")
        self._outcome = job.outcome
        names = job.outcome.probability_columns if job.outcome.is_ordinal else [SCORE]
        means = table.groupby(VISIT_ID)[[name for name in names if name in table]].mean()
        values_VK = means.to_numpy(dtype=float)
        self._said: dict[str, list[float]] = dict(zip(map(str, means.index), values_VK.tolist(), strict=True))

    def columns(self, visit_id: str, label: float) -> dict[str, Any]:
        """Of classes the likeliest, its probability, and that of the label; of a number the number."""
        said = self._said.get(visit_id)
        if not said:
            return {}
        if not self._outcome.is_ordinal:
            return {"out_of_fold": round(said[0], 1)}
        likeliest = max(range(len(said)), key=said.__getitem__)
        of_label = None if pd.isna(label) else round(said[int(label)], 3)
        return {
            "out_of_fold": self._outcome.classes[likeliest],
            "out_of_fold_probability": round(said[likeliest], 3),
            "out_of_fold_probability_of_label": of_label,
        }


def _baseline(job: Job) -> pd.DataFrame:
    return PREDICTIONS.read(job.study.run(BASELINE) / "predictions.parquet").set_index(VISIT_ID)


def _of_visit(job: Job, row: dict[Any, Any], apart: _OutOfFold) -> dict[str, Any]:
    ranking = job.settings.audit.ranking
    told = apart.columns(row[VISIT_ID], row[LABEL_READER1])
    return {
        RANK: row[RANK],
        "read_again": "yes" if row[TO_INSPECT] else "no",
        VISIT_ID: row[VISIT_ID],
        PATIENT_ID: row[PATIENT_ID],
        LABEL_READER1: label_word(row[LABEL_READER1], job.outcome),
        LABEL_READER2: label_word(row[LABEL_READER2], job.outcome),
        **{column: row.get(column) for column in job.outcome.score_columns},
        PREDICTED: label_word(row[PREDICTED], job.outcome),
        **told,
        f"score_{ranking}": row[ranking],
        REASON: _why(job, row, told),
    }


def _why(job: Job, row: dict[Any, Any], told: dict[str, Any]) -> str:
    """Why the visit stands where it stands, and what else speaks for another look."""
    label, ranking = label_word(row[LABEL_READER1], job.outcome), job.settings.audit.ranking
    reasons = [f"place {row[RANK]} by {ranking}"]
    if told.get("out_of_fold_probability_of_label") is not None and told["out_of_fold"] != label:
        p, of_label = told["out_of_fold_probability"], told["out_of_fold_probability_of_label"]
        said = f"{told['out_of_fold']} ({p:.2f} to {of_label:.2f})"
        reasons.append(f"read as {label}; models that did not see the patient say {said}")
    elif "out_of_fold" in told and not job.outcome.is_ordinal:
        reasons.append(f"read as {label}; models that did not see the patient say {told['out_of_fold']:.1f}")
    if row[READERS_DISAGREE] is True or row[READERS_DISAGREE] == 1:
        reasons.append("the readers disagree")
    distance, near = row.get(CUTOFF_DISTANCE_READER1), job.outcome.near_cutoff_points()
    if distance is not None and near is not None and distance <= near:
        reasons.append(f"{job.outcome.score_word} {distance:.1f} from a cut-off")
    return "; ".join(reasons)
